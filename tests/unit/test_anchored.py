"""Receipts of anchors in bundles and beside them, and copies of deposited files: what `verify` says of each."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidencekit.bundle import paths
from evidencekit.home import Home
from evidencekit.ledger.anchors.anchor import AnchorState, Receipt, format_receipt, parse_receipt
from evidencekit.model import Outcome
from evidencekit.signing.identity import create_tsa_identity
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.authority_server import AuthorityServer
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import Beside, verify_bundle
from evidencekit_cli.main import main
from tests.support.assembly import FOREIGN_POLICY
from tests.unit.ledger.test_anchors import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import Finding, VerificationReport

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    running = Office()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("anchored")


@pytest.fixture(scope="module")
def tsa(folder: Path) -> Iterator[AuthorityServer]:
    identity = create_tsa_identity(folder / "tsa", now=datetime.now(UTC))
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with AuthorityServer(Authority(key, identity.signer.certificate, policy=FOREIGN_POLICY)) as server:
        yield server


@pytest.fixture(scope="module")
def bundle(folder: Path, office: Office, tsa: AuthorityServer) -> Path:
    """Give a hash-only deposit whose checkpoint a TSA confirmed and an office still calls pending."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    url = f"http://127.0.0.1:{office.server.server_port}"
    (home / "office.toml").write_text(
        f'name = "office"\nsubmit_url = "{url}/submit"\nquery_url = "{url}/query"\n'
        '[fields]\nhash = "fileHash"\nnumber = "data.ano"\ntransaction = "data.blockchainHash"\n'
        'state = "data.status"\necho = "data.fileHash"\n[states]\n1 = "pending"\n3 = "confirmed"\n'
    )
    (home / "config.toml").write_text(f"[ledger]\nanchors = ['{home / 'office.toml'}', '{tsa.url}']\n")
    (folder / "诊断书.txt").write_text("only its holder has this")
    (folder / "second").write_bytes(b"2")
    out = folder / "out.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVIDENCEKIT_HOME", str(home))
        arguments = ("deposit", str(folder / "诊断书.txt"), str(folder / "second"), "--hash-only", "--tsa", "none")
        assert main([*arguments, "-o", str(out)]) == 3  # the office's anchor is pending
    return out


def verified(bundle: Path, *trust: str, beside: Beside | None = None) -> VerificationReport:
    return verify_bundle(bundle, trust=load_trust(trust), beside=beside)


def found(report: VerificationReport, identifier: str) -> Finding:
    return next(each for each in report.findings if each.id == identifier)


def receipts_in(bundle: Path) -> dict[str, Receipt]:
    with zipfile.ZipFile(bundle) as archive:
        names = [name for name in archive.namelist() if name.startswith(paths.ANCHORS)]
        held = [parse_receipt(archive.read(name)) for name in names]
    return {receipt.anchor: receipt for receipt in held}


def test_the_bundle_holds_the_receipts_and_no_state_is_another(bundle: Path, folder: Path) -> None:
    held = receipts_in(bundle)
    states = {name: receipt.state for name, receipt in held.items()}
    assert states == {"office": AnchorState.PENDING, "rfc3161-1": AnchorState.CONFIRMED}
    stranger = verified(bundle)
    assert stranger.overall is Outcome.INDETERMINATE
    anchored = found(stranger, "ledger.anchored")
    assert anchored.outcome is Outcome.INDETERMINATE
    trusting = found(verified(bundle, f"tsa={folder / 'tsa' / 'tsa.cert.pem'}"), "ledger.anchored")
    assert trusting.outcome is Outcome.PASSED
    assert "office: pending, which is no anchor yet" in trusting.reason.en
    assert "office：待定，尚非锚定" in trusting.reason.zh
    shown = {each["anchor"]: each["state"] for each in trusting.details["receipts"]}  # type: ignore[union-attr,index,call-overload]
    assert shown == {"office": "pending", "rfc3161-1": "confirmed"}
    with zipfile.ZipFile(bundle) as archive:
        custody = archive.read(paths.CUSTODY).decode()
    assert custody.count('"step":"anchored"') == 2


