"""The table of docs/fidelity.md: what each capture kept of what its server served."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.x509.handshake import check_handshake
from evidencekit.x509.handshakefile import parse_handshake
from tests.support.oracle.told import (
    done,
    lost,
    named,
    original,
    response_of,
    same_beside,
    same_fields,
    sent_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.oracle.answers import Fields
    from tests.support.oracle.servers import Served
    from tests.support.oracle.told import Record, Told

DOCS = Path(__file__).parents[3] / "docs"


def by_path(told: Told, path: str, method: str = "GET") -> list[tuple[Served, Record]]:
    asked = [each for each in told.served if (each.path.partition("?")[0], each.method) == (path, method)]
    return [(each, told.record_of(each)) for each in asked]


def h1_fields(told: Told) -> str:
    return answer_fields(told) if told.kind == "h1" else "not HTTP/1.1"


def h2_fields(told: Told) -> str:
    return "not HTTP/2, HTTP/3" if told.kind == "h1" else answer_fields(told)


def answer_fields(told: Told) -> str:
    """Answers as the server sent them, requests as it received them."""
    pairs = [(each, told.record_of(each)) for each in told.served]
    asked = request_fields(told)
    if all(original(record.response)[: len(each.answer.headers)] == sent_fields(each) for each, record in pairs):
        return asked
    kept = all(same_fields(told, each, record) for each, record in pairs)
    return f"{asked}; duplicates of answers stand together" if kept and asked != "NO" else "NO"


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
        size = response_of(record)["body_size"]
        if record.line["outcome"] == "recorded" and size is not None and size != len(each.answer.plain):
            return "NO"
    return "yes"


def on_the_wire(told: Told) -> str:
    kept = 0
    for each in told.served:
        wire = response_of(told.record_of(each)).get("wire")
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
    elsewhere = ("/elsewhere.html", "/from-elsewhere")
    found = [by_path(told, path) for path in (*paths, *elsewhere)]
    return "yes" if all(pairs and all(record.payload for _, record in pairs) for pairs in found) else "NO"


def methods(told: Told) -> str:
    asked = (("OPTIONS", "/options"), ("HEAD", "/head"), ("POST", "/beacon"), ("PUT", "/post"))
    return "yes" if all(by_path(told, path, method) for method, path in asked) else "NO"


def chain(told: Told) -> str:
    for verdict in told.network["certificates"]:
        received, verified = verdict["received"], verdict["verified"]
        assert isinstance(received, list)
        assert isinstance(verified, list)
        if received != verified[:1] or len(verified) != 2 or verdict["error"]:
            return "NO"
    return "received, verified, verdict" if told.network["certificates"] else "NO"


def peer(told: Told) -> str:
    address = str(told.records[0].line["remote_address"])
    same = all(each["address"] == address for each in told.network["requests"] if each["address"])
    return "peer, names" if same and told.network["dns"] else "NO"


def handshake(told: Told) -> str:
    files = list((told.folder / "capture/tls").glob("*.handshake.json"))
    if not files:
        return "no, named"
    proofs = []
    for path in files:
        file = parse_handshake(path.read_bytes(), path.name)
        proofs.append(check_handshake(file.messages, file.certificates))
    names = {proof.server_name for proof in proofs}
    return "yes" if all(proof.valid for proof in proofs) and "shop.test" in names else "NO"


def semantics(told: Told) -> str:
    return "yes" if told.state == done(told) else "NO"


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


def http3(told: Told) -> str:
    return protocol(told) if told.kind == "h3" else "not HTTP/3"


def cost(told: Told) -> str:
    """Time to the load event, recorded by bare, as docs/speed.md has it."""
    column = {"h2": 0, "h1": 1}.get(told.kind)
    if column is None:
        return "not measured"
    found = re.search(
        rf"^\| {told.mode.value} \| ([\d.]+) \| ([\d.]+) \|$", (DOCS / "speed.md").read_text(), re.MULTILINE
    )
    assert found is not None, "docs/speed.md has no figures of this mode"
    return f"× {found.groups()[column]}"


CHANNELS: tuple[tuple[str, Callable[[Told], str]], ...] = (
    ("h1 raw status and header fields (case, order, duplicates)", h1_fields),
    ("h2, h3 header order, duplicates", h2_fields),
    ("Set-Cookie, real Cookie sent", cookies),
    ("Body decoded", decoded),
    ("Body as on the wire (compressed)", on_the_wire),
    ("Redirect hop header fields / bodies", redirects),
    ("Aborted or partial body", aborted),
    ("WebSocket frames, SSE events", sockets_and_events),
    ("Service, shared and dedicated worker, OOPIF", workers),
    ("OPTIONS, HEAD, beacon", methods),
    ("Chain of *this* connection", chain),
    ("Peer IP and port, DNS answers", peer),
    ("Handshake re-verifiable offline", handshake),
    ("Page semantics unchanged", semantics),
    ("Client fingerprint", fingerprint),
    ("HTTP/3", http3),
    ("Secrets exposure", exposure),
    ("Cost (time to load, recorded ÷ bare)", cost),
)
"""One row for each row of the study of channels (capture.md §5.1), in its order."""


def coded(coding: str) -> Callable[[Told, Served], bool]:
    return lambda _, served: ("content-encoding", coding) in [(n.lower(), v) for n, v in served.answer.headers]


def status(*wanted: int) -> Callable[[Told, Served], bool]:
    return lambda _, served: served.answer.status in wanted


def method(*wanted: str) -> Callable[[Told, Served], bool]:
    return lambda _, served: served.method in wanted


def path(*wanted: str) -> Callable[[Told, Served], bool]:
    return lambda _, served: served.path.partition("?")[0] in wanted


def duplicated(_told: Told, served: Served) -> bool:
    names = [name.lower() for name, _ in served.answer.headers]
    return len(names) != len(set(names))


def unsized(_told: Told, served: Served) -> bool:
    return bool(served.answer.pieces) and "content-length" not in {name.lower() for name, _ in served.answer.headers}


FEATURES: tuple[tuple[str, Callable[[Told, Served], bool]], ...] = (
    ("gzip", coded("gzip")),
    ("br", coded("br")),
    ("zstd", coded("zstd")),
    ("of unknown length (chunked over h1)", unsized),
    ("trailers", lambda _, served: bool(served.answer.trailers)),
    ("103 before the answer", lambda _, served: bool(served.answer.hints)),
    ("duplicate header fields", duplicated),
    ("redirects", status(301, 302)),
    ("204", status(204)),
    ("206", status(206)),
    ("304", status(304)),
    ("404", status(404)),
    ("HEAD", method("HEAD")),
    ("OPTIONS", method("OPTIONS")),
    ("beacons", path("/beacon")),
    ("request bodies", lambda _, served: bool(served.body)),
    ("aborted by the page", lambda _, served: served.answer.aborts),
    ("WebSocket", status(101)),
    ("server-sent events", path("/events")),
    ("dedicated worker", path("/worker.js", "/from-worker")),
    ("shared worker", path("/shared.js", "/from-shared")),
    ("service worker", path("/sw.js", "/from-service-worker")),
    ("frame of another site (own process)", path("/elsewhere.html", "/from-elsewhere")),
    ("**all that was served**", lambda _told, _served: True),
)


def kept(wanted: Callable[[Told, Served], bool]) -> Callable[[Told], str]:
    """How many of the answers wanted were served, and how many are in the archive whole, in part, or named."""

    def cell(told: Told) -> str:
        pairs = [(each, told.record_of(each)) for each in told.served if wanted(told, each)]
        if not pairs:
            return "–"
        missing = sum(1 for _, record in pairs if named(record))
        part = sum(1 for _, record in pairs if record.line["outcome"] == "partial")
        unread = sum(
            1 for each, record in pairs if each.answer.trailers and response_of(record).get("trailers", 0) is None
        )
        if not all(record.warc for _, record in pairs) or not all(same_beside(told, *pair) for pair in pairs):
            return "NO"
        notes = [(part, "in part"), (missing, "body named missing"), (unread, "trailers named missing")]
        return "; ".join([f"{len(pairs)} of {len(pairs)}", *(f"{count} {note}" for count, note in notes if count)])

    return cell


def reused(told: Told) -> str:
    """Over a connection used before; how many is the browser's choice and differs from run to run."""
    found = [told.record_of(each) for each in told.served if each.reused]
    return "yes" if found and all(record.warc for record in found) else "NO"


