"""Certification paths at a time T (RFC 5280 §6), from a leaf to an anchor that the caller trusts.

Anchors come from the caller alone; certificates found beside the leaf are only candidates for the
way between. An anchor may be the leaf itself (a pinned certificate) and need not be self-signed.
Every certificate of the path, the anchor included, must have been valid at T. Names are compared as
RFC 5280 encodes them, signatures by `signature`, so SM2 works. Name constraints are not evaluated:
such a path is INDETERMINATE. Certificate policies are not evaluated either, as by `openssl verify`
without `-policy_check`. Work is bounded: eight certificates a path, 64 signature checks.

FAILED says that a certificate may not be used so; INDETERMINATE that no path was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from evidencekit.errors import FormatError
from evidencekit.model import Outcome, Text
from evidencekit.x509.certificate import extension_of, name_of, names_as_issuer, require_readable
from evidencekit.x509.signature import certificate_signed_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

MAX_PATH: Final = 8
MAX_SIGNATURE_CHECKS: Final = 64

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.NAME_CONSTRAINTS,
    }
)
_OTHER_TRADES: Final = frozenset(
    {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
)


class Purpose(StrEnum):
    """What the leaf is used for."""

    TIMESTAMPING = "timestamping"
    SEALING = "sealing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """The outcome and the path, leaf first; the leaf alone when there is none."""

    outcome: Outcome
    chain: tuple[x509.Certificate, ...]
    reason: Text

    @property
    def ok(self) -> bool:
        """Whether the leaf leads to an anchor and may be used for the purpose at that time."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """Why a certificate may not stand where it stands."""

    en: str
    zh: str
    open: bool = False


_Chain: TypeAlias = tuple[x509.Certificate, ...]


def build_path(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    *,
    at: datetime,
    purpose: Purpose,
) -> PathResult:
    """Find a path from `leaf` to one of `anchors` that held at `at`.

    Args:
        leaf: The certificate to judge.
        intermediates: Certificates that may stand between, from anywhere.
        anchors: What the caller trusts.
        at: Aware time at which everything must have been valid.
        purpose: What the leaf was used for.
    """
    pinned = leaf in anchors
    fault = _leaf_fault(leaf, at, purpose, pinned=pinned)
    if fault is not None:
        return _result(fault, (leaf,))
    if pinned:
        reason = Text(en="the certificate itself is trusted", zh="该证书本身即为信任锚")
        return PathResult(outcome=Outcome.PASSED, chain=(leaf,), reason=reason)
    if not anchors:
        return _result(_Fault(en="no trust anchor was given", zh="未提供信任锚", open=True), (leaf,))
    search = _Search(intermediates, anchors, at, purpose)
    chain = search.extend((leaf,))
    if chain is None:
        return _result(search.fault(), (leaf,))
    anchor = name_of(chain[-1])
    reason = Text(en=f"leads to the anchor {anchor}", zh=f"可追溯至信任锚 {anchor}")
    return PathResult(outcome=Outcome.PASSED, chain=chain, reason=reason)


def _result(fault: _Fault, chain: _Chain) -> PathResult:
    outcome = Outcome.INDETERMINATE if fault.open else Outcome.FAILED
    return PathResult(outcome=outcome, chain=chain, reason=Text(en=fault.en, zh=fault.zh))


class _Search:
    """Depth-first search with a budget of signature checks; anchors are tried first."""

    def __init__(
        self, intermediates: Iterable[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime, use: Purpose
    ) -> None:
        self._anchors = tuple(anchors)
        self._pool = tuple(dict.fromkeys((*self._anchors, *intermediates)))
        self._at = at
        self._purpose = use
        self._budget = MAX_SIGNATURE_CHECKS
        self._faults: list[_Fault] = []

    def extend(self, chain: _Chain) -> _Chain | None:
        """Return the path to an anchor that begins with `chain`."""
        if len(chain) >= MAX_PATH:
            return None
        for issuer in self._issuers(chain):
            fault = _issuer_fault(issuer, chain, self._at, self._purpose)
            if fault is not None:
                self._faults.append(fault)
                continue
            longer = (*chain, issuer)
            found = longer if issuer in self._anchors else self.extend(longer)
            if found is not None:
                return found
        return None

    def fault(self) -> _Fault:
        """Return why nothing was found."""
        if self._faults:
            return self._faults[0]
        if self._budget <= 0:
            return _Fault(en="too many certificates to search", zh="证书过多，无法逐一查找", open=True)
        return _Fault(en="no path leads to a given anchor", zh="无法追溯至所给的信任锚", open=True)

    def _issuers(self, chain: _Chain) -> Iterable[x509.Certificate]:
        child = chain[-1]
        for candidate in self._pool:
            if candidate in chain or not names_as_issuer(child, candidate) or self._budget <= 0:
                continue
            self._budget -= 1
            if _is_signed_by(child, candidate):
                yield candidate


def _is_signed_by(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        require_readable(issuer)
    except FormatError:
        return False
    return certificate_signed_by(child, issuer).outcome is Outcome.PASSED


def _leaf_fault(leaf: x509.Certificate, at: datetime, purpose: Purpose, *, pinned: bool) -> _Fault | None:
    try:
        require_readable(leaf)
    except FormatError as error:
        return _Fault(en=error.en, zh=error.zh)
    constraints = extension_of(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca and not pinned:
        return _Fault(en="a CA certificate signed instead of its leaf", zh="以 CA 证书直接签名")
    rules = _timestamping_fault if purpose is Purpose.TIMESTAMPING else _sealing_fault
    return rules(leaf) or _common_fault(leaf, at)


def _timestamping_fault(leaf: x509.Certificate) -> _Fault | None:
    """RFC 3161 §2.3; no key usage beside the two, as OpenSSL asks (`check_purpose_timestamp_sign`)."""
    extended = extension_of(leaf, x509.ExtendedKeyUsage)
    if extended is None or not extended.critical or list(extended.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return _Fault(
            en="extended key usage is not critical and only timeStamping", zh="扩展密钥用法并非关键且仅限时间戳"
        )
    usage = extension_of(leaf, x509.KeyUsage)
    if usage is not None and (_others(usage.value) or not _may_sign(usage.value)):
        return _Fault(
            en="key usage is not digitalSignature or nonRepudiation alone", zh="密钥用法并非仅限数字签名或抗抵赖"
        )
    return None


def _sealing_fault(leaf: x509.Certificate) -> _Fault | None:
    usage = extension_of(leaf, x509.KeyUsage)
    if usage is not None and not _may_sign(usage.value):
        return _Fault(en="key usage allows no signing of documents", zh="密钥用法不允许签名")
    extended = extension_of(leaf, x509.ExtendedKeyUsage)
    if extended is not None and set(extended.value) <= _OTHER_TRADES:
        return _Fault(en="extended key usage is for other purposes only", zh="扩展密钥用法仅限其他用途")
    return None


def _may_sign(usage: x509.KeyUsage) -> bool:
    return usage.digital_signature or usage.content_commitment


def _others(usage: x509.KeyUsage) -> bool:
    others = (usage.key_encipherment, usage.data_encipherment, usage.key_agreement, usage.key_cert_sign)
    return any((*others, usage.crl_sign))


def _issuer_fault(issuer: x509.Certificate, below: _Chain, at: datetime, purpose: Purpose) -> _Fault | None:
    name = name_of(issuer)
    constraints = extension_of(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        return _Fault(en=f"issuer {name} is not a CA", zh=f"签发者 {name} 不是 CA")
    usage = extension_of(issuer, x509.KeyUsage)
    if usage is not None and not usage.value.key_cert_sign:
        return _Fault(en=f"issuer {name} may not sign certificates", zh=f"签发者 {name} 无权签发证书")
    limit = constraints.value.path_length
    if limit is not None and sum(c.subject != c.issuer for c in below[1:]) > limit:
        return _Fault(en=f"path below {name} is longer than it allows", zh=f"{name} 之下的证书链超长")
    extended = extension_of(issuer, x509.ExtendedKeyUsage)
    wanted = {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purpose is Purpose.TIMESTAMPING and extended is not None and not wanted & set(extended.value):
        return _Fault(en=f"issuer {name} may not issue for time-stamping", zh=f"签发者 {name} 不得签发时间戳证书")
    return _common_fault(issuer, at)


def _common_fault(certificate: x509.Certificate, at: datetime) -> _Fault | None:
    name = name_of(certificate)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        window = f"{certificate.not_valid_before_utc:%Y-%m-%d} – {certificate.not_valid_after_utc:%Y-%m-%d}"
        moment = f"{at:%Y-%m-%d %H:%M:%SZ}"
        return _Fault(en=f"{name} is valid {window}, not at {moment}", zh=f"{name} 有效期为 {window}，在 {moment} 无效")
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            oid = extension.oid.dotted_string
            return _Fault(en=f"{name} has the unknown critical extension {oid}", zh=f"{name} 含未知关键扩展 {oid}")
    if extension_of(certificate, x509.NameConstraints) is not None:
        return _Fault(en=f"{name} has name constraints, not evaluated here", zh=f"未评估 {name} 的名称约束", open=True)
    return None
