"""Look at a TSA's reply before it is kept: what a lying or broken TSA sends must not enter the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, TsaRejectedError, TsaResponseError
from evidencekit.timestamp.check import MAX_SKEW, TokenCheck, check_token, describe_refusal
from evidencekit.timestamp.token import parse_response

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the reply must be about: the digest and the nonce sent to the TSA of that name."""

    tsa: str
    digest: bytes
    nonce: int
    algorithm: str = "sha256"


def accept_reply(body: bytes, expected: Expectation, *, at: datetime) -> TokenCheck:
    """Check a TimeStampResp just received: granted, over this digest, with this nonce, intact, and timely.

    Args:
        body: What the TSA sent.
        expected: What was asked.
        at: This machine's time; genTime must lie within `MAX_SKEW` of it.

    Raises:
        TsaRejectedError: The TSA answered with a rejection.
        TsaResponseError: The reply proves nothing.
    """
    name = expected.tsa
    try:
        response = parse_response(body)
    except FormatError as error:
        raise TsaResponseError(
            f"TSA {name} sent something malformed: {error.en}", f"时间戳机构 {name} 的应答格式错误：{error.zh}"
        ) from error
    if not response.granted:
        why = describe_refusal(response)
        raise TsaRejectedError(f"TSA {name} refused: {why}", f"时间戳机构 {name} 拒绝签发：{why}")
    check = check_token(
        body, digest=expected.digest, algorithm=expected.algorithm, anchors=(), at=at, nonce=expected.nonce
    )
    if not check.intact:
        raise TsaResponseError(
            f"TSA {name} sent a token that proves nothing: {check.reason.en}",
            f"时间戳机构 {name} 的时间戳无证明力：{check.reason.zh}",
        )
    gap = timedelta.max if check.gen_time is None else abs(check.gen_time - at)
    if gap > MAX_SKEW:
        seconds = round(gap.total_seconds())
        raise TsaResponseError(
            f"TSA {name} and this machine's clock are {seconds} s apart; set the clock or use another TSA.",
            f"时间戳机构 {name} 与本机时钟相差 {seconds} 秒；请校准时钟或更换机构。",
        )
    return check
