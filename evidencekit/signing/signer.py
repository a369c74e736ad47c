"""Who signs: one small protocol, and the signer whose key lies in a file.

`sign(data)` hashes and signs the whole of `data`. ECDSA signatures are DER (RFC 3279 §2.2.3), RSA ones
RSASSA-PKCS1-v1_5 (RFC 8017 §8.2), both with the hash that the algorithm names; Ed25519 is RFC 8032, ML-DSA-65 pure
with an empty context (FIPS 204), SM2 as in GM/T 0009 with the default identifier. An HSM or an external command only
has to offer the same four attributes.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from evidencekit.errors import SigningError
from evidencekit.signing.keyfile import read_public_file, read_secret_file
from evidencekit.x509.certificate import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MIN_RSA_BITS: Final = 3072
"""128-bit security until 2030 and after: NIST SP 800-57 part 1 rev. 5, table 2."""

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class SignatureAlgorithm(StrEnum):
    """How a signer signs."""

    ECDSA_SHA256 = "ecdsa-sha256"
    ECDSA_SHA384 = "ecdsa-sha384"
    ECDSA_SHA512 = "ecdsa-sha512"
    RSA_SHA256 = "rsa-sha256"
    RSA_SHA384 = "rsa-sha384"
    RSA_SHA512 = "rsa-sha512"
    ED25519 = "ed25519"
    ML_DSA_65 = "ml-dsa-65"
    SM2_SM3 = "sm2-sm3"

    @property
    def family(self) -> str:
        """The kind of key: `ecdsa`, `rsa`, `ed25519`, `ml-dsa` or `sm2`."""
        return self.value.rpartition("-")[0] or self.value

    @property
    def described(self) -> str:
        """The algorithm as documents name it: `ECDSA, SHA-256`."""
        names = {"ecdsa": "ECDSA", "rsa": "RSA", "ed25519": "Ed25519", "ml-dsa": "ML-DSA-65", "sm2": "SM2"}
        hashed = {"sha256": ", SHA-256", "sha384": ", SHA-384", "sha512": ", SHA-512", "sm3": ", SM3"}
        return names[self.family] + hashed.get(self.hash_name or "", "")

    @property
    def hash_name(self) -> str | None:
        """The hash function in the name; None where the scheme has its own."""
        _, dash, name = self.value.rpartition("-")
        return name if dash and name.startswith(("sha", "sm")) else None


_HASHES: Final = MappingProxyType({"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()})


class Signer(Protocol):
    """A private key in use, and the certificate that names its holder."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate of the signing key."""
        ...

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Issuing certificates that a verifier may need, nearest first; without the signer's own."""
        ...

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """How `sign` signs."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign `data`.

        Raises:
            SigningError: the key did not work.
        """
        ...


@runtime_checkable
class BringsRevocation(Protocol):
    """A signer that also holds what its authority last said of its certificates; a seal then embeds it."""

    @property
    def crls(self) -> tuple[bytes, ...]:
        """Revocation lists of the certificates in `certificate` and `chain`, DER."""
        ...


class KeySigner:
    """A signer that holds its key in memory: ECDSA P-256 or P-384, RSA of at least 3072 bits, or Ed25519.

    `algorithm` chooses another hash for the same kind of key; by default SHA-256, and SHA-384 with P-384.

    Raises:
        SigningError: the key is weaker or of another kind, or the certificate is for another key.
    """

    __slots__ = ("_key", "algorithm", "certificate", "chain", "crls")

    def __init__(
        self,
        key: SigningKey,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate] = (),
        *,
        crls: Sequence[bytes] = (),
        algorithm: SignatureAlgorithm | None = None,
    ) -> None:
        self._key, default = accept_key(key)
        self.algorithm = default if algorithm is None else algorithm
        if self.algorithm.family != default.family:
            raise SigningError(
                f"The key of {certificate.subject.rfc4514_string()!r} cannot sign with {self.algorithm.value}; "
                f"leave the algorithm out for {default.value}.",
                f"{certificate.subject.rfc4514_string()!r} 的密钥不能以 {self.algorithm.value} 签名;"
                f"省略该项即使用 {default.value}。",
            )
        if not _same_key(key, certificate):
            raise SigningError(
                f"The certificate {certificate.subject.rfc4514_string()!r} is for another key; give the key's own one.",
                f"证书 {certificate.subject.rfc4514_string()!r} 与私钥不匹配；请提供该私钥对应的证书。",
            )
        self.certificate = certificate
        self.chain = tuple(chain)
        self.crls = tuple(crls)

    def sign(self, data: bytes) -> bytes:
        """Sign `data`; see the module for the forms."""
        match self._key:
            case ec.EllipticCurvePrivateKey():
                return self._key.sign(data, ec.ECDSA(self._hash()))
            case rsa.RSAPrivateKey():
                return self._key.sign(data, padding.PKCS1v15(), self._hash())
            case _:
                return self._key.sign(data)

    def private_pem(self, passphrase: bytes | None = None) -> bytes:
        """Give the key as PKCS#8 PEM, encrypted when there is a passphrase; whoever gets this can sign."""
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def _hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.algorithm.hash_name or "sha256"]


