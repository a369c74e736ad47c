"""The example of a notary office as a program of its own: SoftHSM signer, own TSA, own numbers, PostgreSQL ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.demo.server import serve_shop
from tests.support.postgres import postgres
from tests.support.softhsm import PIN, TOKEN, make_token

pytestmark = pytest.mark.browser

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "office.py"


def issue(
    name: str, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("Office CA"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=700))
        .add_extension(x509.BasicConstraints(ca=name == "Office CA", path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


def test_an_office_preserves_a_page_with_parts_of_its_own(tmp_path: Path) -> None:
    token = make_token(tmp_path)
    key, ca = rsa.generate_private_key(65537, 3072), ec.generate_private_key(ec.SECP256R1())
    token.add_key(key, "office-seal", "01")
    chain = [issue("静安公证处 Office seal", key.public_key(), ca), issue("Office CA", ca.public_key(), ca)]
    (tmp_path / "chain.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    (tmp_path / "pin").write_text(PIN, encoding="ascii")
    (tmp_path / "pin").chmod(0o600)
    (tmp_path / "out").mkdir()
    with postgres() as server, serve_shop() as url:
        environment = {
            **os.environ,
            **token.environment,
            "EVIDENCEKIT_HOME": str(tmp_path / "never"),
            "OFFICE_PKCS11": str(token.module),
            "OFFICE_TOKEN": TOKEN,
            "OFFICE_KEY": "office-seal",
            "OFFICE_PIN": str(tmp_path / "pin"),
            "OFFICE_CERT": str(tmp_path / "chain.pem"),
            "OFFICE_KEYS": str(tmp_path / "keys"),
            "OFFICE_LEDGER": server.conninfo,
        }
        done = subprocess.run(
            [sys.executable, str(PROGRAM), url, str(tmp_path / "out")],
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=300,
            env=environment,
        )
    assert done.returncode == 0, done.stderr
    number, bundle, verdict = done.stdout.splitlines()
    assert number.startswith(f"JA-{datetime.now(UTC).year}-")
    assert verdict == "PASSED"
    assert not (tmp_path / "never").exists()
    # A stranger, who trusts none of the office's anchors, is told that he cannot tell.
    assert verify_bundle(Path(bundle)).overall.value == "INDETERMINATE"
