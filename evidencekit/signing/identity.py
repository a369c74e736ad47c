"""The three keys of a home, never shared: the sealing identity, the embedded TSA and the ledger key.

```
<directory>/sealing.key.pem  sealing.cert.pem     ECDSA P-256, self-signed, RFC 5280
<directory>/tsa.key.pem      tsa.cert.pem         ECDSA P-256, self-issued, timeStamping only (RFC 3161 §2.3)
<directory>/ledger.key       ledger.vkey          Ed25519, one line each, as golang.org/x/mod/sumdb/note writes them
```

Self-made certificates say so in their subject: nobody may take them for a CA's word on who the holder is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import nacl.utils
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.errors import SigningError, UsageError
from evidencekit.signing.keyfile import (
    create_key_directory,
    create_public_file,
    create_secret_file,
    read_public_file,
    read_secret_file,
)
from evidencekit.signing.note import ED25519_BYTES, format_vkey
from evidencekit.signing.notesigner import Ed25519NoteSigner, format_skey, parse_skey
from evidencekit.signing.signer import KeySigner, load_private_key, load_signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

VALIDITY: Final = timedelta(days=3652)
"""Ten years: long enough that an archive time-stamp, not the certificate, decides."""
MAX_NAME_CHARS: Final = 64
"""ub-common-name of RFC 5280, appendix A."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key with its certificate on disk, ready to sign."""

    key_file: Path
    certificate_file: Path
    signer: KeySigner


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKey:
    """The ledger's Ed25519 key: `signer.name` is the log's origin, `vkey` what verifiers need."""

    key_file: Path
    vkey_file: Path
    signer: Ed25519NoteSigner

    @property
    def vkey(self) -> str:
        """The verifier key: `name+keyid+base64`."""
        return format_vkey(self.signer.verifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Role:
    stem: str
    label: str
    usages: tuple[x509.ObjectIdentifier, ...]
    non_repudiation: bool


_SEALING: Final = _Role(
    stem="sealing", label="evidencekit self-signed sealing identity", usages=(), non_repudiation=True
)
_TSA: Final = _Role(
    stem="tsa",
    label="evidencekit self-issued TSA",
    usages=(ExtendedKeyUsageOID.TIME_STAMPING,),
    non_repudiation=False,
)


def create_sealing_identity(
    directory: Path, *, common_name: str | None = None, now: datetime, passphrase: bytes | None = None
) -> Identity:
    """Make the key that seals bundles, with a self-signed certificate valid for ten years from `now`.

    A creation that was cut off after the key was written is finished with that key.

    Args:
        directory: made with mode 0700 if it is not there.
        common_name: the holder's name, at most 64 characters; the certificate says "self-signed" all the same.
        now: the time of the first validity, aware.
        passphrase: encrypts the key file (PKCS#8, PBES2).

    Raises:
        SigningError: there is such an identity already.
        StorageError: the files cannot be written.
        UsageError: the name cannot be used.
    """
    return _create(_SEALING, directory, common_name=common_name, now=now, passphrase=passphrase)


def create_tsa_identity(
    directory: Path, *, common_name: str | None = None, now: datetime, passphrase: bytes | None = None
) -> Identity:
    """Make the embedded TSA's own key and certificate (critical EKU timeStamping alone, RFC 3161 §2.3).

    Raises:
        SigningError: there is such an identity already.
        StorageError: the files cannot be written.
        UsageError: the name cannot be used.
    """
    return _create(_TSA, directory, common_name=common_name, now=now, passphrase=passphrase)


def import_sealing_identity(directory: Path, signer: KeySigner, *, passphrase: bytes | None = None) -> Identity:
    """Write a key that came from elsewhere, with its certificate and chain, as the sealing identity.

    Raises:
        SigningError: there is such an identity already.
        StorageError: the files cannot be written.
    """
    create_key_directory(directory)
    key_file, certificate_file = _files(_SEALING, directory)
    create_secret_file(key_file, signer.private_pem(passphrase))
    chain = (signer.certificate, *signer.chain)
    create_public_file(certificate_file, b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    return Identity(key_file=key_file, certificate_file=certificate_file, signer=signer)


def load_sealing_identity(directory: Path, *, now: datetime, passphrase: Callable[[], bytes] | None = None) -> Identity:
    """Load the sealing identity.

    Raises:
        SigningError: missing, readable by others, malformed, not valid at `now`, or key and certificate differ.
    """
    return _load(_SEALING, directory, now=now, passphrase=passphrase)


def load_tsa_identity(directory: Path, *, now: datetime, passphrase: Callable[[], bytes] | None = None) -> Identity:
    """Load the embedded TSA's identity.

    Raises:
        SigningError: missing, readable by others, malformed, not valid at `now`, or key and certificate differ.
    """
    return _load(_TSA, directory, now=now, passphrase=passphrase)


def create_ledger_key(directory: Path, *, origin: str | None = None) -> LedgerKey:
    """Make the Ed25519 key that signs the ledger's checkpoints.

    Args:
        directory: made with mode 0700 if it is not there.
        origin: the log's name; by default the one docs/spec/entry.md derives from the key.

    Raises:
        SigningError: there is a ledger key already.
        StorageError: the files cannot be written.
        UsageError: the origin cannot name a key.
    """
    create_key_directory(directory)
    key_file, vkey_file = _ledger_files(directory)
    seed = nacl.utils.random(ED25519_BYTES)
    signer = Ed25519NoteSigner(origin or default_origin(seed), seed)
    create_secret_file(key_file, format_skey(signer.name, seed).encode() + b"\n")
    return _finish_ledger_key(key_file, vkey_file, signer)


def load_ledger_key(directory: Path) -> LedgerKey:
    """Load the ledger key; a missing `ledger.vkey` is written again.

    Raises:
        SigningError: missing, readable by others, or beside a `ledger.vkey` of another key.
        FormatError: the file is not a signing key.
        StorageError: the missing verifier key cannot be written.
    """
    key_file, vkey_file = _ledger_files(directory)
    text = read_secret_file(key_file).decode("ascii", "replace").removesuffix("\n")
    return _finish_ledger_key(key_file, vkey_file, parse_skey(text))


def default_origin(seed: bytes) -> str:
    """Name a log after its key: `evidencekit/` and 16 hex characters of SHA-256 of the public key (entry.md).

    Raises:
        UsageError: the seed is not 32 bytes long.
    """
    public_key = Ed25519NoteSigner("evidencekit", seed).verifier.public_key
    return f"evidencekit/{hashlib.sha256(public_key).hexdigest()[:16]}"


def key_id(certificate: x509.Certificate) -> str:
    """Name a sealing key in ledger entries: the certificate's SHA-256 in hex (docs/spec/entry.md)."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_validity(certificate: x509.Certificate, now: datetime) -> None:
    """Refuse a certificate that is not valid at `now`.

    Raises:
        SigningError: expired, or not valid yet.
    """
    subject = certificate.subject.rfc4514_string()
    if now > certificate.not_valid_after_utc:
        raise SigningError(
            f"The certificate of {subject!r} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; "
            "rotate the identity.",
            f"证书 {subject!r} 已于 {certificate.not_valid_after_utc:%Y-%m-%d} 到期；请轮换身份。",
        )
    if now < certificate.not_valid_before_utc:
        raise SigningError(
            f"The certificate of {subject!r} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; "
            "check this machine's clock.",
            f"证书 {subject!r} 自 {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC 起有效；请检查本机时钟。",
        )


def _files(role: _Role, directory: Path) -> tuple[Path, Path]:
    return directory / f"{role.stem}.key.pem", directory / f"{role.stem}.cert.pem"


def _ledger_files(directory: Path) -> tuple[Path, Path]:
    return directory / "ledger.key", directory / "ledger.vkey"


def _create(
    role: _Role, directory: Path, *, common_name: str | None, now: datetime, passphrase: bytes | None
) -> Identity:
    name = _check_common_name(common_name)
    create_key_directory(directory)
    key_file, certificate_file = _files(role, directory)
    key = _unfinished_key(key_file, certificate_file, passphrase)
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        create_secret_file(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    certificate = _self_signed(role, key, name, now)
    create_public_file(certificate_file, certificate.public_bytes(Encoding.PEM))
    return Identity(key_file=key_file, certificate_file=certificate_file, signer=KeySigner(key, certificate))


def _unfinished_key(
    key_file: Path, certificate_file: Path, passphrase: bytes | None
) -> ec.EllipticCurvePrivateKey | None:
    """Find the key of a creation that was cut off before its certificate was written."""
    if not key_file.exists() or certificate_file.exists():
        return None
    key = load_private_key(read_secret_file(key_file), key_file, (lambda: passphrase) if passphrase else None)
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _load(role: _Role, directory: Path, *, now: datetime, passphrase: Callable[[], bytes] | None) -> Identity:
    key_file, certificate_file = _files(role, directory)
    signer = load_signer(key_file, certificate_file, passphrase)
    check_validity(signer.certificate, now)
    return Identity(key_file=key_file, certificate_file=certificate_file, signer=signer)


def _finish_ledger_key(key_file: Path, vkey_file: Path, signer: Ed25519NoteSigner) -> LedgerKey:
    key = LedgerKey(key_file=key_file, vkey_file=vkey_file, signer=signer)
    line = key.vkey.encode() + b"\n"
    if not vkey_file.exists():
        create_public_file(vkey_file, line)
    elif read_public_file(vkey_file) != line:
        raise SigningError(
            f"{vkey_file} is not the verifier key of {key_file}; move the wrong one of the two away.",
            f"{vkey_file} 与 {key_file} 不是同一密钥；请移走错误的文件。",
        )
    return key


def _check_common_name(name: str | None) -> str | None:
    if name is not None and (not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable()):
        raise UsageError(
            f"{name[:80]!r} cannot be a certificate's common name; use 1 to {MAX_NAME_CHARS} printable characters.",
            f"{name[:80]!r} 不能用作证书的通用名称；请使用 1 至 {MAX_NAME_CHARS} 个可显示字符。",
        )
    return name


def _self_signed(role: _Role, key: ec.EllipticCurvePrivateKey, name: str | None, now: datetime) -> x509.Certificate:
    public_key = key.public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    label = f"{role.label} {hashlib.sha256(spki).hexdigest()[:8]}"
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name or label)]
    if name:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, label))
    subject = x509.Name(attributes)
    start = now.replace(microsecond=0)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(non_repudiation=role.non_repudiation), critical=True)
        .add_extension(identifier, critical=False)
    )
    if role.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(role.usages), critical=True)
    return builder.sign(key, hashes.SHA256())


def seal_key_usage() -> x509.KeyUsage:
    """Give the key usage of a certificate that seals."""
    return _key_usage(non_repudiation=True)


def _key_usage(*, non_repudiation: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=non_repudiation,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