def test_a_later_receipt_is_given_beside(
    bundle: Path, folder: Path, office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(folder / "home"))
    office.state = "3"
    assert main(["ledger", "anchor"]) == 0
    capsys.readouterr()
    later = str(folder / "home" / "anchors")
    assert main(["--lang", "en", "verify", str(bundle), "--receipts", later, "-v"]) == 3
    printed = capsys.readouterr().out
    assert "office: confirmed as number ANO-1, transaction 0xANO-1-tx" in printed
    assert "ask the anchor" in printed
    assert main(["verify", str(bundle), "--receipts", str(folder / "nothing")]) == 15


def test_receipts_that_are_not_for_this_checkpoint_vouch_for_nothing(bundle: Path, folder: Path) -> None:
    tsa = f"tsa={folder / 'tsa' / 'tsa.cert.pem'}"
    stamped = receipts_in(bundle)["rfc3161-1"]
    other = replace(stamped, digests=replace(stamped.digests, sha256="ab" * 32))
    beside = found(verified(bundle, tsa, beside=Beside(receipts=(other,))), "ledger.anchored")
    assert beside.outcome is Outcome.INDETERMINATE
    assert "none of the 1 receipts given" in beside.reason.en
    forged = replace(stamped, anchor="forged", evidence=stamped.evidence[:-1] + bytes([stamped.evidence[-1] ^ 1]))
    report = verified(bundle, tsa, beside=Beside(receipts=(forged,)))
    assert found(report, "ledger.anchored").outcome is Outcome.FAILED
    assert report.overall is Outcome.FAILED
    failed = replace(stamped, state=AnchorState.FAILED, transaction=None, evidence=b"")
    again = found(verified(bundle, tsa, beside=Beside(receipts=(failed,))), "ledger.anchored")
    assert again.outcome is Outcome.PASSED
    third = found(verified(bundle, beside=Beside(receipts=(replace(failed, anchor="a-third"),))), "ledger.anchored")
    assert third.outcome is Outcome.INDETERMINATE
    assert third.reason.en == "a-third: failed, which is no anchor"


def test_a_receipt_of_another_checkpoint_in_the_bundle_fails(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    file = tmp_path / "unpacked" / paths.anchor_receipt("office")
    receipt = parse_receipt(file.read_bytes())
    file.write_bytes(format_receipt(replace(receipt, digests=replace(receipt.digests, sha256="ab" * 32))))
    assert found(verified(tmp_path / "unpacked"), "ledger.anchored").outcome is Outcome.FAILED
    file.write_bytes(b"{}")
    assert found(verified(tmp_path / "unpacked"), "ledger.anchored").outcome is Outcome.FAILED


def test_the_holder_compares_their_own_file(
    bundle: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "deposit.file" not in {each.id for each in verified(bundle).findings}
    mine = tmp_path / "another name"
    mine.write_bytes((folder / "诊断书.txt").read_bytes())
    capsys.readouterr()
    assert main(["verify", str(bundle), "--file", str(folder / "second"), "--file", str(mine), "--json"]) == 3
    value = json.loads(capsys.readouterr().out)
    compared = next(each for each in value["findings"] if each["id"] == "deposit.file")
    assert (compared["outcome"], compared["details"]["items"]) == ("PASSED", [2, 1])
    assert "another name" not in json.dumps(value)
    mine.write_bytes(mine.read_bytes() + b"!")
    assert main(["--lang", "en", "verify", str(bundle), "--file", str(mine)]) == 1
    assert "is not what was deposited" in capsys.readouterr().out
    assert main(["verify", str(bundle), "--file", str(tmp_path / "gone")]) == 15


def test_any_bundle_shows_that_a_ledger_was_set_back(
    bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = folder / "home"
    check = ("--lang", "en", "ledger", "fsck", "--against", str(bundle))
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(home))
    assert main([*check]) == 0
    with zipfile.ZipFile(bundle) as archive:
        first = archive.read(paths.OPEN_ENTRY)
    for name, entries, says in (
        ("old", [first], "restored from an old copy"),
        ("other", [first, b"another"], "two histories"),
    ):
        shutil.copytree(home / "keys", tmp_path / name / "keys")
        monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / name))
        opened = Home.open()
        with opened.ledger(opened.keys().ledger) as ledger:
            ledger.append_many(entries)
        capsys.readouterr()
        assert main([*check]) == 1
        assert says in capsys.readouterr().out
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "stranger"))
    stranger = Home.open()
    stranger.ledger(stranger.keys().ledger).close()
    assert main([*check]) == 2
