"""Detached seals against `openssl cms`, both ways, and against every changed byte."""

import hashlib
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from evidencekit.errors import SigningError
from evidencekit.model import Outcome
from evidencekit.signing.cades import SealCheck, check_detached, sign_detached
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm
from evidencekit.x509.path import Purpose, build_path

CONTENT = b'{"what":"was seen"}'
DIGEST = hashlib.sha256(CONTENT).digest()
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey] = {
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 3072),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def issue(
    name: str, public_key: object, *, ca: bool = False, key: object = None, issuer: str = "Seal CA"
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(public_key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(AT - timedelta(days=10))
        .not_valid_after(AT + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    signing = CA_KEY if key is None else key
    return builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256())  # type: ignore[arg-type]


ROOT = issue("Seal CA", CA_KEY.public_key(), ca=True)


@dataclass(frozen=True)
class Given:
    """A signer as an HSM would offer it: nothing but the protocol."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    algorithm: SignatureAlgorithm
    made: bytes

    def sign(self, data: bytes) -> bytes:
        return self.made + data[:0]


def signer(kind: str, *, self_signed: bool = False) -> KeySigner:
    key = KEYS[kind]
    if self_signed:
        return KeySigner(key, issue("Holder", key.public_key(), key=key, issuer="Holder"))
    return KeySigner(key, issue("Holder", key.public_key()), [ROOT])


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=30)


def verify_with_openssl(folder: Path, seal: bytes, content: bytes, anchor: x509.Certificate) -> bool:
    (folder / "seal.p7s").write_bytes(seal)
    (folder / "content").write_bytes(content)
    (folder / "anchor.pem").write_bytes(anchor.public_bytes(Encoding.PEM))
    found = openssl(
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", folder / "seal.p7s"),
        *("-content", folder / "content", "-CAfile", folder / "anchor.pem", "-purpose", "any"),
        *("-attime", str(int(AT.timestamp())), "-out", folder / "out"),
    )
    return found.returncode == 0


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("self_signed", [False, True])
def test_openssl_accepts_the_seal_and_nothing_else(tmp_path: Path, kind: str, self_signed: bool) -> None:
    by = signer(kind, self_signed=self_signed)
    anchor = by.certificate if self_signed else ROOT
    seal = sign_detached(DIGEST, by, at=AT)
    assert verify_with_openssl(tmp_path, seal, CONTENT, anchor)
    assert not verify_with_openssl(tmp_path, seal, CONTENT + b" ", anchor)
    changed = bytearray(seal)
    changed[-10] ^= 1
    assert not verify_with_openssl(tmp_path, bytes(changed), CONTENT, anchor)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("how", ["-cades", "-keyid", "-nocerts"])
def test_seals_of_openssl_check(tmp_path: Path, kind: str, how: str) -> None:
    by = signer(kind)
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "key.pem").write_bytes(KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    # openssl names a signer by key identifier only if the certificate has one
    certificate = with_key_identifier(kind) if how == "-keyid" else by.certificate
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    options = ("-cades", how) if how != "-cades" else (how,)
    made = openssl(
        *("cms", "-sign", "-binary", *options, "-md", "sha256", "-outform", "DER", "-in", tmp_path / "content"),
        *("-signer", tmp_path / "cert.pem", "-inkey", tmp_path / "key.pem", "-out", tmp_path / "seal.p7s"),
    )
    assert made.returncode == 0, made.stderr
    seal = (tmp_path / "seal.p7s").read_bytes()
    found = check_detached(seal, DIGEST, known=[certificate])
    assert found.integrity is Outcome.PASSED, found.checks
    assert found.certificate == certificate
    assert found.unaccounted == ()
    assert check_detached(seal, hashlib.sha256(b"other").digest(), known=[certificate]).integrity is Outcome.FAILED
    if how == "-nocerts":
        assert check_detached(seal, DIGEST).integrity is Outcome.INDETERMINATE


def with_key_identifier(kind: str) -> x509.Certificate:
    key = KEYS[kind]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "By key")]))
        .issuer_name(ROOT.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AT)
        .not_valid_after(AT + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(CA_KEY, hashes.SHA256())
    )


def test_rsa_pss_of_openssl_checks(tmp_path: Path) -> None:
    by = signer("rsa")
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "key.pem").write_bytes(KEYS["rsa"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "cert.pem").write_bytes(by.certificate.public_bytes(Encoding.PEM))
    made = openssl(
        *("cms", "-sign", "-binary", "-cades", "-md", "sha256", "-outform", "DER", "-in", tmp_path / "content"),
        *("-signer", tmp_path / "cert.pem", "-inkey", tmp_path / "key.pem", "-out", tmp_path / "seal.p7s"),
        *("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32", "-keyopt", "rsa_mgf1_md:sha256"),
    )
    assert made.returncode == 0, made.stderr
    seal = (tmp_path / "seal.p7s").read_bytes()
    assert check_detached(seal, DIGEST).intact
    assert not check_detached(seal, bytes(32)).intact


def test_the_check_tells_who_and_when() -> None:
    by = signer("ec")
    found = check_detached(sign_detached(DIGEST, by, at=AT + timedelta(microseconds=5)), DIGEST)
    assert found.intact
    assert found.certificate == by.certificate
    assert set(found.embedded) == {by.certificate, ROOT}
    assert found.signing_time == AT
    assert found.unaccounted == ()
    path = build_path(by.certificate, found.embedded, [ROOT], at=AT, purpose=Purpose.SEALING)
    assert path.ok


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "self_signed"), [("ec", False), ("rsa", True)])
def test_every_byte_counts(kind: str, self_signed: bool) -> None:
    seal = sign_detached(DIGEST, signer(kind, self_signed=self_signed), at=AT)
    assert noticed_nothing(check_detached(seal, DIGEST))
    for position in range(len(seal)):
        for mask in (0x01, 0x0A):  # 0x0A turns sha256WithRSAEncryption into rsaEncryption
            changed = seal[:position] + bytes((seal[position] ^ mask,)) + seal[position + 1 :]
            assert not noticed_nothing(check_detached(changed, DIGEST)), (position, mask)


def noticed_nothing(found: SealCheck) -> bool:
    return found.intact and not found.unaccounted


def test_an_intermediate_is_unaccounted_until_its_issuer_is_known() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    middle = issue("Middle", key.public_key(), ca=True)
    leaf = issue("Leaf", KEYS["ec"].public_key(), key=key, issuer="Middle")
    seal = sign_detached(DIGEST, KeySigner(KEYS["ec"], leaf, [middle]), at=AT)
    alone = check_detached(seal, DIGEST)
    assert alone.intact
    assert [text.en for text in alone.unaccounted] == ["certificate of CN=Middle: its issuer is not here"]
    assert check_detached(seal, DIGEST, known=[ROOT]).unaccounted == ()


def test_the_same_signer_and_time_give_the_same_attributes() -> None:
    by = signer("rsa")  # RSA signatures are deterministic, so the whole seal is
    assert sign_detached(DIGEST, by, at=AT) == sign_detached(DIGEST, by, at=AT)


def test_ed25519_is_refused_for_documents() -> None:
    with pytest.raises(SigningError, match="OpenSSL"):
        sign_detached(DIGEST, signer("ed25519"), at=AT)


def test_a_digest_of_another_length_is_refused() -> None:
    with pytest.raises(SigningError, match="32 bytes"):
        sign_detached(b"short", signer("ec"), at=AT)


@pytest.mark.parametrize("made", [b"", b"\x30\x06\x02\x01\x01\x02\x01\x01", bytes(64)])
def test_a_signer_that_signs_wrongly_is_found_out(made: bytes) -> None:
    by = signer("ec")
    liar = Given(certificate=by.certificate, chain=(), algorithm=by.algorithm, made=made)
    with pytest.raises(SigningError, match="does not verify"):
        sign_detached(DIGEST, liar, at=AT)


def test_an_attached_signature_is_no_seal(tmp_path: Path) -> None:
    by = signer("ec")
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "key.pem").write_bytes(KEYS["ec"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "cert.pem").write_bytes(by.certificate.public_bytes(Encoding.PEM))
    openssl(
        *("cms", "-sign", "-binary", "-cades", "-nodetach", "-md", "sha256", "-outform", "DER"),
        *("-in", tmp_path / "content", "-signer", tmp_path / "cert.pem", "-inkey", tmp_path / "key.pem"),
        *("-out", tmp_path / "seal.p7s"),
    )
    found = check_detached((tmp_path / "seal.p7s").read_bytes(), DIGEST)
    assert found.integrity is Outcome.FAILED
    assert "content of its own" in found.reason.en


def test_a_signature_without_signing_certificate_is_no_seal(tmp_path: Path) -> None:
    by = signer("ec")
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "key.pem").write_bytes(KEYS["ec"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "cert.pem").write_bytes(by.certificate.public_bytes(Encoding.PEM))
    for options, step in (
        (("-md", "sha256"), "signing-certificate"),
        (("-md", "sha256", "-noattr"), "signed-attributes"),
    ):
        openssl(
            *("cms", "-sign", "-binary", *options, "-outform", "DER", "-in", tmp_path / "content"),
            *("-signer", tmp_path / "cert.pem", "-inkey", tmp_path / "key.pem", "-out", tmp_path / "seal.p7s"),
        )
        found = check_detached((tmp_path / "seal.p7s").read_bytes(), DIGEST)
        assert found.integrity is Outcome.FAILED
        assert step in {check.id for check in found.checks if check.outcome is Outcome.FAILED}


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x30\x80" * 5000, bytes(300_000)])
def test_other_bytes_are_a_failed_check(data: bytes) -> None:
    found = check_detached(data, DIGEST)
    assert found.integrity is Outcome.FAILED
    assert found.checks[0].id == "structure"
