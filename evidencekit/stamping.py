"""Which authorities stamp a session, and what to do when they do not answer (design §4.10).

Third-party TSAs are asked first, all at once, those whose role the moment is. When none answers, the installation's own
TSA stamps instead: that is self-issued, not independent, and the moment stays PENDING. So does a moment for which no
TSA is kept while one waits for the batch: the token over the batch is owed. A TSA whose certificate turns out to be
revoked counts as silent: its token would void the moment it was asked for.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from evidencekit.errors import TsaUnreachableError
from evidencekit.model import Text
from evidencekit.timestamp.client import stamp
from evidencekit.timestamp.roles import Role, serving
from evidencekit.transport.http import public_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from evidencekit.timestamp.client import StampReply, TimeStamper

TIMEOUT_S = 15.0
_RETRY_TIMEOUT_S = 5.0
_PATIENCE_S = 3.0
"""Authorities that were silent so short a time ago are not asked again: the outer stamp follows the seal at once."""
_LIMIT_ZH = 200
_BATCH = Text(
    en="the token over the batch comes later: evidencekit timestamp stamp --pending",
    zh="批次时间戳待补：evidencekit timestamp stamp --pending",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """The replies for one document, and which third-party TSAs still owe one (`owing`, public URLs)."""

    replies: tuple[StampReply, ...]
    owing: tuple[str, ...]
    reasons: tuple[Text, ...] = ()


@dataclass(slots=True)
class Stamper:
    """Stamps documents for one session; `own` is the embedded TSA, `others` the third parties in order."""

    others: tuple[TimeStamper, ...]
    own: TimeStamper | None
    on_reply: Callable[[StampReply, Role], None] | None = None
    vet: Callable[[Sequence[StampReply]], tuple[Text | None, ...]] | None = None
    """What speaks against each reply, if anything; nobody is asked without it."""
    _failed: dict[Role, tuple[Stamped, float]] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "stamp"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stamp(self, digest: bytes, role: Role = Role.SEAL) -> Stamped:
        """Stamp a SHA-256 digest.

        Raises:
            TimestampError: nobody stamps, not even the embedded TSA.
        """
        asked = serving(self.others, role)
        if not asked:
            waiting = serving(self.others, Role.BATCH)
            return Stamped(replies=self._own(digest), owing=_urls(waiting), reasons=(_BATCH,) * bool(waiting))
        failed, since = self._failed.get(role, (None, 0.0))
        if failed is not None and time.monotonic() - since < _PATIENCE_S:
            return replace(failed, replies=self._own(digest))
        now = self._rested(asked)
        answer = stamp(digest, now, timeout_s=_RETRY_TIMEOUT_S if self._failed else TIMEOUT_S)
        for reply in answer.replies:
            if self.on_reply is not None:
                self.on_reply(reply, role)
        kept, refused = self._vetted(answer.replies)
        if kept:
            return Stamped(replies=kept, owing=())
        silent = tuple(Text(en=each.error.en, zh=each.error.zh[:_LIMIT_ZH]) for each in answer.failures)
        reasons = (*refused, *silent)
        failed = Stamped(replies=self._own(digest), owing=_urls(asked), reasons=reasons)
        # Who was silent for one moment is likely to be silent for the next.
        moment = time.monotonic()
        self._failed |= {each: (failed, moment) for each in Role if serving(self.others, each) == asked}
        return failed

    def stamp_soon(self, digest: bytes, role: Role = Role.SEAL) -> Future[Stamped]:
        """Stamp beside other work."""
        return self._pool.submit(self.stamp, digest, role)

    def _vetted(self, replies: tuple[StampReply, ...]) -> tuple[tuple[StampReply, ...], tuple[Text, ...]]:
        """Tell the replies that can be kept from the reasons against the others."""
        if self.vet is None or not replies:
            return replies, ()
        verdicts = self.vet(replies)
        kept = tuple(reply for reply, why in zip(replies, verdicts, strict=True) if why is None)
        return kept, tuple(why for why in verdicts if why is not None)

    def _rested(self, asked: tuple[TimeStamper, ...]) -> tuple[TimeStamper, ...]:
        """Give those who may be asked again by their own terms; when that is nobody yet, wait for the first."""
        moment = time.monotonic()
        rests = {tsa.url: self._rest(tsa, moment) for tsa in asked}
        wait = min(rests.values())
        time.sleep(wait)
        now = tuple(tsa for tsa in asked if rests[tsa.url] <= wait)
        self._asked |= dict.fromkeys((tsa.url for tsa in now), time.monotonic())
        return now

    def _rest(self, tsa: TimeStamper, moment: float) -> float:
        pause: float = getattr(tsa, "pause_s", 0.0)
        last = self._asked.get(tsa.url)
        return 0.0 if last is None else max(last + pause - moment, 0.0)

    def _own(self, digest: bytes) -> tuple[StampReply, ...]:
        if self.own is None:
            raise TsaUnreachableError(
                "no time-stamping authority answered and there is no embedded one; give `home` or a reachable TSA",
                "没有时间戳机构应答,也没有内置机构;请提供 home 或可达的时间戳机构",
            )
        return (self.own.stamp(digest),)


def _urls(tsas: Iterable[TimeStamper]) -> tuple[str, ...]:
    return tuple(public_url(tsa.url) for tsa in tsas)
