"""Until when a time-stamp is good without renewal: what ends first of its certificates and its algorithms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from evidencekit.x509.certificate import public_key_of

if TYPE_CHECKING:
    from cryptography import x509

    from evidencekit.timestamp.check import TokenCheck

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_STRONG_RSA_BITS: Final = 3072
_SHORT_RSA_END: Final = datetime(2030, 12, 31, tzinfo=UTC)
"""NIST SP 800-57 part 1 rev. 5, table 4: 112 bits of strength, which RSA of 2048 bits has, serve through 2030."""


def horizon_of(check: TokenCheck) -> datetime:
    """Return until when to renew a checked token at the latest: the first end on its path, algorithms included.

    The path is the TSA's certificate alone where no anchor was given.
    """
    return min((usable_until(certificate) for certificate in _path(check)), default=_NEVER)


def expiry_of(check: TokenCheck) -> datetime:
    """Return when the first certificate of a checked token's path expires."""
    return min((certificate.not_valid_after_utc for certificate in _path(check)), default=_NEVER)


def _path(check: TokenCheck) -> tuple[x509.Certificate, ...]:
    return check.chain or (() if check.certificate is None else (check.certificate,))


def usable_until(certificate: x509.Certificate) -> datetime:
    """Return when a certificate ends, or earlier when its key will be too short before."""
    key = public_key_of(certificate)
    short = isinstance(key, rsa.RSAPublicKey) and key.key_size < _STRONG_RSA_BITS
    return min(certificate.not_valid_after_utc, _SHORT_RSA_END) if short else certificate.not_valid_after_utc
