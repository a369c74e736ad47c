"""What a capture of the oracle's page holds, put beside what its server served."""

from __future__ import annotations

import asyncio
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warcio.archiveiterator import ArchiveIterator

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support.oracle.servers import Served, serving
from tests.support.preserved import trusted_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import Capture, CaptureRoot
    from tests.support.oracle.answers import Fields

SAID = (
    "another site,redirect,post,head,options,empty,missing,range,duplicates,chunked,trailers,hints,fresh,confirmed,"
    "cached,cached again,blob,put,beacon,events,abort,cookie,cookie sent,worker,{}shared worker,service worker"
)


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
            and not (each.line["from_cache"] and response_of(each)["status"] != 304)
        ]
        place = next(n for n, twin in enumerate(twins) if twin is served)
        assert len(lines) > place, f"{served.method} {served.path} was served, and no exchange names it"
        return lines[place]


def response_of(record: Record) -> dict[str, object]:
    found = record.line["response"]
    assert isinstance(found, dict), record.line
    return found


def take(kind: str, mode: Mode, folder: Path, path: str = "/") -> Told:
    trusted_context(folder)
    with serving(folder / "server.pem", kind) as (port, served):
        rules = [f"--origin-to-force-quic-on=shop.test:{port},cdn.test:{port}"] if kind == "h3" else []
        capture = record(f"https://shop.test:{port}{path}", mode, folder, *rules)
    bundle = folder / "staging/bundle"
    return Told(
        kind=kind,
        mode=mode,
        capture=capture,
        folder=bundle,
        served=served,
        records=_records(bundle),
        state=state_of(bundle),
    )


def record(url: str, mode: Mode, folder: Path, *rules: str) -> Capture:
    """Capture an address of one of the names below into `folder/staging/bundle`, secrets included."""
    worklog = ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32)
    names = "--host-resolver-rules=MAP shop.test 127.0.0.1,MAP cdn.test 127.0.0.1"
    roots: list[CaptureRoot] = []
    capture = asyncio.run(
        capture_session(
            CaptureRequest(urls=(url,), mode=mode, allow_private=True, include_secrets=True),
            capture_id="0" * 32,
            staging=folder / "staging",
            worklog=worklog,
            on_root=lambda root, _: roots.append(root),
            options=BrowserOptions(extra_args=(names, *rules), home=folder / "browserhome"),
        )
    )
    worklog.close()
    return capture


def state_of(bundle: Path) -> str:
    """What the page said of itself when it was recorded."""
    state = re.search(r'<p id="state">([^<]*)', (bundle / "capture/pages/0001/dom.html").read_text())
    return state[1] if state else ""


def lines_of(bundle: Path) -> list[dict[str, object]]:
    """The exchanges that the bundle lists."""
    return [json.loads(line) for line in (bundle / "capture/exchanges.jsonl").read_bytes().splitlines()[1:]]


def _records(bundle: Path) -> list[Record]:
    records = {str(line["id"]): Record(line=line) for line in lines_of(bundle)}
    with zipfile.ZipFile(bundle / "capture/page.wacz") as wacz, wacz.open("archive/data.warc.gz") as stream:
        for found in ArchiveIterator(stream, no_record_parse=True):
            if found.rec_type not in {"request", "response"}:
                continue
            record = records[found.rec_headers.get_header("WARC-Evidence-Record").partition(".")[0]]
            head, _, body = found.raw_stream.read().partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode("utf-8", "surrogateescape").split("\r\n")[1:]]
            fields = [(name, value) for name, _, value in lines]
            if found.rec_type == "request":
                record.request, record.request_body = fields, body
            else:
                record.response, record.payload = fields, body
                for name, value in found.rec_headers.headers:
                    record.warc.setdefault(name, []).append(value)
    return list(records.values())


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


def lost(told: Told) -> Iterator[str]:
    """Everything that was served and is neither in the archive nor named as missing."""
    for served in told.served:
        record = told.record_of(served)
        where = f"{told.kind} {told.mode.value} {served.method} {served.path}"
        line = record.line
        if response_of(record)["status"] != served.answer.status:
            yield f"{where}: status {response_of(record)['status']} instead of {served.answer.status}"
        if not same_fields(told, served, record):
            yield f"{where}: header fields {original(record.response)} instead of {sent_fields(served)}"
        if not same_beside(told, served, record):
            yield f"{where}: trailers or hints {response_of(record)} instead of {served.answer}"
        if record.request_body != served.body:
            yield f"{where}: request body {record.request_body!r} instead of {served.body!r}"
        if not (named(record) or same_body(told, served, record)):
            yield f"{where}: body of {len(record.payload)} bytes instead of {served.sent}, {line['outcome']}"


def done(told: Told) -> str:
    """What the page says when all it tried went as it does unrecorded."""
    return SAID.format("socket," if told.kind == "h1" else "")


def same_fields(told: Told, served: Served, record: Record) -> bool:
    received, sent = original(record.response), sent_fields(served)
    if len(received) == len(sent) + 1 and received[-1][0] == "Content-Length":
        received = received[:-1]  # ours: an answer of known size that had no length
    if told.kind == "h2" and told.mode is Mode.STANDARD:
        return received == grouped(sent)
    return received == sent


def named(record: Record) -> bool:
    """Whether the ledger says that the body is missing, and why."""
    return record.line["outcome"] == "not-retrievable" and record.line["reason"] is not None


def same_beside(told: Told, served: Served, record: Record) -> bool:
    """Trailers and interim answers; trailers that HTTP/1.1 sends are read from the connection, in forensic mode."""
    response = response_of(record)
    hints = [{"status": 103, "headers": [list(pair) for pair in served.answer.hints]}] if served.answer.hints else []
    trailers: object = [list(pair) for pair in served.answer.trailers]
    if any(name.lower() == "trailer" for name, _ in served.answer.headers):
        unread = (told.kind == "h1" and told.mode is Mode.STANDARD) or not served.answer.trailers
        trailers = None if unread else trailers
    return response.get("trailers", []) == trailers and response.get("interim", []) == hints


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