def losses(told: Told) -> str:
    return str(len(list(lost(told))))


HEAD = """# What a capture keeps, measured against the server's own log

`tests/integration/test_oracle.py` serves one page over real TLS, captures it, and compares the bundle with what \
the server logged. It writes this page; a capture that keeps less fails the test. *named*: the ledger \
(`exchanges.jsonl`) says of each such exchange what is missing and why.

## By channel

A row for each row of the study of channels, in its order.

"""
BY_FEATURE = """
## By feature

How many answers the server gave, and how many of them have a record in the archive. *in part*: as much as came \
before the page ended it. Trailers and 103 stand in the ledger.

"""


def table(columns: Sequence[Told]) -> str:
    """The page."""
    rows = [(name, kept(wanted)) for name, wanted in FEATURES]
    rows.append(("over a connection used before (keep-alive)", reused))
    rows.append(("served, but in neither archive nor ledger", losses))
    return HEAD + _grid(columns, CHANNELS) + BY_FEATURE + _grid(columns, rows)


def _grid(columns: Sequence[Told], rows: Sequence[tuple[str, Callable[[Told], str]]]) -> str:
    heads = [f"{each.kind} {each.mode.value}" for each in columns]
    lines = [f"| | {' | '.join(heads)} |", f"|---{'|---' * len(heads)}|"]
    lines += [f"| {name} | {' | '.join(row(each) for each in columns)} |" for name, row in rows]
    return "\n".join(lines) + "\n"