def load_signer(
    key_file: Path,
    cert_file: Path,
    passphrase: Callable[[], bytes] | None = None,
    *,
    check_permissions: bool = True,
    algorithm: SignatureAlgorithm | None = None,
) -> KeySigner:
    """Load a signer from a PEM key and a PEM file with its certificate, followed by the issuing ones if any.

    Args:
        key_file: PKCS#8 (or traditional) PEM, encrypted or not.
        cert_file: PEM certificates, the signer's own first.
        passphrase: asked once, and only when the key is encrypted.
        check_permissions: refuse a key that others on this machine can read.
        algorithm: another hash for the same kind of key.

    Raises:
        SigningError: a file is missing, unreadable, malformed or too open; the passphrase is wrong or missing; the key
            is weak or not that of the certificate.
    """
    key = load_private_key(read_secret_file(key_file, check_permissions=check_permissions), key_file, passphrase)
    certificates = load_certificates(read_public_file(cert_file), cert_file)
    return KeySigner(key, certificates[0], certificates[1:], algorithm=algorithm)


def load_pkcs12(data: bytes, source: Path, passphrase: bytes | None) -> KeySigner:
    """Read a signer from PKCS#12 (RFC 7292), as certification authorities hand them out (.p12, .pfx).

    Raises:
        SigningError: it cannot be opened, or holds no key with its certificate, or a key that is refused.
    """
    try:
        key, certificate, others = load_key_and_certificates(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"{source} cannot be opened ({error}); give a PKCS#12 file and its passphrase.",
            f"无法打开 {source}({error})；请提供 PKCS#12 文件及其口令。",
        ) from error
    if key is None or certificate is None:
        raise SigningError(
            f"{source} does not hold a key with its certificate; export both together.",
            f"{source} 中没有私钥及其证书；请将二者一并导出。",
        )
    return KeySigner(accept_key(key)[0], certificate, _ordered(certificate, others))


def _ordered(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Order issuing certificates nearest first; what issued nothing of them is left out."""
    chain: list[x509.Certificate] = []
    at = leaf
    while at.issuer != at.subject:
        issuer = next((each for each in others if each.subject == at.issuer and each not in chain), None)
        if issuer is None:
            break
        chain.append(issuer)
        at = issuer
    return chain


def load_private_key(pem: bytes, source: Path, passphrase: Callable[[], bytes] | None = None) -> SigningKey:
    """Read a PEM private key of a kind this library signs with.

    Raises:
        SigningError: not a PEM key, a wrong or missing passphrase, or a kind or strength that is refused.
    """
    try:
        encrypted = b"ENCRYPTED" in pem
        key = load_pem_private_key(pem, (passphrase() if passphrase else None) if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"The key in {source} cannot be opened ({error}); give a PEM private key and the passphrase if it has one.",
            f"无法打开密钥文件 {source}({error})；请提供 PEM 私钥及其口令(如有)。",
        ) from error
    return accept_key(key)[0]


def load_certificates(pem: bytes, source: Path) -> tuple[x509.Certificate, ...]:
    """Read one or more PEM certificates.

    Raises:
        SigningError: there is none, or one is malformed.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except MALFORMED as error:
        raise SigningError(
            f"{source} holds no readable PEM certificate ({error}); give the certificate of the signing key.",
            f"{source} 中没有可读取的 PEM 证书({error})；请提供签名密钥的证书。",
        ) from error


def accept_key(key: object) -> tuple[SigningKey, SignatureAlgorithm]:
    """Accept a private key of a kind and strength this library signs with, and say how it signs.

    Raises:
        SigningError: the key is of another kind, curve or too short.
    """
    match key:
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
            return key, SignatureAlgorithm.ECDSA_SHA256
        case ec.EllipticCurvePrivateKey(curve=ec.SECP384R1()):
            return key, SignatureAlgorithm.ECDSA_SHA384
        case rsa.RSAPrivateKey() if key.key_size >= MIN_RSA_BITS:
            return key, SignatureAlgorithm.RSA_SHA256
        case ed25519.Ed25519PrivateKey():
            return key, SignatureAlgorithm.ED25519
        case _:
            size: object = getattr(key, "key_size", None) or "?"
            raise SigningError(
                f"A {type(key).__name__} of {size} bits is refused; use ECDSA P-256 or P-384, "
                f"RSA ≥ {MIN_RSA_BITS} or Ed25519.",
                f"不接受 {size} 位的 {type(key).__name__}；请使用 ECDSA P-256 或 P-384、"
                f"RSA ≥ {MIN_RSA_BITS} 位或 Ed25519。",
            )


def _same_key(key: SigningKey, certificate: x509.Certificate) -> bool:
    try:
        held: CertificatePublicKeyTypes = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return key.public_key() == held
