"""A bundle sealed with SM2 by an external command verifies here, and by the commands of its own VERIFY.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.capture.request import CaptureRequest
from evidencekit.home import Home
from evidencekit.model import Outcome
from evidencekit.notary import preserve
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.demo.server import serve_shop
from tests.support.sm2 import sm2_signer
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser


def follow(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run every bash block of the page in order, in one shell."""
    script = "".join(re.findall(r"^```bash\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE))
    command = [program("bash")]
    return subprocess.run(command, input=script, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_capture_sealed_with_sm2_verifies_here_and_by_openssl(tmp_path: Path) -> None:
    signer, _ = sm2_signer(tmp_path)
    home = Home.open(tmp_path / "home")
    (tmp_path / "out").mkdir()
    with serve_shop() as url:
        request = CaptureRequest(urls=(url,), allow_private=True, third_party=False)
        made = preserve(url, home=home, request=request, signer=signer, tsas=(), output=tmp_path / "out")
    with zipfile.ZipFile(made.bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "anchors").mkdir()
    shutil.copy(tmp_path / "root.pem", tmp_path / "anchors" / "signer.pem")
    for name in (paths.TRUST_TSA, paths.TRUST_LEDGER):
        shutil.copy(tmp_path / "unpacked" / name, tmp_path / "anchors")
    report = verify_bundle(made.bundle, trust=load_trust([str(tmp_path / "anchors")]))
    assert report.overall is Outcome.PASSED, report.headline
    assert "SM2, SM3" in (tmp_path / "unpacked" / paths.CERTIFICATE_HTML).read_text("utf-8")

    for page in (paths.VERIFY_EN, paths.VERIFY_ZH):
        instructions = (tmp_path / "unpacked" / page).read_text("utf-8")
        done = follow(instructions, made.bundle.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("Verified OK") == 2
        unpacked = made.bundle.with_suffix(".unpacked")
        for name in (paths.SEAL, paths.asic_signature(1), paths.MANIFEST):
            refused(instructions, unpacked, name)
        shutil.rmtree(unpacked)


def refused(instructions: str, folder: Path, name: str) -> None:
    """The step of the signatures refuses a changed member by itself."""
    step = re.search(r"```bash\n(gentime\(\).*?)```", instructions, flags=re.DOTALL)
    assert step is not None
    file, script = folder / name, f"set -euo pipefail\n{step[1]}"
    whole = file.read_bytes()
    run = [program("bash"), "-c", script]
    assert subprocess.run(run, cwd=folder, capture_output=True, check=False, timeout=60).returncode == 0
    file.write_bytes(whole[:-9] + bytes((whole[-9] ^ 1,)) + whole[-8:])
    assert subprocess.run(run, cwd=folder, capture_output=True, check=False, timeout=60).returncode != 0
    file.write_bytes(whole)
