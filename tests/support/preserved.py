"""A shop on loopback, HTTPS and two origins where a test CA can be trusted, and what `preserve` makes of it.

The shop logs its visitor in by script, so that every kind of secret travels: cookie, password, bearer token, token in a
response, storage.
"""

from __future__ import annotations

import io
import json
import shutil
import ssl
import subprocess
import threading
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import segno
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.errors import FormatError
from evidencekit.home import Home
from evidencekit.notary import Evidence, preserve
from evidencekit.verify.trust import Trust, load_trust
from evidencekit.verify.verifier import verify_bundle
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evidencekit.model import VerificationReport

COOKIE = "ck9f8e7d6c5b4a31337"
PASSWORD = "pa-55w0rd-Geheim-77"  # noqa: S105 (seeded)
ISSUED = "at-5566778899aabbcc"
BEARER = "br-00112233445566ff"
STORED = "st-cafebabe-31337-x"
SECRETS = (COOKIE, PASSWORD, ISSUED, BEARER, STORED)
WORDS = "明前龙井 West Lake Longjing"
LAZY = 6

_PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>茶庄 Tea house</title>
<link rel="stylesheet" href="{cdn}/style.css"><h1>{words}</h1><p>售价 ¥{price}</p><p id="state">…</p>
{images}<script>
const secret = ["{password}", "{bearer}", "{stored}"];
localStorage.setItem("session.token", secret[2]);
(async () => {{
  await fetch("/login", {{method: "POST", body: new URLSearchParams({{user: "li", password: secret[0]}})}});
  const issued = (await (await fetch("/token")).json()).access_token;
  await fetch("/orders?page=1", {{headers: {{Authorization: "Bearer " + secret[1]}}}});
  await fetch("/orders?page=2&access_token=" + issued);
  const hidden = document.createElement("div");
  hidden.hidden = true;
  hidden.textContent = [issued, ...secret].join(" ");
  document.body.append(hidden);
  document.getElementById("state").textContent = "已登录 signed in";
}})();
</script></html>"""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Where the shop stands, and how the browser gets there."""

    url: str
    browser: BrowserOptions


@dataclass(frozen=True)
class Preserved:
    """A bundle made by the real write path, its home, and its own anchors copied to another place."""

    evidence: Evidence
    home: Home
    anchors: Path

    @cached_property
    def data(self) -> bytes:
        return self.evidence.bundle.read_bytes()

    @cached_property
    def members(self) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @cached_property
    def trust(self) -> Trust:
        return load_trust([str(self.anchors)])

    def judge(self, data: bytes, folder: Path) -> VerificationReport | None:
        """Verify bytes in the bundle's place with all the right anchors; None when there is nothing to verify."""
        path = folder / "judged.zip"
        path.write_bytes(data)
        try:
            return verify_bundle(path, trust=self.trust, at=self.evidence.report.at)
        except FormatError:
            return None

    def unpack(self, folder: Path) -> Path:
        with zipfile.ZipFile(self.evidence.bundle) as archive:
            archive.extractall(folder)
        return folder


def preserve_shop(
    shop: Shop, folder: Path, home: Path, *, include_secrets: bool = False, mode: Mode = Mode.STANDARD
) -> Preserved:
    """Capture the shop with the keys of `home`, asking nobody else."""
    request = CaptureRequest(
        urls=(shop.url,), mode=mode, allow_private=True, third_party=False, include_secrets=include_secrets
    )
    folder.mkdir(parents=True)
    opened = Home.open(home)
    evidence = preserve(shop.url, home=opened, request=request, tsas=(), output=folder, browser=shop.browser)
    with zipfile.ZipFile(evidence.bundle) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith("trust/")])
    anchors = (folder / "trust").rename(folder / "anchors")
    return Preserved(evidence=evidence, home=opened, anchors=anchors)


@contextmanager
def open_shop(folder: Path, *, price: str = "128") -> Iterator[Shop]:
    """Serve the shop and its asset origin: by HTTPS under real names where `certutil` is installed, else by HTTP."""
    if shutil.which("certutil") is None:
        with _serve(_assets(), None) as assets, _serve(_pages(f"http://localhost:{assets}", price), None) as port:
            yield Shop(url=f"http://127.0.0.1:{port}/", browser=BrowserOptions())
        return
    context = trusted_context(folder)
    with ExitStack() as stack:
        assets = stack.enter_context(_serve(_assets(), context))
        port = stack.enter_context(_serve(_pages("https://cdn.test", price), context))
        rules = f"--host-resolver-rules=MAP shop.test:443 127.0.0.1:{port},MAP cdn.test:443 127.0.0.1:{assets}"
        yield Shop(url="https://shop.test/", browser=BrowserOptions(home=folder / "browserhome", extra_args=(rules,)))


def _pages(cdn: str, price: str) -> dict[str, tuple[str, bytes]]:
    images = "".join(
        f'<div style="height:900px"><img loading="lazy" src="{cdn}/{n}.png" alt="图 {n}"></div>' for n in range(LAZY)
    )
    page = _PAGE.format(
        cdn=cdn, words=WORDS, price=price, images=images, password=PASSWORD, bearer=BEARER, stored=STORED
    )
    orders = json.dumps({"orders": [], "total": 0}).encode()
    return {
        "/": ("text/html; charset=utf-8", page.encode()),
        "/login": ("application/json", b'{"ok":true}'),
        "/token": ("application/json", json.dumps({"access_token": ISSUED, "token_type": "bearer"}).encode()),
        "/orders": ("application/json", orders),
    }


def _assets() -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {"/style.css": ("text/css", b"h1{color:#263}img{width:200px;height:200px}")}
    for n in range(LAZY):
        image = io.BytesIO()
        segno.make(f"picture {n}").save(image, kind="png", scale=4)
        found[f"/{n}.png"] = ("image/png", image.getvalue())
    return found


@contextmanager
def _serve(pages: Mapping[str, tuple[str, bytes]], context: ssl.SSLContext | None) -> Iterator[int]:
    with serve_with(_handler(pages), context) as port:
        yield port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers break off connections."""


@contextmanager
def serve_with(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> Iterator[int]:
    """Serve on loopback in a thread, over TLS with a context; yields the port."""
    server = _Server(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(pages: Mapping[str, tuple[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer()

        def _answer(self) -> None:
            found = pages.get(self.path.partition("?")[0])
            media_type, body = found or ("text/plain", b"not here")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", f"sid={COOKIE}; Path=/; HttpOnly")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler


def trusted_context(folder: Path) -> ssl.SSLContext:
    """Make a CA that the browser with the home `folder/browserhome` trusts, and a server certificate under it."""
    root, root_key = _certificate("Test root", None, None)
    leaf, leaf_key = _certificate("shop.test", root, root_key)
    store = folder / "browserhome/.pki/nssdb"
    store.mkdir(parents=True)
    (folder / "root.crt").write_bytes(root.public_bytes(Encoding.PEM))
    subprocess.run([program("certutil"), "-N", "-d", f"sql:{store}", "--empty-password"], check=True)
    add = ["certutil", "-A", "-d", f"sql:{store}", "-n", "root", "-t", "C,,", "-i", str(folder / "root.crt")]
    subprocess.run(add, check=True)
    private = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(private + leaf.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def _certificate(
    name: str, issuer: x509.Certificate | None, signer: ec.EllipticCurvePrivateKey | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.DNSName("shop.test"), x509.DNSName("cdn.test")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer or key, hashes.SHA256()), key
