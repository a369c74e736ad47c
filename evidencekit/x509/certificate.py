"""Certificates from strangers: load them whole or refuse them, and get at their encoded parts.

`cryptography` decodes lazily, so a malformed extension would surface in the middle of a check.
`load_certificate` decodes everything that checks use and turns every failure into `FormatError`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.errors import FormatError
from evidencekit.x509 import der

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MAX_CERTIFICATE_BYTES: Final = 1 << 16
MALFORMED: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
"""What `cryptography` raises for structures from strangers; warnings where the caller turned them into errors."""
ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedParts:
    """Parts of a certificate as its issuer wrote them (RFC 5280 §4.1), DER."""

    issuer: bytes
    subject: bytes
    public_key: bytes
    algorithm: bytes
    """The `signatureAlgorithm` beside the signature."""


def load_certificate(data: bytes) -> x509.Certificate:
    """Decode a DER certificate entirely.

    Raises:
        FormatError: Not a certificate, or one with a part that cannot be decoded.
    """
    der.parse(data, limit=MAX_CERTIFICATE_BYTES)
    try:
        certificate = x509.load_der_x509_certificate(data)
    except MALFORMED as error:
        raise FormatError(f"certificate cannot be read: {error}") from error
    require_readable(certificate)
    return certificate


def load_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Decode every certificate of a PEM file entirely.

    Raises:
        FormatError: None is there, or one cannot be decoded.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(data))
    except MALFORMED as error:
        raise FormatError(f"no PEM certificate can be read: {error}") from error
    for certificate in found:
        require_readable(certificate)
    return found


def require_readable(certificate: x509.Certificate) -> None:
    """Decode every part of a certificate that checks use.

    Raises:
        FormatError: A part cannot be decoded.
    """
    try:
        _ = (certificate.version, certificate.serial_number, certificate.subject, certificate.issuer)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.extensions)
        public_key_of(certificate)
    except MALFORMED as error:
        raise FormatError(f"certificate has a part that cannot be read: {error}") from error
    encoded_parts(certificate)


def public_key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the public key, or `None` when `cryptography` does not know its kind (SM2)."""
    try:
        return certificate.public_key()
    except UnsupportedAlgorithm:
        return None


@lru_cache(maxsize=256)
def encoded_parts(certificate: x509.Certificate) -> EncodedParts:
    """Cut the encoded names, key and algorithm out of a certificate.

    Raises:
        FormatError: Not the structure of RFC 5280 §4.1.
    """
    outer = der.Cursor(der.parse(to_der(certificate), limit=MAX_CERTIFICATE_BYTES), "Certificate")
    body = der.Cursor(outer.take(der.SEQUENCE), "TBSCertificate")
    body.optional(der.context(0))
    body.take(der.INTEGER)
    body.take(der.SEQUENCE)
    issuer = body.take(der.SEQUENCE)
    body.take(der.SEQUENCE)
    subject = body.take(der.SEQUENCE)
    key = body.take(der.SEQUENCE)
    algorithm, signature = outer.take(der.SEQUENCE), outer.take(der.BIT_STRING)
    outer.end()
    if signature.content[:1] != b"\0":
        raise FormatError("Certificate: the signature does not fill whole octets")
    return EncodedParts(issuer=issuer.raw, subject=subject.raw, public_key=key.raw, algorithm=algorithm.raw)


def to_der(certificate: x509.Certificate) -> bytes:
    """Return the certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's bytes, 64 lower-case hexadecimal characters."""
    return hashlib.sha256(to_der(certificate)).hexdigest()


def extension_of(certificate: x509.Certificate, kind: type[ExtensionT]) -> x509.Extension[ExtensionT] | None:
    """Return the extension of that kind, if there is one."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """Return the subject key identifier extension's value, if there is one."""
    extension = extension_of(certificate, x509.SubjectKeyIdentifier)
    return None if extension is None else extension.value.digest


def names_as_issuer(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether `child` names `issuer` as its issuer; certificates that cannot be read name nobody."""
    try:
        return child.issuer == issuer.subject
    except MALFORMED:
        return False


def name_of(certificate: x509.Certificate) -> str:
    """Return the subject as RFC 4514 text, for messages."""
    return certificate.subject.rfc4514_string() or "(no subject)"
