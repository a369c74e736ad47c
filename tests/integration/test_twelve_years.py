"""A bundle whose signer's and TSAs' certificates have expired, verified by the program under a clock 12 years ahead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.signing.note import format_vkey
from tests.conformance.catalogue import CASES, Workshop
from tests.support.assembly import AT, make_keys

if TYPE_CHECKING:
    from pathlib import Path

LATER = AT + timedelta(days=365 * 12)


def verify(bundle: Path, anchors: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = [
        sys.executable,
        "-m",
        "evidencekit_cli",
        "verify",
        str(bundle),
        "--trust",
        str(anchors),
        "--lang",
        "en",
        *more,
    ]
    clock = ["faketime", "-f", f"@{LATER:%Y-%m-%d %H:%M:%S}"]
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.run([*clock, *program], capture_output=True, text=True, check=False, env=environment, timeout=120)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
@pytest.mark.parametrize(
    ("case", "more", "status", "said"),
    [
        ("certificate_expired_renewed", (), 0, "PASSED"),
        ("certificate_expired_renewed_late", (), 3, "time.lasting"),
        ("whole", (), 3, "time.lasting"),
        ("whole", ("--at", f"{AT:%Y-%m-%dT%H:%M:%SZ}"), 0, f"{AT:%Y-%m-%d}"),
    ],
)
def test_only_what_was_renewed_in_time_still_verifies(
    case: str, more: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    """Judged at its own time (`--at`, which the report names), a bundle gets for ever the verdict it got then."""
    keys = make_keys(tmp_path / "own")
    exhibit = CASES[case](Workshop(keys=keys, others=keys, folder=tmp_path))
    assert isinstance(exhibit.data, bytes)
    bundle, anchors = tmp_path / "EK-1.zip", tmp_path / "anchors"
    bundle.write_bytes(exhibit.data)
    anchors.mkdir()
    for role, certificates in (("signer", exhibit.trust.signers), ("tsa", exhibit.trust.tsas)):
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        (anchors / f"{role}.pem").write_bytes(pem)
    (anchors / "log.vkey").write_text("\n".join(format_vkey(log) for log in exhibit.trust.logs) + "\n")
    assert all(each.not_valid_after_utc < LATER for each in (*keys.trust.signers, *keys.trust.tsas))
    done = verify(bundle, anchors, *more)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
