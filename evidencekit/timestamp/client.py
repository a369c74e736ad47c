"""Ask TSAs for time-stamps over HTTP (RFC 3161 §3.4), and keep only replies that prove something.

A reply is kept only if `acceptance` finds nothing against it. Whom to trust is the verifier's
question, so no anchors are asked for here.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from evidencekit.errors import (
    TimestampError,
    TransportError,
    TsaResponseError,
    TsaUnreachableError,
    UsageError,
)
from evidencekit.timestamp.acceptance import Expectation, accept_reply
from evidencekit.timestamp.query import build_query, random_nonce
from evidencekit.timestamp.roles import MOMENTS, Role
from evidencekit.transport.http import HttpReply, post, public_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evidencekit.timestamp.authority import Authority
    from evidencekit.timestamp.check import TokenCheck

MAX_REPLY_BYTES: Final = 1 << 16
TIMEOUT_S: Final = 20.0
ATTEMPTS: Final = 3
_QUERY_TYPE: Final = "application/timestamp-query"
_REPLY_TYPE: Final = "application/timestamp-reply"
_BACK_OFF_S: Final = 1.0
_MAX_BACK_OFF_S: Final = 8.0
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK: Final = 200
_GRACE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StampReply:
    """A reply that was checked: what was asked, what was answered, by whom, when it came in.

    `response` is the whole TimeStampResp as received. `proxy` names the HTTP proxy, if one was used.
    """

    tsa: str
    url: str
    request: bytes
    response: bytes
    check: TokenCheck
    received_at: datetime
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StampFailure:
    """A TSA that gave no usable reply, and why."""

    tsa: str
    url: str
    error: TimestampError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What asking several TSAs came to; replies and failures in the order of the TSAs."""

    replies: tuple[StampReply, ...]
    failures: tuple[StampFailure, ...]
    quorum: int

    @property
    def complete(self) -> bool:
        """Whether as many replies came as were wanted."""
        return len(self.replies) >= self.quorum


