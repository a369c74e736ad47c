"""Acceptance of withholding: seeded secrets occur nowhere in what a capture hands to the bundle, however packed.

A page logs in by script (form, JSON, query, header, cookie, storage) and writes the secrets back in many spellings.
"""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import gzip
import html
import io
import json
import re
import threading
import urllib.parse
import zipfile
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle.warc import read_blocks
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import ChainWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import Capture

pytestmark = pytest.mark.browser

_COOKIE = "ck-9f8e7d6c/5b4a+="
_PASSWORD = 'pa"ss & <w0rd>-77'  # noqa: S105 - seeded
_QUERY = "qt-5566778899aabb"
_BEARER = "br-00112233445566"
_STORED = "st-cafebabe-31337"
_ALL = (_COOKIE, _PASSWORD, _QUERY, _BEARER, _STORED)

_PAGE = """<!doctype html><meta charset=utf-8><title>店 %(title)s</title><div id=out>公开内容</div>
<!-- %(comment)s --><a href="/next?back=%(percent)s">next</a><script>
const secret = %(json)s;
localStorage.setItem('session.token', '%(stored)s');
(async () => {
  await fetch('/login', {method: 'POST', body: new URLSearchParams({user: 'li', password: secret.password})});
  await fetch('/login', {method: 'POST', headers: {'Content-Type': 'application/json'},
                         body: JSON.stringify({user: 'li', new_password: secret.password})});
  const form = new FormData(); form.append('passwd', secret.password); form.append('note', 'kept');
  await fetch('/login', {method: 'POST', body: form});
  await fetch('/api?access_token=' + secret.query + '&page=2', {headers: {Authorization: 'Bearer ' + secret.bearer}});
  console.log('logged in with', secret.bearer, secret.password);
  const hidden = document.createElement('div'); hidden.hidden = true;
  hidden.textContent = Object.values(secret).join(' ') + ' %(stored)s'; hidden.title = secret.cookie;
  document.body.append(hidden);
})();
</script>"""


class _Login(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def _send(self, content_type: str, body: bytes) -> None:
        packed = gzip.compress(body)
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.send_header("Set-Cookie", f"sid={_COOKIE}; Path=/; HttpOnly")
        self.send_header("X-CSRF-Token", _QUERY)
        self.end_headers()
        self.wfile.write(packed)

    def do_GET(self) -> None:
        secret = {"cookie": _COOKIE, "password": _PASSWORD, "query": _QUERY, "bearer": _BEARER}
        if self.path.startswith("/api"):
            self._send("application/json", json.dumps({"ok": True, "echo": secret, "refresh_token": _BEARER}).encode())
            return
        page = _PAGE % {
            "title": _QUERY,
            "comment": html.escape(_PASSWORD),
            "percent": urllib.parse.quote(_COOKIE, safe=""),
            "json": json.dumps(secret).replace("<", "\\u003c"),
            "stored": _STORED,
        }
        self._send("text/html; charset=utf-8", page.encode())

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self._send("text/plain", b"welcome " + self.rfile.read(size))


def _capture(tmp_path: Path, *, include: bool, mode: Mode = Mode.STANDARD) -> Capture:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Login)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    request = CaptureRequest(
        urls=(f"http://127.0.0.1:{server.server_port}/",),
        mode=mode,
        allow_private=True,
        third_party=False,
        include_secrets=include,
    )
    worklog = ChainWriter(tmp_path / "worklog.jsonl", format_name="worklog", capture_id="ab" * 16)
    try:
        return asyncio.run(
            capture_session(
                request,
                capture_id="ab" * 16,
                staging=tmp_path / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
            )
        )
    finally:
        worklog.close()
        server.shutdown()
        server.server_close()
        thread.join()


