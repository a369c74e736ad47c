"""A throw-away certification authority and TSA identities, made once a session."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.timestamp.authority import Authority, PrivateKey

ROOT_KEY = ec.generate_private_key(ec.SECP256R1())


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def usage(*, sign: bool, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def make_root() -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named("Test stamp root"))
        .issuer_name(named("Test stamp root"))
        .public_key(ROOT_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=4000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage(sign=False, ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ROOT_KEY.public_key()), critical=False)
        .sign(ROOT_KEY, hashes.SHA256())
    )


def make_leaf(key: PrivateKey, issuer: x509.Certificate | None) -> x509.Certificate:
    """A TSA certificate; without issuer it is self-signed."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named("Test TSA"))
        .issuer_name(named("Test TSA") if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=300))
        .not_valid_after(now + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(sign=True, ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        return builder.sign(ROOT_KEY, hashes.SHA256())
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class TsaIdentity:
    """A TSA with its key, certificate and trust anchor, also as PEM files."""

    key: PrivateKey
    certificate: x509.Certificate
    anchor: x509.Certificate
    folder: Path

    @property
    def anchor_file(self) -> Path:
        path = self.folder / "anchor.pem"
        path.write_bytes(self.anchor.public_bytes(Encoding.PEM))
        return path

    def authority(self) -> Authority:
        chain = () if self.anchor == self.certificate else (self.anchor,)
        return Authority(self.key, self.certificate, chain)


MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 3072),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(scope="session")
def tsa_identities(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TsaIdentity]:
    """Returns the identity for a kind of key; `p256-self` is self-signed."""
    made: dict[str, TsaIdentity] = {}
    root = make_root()

    def identity(kind: str) -> TsaIdentity:
        if kind not in made:
            key = MAKERS[kind.removesuffix("-self")]()
            issuer = None if kind.endswith("-self") else root
            leaf = make_leaf(key, issuer)
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = TsaIdentity(key=key, certificate=leaf, anchor=issuer or leaf, folder=folder)
        return made[kind]

    return identity