class TimeStamper(Protocol):
    """Whoever stamps: a TSA over HTTP, the embedded one, or the caller's own."""

    @property
    def name(self) -> str:
        """What to call it in reports."""
        ...

    @property
    def url(self) -> str:
        """Where it is; may hold credentials, which never reach a record."""
        ...

    def stamp(self, digest: bytes, *, timeout_s: float = TIMEOUT_S) -> StampReply:
        """Stamp a SHA-256 digest.

        Raises:
            TimestampError: No usable reply.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TsaConfig:
    """A TSA over HTTP. `url` may hold a user name and password; `policy` is asked for when given.

    `pause_s` is the least pause between two requests, in seconds, that its operator asks for.
    """

    url: str
    name: str
    policy: str | None = None
    roles: frozenset[Role] = MOMENTS
    pause_s: float = 0.0

    def stamp(self, digest: bytes, *, timeout_s: float = TIMEOUT_S, algorithm: str = "sha256") -> StampReply:
        """Ask it, trying again while it is busy or out of reach.

        Raises:
            TimestampError: No usable reply within `timeout_s`; see `request_stamp`.
        """
        return _persist(lambda left: request_stamp(digest, self, timeout_s=left, algorithm=algorithm), timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedTsa:
    """The embedded authority behind the same interface; its replies are self-issued, not independent."""

    authority: Authority
    name: str = "embedded"
    url: str = "embedded:"

    def stamp(
        self,
        digest: bytes,
        *,
        timeout_s: float = TIMEOUT_S,  # noqa: ARG002 - it answers at once
        algorithm: str = "sha256",
    ) -> StampReply:
        """Issue a time-stamp.

        Raises:
            UsageError: The digest is not one of that hash function.
            TsaResponseError: The authority's key fails.
        """
        nonce = random_nonce()
        query = build_query(digest, algorithm=algorithm, nonce=nonce)
        exchange = _Exchange(tsa=self, query=query, digest=digest, nonce=nonce, algorithm=algorithm)
        return _accept(exchange, self.authority.reply(query), self.authority.clock)


def request_stamp(
    digest: bytes,
    tsa: TsaConfig,
    *,
    timeout_s: float = TIMEOUT_S,
    now: Callable[[], datetime] | None = None,
    algorithm: str = "sha256",
) -> StampReply:
    """Ask one TSA once.

    Args:
        digest: What to stamp.
        tsa: Whom to ask.
        timeout_s: Seconds for the whole exchange.
        now: Where the local time comes from; the system's clock by default.
        algorithm: Name of the hash function that made `digest`.

    Raises:
        TsaUnreachableError: No answer, or the server says that it is busy or broken.
        TsaRejectedError: The TSA answered with a rejection.
        TsaResponseError: Anything else: another media type, or a token that is malformed, over other data, with
            another nonce, not intact or far from this machine's time.
    """
    nonce = random_nonce()
    query = build_query(digest, algorithm=algorithm, nonce=nonce, policy=tsa.policy)
    try:
        reply = post(
            tsa.url,
            query,
            content_type=_QUERY_TYPE,
            accept=_REPLY_TYPE,
            limit=MAX_REPLY_BYTES,
            timeout_s=timeout_s,
        )
    except TransportError as error:
        raise TsaUnreachableError(f"TSA {tsa.name}: {error.en}", f"时间戳机构 {tsa.name}:{error.zh}") from error
    _require_reply(reply, tsa)
    exchange = _Exchange(tsa=tsa, query=query, digest=digest, nonce=nonce, proxy=reply.proxy, algorithm=algorithm)
    return _accept(exchange, reply.body, now)


def stamp(
    digest: bytes,
    tsas: Sequence[TimeStamper],
    *,
    quorum: int = 1,
    timeout_s: float = TIMEOUT_S,
    algorithm: str = "sha256",
) -> Stamp:
    """Ask several TSAs at once.

    Ends when all have answered, at the latest after `timeout_s`; once `quorum` replies are in, the others
    get two more seconds.

    Args:
        digest: What to stamp.
        tsas: Whom to ask; a caller's own stamps SHA-256 alone.
        quorum: How many replies are wanted; too few is not an error, see `Stamp.complete`.
        timeout_s: Seconds for everything together.
        algorithm: Name of the hash function that made `digest`.

    Raises:
        UsageError: No TSA, or a quorum that cannot be reached.
    """
    if not 1 <= quorum <= len(tsas):
        raise UsageError(
            f"A quorum of {quorum} out of {len(tsas)} TSAs cannot be reached; name more TSAs or ask for less.",
            f"{len(tsas)} 个时间戳机构无法满足 {quorum} 个的要求；请增加机构或降低要求。",
        )
    answers: queue.SimpleQueue[tuple[int, StampReply | TimestampError]] = queue.SimpleQueue()
    for number, tsa in enumerate(tsas):
        ask = partial(_stamp_by, tsa, digest, timeout_s, algorithm)
        threading.Thread(target=_ask, args=(number, tsa, ask, answers), daemon=True).start()
    found = _collect(answers, len(tsas), quorum, timeout_s)
    results = [(tsa, found.get(number) or _silent(tsa, timeout_s)) for number, tsa in enumerate(tsas)]
    return Stamp(
        replies=tuple(r for _, r in results if isinstance(r, StampReply)),
        failures=tuple(
            StampFailure(tsa=tsa.name, url=public_url(tsa.url), error=r)
            for tsa, r in results
            if isinstance(r, TimestampError)
        ),
        quorum=quorum,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    """What was asked, of whom."""

    tsa: TimeStamper
    query: bytes
    digest: bytes
    nonce: int
    proxy: str | None = None
    algorithm: str = "sha256"


def _stamp_by(tsa: TimeStamper, digest: bytes, timeout_s: float, algorithm: str) -> StampReply:
    if isinstance(tsa, TsaConfig | EmbeddedTsa):
        return tsa.stamp(digest, timeout_s=timeout_s, algorithm=algorithm)
    if algorithm != "sha256":
        raise TsaResponseError(f"TSA {tsa.name} stamps SHA-256 alone.", f"时间戳机构 {tsa.name} 仅支持 SHA-256。")
    return tsa.stamp(digest, timeout_s=timeout_s)


def _ask(
    number: int,
    tsa: TimeStamper,
    ask: Callable[[], StampReply],
    answers: queue.SimpleQueue[tuple[int, StampReply | TimestampError]],
) -> None:
    try:
        answers.put((number, ask()))
    except TimestampError as error:
        answers.put((number, error))
    except Exception as error:  # noqa: BLE001 - a caller's own TimeStamper may raise anything; it must not be lost
        what = f"{type(error).__name__}: {error}"
        answers.put((number, TsaResponseError(f"TSA {tsa.name} broke: {what}", f"时间戳机构 {tsa.name} 出错：{what}")))


def _collect(
    answers: queue.SimpleQueue[tuple[int, StampReply | TimestampError]], expected: int, quorum: int, timeout_s: float
) -> dict[int, StampReply | TimestampError]:
    deadline = time.monotonic() + timeout_s + _GRACE_S
    found: dict[int, StampReply | TimestampError] = {}
    good = 0
    while len(found) < expected:
        try:
            number, answer = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        found[number] = answer
        good += isinstance(answer, StampReply)
        if good == quorum:
            deadline = min(deadline, time.monotonic() + _GRACE_S)
    return found


def _silent(tsa: TimeStamper, timeout_s: float) -> TimestampError:
    return TsaUnreachableError(
        f"TSA {tsa.name} had not answered when enough others had, or within {timeout_s:g} s.",
        f"时间戳机构 {tsa.name} 未及时应答(时限 {timeout_s:g} 秒，或其他机构已足够)。",
    )


def _persist(attempt: Callable[[float], StampReply], timeout_s: float) -> StampReply:
    """Try again with growing, jittered pauses while the TSA is out of reach, as long as time is left."""
    deadline = time.monotonic() + timeout_s
    for number in range(ATTEMPTS):
        try:
            return attempt(max(deadline - time.monotonic(), 0.1))
        except TsaUnreachableError:
            pause = min(_BACK_OFF_S * 2**number, _MAX_BACK_OFF_S) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if number == ATTEMPTS - 1 or time.monotonic() + pause >= deadline:
                raise
            time.sleep(pause)
    raise AssertionError  # the last round returns or raises


def _require_reply(reply: HttpReply, tsa: TsaConfig) -> None:
    if reply.status in _BUSY:
        raise TsaUnreachableError(
            f"TSA {tsa.name} answered with HTTP status {reply.status}; try later or another TSA.",
            f"时间戳机构 {tsa.name} 返回 HTTP 状态 {reply.status}；请稍后重试或更换机构。",
        )
    if reply.status != _OK or reply.content_type != _REPLY_TYPE:
        kind = reply.content_type or "no media type"
        raise TsaResponseError(
            f"TSA {tsa.name} answered with HTTP status {reply.status}, {kind}, not a time-stamp; check its URL.",
            f"时间戳机构 {tsa.name} 返回 HTTP 状态 {reply.status}({kind})，不是时间戳；请检查网址。",
        )


def _accept(exchange: _Exchange, body: bytes, now: Callable[[], datetime] | None = None) -> StampReply:
    received_at = datetime.now(UTC) if now is None else now()
    expected = Expectation(
        tsa=exchange.tsa.name, digest=exchange.digest, nonce=exchange.nonce, algorithm=exchange.algorithm
    )
    return StampReply(
        tsa=exchange.tsa.name,
        url=public_url(exchange.tsa.url),
        request=exchange.query,
        response=body,
        check=accept_reply(body, expected, at=received_at),
        received_at=received_at,
        proxy=exchange.proxy,
    )
