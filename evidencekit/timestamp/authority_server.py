"""Serve the embedded TSA over HTTP (RFC 3161 §3.4): `POST` of application/timestamp-query, on loopback by default.

Whoever can reach it gets tokens of a self-issued policy: they say that this machine's clock showed that time.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from evidencekit.errors import StorageError
from evidencekit.timestamp.query import MAX_QUERY_BYTES

if TYPE_CHECKING:
    from typing import Self

    from evidencekit.timestamp.authority import Authority

MAX_CONNECTIONS: Final = 64
READ_TIMEOUT_S: Final = 30.0
_QUERY_TYPE: Final = "application/timestamp-query"
_REPLY_TYPE: Final = "application/timestamp-reply"


class AuthorityServer(ThreadingHTTPServer):
    """A TSA on a TCP port; `serve_forever` runs it, `shutdown` ends it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, authority: Authority, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on `host` and `port`, 0 for any free one.

        Raises:
            StorageError: the address cannot be used.
        """
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__((host, port), type("_BoundHandler", (_Handler,), {"authority": authority}))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StorageError(
                f"The TSA cannot listen on {host}:{port} ({reason}); choose another address.",
                f"时间戳服务无法监听 {host}:{port}({reason})；请另选地址。",
            ) from error

    @property
    def url(self) -> str:
        """Where to send queries."""
        return f"http://{self.server_address[0]!s}:{self.server_port}/"

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer one connection, of at most 64 at a time."""
        with self._slots:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="evidencekit-tsa", daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    authority: Authority
    timeout = READ_TIMEOUT_S
    server_version = "evidencekit-tsa"
    sys_version = ""

    def do_POST(self) -> None:
        """Answer a query; one that cannot be served gets a TimeStampResp that says why."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != _QUERY_TYPE:
            self._answer(415, f"send {_QUERY_TYPE}\n".encode(), "text/plain")
        elif not length.isascii() or not length.isdigit() or len(length) > len(str(MAX_QUERY_BYTES)):
            self._answer(411, b"Content-Length is missing or too large\n", "text/plain")
        elif int(length) > MAX_QUERY_BYTES:
            self._answer(413, b"too large\n", "text/plain")
        else:
            self._answer(200, self.authority.reply(self.rfile.read(int(length))), _REPLY_TYPE)

    def do_GET(self) -> None:
        """Tell a browser what this is."""
        self._answer(405, f"POST an RFC 3161 query as {_QUERY_TYPE}\n".encode(), "text/plain")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing: a library has no voice of its own."""

    def _answer(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True
