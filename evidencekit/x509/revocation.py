"""Revocation from CRLs and OCSP responses that the caller holds (RFC 5280 §6.3, RFC 6960); nothing is fetched.

For a time-stamp at T, RFC 3161 §4 decides: a revocation for affiliationChanged, superseded,
cessationOfOperation or unspecified leaves tokens made before it valid; any other reason, and none
at all, voids every token. For a seal that provably existed at T, a revocation after T does not
matter, unless the issuer dates the key's loss before T (ETSI EN 319 102-1 §5.5).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from cryptography import x509

from evidencekit.model import Outcome
from evidencekit.x509 import checks
from evidencekit.x509.certificate import name_of, names_as_issuer
from evidencekit.x509.crl import ask_crl
from evidencekit.x509.ocsp import ask_ocsp
from evidencekit.x509.path import Purpose
from evidencekit.x509.signature import certificate_signed_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evidencekit.x509.checks import Check
    from evidencekit.x509.status import Answer, Revocation

MAX_SOURCES: Final = 64
_STEP: Final = "revocation"
_HARMLESS: Final = frozenset(
    {
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
    }
)


def check_revocation(
    chain: Sequence[x509.Certificate],
    *,
    at: datetime,
    purpose: Purpose,
    crls: Sequence[bytes] = (),
    ocsp: Sequence[bytes] = (),
    issuers: Sequence[x509.Certificate] = (),
) -> Check:
    """Judge whether a certificate of the path was revoked in a way that voids what it did at `at`.

    Args:
        chain: The path, leaf first; its last certificate is not asked about, unless it is the only one.
        at: When the leaf's key was used.
        purpose: What it was used for.
        crls: Revocation lists, DER; those that say nothing about the path are passed over.
        ocsp: OCSP responses, DER; likewise.
        issuers: Where to look for the leaf's issuer when there is no path.

    Returns:
        One step with id `revocation`: PASSED if every certificate below the anchor is known to be good,
        FAILED if one is revoked, INDETERMINATE if something is left open, NOT_PERFORMED without any data.
    """
    said: list[Answer | None] = []
    for certificate, issuer in _pairs(chain, issuers):
        answers = _ask(certificate, issuer, at, (tuple(crls)[:MAX_SOURCES], tuple(ocsp)[:MAX_SOURCES]))
        for answer in answers:
            if answer.revocation is not None and _voids(answer.revocation, at, purpose):
                return _revoked(certificate, answer.revocation, answer.source)
        said.append(next((a for a in answers if a.conclusive), answers[0] if answers else None))
    if not any(said):
        return checks.not_performed(_STEP, "no revocation data about this path", "没有与该证书链有关的吊销信息")
    if all(answer is not None and answer.conclusive for answer in said):
        sources = ", ".join(answer.source for answer in said if answer is not None)
        return checks.passed(_STEP, f"not revoked ({sources})", f"未被吊销({sources})")
    return checks.undecided(
        _STEP, "revocation data does not cover the whole path and time", "吊销信息未覆盖整条证书链或该时间"
    )


def _pairs(
    chain: Sequence[x509.Certificate], issuers: Sequence[x509.Certificate]
) -> list[tuple[x509.Certificate, x509.Certificate]]:
    if len(chain) != 1:
        return list(itertools.pairwise(chain))
    leaf = chain[0]
    candidates = [c for c in issuers if names_as_issuer(leaf, c) and c != leaf][:MAX_SOURCES]
    return [(leaf, c) for c in candidates if certificate_signed_by(leaf, c).outcome is Outcome.PASSED][:1]


def _ask(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    sources: tuple[Sequence[bytes], Sequence[bytes]],
) -> list[Answer]:
    crls, responses = sources
    answers = [ask_crl(data, certificate, issuer, at=at) for data in crls]
    answers += [ask_ocsp(data, certificate, issuer, at=at) for data in responses]
    return [answer for answer in answers if answer is not None]


def _voids(revocation: Revocation, at: datetime, purpose: Purpose) -> bool:
    if purpose is Purpose.TIMESTAMPING and revocation.reason not in _HARMLESS:
        return True
    since = min(revocation.time, revocation.invalid_since or revocation.time)
    return at >= since


def _revoked(certificate: x509.Certificate, revocation: Revocation, source: str) -> Check:
    reason = revocation.reason.value if revocation.reason else "no reason given"
    name, day = name_of(certificate), f"{revocation.time:%Y-%m-%d}"
    return checks.failed(_STEP, f"{name} was revoked {day}: {reason} ({source})", f"{name} 已于 {day} 吊销：{reason}")
