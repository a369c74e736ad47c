"""Check a time-stamp offline: every condition is a step of its own (RFC 3161 §2.2, §2.3, §2.4.2).

Two questions are kept apart. *Intact*: is this an unaltered token over this digest, signed with the
key of the certificate it names? *Trusted*: did that certificate lead to one of the caller's anchors
at the time the token states, fit for time-stamping and not revoked? Anchors come from the caller
alone; what the token brings along only helps to find the way.

Steps, in order: `structure`, `status`, `version`, `extensions`, those of `x509.signerinfo`
(`signer-count`, `signer-certificate`, `signed-attributes`, `message-digest`, `signing-certificate`,
`algorithm-protection`, `signature`), `imprint-algorithm`, `imprint`, `nonce`, `policy`, `tsa-name`,
`gen-time`, `accuracy`; then `path` and `revocation`. Key usages are part of `path`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.model import Outcome, Text
from evidencekit.timestamp import conditions
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY
from evidencekit.timestamp.token import GRANTED_WITH_MODS, TimeStampResponse, Token, parse_response, parse_token
from evidencekit.x509 import checks, der
from evidencekit.x509.digests import digest as hash_bytes
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.protection import unaccounted
from evidencekit.x509.revocation import check_revocation
from evidencekit.x509.signerinfo import ContentDigest, SignerCheck, check_signer_info

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cryptography import x509

    from evidencekit.x509.checks import Check

MAX_SKEW: Final = timedelta(minutes=5)
"""How far a TSA's clock may be ahead of the time of checking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """What became of a time-stamp.

    `trusted` is INDETERMINATE without anchors. `gen_time` and `accuracy` are what the token states;
    they mean nothing unless it is intact. `unaccounted` lists bytes that nothing protects.
    """

    checks: tuple[Check, ...]
    integrity: Outcome
    """INDETERMINATE where something is missing or unsupported, e.g. the TSA's certificate."""
    trusted: Outcome
    reason: Text
    token: Token | None
    token_der: bytes | None
    """The bare token, DER, also where a whole response was given."""
    certificate: x509.Certificate | None
    chain: tuple[x509.Certificate, ...]
    unaccounted: tuple[Text, ...]

    @property
    def intact(self) -> bool:
        """Whether it is an unaltered token over the digest."""
        return self.integrity is Outcome.PASSED

    @property
    def gen_time(self) -> datetime | None:
        """The time that the token states."""
        return None if self.token is None else self.token.gen_time

    @property
    def accuracy(self) -> timedelta | None:
        """The deviation that the token claims, `None` when it claims none."""
        return None if self.token is None else self.token.accuracy

    @property
    def self_issued(self) -> bool:
        """Whether the token says that the evidence's maker issued it: not independent."""
        return self.token is not None and self.token.policy == SELF_ISSUED_POLICY


