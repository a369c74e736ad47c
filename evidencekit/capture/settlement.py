"""Finished exchanges on their way to their records: committed at once, or when the network log has told its part.

With a network log an exchange is kept until it settles, at the latest just before its page's T_capture, because its
record commits to the header fields as the log gives them. What the log does not tell in time stays as DevTools told it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from evidencekit.capture.commitment import commit_exchange
from evidencekit.capture.joining import Sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.networklog import NetworkLog
    from evidencekit.model import Record

_PATIENCE_S: Final = 1.5
_PAUSE_S: Final = 0.05


class Settlement:
    """Exchanges and records of one browser, in order of completion."""

    def __init__(self, log: NetworkLog | None) -> None:
        self.exchanges: list[Exchange] = []
        self.records: list[Record] = []
        self.log = log
        self._open: list[int] = []
        self._sources = Sources()

    def keep(self, exchange: Exchange) -> None:
        """Take a finished exchange.

        Raises:
            StorageError: a spooled body cannot be read.
        """
        if self.log is None:
            exchange = self._sources.name(exchange)
            self.records.extend(commit_exchange(exchange))
        else:
            self._open.append(len(self.exchanges))
        self.exchanges.append(exchange)

    async def settle(self, nudge: Callable[[], Awaitable[None]] | None = None) -> None:
        """Join and commit everything that is finished.

        Args:
            nudge: makes the browser write out the last events of its log, which it holds back in small numbers; None
                when the browser has closed.

        Raises:
            StorageError: a body cannot be read or written.
        """
        log, places = self.log, self._open
        if log is None or not places:
            return
        self._open = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S
        waiting = [self.exchanges[place] for place in places]
        told = await asyncio.to_thread(log.read, waiting)
        # An exchange that DevTools calls blocked may have more to it: the log's last events are asked for once anyway.
        rounds = 0 if told and all(each.id in log.matcher.found for each in waiting) else 1
        while nudge is not None and (rounds > 0 or not told) and loop.time() < deadline:
            await nudge()
            await asyncio.sleep(_PAUSE_S)
            told, rounds = await asyncio.to_thread(log.read, waiting), rounds - 1
        settled = await asyncio.to_thread(self._commit, log, places)
        for place, exchange, records in settled:
            self.exchanges[place] = exchange
            self.records.extend(records)

    def _commit(self, log: NetworkLog, places: list[int]) -> list[tuple[int, Exchange, tuple[Record, ...]]]:
        done: list[tuple[int, Exchange, tuple[Record, ...]]] = []
        for place in places:
            exchange = self._sources.name(log.join(self.exchanges[place]))
            done.append((place, exchange, commit_exchange(exchange)))
        return done

    async def close(self, first: int) -> None:
        """The browser has closed: settle the rest, and add what only the log knows, numbered from `first`.

        Raises:
            StorageError: a body cannot be read or written.
        """
        if self.log is None:
            return
        await self.settle()
        await asyncio.to_thread(self.log.read, ())
        for exchange in await asyncio.to_thread(self.log.unreported, first):
            self.exchanges.append(exchange)
            self.records.extend(await asyncio.to_thread(commit_exchange, exchange))
