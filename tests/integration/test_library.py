"""The library as an office uses it: own parts and no home, inside a running event loop, two homes side by side."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import evidencekit
from evidencekit.signing.identity import create_ledger_key, create_sealing_identity, create_tsa_identity
from evidencekit.signing.signer import load_private_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

_PAGE = "<!doctype html><meta charset=utf-8><title>店铺</title><h1>商品页 Product page</h1><p>价格 ¥ 128.00</p>"


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/item?id=7&名=茶"
    server.shutdown()
    server.server_close()
    thread.join()


def _request(url: str) -> evidencekit.CaptureRequest:
    return evidencekit.CaptureRequest(urls=(url,), allow_private=True, third_party=False)


def test_an_office_brings_its_own_parts_and_no_home_is_touched(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "never"))
    now = datetime.now(UTC)
    signer = create_sealing_identity(tmp_path / "seal", common_name="Office seal", now=now).signer
    tsa = create_tsa_identity(tmp_path / "tsa", now=now)
    key = load_private_key(tsa.key_file.read_bytes(), tsa.key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = evidencekit.EmbeddedTsa(authority=evidencekit.Authority(key, tsa.signer.certificate), name="office")
    log = create_ledger_key(tmp_path / "log")
    steps: list[str] = []
    with evidencekit.Ledger.open(tmp_path / "log.sqlite", log.signer, create=True) as ledger:
        evidence = evidencekit.preserve(
            shop,
            request=_request(shop),
            signer=signer,
            tsas=(own,),
            ledger=ledger,
            number=lambda prefix, year, sequence: f"OFFICE-{prefix}-{year}-{sequence}",
            output=tmp_path,
            on_event=lambda step, _: steps.append(step),
        )
        assert ledger.size == 2
    assert evidence.number.startswith("OFFICE-")
    assert evidence.bundle == tmp_path / f"{evidence.number}.zip"
    assert not (tmp_path / "never").exists()
    assert "session.start" in steps
    trust = evidencekit.Trust(
        signers=(signer.certificate,), tsas=(tsa.signer.certificate,), logs=(log.signer.verifier,)
    )
    report = evidencekit.verify_bundle(evidence.bundle, trust=trust)
    assert report.overall is evidencekit.Outcome.PASSED, report.headline.en
    assert evidence.report.overall is evidencekit.Outcome.INDETERMINATE


def test_inside_a_running_event_loop(shop: str, tmp_path: Path) -> None:
    async def main() -> evidencekit.Evidence:
        return evidencekit.preserve(
            shop, home=evidencekit.Home.open(tmp_path / "home"), request=_request(shop), tsas=()
        )

    evidence = asyncio.run(main())
    assert evidence.bundle.is_file()
    assert evidence.pending == ()


def test_two_homes_in_one_process_at_once(shop: str, tmp_path: Path) -> None:
    homes = [evidencekit.Home.open(tmp_path / name) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        made = list(
            pool.map(lambda home: evidencekit.preserve(shop, home=home, request=_request(shop), tsas=()), homes)
        )
    assert made[0].number[:7] != made[1].number[:7], "each ledger key gives its own prefix"
    for home, evidence in zip(homes, made, strict=True):
        assert [sealed.number for sealed in home.captures()] == [evidence.number]
        assert list((home.path / "pending").iterdir()) == []
    stranger = evidencekit.load_trust([f"signer={homes[0].path / 'keys' / 'sealing.cert.pem'}"])
    report = evidencekit.verify_bundle(made[1].bundle, trust=stranger)
    assert report.overall is not evidencekit.Outcome.PASSED


def test_attempts_of_a_matter_are_counted(shop: str, tmp_path: Path) -> None:
    home = evidencekit.Home.open(tmp_path / "home")
    for expected in (1, 2):
        evidence = evidencekit.preserve(shop, home=home, request=_request(shop), tsas=(), matter="CASE-7")
        with evidencekit.open_bundle(evidence.bundle) as bundle:
            html = bundle.read("certificate.html", limit=1 << 24).decode()
        assert f"attempt {expected} of {expected}" in html