def check_token(  # noqa: PLR0913 - each input of the verdict is the caller's to give, by name
    token_or_response: bytes,
    *,
    digest: bytes,
    anchors: Sequence[x509.Certificate],
    at: datetime,
    algorithm: str = "sha256",
    nonce: int | None = None,
    policies: Collection[str] | None = None,
    intermediates: Sequence[x509.Certificate] = (),
    crls: Sequence[bytes] = (),
    ocsp: Sequence[bytes] = (),
    max_skew: timedelta = MAX_SKEW,
) -> TokenCheck:
    """Check a TimeStampToken or a whole TimeStampResp.

    Args:
        token_or_response: BER or DER.
        digest: What the stamp must be over.
        anchors: Certificates the caller trusts for time-stamping; may be empty.
        at: The time of checking, aware; a later genTime (beyond `max_skew`) is refused.
        algorithm: Name of the hash function that made `digest`.
        nonce: The number that the request held, if known.
        policies: Policies that are acceptable; `None` accepts all.
        intermediates: Further certificates that may complete the path or be the TSA's.
        crls: Revocation lists, DER.
        ocsp: OCSP responses, DER.
        max_skew: Tolerance for clocks.

    Returns:
        The steps and the two verdicts. Malformed input is a FAILED step, not an error.
    """
    opened = _open(token_or_response)
    if opened.token is None:
        return _unreadable(opened)
    token = opened.token
    signer = check_signer_info(token.signed_data, content_digest=_content_digest(token), others=intermediates)
    steps = (
        *opened.checks,
        *conditions.check_info(token),
        *signer.checks,
        *conditions.check_imprint(token, digest, algorithm),
        conditions.check_nonce(token, nonce),
        conditions.check_policy(token, policies),
        conditions.check_name(token, signer),
        conditions.check_time(token, at, max_skew),
        conditions.report_accuracy(token),
    )
    integrity = checks.summary(steps)
    trust, chain = _check_trust(token, signer, anchors, intermediates, (crls, ocsp))
    failure = checks.first_not_passed((*steps, *_decisive(trust)))
    loose = unaccounted(token.signed_data, signer, known=(*chain, *anchors, *intermediates))
    return TokenCheck(
        checks=(*steps, *trust),
        integrity=integrity,
        trusted=checks.summary(_decisive(trust)) if integrity is Outcome.PASSED else integrity,
        reason=failure.reason if failure else Text(en="intact and trusted", zh="完整且可信"),
        token=token,
        token_der=opened.token_der,
        certificate=signer.certificate,
        chain=chain,
        unaccounted=(*opened.unaccounted, *loose),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A token taken out of its response, or why there is none."""

    checks: tuple[Check, ...]
    token: Token | None = None
    token_der: bytes | None = None
    unaccounted: tuple[Text, ...] = ()


def _unreadable(opened: _Opened) -> TokenCheck:
    return TokenCheck(
        checks=opened.checks,
        integrity=Outcome.FAILED,
        trusted=Outcome.FAILED,
        reason=opened.checks[-1].reason,
        token=None,
        token_der=opened.token_der,
        certificate=None,
        chain=(),
        unaccounted=opened.unaccounted,
    )


def _open(data: bytes) -> _Opened:
    try:
        response = None if _is_bare(data) else parse_response(data)
    except FormatError as error:
        return _Opened(checks=(checks.failed("structure", f"malformed: {error.en}", error.zh),))
    steps = () if response is None else (_check_status(response),)
    token_der = data if response is None else response.token
    if token_der is None or (response is not None and not response.granted):
        return _Opened(checks=steps)
    try:
        token = parse_token(token_der, normalised=response is not None)
    except FormatError as error:
        return _Opened(checks=(*steps, checks.failed("structure", f"malformed: {error.en}", error.zh)))
    sound = checks.passed("structure", "a SignedData over a TSTInfo, nothing after it", "结构完整，无多余字节")
    loose = () if response is None else _loose_response(response)
    return _Opened(checks=(sound, *steps), token=token, token_der=token_der, unaccounted=loose)


def _is_bare(data: bytes) -> bool:
    """A TimeStampToken begins with an OBJECT IDENTIFIER, a TimeStampResp with a SEQUENCE."""
    start = 2 if len(data) > 1 and data[1] <= 0x80 else 2 + (data[1] & 0x7F if len(data) > 1 else 0)  # noqa: PLR2004 - long form of a length
    return data[start : start + 1] == bytes((der.OID,))


def _check_status(response: TimeStampResponse) -> Check:
    if response.granted and response.token is not None:
        return checks.passed("status", "the TSA granted the time-stamp", "时间戳机构已签发")
    failure = describe_refusal(response)
    return checks.failed("status", f"no time-stamp was issued: {failure}", f"未签发时间戳：{failure}")


def describe_refusal(response: TimeStampResponse) -> str:
    """Return the TSA's reasons: status number, failure bits, its own words."""
    return ", ".join((f"status {response.status}", *response.failure, *(t[:200] for t in response.texts[:3])))


def _loose_response(response: TimeStampResponse) -> tuple[Text, ...]:
    found: list[Text] = []
    if response.status == GRANTED_WITH_MODS:
        found.append(Text(en="the status grantedWithMods", zh="状态 grantedWithMods"))
    if response.texts or response.failure:
        found.append(Text(en="status texts and failure bits", zh="状态文字与失败位"))
    if not response.canonical:
        found.append(Text(en="the encoding of the response is not DER", zh="响应编码不是 DER"))
    return tuple(found)


def _content_digest(token: Token) -> ContentDigest:
    content = token.signed_data.content or b""
    return lambda name: hash_bytes(name, content)


def _check_trust(
    token: Token,
    signer: SignerCheck,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    revocations: tuple[Sequence[bytes], Sequence[bytes]],
) -> tuple[tuple[Check, Check], tuple[x509.Certificate, ...]]:
    if signer.certificate is None:
        missing = ("no certificate is bound to the signature", "签名未绑定证书")
        return (checks.undecided("path", *missing), checks.not_performed("revocation", *missing)), ()
    pool = (*signer.embedded, *intermediates)
    path = build_path(signer.certificate, pool, anchors, at=token.gen_time, purpose=Purpose.TIMESTAMPING)
    step = checks.Check(id="path", outcome=path.outcome, reason=path.reason)
    crls, ocsp = revocations
    revocation = check_revocation(
        path.chain, at=token.gen_time, purpose=Purpose.TIMESTAMPING, crls=crls, ocsp=ocsp, issuers=pool
    )
    return (step, revocation), path.chain


def _decisive(trust: tuple[Check, Check]) -> Sequence[Check]:
    """Open questions about revocation do not decide: without data there would never be trust."""
    path, revocation = trust
    return trust if revocation.outcome is Outcome.FAILED else (path,)
