"""Serve a witness over HTTP: `POST /add-checkpoint`, `GET /<hex SHA-256 of origin>/checkpoint`.

Put a TLS-terminating server before it when it faces the Internet; the cosignatures protect themselves.
"""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from evidencekit.errors import EvidenceError, StorageError
from evidencekit.ledger.witness import MAX_BODY_BYTES, Reply, Witness, describe

if TYPE_CHECKING:
    from typing import Self

MAX_CONNECTIONS: Final = 64
READ_TIMEOUT_S: Final = 30.0
_LAST: Final = re.compile(r"/([0-9a-f]{64})/checkpoint")


class WitnessServer(ThreadingHTTPServer):
    """A witness on a TCP port; `serve_forever` runs it, `shutdown` ends it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, witness: Witness, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on `host` and `port`, 0 for any free one.

        Raises:
            StorageError: the address cannot be used.
        """
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__((host, port), type("_BoundHandler", (_Handler,), {"witness": witness}))
        except OSError as error:
            raise StorageError(
                f"The witness cannot listen on {host}:{port} ({error.strerror}); choose another address.",
                f"见证者无法监听 {host}:{port}({error.strerror})；请另选地址。",
            ) from error

    @property
    def url(self) -> str:
        """The submission prefix."""
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer one connection, of at most 64 at a time."""
        with self._slots:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="evidencekit-witness", daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    witness: Witness
    timeout = READ_TIMEOUT_S
    server_version = "evidencekit-witness"
    sys_version = ""

    def do_POST(self) -> None:
        """Answer add-checkpoint."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self._answer(Reply(status=404, body=b"not found\n"))
        elif not length.isascii() or not length.isdigit() or len(length) > len(str(MAX_BODY_BYTES)):
            self._answer(Reply(status=411, body=b"Content-Length is missing or too large\n"))
        elif int(length) > MAX_BODY_BYTES:
            self._answer(Reply(status=413, body=b"too large\n"))
        else:
            self._answer(self._add(self.rfile.read(int(length))))

    def do_GET(self) -> None:
        """Answer for the last cosigned checkpoint of a log."""
        match = _LAST.fullmatch(self.path)
        self._answer(self.witness.last(match[1]) if match else Reply(status=404, body=b"not found\n"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing: a library has no voice of its own."""

    def _add(self, body: bytes) -> Reply:
        try:
            return self.witness.add_checkpoint(body)
        except EvidenceError as error:
            return describe(error)

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = True
