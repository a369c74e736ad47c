"""Lose every key: what was sealed before verifies with its old anchors, and new captures work."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import CaptureRequest
from evidencekit.errors import SigningError
from evidencekit.home import Home
from evidencekit.identities import Role, rotate
from evidencekit.ledger.entry import KeyStatus
from evidencekit.model import Outcome
from evidencekit.notary import Evidence, preserve
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.demo.server import serve_shop

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser


def request_for(url: str) -> CaptureRequest:
    return CaptureRequest(urls=(url,), allow_private=True, third_party=False)


def anchors_of(evidence: Evidence, folder: Path) -> Path:
    """What the issuer published when the bundle was made, kept by somebody else."""
    folder.mkdir()
    with zipfile.ZipFile(evidence.bundle) as bundle:
        for name in ("signer.pem", "tsa.pem", "ledger.vkey"):
            (folder / name).write_bytes(bundle.read(f"trust/{name}"))
    return folder


def test_every_key_is_lost_and_work_goes_on(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    with serve_shop() as url:
        made = [preserve(url, home=home, request=request_for(url), tsas=())]
        kept = [anchors_of(made[0], tmp_path / "anchors-0")]
        for role, file in ((Role.SEAL, "sealing.key.pem"), (Role.TSA, "tsa.key.pem"), (Role.LEDGER, "ledger.key")):
            (home.path / "keys" / file).unlink()
            with pytest.raises(SigningError, match=f"identity rotate {role.value} --lost"):
                preserve(url, home=home, request=request_for(url), tsas=())
            rotate(home, role, KeyStatus.LOST, now=datetime.now(UTC))
        made.append(preserve(url, home=home, request=request_for(url), tsas=()))
        kept.append(anchors_of(made[1], tmp_path / "anchors-1"))
    for evidence, own, foreign in ((made[0], kept[0], kept[1]), (made[1], kept[1], kept[0])):
        assert verify_bundle(evidence.bundle, trust=load_trust([str(own)])).overall is Outcome.PASSED
        assert verify_bundle(evidence.bundle, trust=load_trust([str(foreign)])).overall is not Outcome.PASSED
    assert made[0].number != made[1].number