def _everything(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file in every packing that it may be opened in."""
    yield name, data
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from _everything(f"{name}!{member}", archive.read(member))
    if data.startswith(b"\x1f\x8b"):
        plain = gzip.decompress(data)
        yield f"{name}!gunzip", plain
        yield from _coded(f"{name}!gunzip", plain)
    if name.endswith(".mhtml"):
        yield from _parts(name, data)
    if data.startswith(b"%PDF"):
        yield from _objects(name, data)


def _coded(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Bodies that an archive keeps as coded on the wire."""
    for match in re.finditer(rb"\x1f\x8b\x08", data):
        with suppress(zlib.error):
            yield f"{name}!{match.start()}", zlib.decompressobj(47).decompress(data[match.start() :])


def _parts(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    for part in email.message_from_bytes(data, policy=email.policy.HTTP).walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            yield f"{name}!{part['Content-Location']}", payload


def _objects(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Packed streams and UTF-16 strings of a PDF."""
    for match in re.finditer(rb"stream\r?\n", data):
        try:
            yield f"{name}!{match.start()}", zlib.decompressobj().decompress(data[match.end() :])
        except zlib.error:
            continue
    for match in re.finditer(rb"<((?:[0-9A-F]{4})+)>", data):
        yield f"{name}!{match.start()}", bytes.fromhex(match[1].decode()).decode("utf-16-be", "replace").encode()


def _spellings(value: str) -> Iterator[bytes]:
    yield from (
        text.encode()
        for text in {
            value,
            urllib.parse.quote(value, safe=""),
            urllib.parse.quote_plus(value),
            json.dumps(value)[1:-1],
            json.dumps(value)[1:-1].replace("<", "\\u003c"),
            html.escape(value),
            html.escape(value, quote=False),
            base64.b64encode(value.encode()).decode(),
        }
    )


def _leaks(files: dict[str, bytes]) -> set[tuple[str, str]]:
    return {
        (place, value)
        for name, data in files.items()
        for place, content in _everything(name, data)
        for value in _ALL
        if any(spelling in content for spelling in _spellings(value))
    }


def _files(tmp_path: Path, capture: Capture) -> dict[str, bytes]:
    files = {artifact.path: artifact.file.read_bytes() for artifact in capture.artifacts}
    files["worklog.jsonl"] = (tmp_path / "worklog.jsonl").read_bytes()
    files["manifest"] = repr((capture.pages, capture.transformations, capture.partial, capture.not_performed)).encode()
    return files


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.FORENSIC])
def test_no_secret_leaves_home(mode: Mode, tmp_path: Path) -> None:
    capture = _capture(tmp_path, include=False, mode=mode)
    files = _files(tmp_path, capture)
    assert _leaks(files) == set()
    assert set(capture.withheld) >= {"cookie", "password", "token"}
    with zipfile.ZipFile(io.BytesIO(files["capture/page.wacz"])) as archive:
        warc = archive.read("archive/data.warc.gz")
    blocks = {block.record_id: block for block in read_blocks(io.BytesIO(warc)) if block.record_id}
    opened = {record.id: record for record in capture.records if not record.withheld}
    assert set(blocks) == set(opened)
    assert all(blocks[record_id].digests == record.digests for record_id, record in opened.items())
    assert any(record_id.endswith(".public") for record_id in blocks)
    text = gzip.decompress(warc)
    assert b"kept" in text
    assert "公开内容".encode() in text
    assert {"capture/pages/0001/page.pdf", "capture/pages/0001/dom.html"} <= set(capture.private_files)
    assert capture.private_files, "the originals are kept for the holder"
    assert capture.finished_at <= datetime.now(UTC)


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.FORENSIC])
def test_included_secrets_are_there(mode: Mode, tmp_path: Path) -> None:
    capture = _capture(tmp_path, include=True, mode=mode)
    leaks = _leaks(_files(tmp_path, capture))
    found = {value for _, value in leaks}
    in_coded = {value for place, value in leaks if "data.warc.gz!gunzip!" in place}
    assert in_coded == (set() if mode is Mode.STANDARD else {_COOKIE, _PASSWORD, _QUERY, _BEARER, _STORED})
    assert found == set(_ALL), "the search of the other test finds what it looks for"
    assert capture.withheld == {}
