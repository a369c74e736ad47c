"""What one revocation list or one OCSP response says about one certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """When and why a certificate was revoked; `reason` is `None` when the source gives none."""

    time: datetime
    reason: x509.ReasonFlags | None
    invalid_since: datetime | None = None
    """When the issuer believes the key was lost (RFC 5280 §5.3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A source's answer. Without `revocation`, `conclusive` says whether its silence means "not revoked" at T."""

    source: str
    revocation: Revocation | None
    conclusive: bool


def is_conclusive(
    certificate: x509.Certificate,
    at: datetime,
    *,
    issued: datetime,
    renewed: datetime | None,
    keeps_expired: bool,
) -> bool:
    """Return whether silence issued at `issued` (next at `renewed`) says that the certificate was good at `at`.

    Issuers may drop a certificate that expired (RFC 5280 §3.3), so later silence says nothing.
    """
    if issued > certificate.not_valid_after_utc and not keeps_expired:
        return False
    return issued >= at or (renewed is not None and renewed >= at)
