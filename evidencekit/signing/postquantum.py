"""The second key of a sealing identity: ML-DSA-65 (FIPS 204), for the day on which ECDSA and RSA can be forged.

```
<directory>/sealing-ml-dsa.key.pem  sealing-ml-dsa.cert.pem     PKCS#8 (RFC 9881), self-signed
```

It is made when it is first asked for, belongs to the sealing identity and is retired with it. The signed manifest names
its certificate, so each of the two signatures holds the other to its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from evidencekit.errors import SigningError
from evidencekit.signing.identity import VALIDITY, check_validity, seal_key_usage
from evidencekit.signing.keyfile import (
    create_key_directory,
    create_public_file,
    create_secret_file,
    read_public_file,
    read_secret_file,
)
from evidencekit.signing.signer import SignatureAlgorithm, load_certificates

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

KEY_FILE: Final = "sealing-ml-dsa.key.pem"
CERTIFICATE_FILE: Final = "sealing-ml-dsa.cert.pem"
_LABEL: Final = "evidencekit self-signed ML-DSA-65 key"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaSigner:
    """A signer with an ML-DSA-65 key in memory: pure, empty context (RFC 9882 §3)."""

    key: mldsa.MLDSA65PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ML_DSA_65

    def __repr__(self) -> str:
        """Name the certificate; never the key."""
        return f"MlDsaSigner({self.certificate.subject.rfc4514_string()!r})"

    def sign(self, data: bytes) -> bytes:
        """Sign `data`."""
        return self.key.sign(data)


def open_post_quantum(directory: Path, *, beside: x509.Certificate, now: datetime) -> MlDsaSigner:
    """Load the second key of an identity, making it when it is not there.

    Args:
        directory: where keys are; it is there.
        beside: the sealing identity's certificate, whose subject the new certificate bears as well.
        now: the time of the first validity, aware.

    Raises:
        SigningError: it is lost, unreadable, open to others, malformed, not valid at `now`, or the two files differ.
        StorageError: the files cannot be written.
    """
    key_file, certificate_file = directory / KEY_FILE, directory / CERTIFICATE_FILE
    if certificate_file.exists():
        return load_post_quantum(directory, now=now)
    create_key_directory(directory)
    if not key_file.exists():
        key = mldsa.MLDSA65PrivateKey.generate()
        create_secret_file(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate = _self_signed(_read_key(key_file), beside, now)
    create_public_file(certificate_file, certificate.public_bytes(Encoding.PEM))
    return load_post_quantum(directory, now=now)


def load_post_quantum(directory: Path, *, now: datetime) -> MlDsaSigner:
    """Load the second key of an identity.

    Raises:
        SigningError: as for `open_post_quantum`.
    """
    key_file, certificate_file = directory / KEY_FILE, directory / CERTIFICATE_FILE
    key = _read_key(key_file)
    certificate = load_certificates(read_public_file(certificate_file), certificate_file)[0]
    if certificate.public_key() != key.public_key():
        raise SigningError(
            f"{certificate_file} is not the certificate of {key_file}; put both back from one backup",
            f"{certificate_file} 与 {key_file} 不是同一密钥；请从同一备份放回二者",
        )
    check_validity(certificate, now)
    return MlDsaSigner(key=key, certificate=certificate)


def _read_key(file: Path) -> mldsa.MLDSA65PrivateKey:
    try:
        key = load_pem_private_key(read_secret_file(file), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(file, str(error)) from error
    if not isinstance(key, mldsa.MLDSA65PrivateKey):
        raise _no_key(file, type(key).__name__)
    return key


def _no_key(file: Path, why: str) -> SigningError:
    return SigningError(
        f"{file} holds no ML-DSA-65 key ({why}); put it back from a backup, or go on with new keys: "
        "evidencekit identity rotate seal --lost",
        f"{file} 中没有 ML-DSA-65 密钥({why})；请从备份放回，或改用新密钥：evidencekit identity rotate seal --lost",
    )


def _self_signed(key: mldsa.MLDSA65PrivateKey, beside: x509.Certificate, now: datetime) -> x509.Certificate:
    subject = x509.Name([*beside.subject, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _LABEL)])
    start = now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(seal_key_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )
