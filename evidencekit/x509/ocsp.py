"""Ask an OCSP response about a certificate (RFC 6960); nothing is fetched."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.x509 import der, oids
from evidencekit.x509.certificate import MALFORMED, encoded_parts, extension_of, require_readable
from evidencekit.x509.digests import digest
from evidencekit.x509.signature import certificate_signed_by, check_signature, parse_algorithm
from evidencekit.x509.status import Answer, Revocation, is_conclusive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_OCSP_BYTES: Final = 1 << 18
_MAX_RESPONSES: Final = 256
_ARCHIVE_CUTOFF: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.6")


def ask_ocsp(data: bytes, certificate: x509.Certificate, issuer: x509.Certificate, *, at: datetime) -> Answer | None:
    """Return what the response says about `certificate` at `at`; `None` when it is not about it.

    A response that is malformed, an error, or not signed by the issuer or its delegate says nothing.
    """
    try:
        response = _load(data)
        if response is None or not _is_signed(data, response, issuer):
            return None
        return _find(response, certificate, issuer, at)
    except (FormatError, IndexError, *MALFORMED):
        return None


def _load(data: bytes) -> ocsp.OCSPResponse | None:
    der.parse(data, limit=MAX_OCSP_BYTES)
    response = ocsp.load_der_ocsp_response(data)
    return response if response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL else None


def _is_signed(data: bytes, response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """By the issuer itself, or by a certificate it issued for OCSP signing (RFC 6960 §4.2.2.2)."""
    wrapped = der.children(der.parse(der.children(der.parse(data))[1].content))[1]
    basic = der.children(der.parse(der.read_octets(wrapped)))
    algorithm = parse_algorithm(basic[1])
    for responder in (issuer, *_delegates(response, issuer)):
        if not _is_named(response, responder):
            continue
        step = check_signature(
            responder, algorithm, digest="sha256", signature=response.signature, data=response.tbs_response_bytes
        )
        if step.outcome is Outcome.PASSED:
            return True
    return False


def _is_named(response: ocsp.OCSPResponse, responder: x509.Certificate) -> bool:
    """ResponderID: the signer's name, or the SHA-1 of its key's bits (RFC 6960 §4.2.1)."""
    if response.responder_name is not None:
        return response.responder_name == responder.subject
    key = der.children(der.parse(encoded_parts(responder).public_key))[1].content[1:]
    return response.responder_key_hash == digest("sha1", key)


def _delegates(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> Sequence[x509.Certificate]:
    found: list[x509.Certificate] = []
    for candidate in response.certificates[:4]:
        require_readable(candidate)
        usage = extension_of(candidate, x509.ExtendedKeyUsage)
        if usage is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usage.value or candidate.issuer != issuer.subject:
            continue
        signs = extension_of(candidate, x509.KeyUsage)
        if signs is not None and not signs.value.digital_signature:
            continue
        if not candidate.not_valid_before_utc <= response.produced_at_utc <= candidate.not_valid_after_utc:
            continue
        if certificate_signed_by(candidate, issuer).outcome is Outcome.PASSED:
            found.append(candidate)
    return found


def _find(
    response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Answer | None:
    for number, single in enumerate(response.responses):
        if number == _MAX_RESPONSES:
            return None
        if single.serial_number != certificate.serial_number or not _names_issuer(single, issuer):
            continue
        if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            continue
        conclusive = is_conclusive(
            certificate,
            at,
            issued=single.this_update_utc,
            renewed=single.next_update_utc,
            keeps_expired=_keeps(response, certificate),
        )
        source = f"OCSP of {single.this_update_utc:%Y-%m-%d}"
        return Answer(source=source, revocation=_revocation(single), conclusive=conclusive)
    return None


def _keeps(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Whether the responder still answers for a certificate that expired: archive cutoff (RFC 6960 §4.4.4)."""
    if len(list(itertools.islice(response.responses, 2))) != 1:
        return False  # the extension belongs to one answer, and cannot be told apart among several
    for extension in response.single_extensions:
        if extension.oid == _ARCHIVE_CUTOFF and isinstance(extension.value, x509.UnrecognizedExtension):
            return der.read_time(der.parse(extension.value.value)) <= certificate.not_valid_after_utc
    return False


def _names_issuer(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bool:
    """CertID: hashes of the issuer's name and of its key's bits (RFC 6960 §4.1.1)."""
    parts = encoded_parts(issuer)
    name = single.hash_algorithm.name
    if name != "sha1" and name not in oids.DIGEST_SIZES:
        return False
    key = der.children(der.parse(parts.public_key))[1].content[1:]
    return (digest(name, parts.subject), digest(name, key)) == (single.issuer_name_hash, single.issuer_key_hash)


def _revocation(single: ocsp.OCSPSingleResponse) -> Revocation | None:
    if single.certificate_status is not ocsp.OCSPCertStatus.REVOKED or single.revocation_time_utc is None:
        return None
    return Revocation(time=single.revocation_time_utc, reason=single.revocation_reason)
