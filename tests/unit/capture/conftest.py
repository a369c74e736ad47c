"""A real Chromium on a debugging pipe, and a loopback server, for tests of what happens inside a page."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from evidencekit.model import JsonValue

_BROWSERS = ("/usr/lib/chromium/chromium", "chromium", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--window-size=1280,800",
)
_MESSAGE_BYTES = 512 << 20


class PipePage:
    """One page session of a browser: what the code under test calls `Cdp`."""

    def __init__(self, reader: asyncio.StreamReader, write_fd: int) -> None:
        self._reader = reader
        self._write_fd = write_fd
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Mapping[str, JsonValue]]] = {}
        self.session: str | None = None
        self.methods: list[str] = []

    async def listen(self) -> None:
        while True:
            try:
                raw = await self._reader.readuntil(b"\0")
            except asyncio.IncompleteReadError:
                return
            message = json.loads(raw[:-1])
            future = self._waiting.pop(message.get("id"), None)
            if future is None or future.done():
                continue
            if "error" in message:
                future.set_exception(BrowserError(str(message["error"]), ""))
            else:
                future.set_result(message["result"])

    async def call(
        self, method: str, params: Mapping[str, JsonValue] | None = None, *, timeout_s: float = 60.0
    ) -> Mapping[str, JsonValue]:
        self._last += 1
        self.methods.append(method)
        message: dict[str, JsonValue] = {"id": self._last, "method": method, "params": params or {}}
        if self.session is not None:
            message["sessionId"] = self.session
        future: asyncio.Future[Mapping[str, JsonValue]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        os.write(self._write_fd, json.dumps(message).encode() + b"\0")
        return await asyncio.wait_for(future, timeout_s)

    async def goto(self, url: str) -> None:
        await self.call("Page.navigate", {"url": url})
        for _ in range(200):
            result = await self.call("Runtime.evaluate", {"expression": "document.readyState + location.href"})
            value = result["result"]
            assert isinstance(value, dict)
            if str(value.get("value", "")).startswith("complete") and "about:blank" not in str(value.get("value")):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(url)

    async def evaluate(self, expression: str) -> JsonValue:
        result = (await self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True}))["result"]
        assert isinstance(result, dict)
        return result.get("value")


def _browser() -> str:
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is installed")


@asynccontextmanager
async def _open_page(flags: tuple[str, ...] = ()) -> AsyncIterator[PipePage]:
    profile = Path(tempfile.mkdtemp(prefix="ek-test-"))
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()

    def place() -> None:
        # The browser reads from 3 and writes to 4; go by way of high numbers, for the pipes may lie there already.
        high_in, high_out = 100, 101
        os.dup2(in_read, high_in)
        os.dup2(out_write, high_out)
        os.dup2(high_in, 3)
        os.dup2(high_out, 4)

    process = await asyncio.to_thread(
        subprocess.Popen,
        [_browser(), *_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=place,
        close_fds=False,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(in_read)
    os.close(out_write)
    reader = asyncio.StreamReader(limit=_MESSAGE_BYTES)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(out_read, "rb", buffering=0)
    )
    page = PipePage(reader, in_write)
    listening = asyncio.create_task(page.listen())
    try:
        targets = (await page.call("Target.getTargets"))["targetInfos"]
        assert isinstance(targets, list)
        target = next(t["targetId"] for t in targets if isinstance(t, dict) and t["type"] == "page")
        session = (await page.call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        assert isinstance(session, str)
        page.session = session
        page.methods.clear()
        yield page
    finally:
        listening.cancel()
        transport.close()
        os.close(in_write)
        process.kill()
        await asyncio.to_thread(process.wait)
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def open_page() -> Callable[..., object]:
    """Open a `PipePage` in a fresh browser, as an async context."""
    return _open_page


@pytest.fixture
def serve_pages() -> Callable[..., object]:
    """Serve what `answer(path)` gives (status, content type, body) on loopback, as a context giving the base URL."""

    @contextmanager
    def serve(answer: Callable[[str], tuple[int, str, bytes]]) -> Iterator[str]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content_type, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return serve
