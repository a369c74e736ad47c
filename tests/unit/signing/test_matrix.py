"""Every kind of key and hash that seals, both ways with `openssl cms -cades`; B-T; claimed roles; large content."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from evidencekit.errors import FormatError, SigningError
from evidencekit.signing.cades import check_detached, content_of, content_of_file, sign_detached, with_timestamp
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CONTENT = b'{"what":"was seen"}'
KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa3072": rsa.generate_private_key(65537, 3072),
    "rsa4096": rsa.generate_private_key(65537, 4096),
}
MATRIX = [(label, name) for label in KEYS for name in ("sha256", "sha384", "sha512")]


def signer(label: str, hash_name: str = "sha256") -> KeySigner:
    key = KEYS[label]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=1000))
        .sign(key, hashes.SHA256())
    )
    kind = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"
    return KeySigner(key, certificate, algorithm=SignatureAlgorithm(f"{kind}-{hash_name}"))


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=30)


def verifies(folder: Path, seal: bytes, content: bytes, by: KeySigner) -> bool:
    for name, data in (("seal", seal), ("content", content), ("anchor", by.certificate.public_bytes(Encoding.PEM))):
        (folder / name).write_bytes(data)
    found = openssl(
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", folder / "seal"),
        *("-content", folder / "content", "-CAfile", folder / "anchor", "-purpose", "any"),
        *("-attime", str(int(AT.timestamp())), "-out", folder / "out"),
    )
    return found.returncode == 0


@pytest.mark.parametrize(("label", "hash_name"), MATRIX)
def test_ours_for_openssl_and_openssls_for_us(tmp_path: Path, label: str, hash_name: str) -> None:
    by = signer(label, hash_name)
    seal = sign_detached(content_of(CONTENT), by, at=AT)
    assert verifies(tmp_path, seal, CONTENT, by)
    assert not verifies(tmp_path, seal, CONTENT + b"!", by)

    (tmp_path / "key").write_bytes(KEYS[label].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "content").write_bytes(CONTENT)
    made = openssl(
        *("cms", "-sign", "-binary", "-cades", "-md", hash_name, "-outform", "DER", "-in", tmp_path / "content"),
        *("-signer", tmp_path / "anchor", "-inkey", tmp_path / "key", "-out", tmp_path / "theirs"),
    )
    assert made.returncode == 0, made.stderr
    theirs = (tmp_path / "theirs").read_bytes()
    found = check_detached(theirs, content_of(CONTENT))
    assert found.intact, found.checks
    assert not check_detached(theirs, content_of(CONTENT + b"!")).intact


def test_a_hash_that_nobody_gives_is_said() -> None:
    by = signer("p384", "sha384")
    with pytest.raises(SigningError, match="sha384 digest"):
        sign_detached(b"\0" * 32, by, at=AT)
    with pytest.raises(SigningError, match="one of 31 bytes"):
        sign_detached(b"\0" * 31, signer("p256"), at=AT)


def test_a_claimed_role_is_signed(tmp_path: Path) -> None:
    by = signer("p256")
    seal = sign_detached(content_of(CONTENT), by, at=AT, role="notary")
    found = check_detached(seal, content_of(CONTENT))
    assert found.intact
    assert found.roles == ("notary",)
    assert verifies(tmp_path, seal, CONTENT, by)
    assert not check_detached(seal.replace(b"notary", b"votary"), content_of(CONTENT)).intact


def test_a_time_stamp_rides_along(tmp_path: Path) -> None:
    by = signer("rsa3072")
    seal = sign_detached(content_of(CONTENT), by, at=AT)
    token = sign_detached(content_of(check_detached(seal, content_of(CONTENT)).value), signer("p256"), at=AT)
    stamped = with_timestamp(with_timestamp(seal, token), token)
    found = check_detached(stamped, content_of(CONTENT))
    assert found.intact
    assert found.tokens == (token, token)
    assert [text.en for text in found.unaccounted] == ["unsigned attribute 1.2.840.113549.1.9.16.2.14"] * 2
    assert verifies(tmp_path, stamped, CONTENT, by)
    with pytest.raises(FormatError):
        with_timestamp(seal, b"no token")


def test_size_costs_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as large:
        large.truncate(1 << 30)  # sparse; 10 GiB take ten times as long and no more memory
    program = (
        "import resource, sys; from pathlib import Path; from evidencekit.signing.cades import content_of_file;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(content_of_file(Path(sys.argv[1]))('sha256').hex());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, check=True, encoding="ascii", timeout=120
    )
    digest, grown = done.stdout.split()
    assert digest == "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14"
    assert int(grown) * (1024 if sys.platform == "linux" else 1) < 16 << 20


def test_a_file_signs_like_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    seal = sign_detached(content_of_file(tmp_path / "content"), signer("p384", "sha384"), at=AT)
    assert check_detached(seal, content_of(CONTENT)).intact
