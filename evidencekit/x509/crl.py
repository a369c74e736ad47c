"""Ask a certificate revocation list about a certificate (RFC 5280 §5 and §6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.x509 import der
from evidencekit.x509.certificate import MALFORMED, extension_of
from evidencekit.x509.signature import check_signature, parse_algorithm
from evidencekit.x509.status import Answer, Revocation, is_conclusive

if TYPE_CHECKING:
    from datetime import datetime

MAX_CRL_BYTES: Final = 32 << 20
_EXPIRED_CERTIFICATES: Final = x509.ObjectIdentifier("2.5.29.60")
_UNDERSTOOD: Final = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """Decode a DER revocation list of at most 32 MiB.

    Raises:
        FormatError: Not a revocation list, or one with a part that cannot be decoded.
    """
    der.parse(data, limit=MAX_CRL_BYTES)
    try:
        crl = x509.load_der_x509_crl(data)
        _ = (crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.extensions, crl.signature)
    except MALFORMED as error:
        raise FormatError(f"revocation list cannot be read: {error}") from error
    return crl


def ask_crl(data: bytes, certificate: x509.Certificate, issuer: x509.Certificate, *, at: datetime) -> Answer | None:
    """Return what the list says about `certificate` at `at`; `None` when it is not about it.

    A list that is malformed, of another issuer, partial or with unknown critical extensions says nothing.
    """
    try:
        crl = load_crl(data)
        if crl.issuer != issuer.subject or not _is_signed(data, crl, issuer) or not _covers(crl, certificate):
            return None
        revocation = _entry(crl, certificate.serial_number)
    except FormatError:
        return None
    conclusive = is_conclusive(
        certificate,
        at,
        issued=crl.last_update_utc,
        renewed=crl.next_update_utc,
        keeps_expired=any(extension.oid == _EXPIRED_CERTIFICATES for extension in crl.extensions),
    )
    return Answer(source=f"CRL of {crl.last_update_utc:%Y-%m-%d}", revocation=revocation, conclusive=conclusive)


def _is_signed(data: bytes, crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    usage = extension_of(issuer, x509.KeyUsage)
    if usage is not None and not usage.value.crl_sign:
        return False
    outer = der.children(der.parse(data, limit=MAX_CRL_BYTES))
    algorithm = parse_algorithm(outer[1])
    step = check_signature(issuer, algorithm, digest="sha256", signature=crl.signature, data=crl.tbs_certlist_bytes)
    return step.outcome is Outcome.PASSED


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list is complete for the kind and the distribution point of this certificate."""
    for extension in crl.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            return False
    try:
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    constraints = extension_of(certificate, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.value.ca
    partial = (scope.indirect_crl, scope.only_some_reasons, scope.only_contains_attribute_certs, scope.relative_name)
    if any(partial) or (scope.only_contains_user_certs and is_ca) or (scope.only_contains_ca_certs and not is_ca):
        return False
    return not scope.full_name or bool(set(scope.full_name) & _distribution_points(certificate))


def _distribution_points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    extension = extension_of(certificate, x509.CRLDistributionPoints)
    points = () if extension is None else extension.value
    return {name for point in points for name in point.full_name or ()}


def _entry(crl: x509.CertificateRevocationList, serial: int) -> Revocation | None:
    try:
        entry = crl.get_revoked_certificate_by_serial_number(serial)
        if entry is None:
            return None
        reason = invalid_since = None
        for extension in entry.extensions:
            match extension.value:
                case x509.CRLReason(reason=given):
                    reason = given
                case x509.InvalidityDate():
                    invalid_since = extension.value.invalidity_date_utc
                case _:
                    continue
        return Revocation(time=entry.revocation_date_utc, reason=reason, invalid_since=invalid_since)
    except MALFORMED as error:
        raise FormatError(f"entry of a revocation list cannot be read: {error}") from error
