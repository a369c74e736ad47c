"""Which authorities stamp a session, and what to do when they do not answer (design §4.10).

Third-party TSAs are asked first, all at once. When none answers, the installation's own TSA stamps instead: that is
self-issued, not independent, and the moment stays PENDING.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from evidencekit.errors import TsaUnreachableError
from evidencekit.model import Text
from evidencekit.timestamp.client import stamp
from evidencekit.transport.http import public_url

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from evidencekit.timestamp.client import StampReply, TimeStamper

TIMEOUT_S = 15.0
_RETRY_TIMEOUT_S = 5.0
_PATIENCE_S = 3.0
"""Authorities that were silent so short a time ago are not asked again: the outer stamp follows the seal at once."""
_LIMIT_ZH = 200


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
    _failed: Stamped | None = None
    _failed_at: float = 0.0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "stamp"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stamp(self, digest: bytes) -> Stamped:
        """Stamp a SHA-256 digest.

        Raises:
            TimestampError: nobody stamps, not even the embedded TSA.
        """
        if not self.others:
            return Stamped(replies=self._own(digest), owing=())
        if self._failed is not None and time.monotonic() - self._failed_at < _PATIENCE_S:
            return replace(self._failed, replies=self._own(digest))
        asked = stamp(digest, self.others, timeout_s=_RETRY_TIMEOUT_S if self._failed is not None else TIMEOUT_S)
        if asked.replies:
            return Stamped(replies=asked.replies, owing=())
        reasons = tuple(Text(en=failure.error.en, zh=failure.error.zh[:_LIMIT_ZH]) for failure in asked.failures)
        owing = tuple(public_url(tsa.url) for tsa in self.others)
        failed = Stamped(replies=self._own(digest), owing=owing, reasons=reasons)
        self._failed, self._failed_at = failed, time.monotonic()
        return failed

    def stamp_soon(self, digest: bytes) -> Future[Stamped]:
        """Stamp beside other work."""
        return self._pool.submit(self.stamp, digest)

    def _own(self, digest: bytes) -> tuple[StampReply, ...]:
        if self.own is None:
            raise TsaUnreachableError(
                "no time-stamping authority answered and there is no embedded one; give `home` or a reachable TSA",
                "没有时间戳机构应答,也没有内置机构;请提供 home 或可达的时间戳机构",
            )
        return (self.own.stamp(digest),)
