"""Deposits with everything of the signer: a second signature with ML-DSA-65, a sealed PDF, a silent authority."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidencekit.bundle import paths
from evidencekit.depositing import deposit
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.home import Home
from evidencekit.model import Outcome
from evidencekit.recovery import recover
from evidencekit.signing.signer import KeySigner
from evidencekit.verify.policy import Policy
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.main import main
from tests.support.issued import TestCa
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser

KILLED = 9
_CHILD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from evidencekit.depositing import deposit
from evidencekit.home import Home

home = Home.open(Path(sys.argv[1]))

def clock():
    # What comes after the proofs are written is the documents: the process dies there, as if it were killed.
    if any(home.path.glob("pending/*/capture/bundle/proof/entry.tlog-proof")):
        os._exit(int(sys.argv[4]))
    return datetime.now(UTC)

deposit([sys.argv[2]], home=home, tsas=(), clock=clock, output=Path(sys.argv[3]), seal_pdf=True)
"""


def unpack(bundle: Path, folder: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


def pdfsig(folder: Path) -> str:
    command = [program("pdfsig"), str(folder / paths.CERTIFICATE_PDF)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60).stdout


def test_a_deposit_signed_twice_by_an_issued_signer_with_a_sealed_certificate(tmp_path: Path) -> None:
    home, ca, key = Home.open(tmp_path / "home"), TestCa(), ec.generate_private_key(ec.SECP256R1())
    office = KeySigner(key, ca.issue("Office", key, responder="http://127.0.0.1:1/"), (ca.certificate,))
    (tmp_path / "note.txt").write_text("as deposited", encoding="utf-8")
    made = deposit(
        [tmp_path / "note.txt"],
        home=home,
        signer=office,
        tsas=(),
        output=tmp_path / "made.zip",
        seal_pdf=True,
        post_quantum=home.post_quantum(),
    )
    folder = unpack(made.bundle, tmp_path / "unpacked")
    assert "Signature Validation: Signature is Valid." in pdfsig(folder)
    for name in ("open-1.tsq", "seal-1.tsq"):
        assert (folder / "proof" / "tsa" / name).is_file()

    manifest = parse_manifest((folder / paths.MANIFEST).read_bytes())
    assert any("127.0.0.1 gave no answer" in text.en for text in manifest.not_performed)
    for document in (paths.CERTIFICATE_HTML, paths.REPORT_HTML):
        html = (folder / document).read_text("utf-8")
        assert "127.0.0.1 gave no answer" in html
    certificate = (folder / paths.CERTIFICATE_HTML).read_text("utf-8")
    assert "ML-DSA-65" in certificate
    assert "抗量子" in certificate

    trust = load_trust(
        [f"signer={folder / 'trust'}", f"tsa={folder / paths.TRUST_TSA}", f"log={folder / paths.TRUST_LEDGER}"]
    )
    report = verify_bundle(made.bundle, trust=trust, policy=Policy(findings=("seal.post_quantum",)))
    outcomes = {finding.id: finding.outcome for finding in report.findings}
    assert outcomes["seal.post_quantum"] is Outcome.PASSED
    assert outcomes["seal.revocation"] is Outcome.NOT_PERFORMED
    assert report.overall is Outcome.PASSED, report.headline


def test_a_deposit_killed_after_its_entry_is_finished_with_a_sealed_certificate(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("as deposited", encoding="utf-8")
    arguments = [tmp_path / "home", tmp_path / "note.txt", tmp_path / "made.zip", KILLED]
    child = [sys.executable, "-c", _CHILD, *map(str, arguments)]
    assert subprocess.run(child, check=False, timeout=120).returncode == KILLED
    assert not (tmp_path / "made.zip").exists()
    (sentence,) = recover(Home.open(tmp_path / "home"))
    assert "its bundle was finished now" in sentence.en
    folder = unpack(tmp_path / "made.zip", tmp_path / "unpacked")
    assert "Signature Validation: Signature is Valid." in pdfsig(folder)
    assert verify_bundle(tmp_path / "made.zip", trust=load_trust([str(folder / "trust")])).overall is Outcome.PASSED


def test_the_commands_take_the_option_and_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    (tmp_path / "note.txt").write_text("as deposited", encoding="utf-8")
    deposits = ("deposit", str(tmp_path / "note.txt"), "--no-third-party", "--lang", "en", "-o")
    assert main([*deposits, str(tmp_path / "by-option.zip"), "--post-quantum"]) == 0
    (tmp_path / "home" / "config.toml").write_text("[signing]\npost_quantum = true\n")
    assert main([*deposits, str(tmp_path / "by-setting.zip")]) == 0
    capsys.readouterr()
    named = set()
    for name in ("by-option", "by-setting"):
        assert main(["inspect", str(tmp_path / f"{name}.zip"), "--lang", "en"]) == 0
        named |= set(re.findall(r"second signer +ML-DSA-65, SHA-256 ([0-9a-f]{64})", capsys.readouterr().out))
    assert len(named) == 1
