"""Serve the demonstration shop on loopback: the shop itself, and a second origin for its assets.

`http://127.0.0.1:<port>` has the page, its script and the product list; `http://localhost:<other port>`
has the stylesheet and the images, as a shop has a CDN. Only the packaged files are served.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_ASSETS_PLACEHOLDER = b"{{assets}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One file that is served: its bytes and their media type."""

    body: bytes
    media_type: str


@contextmanager
def serve_shop() -> Generator[str]:
    """Serve both origins while the context lasts, and yield the URL of the shop's page."""
    with ExitStack() as stack:
        assets = stack.enter_context(_serve(_load("assets")))
        origin = f"http://localhost:{assets}".encode("ascii")
        pages = {
            path: Page(body=page.body.replace(_ASSETS_PLACEHOLDER, origin), media_type=page.media_type)
            for path, page in _load("shop").items()
        }
        shop = stack.enter_context(_serve(pages))
        yield f"http://127.0.0.1:{shop}/"


def _load(folder: str) -> dict[str, Page]:
    pages = {}
    for file in files("evidencekit_cli.demo").joinpath(folder).iterdir():
        media_type = _TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            pages[f"/{file.name}"] = Page(body=file.read_bytes(), media_type=media_type)
    if "/index.html" in pages:
        pages["/"] = pages["/index.html"]
    return pages


@contextmanager
def _serve(pages: Mapping[str, Page]) -> Generator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "evidencekit-demo"
        sys_version = ""
        timeout = 10

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", page.media_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            """Keep the terminal for the capture."""

    return Handler
