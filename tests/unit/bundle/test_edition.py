"""An archive without some records: nor does its index tell what a withheld request asked."""

from __future__ import annotations

import gzip
import json
import uuid
import zipfile
from typing import TYPE_CHECKING

from evidencekit.bundle.edition import reduce_wacz

if TYPE_CHECKING:
    from pathlib import Path


def record(kind: str, record_id: str) -> bytes:
    block = b"HTTP/1.1 200 OK\r\n\r\nx" if kind == "response" else b"POST / HTTP/1.1\r\n\r\nsecret"
    name = uuid.uuid5(uuid.NAMESPACE_URL, record_id)
    fields = (
        f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{name}>\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"WARC-Evidence-Record: {record_id}\r\nContent-Type: application/http; msgtype={kind}\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(fields.encode() + block + b"\r\n\r\n", mtime=0)


def test_the_index_does_not_tell_what_a_withheld_request_asked(tmp_path: Path) -> None:
    warc, lines = b"", b""
    for number in (1, 2):
        answer, asked = record("response", f"{number:06d}.response"), record("request", f"{number:06d}.request")
        entry = {"filename": "data.warc.gz", "offset": str(len(warc)), "requestBody": f"q=secret{number}"}
        lines += f"test,x)/{number} 20260101000000 {json.dumps(entry)}\n".encode()
        warc += answer + asked
    with zipfile.ZipFile(tmp_path / "in.wacz", "w") as made:
        for name, data in (
            ("archive/data.warc.gz", warc),
            ("indexes/index.cdxj", lines),
            ("pages/pages.jsonl", b"{}\n"),
            ("datapackage.json", b'{"resources":[]}'),
        ):
            made.writestr(name, data)
    assert reduce_wacz(tmp_path / "in.wacz", tmp_path / "out.wacz", {"000001.request"}) == 1
    with zipfile.ZipFile(tmp_path / "out.wacz") as reduced:
        index = reduced.read("indexes/index.cdxj").decode()
    assert "secret1" not in index
    assert index.count("secret2") == 1
    assert len(index.splitlines()) == 2
