"""Signers with real keys, judged by OpenSSL."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from evidencekit.errors import SigningError
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm, SigningKey, load_signer

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
DATA = b"evidence" * 1000


def self_signed_certificate(key: SigningKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test signer")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def openssl_verifies(signer: KeySigner, signature: bytes, data: bytes, folder: Path) -> bool:
    (folder / "pub.pem").write_bytes(
        signer.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "sig").write_bytes(signature)
    (folder / "data").write_bytes(data)
    if signer.algorithm is SignatureAlgorithm.ED25519:
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "data"]
        command += ["-sigfile", "sig"]
    else:
        command = ["openssl", "dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "data"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_openssl_verifies_what_each_kind_of_key_signs(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    keys: dict[SignatureAlgorithm, SigningKey] = {
        SignatureAlgorithm.ECDSA_SHA256: ec.generate_private_key(ec.SECP256R1()),
        SignatureAlgorithm.RSA_SHA256: rsa_key,
        SignatureAlgorithm.ED25519: ed25519.Ed25519PrivateKey.generate(),
    }
    for algorithm, key in keys.items():
        signer = KeySigner(key, self_signed_certificate(key))
        assert signer.algorithm is algorithm
        signature = signer.sign(DATA)
        assert openssl_verifies(signer, signature, DATA, tmp_path), algorithm
        assert not openssl_verifies(signer, signature, DATA + b"!", tmp_path), algorithm


def test_weak_and_foreign_keys_are_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    certificate = self_signed_certificate(rsa_key)
    weak = rsa.generate_private_key(65537, 2048)
    with pytest.raises(SigningError, match="2048 bits is refused"):
        KeySigner(weak, certificate)
    with pytest.raises(SigningError, match="521 bits is refused"):
        KeySigner(ec.generate_private_key(ec.SECP521R1()), certificate)
    with pytest.raises(SigningError, match="cannot sign with ecdsa-sha256"):
        KeySigner(rsa_key, certificate, algorithm=SignatureAlgorithm.ECDSA_SHA256)
    with pytest.raises(SigningError, match="another key"):
        KeySigner(ec.generate_private_key(ec.SECP256R1()), certificate)


def write_key(path: Path, key: SigningKey | dsa.DSAPrivateKey, passphrase: bytes | None = None) -> None:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)


def test_load_signer_with_chain_and_passphrase(tmp_path: Path) -> None:
    key, issuer = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    key_file, cert_file = tmp_path / "k.pem", tmp_path / "c.pem"
    certificates = [self_signed_certificate(key), self_signed_certificate(issuer)]
    cert_file.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
    write_key(key_file, key, b"correct horse")
    asked: list[int] = []

    def passphrase() -> bytes:
        asked.append(1)
        return b"correct horse"

    signer = load_signer(key_file, cert_file, passphrase)
    assert (signer.certificate, signer.chain) == (certificates[0], (certificates[1],))
    assert len(asked) == 1
    assert openssl_verifies(signer, signer.sign(DATA), DATA, tmp_path)
    with pytest.raises(SigningError, match="cannot be opened"):
        load_signer(key_file, cert_file, lambda: b"wrong")
    with pytest.raises(SigningError, match="cannot be opened"):
        load_signer(key_file, cert_file)
    key_file.unlink()
    write_key(key_file, key)
    assert load_signer(key_file, cert_file, passphrase).algorithm is SignatureAlgorithm.ECDSA_SHA256
    assert len(asked) == 1, "an open key needs no passphrase"


def test_load_signer_refuses_what_it_should(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    key_file, cert_file = tmp_path / "k.pem", tmp_path / "c.pem"
    cert_file.write_bytes(self_signed_certificate(key).public_bytes(Encoding.PEM))
    with pytest.raises(SigningError, match="cannot be read"):
        load_signer(key_file, cert_file)
    write_key(key_file, key)
    for mode in (0o640, 0o604, 0o660):
        key_file.chmod(mode)
        with pytest.raises(SigningError, match="chmod 600"):
            load_signer(key_file, cert_file)
    assert load_signer(key_file, cert_file, check_permissions=False).chain == ()
    key_file.chmod(0o600)
    cert_file.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(SigningError, match="no readable PEM"):
        load_signer(key_file, cert_file)
    cert_file.write_bytes(b"")
    with pytest.raises(SigningError, match="no readable PEM"):
        load_signer(key_file, cert_file)
    for junk in (b"", b"junk", os.urandom(100)):
        key_file.write_bytes(junk)
        with pytest.raises(SigningError, match="cannot be opened"):
            load_signer(key_file, cert_file)
    write_key(key_file, dsa.generate_private_key(2048))
    with pytest.raises(SigningError, match="refused"):
        load_signer(key_file, cert_file)
    key_file.write_bytes(b"x" * (1 << 20) + b"x")
    with pytest.raises(SigningError, match="no key is"):
        load_signer(key_file, cert_file)
