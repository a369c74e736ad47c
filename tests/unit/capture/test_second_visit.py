"""A second capture of a page with an ETag: nothing comes from a cache, nothing asks whether it changed (R10, FM1)."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import ChainWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

CAPTURE_ID = "0123456789abcdef0123456789abcdef"
ASKED: list[tuple[str, str | None]] = []


class _Cacheable(BaseHTTPRequestHandler):
    """Everything may be cached for a day, and is confirmed with 304 to whoever holds it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_GET(self) -> None:
        held = self.headers.get("If-None-Match")
        ASKED.append((self.path, held))
        body = b"" if held else b"<!doctype html><title>t</title><p>page</p><img src=/p.svg>"
        if self.path == "/p.svg":
            body = b"" if held else b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
        self.send_response(304 if held else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Cache-Control", "max-age=86400")
        self.send_header("Content-Type", "image/svg+xml" if self.path == "/p.svg" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cacheable)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


def _visit(folder: Path, url: str) -> bytes:
    folder.mkdir()
    request = CaptureRequest(urls=(url,), allow_private=True, third_party=False, mode=Mode.FAST)
    with ChainWriter(folder / "worklog.jsonl", format_name="worklog", capture_id=CAPTURE_ID) as worklog:
        asyncio.run(
            capture_session(
                request,
                capture_id=CAPTURE_ID,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
            )
        )
    return (folder / "staging/bundle/capture/exchanges.jsonl").read_bytes()


def test_a_second_visit_is_as_fresh_as_the_first(site: str, tmp_path: Path) -> None:
    ASKED.clear()
    for visit in ("first", "second"):
        lines = [json.loads(line) for line in _visit(tmp_path / visit, site).splitlines()[1:]]
        exchanges = [each for each in lines if each["url"].startswith(site) and "favicon" not in each["url"]]
        assert {each["url"] for each in exchanges} == {site, f"{site}p.svg"}
        assert not any(each["from_cache"] or each["from_service_worker"] for each in exchanges)
        assert {each["response"]["status"] for each in exchanges} == {200}
    paths = [path for path, _ in ASKED if path != "/favicon.ico"]
    assert sorted(paths) == ["/", "/", "/p.svg", "/p.svg"], "each visit fetched everything itself"
    assert all(held is None for _, held in ASKED), "nobody asked whether something changed"
