"""A capture whose certificate PDF is sealed: sums and outer seal cover the sealed file."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import CaptureRequest
from evidencekit.home import Home
from evidencekit.model import Outcome
from evidencekit.notary import preserve
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.demo.server import serve_shop
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser


def test_the_certificate_in_the_bundle_is_sealed(tmp_path: Path) -> None:
    pdfsig = program("pdfsig")
    home = Home.open(tmp_path / "home")
    with serve_shop() as url:
        request = CaptureRequest(urls=(url,), allow_private=True, third_party=False)
        made = preserve(url, home=home, request=request, tsas=(), seal_pdf=True)
    with zipfile.ZipFile(made.bundle) as bundle:
        bundle.extractall(tmp_path / "unpacked")
    said = subprocess.run(
        [pdfsig, str(tmp_path / "unpacked" / "certificate.pdf")],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    ).stdout
    assert "Signature Validation: Signature is Valid." in said
    trust = load_trust([str(tmp_path / "unpacked" / "trust")])
    assert verify_bundle(made.bundle, trust=trust).overall is Outcome.PASSED
