"""Loopback sites to capture: pages, refusals, downloads, silence; over HTTP, or TLS with a certificate of its own."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

PAGE = (
    b"<!doctype html><html lang=zh><meta charset=utf-8><title>Shop</title>"
    b"<h1>\xe5\x95\x86\xe5\xba\x97 A shop</h1><p>One hundred lamps at ten yuan each.</p>"
)
Answer = tuple[int, "Mapping[str, str]", bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}


def page(_path: str) -> Answer:
    """Answer every path with one small page."""
    return 200, HTML, PAGE


def status_page(status: int) -> Callable[[str], Answer]:
    """Answer with an error page."""
    return lambda _path: (status, HTML, b"<!doctype html><title>Sorry</title><h1>This is not here, sorry.</h1>")


def circle(_path: str) -> Answer:
    """Answer with a page that leads to the next one before anybody sees it."""
    return 200, HTML, b"<!doctype html><p>on and on<script>location.href = '/' + Math.random()</script>"


def frames(path: str) -> Answer:
    """Answer with a page of frames, as they were made in the nineties."""
    if path == "/":
        return 200, HTML, b"<html><frameset cols='50%,50%'><frame src='/a'><frame src='/b'></frameset></html>"
    return page(path)


def download(_path: str) -> Answer:
    """Answer with a file to be saved."""
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="a.bin"'}
    return 200, headers, b"\x00" * 4096


def silence(_path: str) -> Answer:
    """Answer later than anybody waits."""
    time.sleep(60)
    return page("/")


@contextmanager
def serve(answer: Callable[[str], Answer], *, tls: ssl.SSLContext | None = None) -> Generator[str]:
    """Serve what `answer` gives for each path; yields the site's URL."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 70

        def do_GET(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the tests."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Browsers that are killed or refuse a certificate break connections."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
