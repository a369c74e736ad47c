"""The server's own log is the oracle: every byte served over real TLS is in the archive or named in the ledger.

One page that does everything, over HTTP/1.1, HTTP/2 and HTTP/3, in standard and forensic mode. What each capture kept
becomes the table of docs/fidelity.md, a row for each row of the study of channels; the test compares it with the page.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from warcio.archiveiterator import ArchiveIterator

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from evidencekit.x509.handshake import check_handshake
from evidencekit.x509.handshakefile import parse_handshake
from tests.support.oracle.servers import Served, serving
from tests.support.preserved import trusted_context
from tests.support.replay import replaying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidencekit.model import Capture, CaptureRoot

# What its module makes is made once: one worker runs it whole.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("oracle")]

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
KINDS = ("h1", "h2", "h3")
MODES = (Mode.STANDARD, Mode.FORENSIC)
SAID = (
    "redirect,post,head,options,empty,missing,range,duplicates,chunked,trailers,fresh,confirmed,cached,cached again,"
    "blob,put,beacon,events,abort,cookie,cookie sent,worker,{}shared worker,service worker"
)
Fields = list[tuple[str, str]]


@dataclass(kw_only=True)
class Record:
    """One exchange as the bundle holds it: its line, and its blocks in the archive."""

    line: dict[str, object]
    request: Fields = field(default_factory=list)
    request_body: bytes = b""
    response: Fields = field(default_factory=list)
    payload: bytes = b""
    warc: dict[str, list[str]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Told:
    """What the server served and what one capture of it holds."""

    kind: str
    mode: Mode
    capture: Capture
    folder: Path
    served: list[Served]
    records: list[Record]
    state: str

    @property
    def network(self) -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = json.loads((self.folder / "capture/network.json").read_bytes())
        return found

    def record_of(self, served: Served) -> Record:
        """The record of what was served: the n-th answer of this method and path is the n-th such line."""
        twins = [each for each in self.served if (each.method, each.path) == (served.method, served.path)]
        lines = [
            each
            for each in self.records
            if (each.line["method"], re.sub(r"^\w+://[^/]+", "", str(each.line["url"]))) == (served.method, served.path)
            and not (each.line["from_cache"] and _response(each)["status"] != 304)
        ]
        place = next(n for n, twin in enumerate(twins) if twin is served)
        assert len(lines) > place, f"{served.method} {served.path} was served, and no exchange names it"
        return lines[place]


def _response(record: Record) -> dict[str, object]:
    found = record.line["response"]
    assert isinstance(found, dict), record.line
    return found


def _told(kind: str, mode: Mode, folder: Path) -> Told:
    trusted_context(folder)
    with serving(folder / "server.pem", kind) as (port, served):
        rules = ["--host-resolver-rules=MAP shop.test 127.0.0.1"]
        if kind == "h3":
            rules.append(f"--origin-to-force-quic-on=shop.test:{port}")
        worklog = ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32)
        roots: list[CaptureRoot] = []
        capture = asyncio.run(
            capture_session(
                CaptureRequest(
                    urls=(f"https://shop.test:{port}/",), mode=mode, allow_private=True, include_secrets=True
                ),
                capture_id="0" * 32,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda root, _: roots.append(root),
                options=BrowserOptions(extra_args=tuple(rules), home=folder / "browserhome"),
            )
        )
        worklog.close()
    bundle = folder / "staging/bundle"
    state = re.search(r'<p id="state">([^<]*)', (bundle / "capture/pages/0001/dom.html").read_text())
    return Told(
        kind=kind,
        mode=mode,
        capture=capture,
        folder=bundle,
        served=served,
        records=_records(bundle),
        state=state[1] if state else "",
    )


def _records(bundle: Path) -> list[Record]:
    lines = [json.loads(line) for line in (bundle / "capture/exchanges.jsonl").read_bytes().splitlines()[1:]]
    records = {line["id"]: Record(line=line) for line in lines}
    with zipfile.ZipFile(bundle / "capture/page.wacz") as wacz, wacz.open("archive/data.warc.gz") as stream:
        for found in ArchiveIterator(stream, no_record_parse=True):
            if found.rec_type not in {"request", "response"}:
                continue
            record = records[found.rec_headers.get_header("WARC-Evidence-Record").partition(".")[0]]
            head, _, body = found.raw_stream.read().partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            fields = [(name, value) for name, _, value in lines]
            if found.rec_type == "request":
                record.request, record.request_body = fields, body
            else:
                record.response, record.payload = fields, body
                for name, value in found.rec_headers.headers:
                    record.warc.setdefault(name, []).append(value)
    return list(records.values())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Mode], Told]:
    return {
        (kind, mode): _told(kind, mode, tmp_path_factory.mktemp(f"{kind}-{mode.value}"))
        for kind in KINDS
        for mode in MODES
    }


def original(fields: Fields) -> Fields:
    """Header fields of a block as they were received: framing fields under their names, our own length left out."""
    renamed = any(name.lower().startswith("x-orig-content-length") for name, _ in fields)
    codings = any(name.lower() in {"x-orig-transfer-encoding", "x-orig-content-encoding"} for name, _ in fields)
    kept = fields[:-1] if (renamed or codings) and fields[-1][0] == "Content-Length" else fields
    return [(re.sub(r"(?i)^x-orig-", "", name), value) for name, value in kept]


def grouped(fields: Fields) -> Fields:
    """Duplicates of a name put behind its first occurrence, which is how Chromium keeps HTTP/2 fields."""
    order = list(dict.fromkeys(name for name, _ in fields))
    return [pair for name in order for pair in fields if pair[0] == name]


def sent_fields(served: Served) -> Fields:
    """What the server sent; a length that we add to an answer without one does not count."""
    return list(served.answer.headers)


# --- the oracle --------------------------------------------------------------------------------


def lost(told: Told) -> Iterator[str]:
    """Everything that was served and is neither in the archive nor named as missing."""
    for served in told.served:
        record = told.record_of(served)
        where = f"{told.kind} {told.mode.value} {served.method} {served.path}"
        line = record.line
        if _response(record)["status"] != served.answer.status:
            yield f"{where}: status {_response(record)['status']} instead of {served.answer.status}"
        if not same_fields(told, served, record):
            yield f"{where}: header fields {original(record.response)} instead of {sent_fields(served)}"
        if record.request_body != served.body:
            yield f"{where}: request body {record.request_body!r} instead of {served.body!r}"
        if line["outcome"] == "not-retrievable":
            if line["reason"] is None:
                yield f"{where}: not retrievable for no reason"
        elif not same_body(told, served, record):
            yield f"{where}: body of {len(record.payload)} bytes instead of {served.sent}, {line['outcome']}"


def same_fields(told: Told, served: Served, record: Record) -> bool:
    received, sent = original(record.response), sent_fields(served)
    if len(received) == len(sent) + 1 and received[-1][0] == "Content-Length":
        received = received[:-1]  # ours: an answer of known size that had no length
    if told.kind == "h2" and told.mode is Mode.STANDARD:
        return received == grouped(sent)
    return received == sent


def same_body(told: Told, served: Served, record: Record) -> bool:
    if served.method == "HEAD" or served.answer.status in {204, 304}:
        return record.payload == b""
    whole = served.answer.plain
    if told.mode is Mode.FORENSIC:
        whole = served.answer.wire
        if ("content-encoding", "zstd") in [(name.lower(), value) for name, value in served.answer.headers]:
            apart = told.folder / f"capture/wire/{record.line['id']}.zst"
            return record.payload == served.answer.plain and apart.read_bytes() == whole
    if record.line["outcome"] == "partial":
        return bool(record.payload) and whole.startswith(record.payload)
    return record.payload == whole


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_served_is_lost(kind: str, mode: Mode, told: dict[tuple[str, Mode], Told]) -> None:
    found = told[kind, mode]
    assert list(lost(found)) == []
    # The other way round: nothing is claimed to have travelled that was not served.
    travelled = [each for each in found.records if not (each.line["from_cache"] and _response(each)["status"] != 304)]
    assert len(travelled) == len(found.served)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_does_what_it_does_unrecorded(kind: str, mode: Mode, told: dict[tuple[str, Mode], Told]) -> None:
    assert told[kind, mode].state == SAID.format("socket," if kind == "h1" else "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_accounts_agree(kind: str, told: dict[tuple[str, Mode], Told]) -> None:
    for mode in MODES:
        network = told[kind, mode].network
        assert network["unmatched"] == []
        assert network["only_here"] == []
        assert network["missing_events"] == []
        assert network["complete"]


@pytest.mark.parametrize("mode", MODES)
def test_replay_shows_what_was_coded_in_every_way(
    mode: Mode, told: dict[tuple[str, Mode], Told], replayer: Path, tmp_path: Path
) -> None:
    found = told["h2", mode]
    address = str(found.records[0].line["url"])
    with replaying((found.folder / "capture/page.wacz").read_bytes(), address, replayer, tmp_path) as find:
        frame = find("明前龙井")  # the page itself is coded with br
        assert frame is not None
        frame.wait_for_function("window.ran_br && window.ran_zstd", timeout=30_000)
        # Its style sheet is coded with gzip; its pictures are not coded.
        assert frame.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(34, 102, 51)"
        frame.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)", timeout=30_000)


# --- the table ---------------------------------------------------------------------------------


def by_path(told: Told, path: str, method: str = "GET") -> list[tuple[Served, Record]]:
    asked = [each for each in told.served if (each.path.partition("?")[0], each.method) == (path, method)]
    return [(each, told.record_of(each)) for each in asked]


def status_and_fields(told: Told) -> str:
    pairs = [(each, told.record_of(each)) for each in told.served]
    if all(original(record.response)[: len(each.answer.headers)] == sent_fields(each) for each, record in pairs):
        return "yes"
    kept = all(same_fields(told, each, record) for each, record in pairs)
    return "yes; duplicates stand together" if kept else "NO"


def joined_cookies(fields: Fields) -> Fields:
    """HTTP/2 and HTTP/3 send a cookie field in crumbs (RFC 9113 §8.2.3); the log joins them where the first stood."""
    crumbs = [value for name, value in fields if name == "cookie"]
    joined: Fields = []
    for name, value in fields:
        if name != "cookie":
            joined.append((name, value))
        elif crumbs:
            joined.append((name, "; ".join(crumbs)))
            crumbs = []
    return joined


def request_fields(told: Told) -> str:
    for each in told.served:
        record = told.record_of(each)
        sent = [tuple(pair) for pair in record.line["request"]["headers"]]  # type: ignore[index]
        if sent != joined_cookies(each.fields):
            return "NO"
    return "yes" if told.kind == "h1" else "yes; cookie crumbs joined"


def cookies(told: Told) -> str:
    ((_, setting),) = by_path(told, "/cookie")
    ((back, returned),) = by_path(told, "/cookie/back")
    were_set = [value for name, value in setting.response if name.lower() == "set-cookie"]
    sent = [value for name, value in returned.request if name.lower() == "cookie"]
    received = [value for name, value in back.fields if name.lower() == "cookie"]
    return "yes" if len(were_set) == 2 and "; ".join(sent) == "; ".join(received) != "" else "NO"


def decoded(told: Told) -> str:
    for each in told.served:
        record = told.record_of(each)
        size = _response(record)["body_size"]
        if record.line["outcome"] == "recorded" and size is not None and size != len(each.answer.plain):
            return "NO"
    return "yes"


def on_the_wire(told: Told) -> str:
    kept = 0
    for each in told.served:
        wire = _response(told.record_of(each)).get("wire")
        if isinstance(wire, dict):
            if wire["sha256"] != hashlib.sha256(each.answer.wire[: int(wire["size"])]).hexdigest():
                return "NO"
            kept += 1
    return "yes" if kept > 20 else "no"


def redirects(told: Told) -> str:
    hops = [*by_path(told, "/redirect/1"), *by_path(told, "/redirect/2")]
    heads = all(same_fields(told, each, record) for each, record in hops)
    bodies = all(record.payload == each.answer.wire for each, record in hops)
    return f"{'yes' if heads else 'NO'} / {'yes' if bodies else 'no, named'}"


def aborted(told: Told) -> str:
    ((_, record),) = by_path(told, "/slow")
    return "yes, partial" if record.payload.startswith(b"first part") and record.line["outcome"] == "partial" else "NO"


def sockets_and_events(told: Told) -> str:
    ((_, events),) = by_path(told, "/events")
    if b"data: one\n\ndata: two\n\n" not in events.payload:
        return "NO"
    if told.kind != "h1":
        return "events"
    frames = [json.loads(line) for line in (told.folder / "capture/websockets.jsonl").read_bytes().splitlines()]
    texts = [frame["payload"].encode() for frame in frames if frame["opcode"] == 1]
    ((served, _),) = by_path(told, "/socket")
    return "frames, events" if texts == served.frames else "NO"


def workers(told: Told) -> str:
    paths = ("/worker.js", "/from-worker", "/shared.js", "/from-shared", "/sw.js", "/from-service-worker")
    return "yes" if all(record.payload for path in paths for _, record in by_path(told, path)) else "NO"


def methods(told: Told) -> str:
    asked = (("OPTIONS", "/options"), ("HEAD", "/head"), ("POST", "/beacon"), ("PUT", "/post"))
    return "yes" if all(by_path(told, path, method) for method, path in asked) else "NO"


def chain(told: Told) -> str:
    (verdict,) = told.network["certificates"]
    received, verified = verdict["received"], verdict["verified"]
    assert isinstance(received, list)
    assert isinstance(verified, list)
    right = received == verified[:1] and len(verified) == 2 and not verdict["error"]
    return "received, verified, verdict" if right else "NO"


def peer(told: Told) -> str:
    address = str(told.records[0].line["remote_address"])
    same = all(each["address"] == address for each in told.network["requests"] if each["address"])
    return "peer, names" if same and told.network["dns"] else "NO"


def handshake(told: Told) -> str:
    files = list((told.folder / "capture/tls").glob("*.handshake.json"))
    if not files:
        return "no, named"
    file = parse_handshake(files[0].read_bytes(), files[0].name)
    proof = check_handshake(file.messages, file.certificates)
    return "yes" if proof.valid and proof.server_name == "shop.test" else "NO"


def semantics(told: Told) -> str:
    return "yes" if told.state == SAID.format("socket," if told.kind == "h1" else "") else "NO"


def fingerprint(told: Told) -> str:
    first = told.served[0].fields
    if told.kind == "h1":
        return "native" if first[0][0] == "Host" else "NO"
    return "native" if [name for name, _ in first[:4]] == [":method", ":authority", ":scheme", ":path"] else "NO"


def protocol(told: Told) -> str:
    wanted = {"h1": "http/1.1"}.get(told.kind, told.kind)
    fields = [each.warc for each in told.records if each.warc]
    named = all(each["WARC-Protocol"] == [wanted, "tls/1.3"] and each["WARC-Cipher-Suite"] for each in fields)
    return f"{wanted}, tls/1.3, suite" if named and all(each.protocol == wanted for each in told.served) else "NO"


def exposure(told: Told) -> str:
    inside = [each.path for each in told.capture.artifacts if "netlog" in each.path]
    return "log private only" if not inside and "netlog.json" in told.capture.private_files else "NO"


ROWS = (
    ("Status and header fields of answers: case, order, duplicates", status_and_fields),
    ("Header fields of requests as the server received them, in order", request_fields),
    ("`Set-Cookie`, real `Cookie` sent", cookies),
    ("Body decoded", decoded),
    ("Body as on the wire", on_the_wire),
    ("Redirect hops: header fields / bodies", redirects),
    ("Aborted body", aborted),
    ("WebSocket frames, server-sent events", sockets_and_events),
    ("Dedicated, shared and service workers, frames", workers),
    ("OPTIONS, HEAD, beacon, PUT", methods),
    ("Certificate chain of this connection", chain),
    ("Peer address, names resolved", peer),
    ("Handshake re-verifiable offline", handshake),
    ("Page does what it does unrecorded", semantics),
    ("Client fingerprint", fingerprint),
    ("Protocol named in the archive", protocol),
    ("Secrets of the network log", exposure),
)

HEAD = """# What a capture keeps, measured against the server's own log

`tests/integration/test_oracle.py` serves one page over real TLS, captures it, and compares the bundle with what \
the server logged. It writes this table; a capture that keeps less fails the test. *no, named*: the ledger says of \
each such exchange that it is missing and why.

"""


def table(told: dict[tuple[str, Mode], Told]) -> str:
    columns = [told[kind, mode] for kind in KINDS for mode in MODES]
    heads = [f"{each.kind} {each.mode.value}" for each in columns]
    lines = [f"| | {' | '.join(heads)} |", f"|---{'|---' * len(heads)}|"]
    lines += [f"| {name} | {' | '.join(row(each) for each in columns)} |" for name, row in ROWS]
    return HEAD + "\n".join(lines) + "\n"


def test_the_table_is_what_the_captures_kept(told: dict[tuple[str, Mode], Told]) -> None:
    found = table(told)
    if os.environ.get("EVIDENCEKIT_WRITE_FIDELITY"):
        PAGE.write_text(found, encoding="utf-8")
    assert "NO" not in re.findall(r"\bNO\b", found)
    assert PAGE.read_text(encoding="utf-8") == found
