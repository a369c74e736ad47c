"""Publishing beside the sequencer: a thread that brings the log out, and callers that wait until it is.

`append` returns when an entry is durable and in a signed tree. `await_published` returns when strangers can see it:
tiles and checkpoint stand in every target, with the cosignatures that the witness policy asks for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from evidencekit.errors import (
    EvidenceError,
    LedgerCorruptError,
    LedgerError,
    LedgerRollbackError,
)
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.publishers.target import check_published, collect, publish
from evidencekit.ledger.witnessing import gather_cosignatures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.publishers.target import Target
    from evidencekit.ledger.witnessing import Witnessing

_COLLECT_EVERY: Final = 60
"""Partial tiles are deleted once in so many publications."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTree:
    """What strangers see: `size` entries under this `checkpoint` note, `quorum_met` by the witnesses of the policy."""

    size: int
    checkpoint: bytes
    quorum_met: bool


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiter:
    size: int
    wake: Callable[[], None]


class Publication:
    """Publishes a ledger into its targets whenever it has grown, at most once an interval."""

    __slots__ = (
        "_closed", "_failure", "_interval_s", "_last_error", "_ledger", "_out", "_ready", "_rounds", "_sizes",
        "_targets", "_thread", "_waiters", "_witnessing",
    )  # fmt: skip

    def __init__(
        self,
        ledger: Ledger,
        targets: Sequence[Target],
        *,
        witnessing: Witnessing | None = None,
        interval_s: float = 1.0,
    ) -> None:
        """Check that the ledger extends what each target shows, and begin.

        Args:
            ledger: stays open until this is closed.
            targets: where to publish; all must succeed before anything counts as published.
            witnessing: who must cosign first; None publishes what the log alone signed. Public witnesses want 10 s or
                more between two checkpoints.
            interval_s: the least time between two publications, in seconds.

        Raises:
            LedgerRollbackError: a target shows a newer ledger, or another history.
            LedgerCorruptError: a target shows another log.
            StorageError: a target cannot be read.
        """
        for target in targets:
            check_published(ledger, target)
        self._ledger = ledger
        self._targets = tuple(targets)
        self._witnessing = witnessing
        self._interval_s = interval_s
        self._out = PublishedTree(size=0, checkpoint=b"", quorum_met=False)
        self._waiters: list[_Waiter] = []
        self._sizes: dict[str, int] = {}
        self._rounds = 0
        self._ready = threading.Condition()
        self._closed = False
        self._failure: EvidenceError | None = None
        self._last_error: EvidenceError | None = None
        self._thread = threading.Thread(target=self._run, name="evidencekit-publication", daemon=True)
        self._thread.start()

    def await_published(self, index: int, *, timeout_s: float = 60.0) -> PublishedTree:
        """Block this thread until entry `index` is published and witnessed.

        Raises:
            LedgerError: not within `timeout_s` seconds; the message says what stands in the way.
            EvidenceError: publishing stopped, see `Publication`.
        """
        done = threading.Event()
        waiter = self._register(index, done.set)
        try:
            done.wait(timeout_s)
            return self._outcome(index, timeout_s)
        finally:
            self._forget(waiter)

    async def await_published_async(self, index: int, *, timeout_s: float = 60.0) -> PublishedTree:
        """Wait without blocking the event loop; see `await_published`."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

        waiter = self._register(index, wake)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), timeout_s)
            return self._outcome(index, timeout_s)
        finally:
            self._forget(waiter)

    def close(self) -> None:
        """Publish what there is once more, and end the thread."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _register(self, index: int, wake: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(size=index + 1, wake=wake)
        with self._ready:
            self._waiters.append(waiter)
            if self._out.size > index or self._failure is not None or self._closed:
                wake()
            self._ready.notify_all()
        return waiter

    def _forget(self, waiter: _Waiter) -> None:
        with self._ready:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _outcome(self, index: int, timeout_s: float) -> PublishedTree:
        with self._ready:
            if self._out.size > index:
                return self._out
            if self._failure is not None:
                raise self._failure
            why = self._last_error
        raise LedgerError(
            f"Entry {index} is in the ledger, but was not published within {timeout_s:g} s"
            + (f": {why.en}" if why else "; wait on, or see whether it exists."),
            f"第 {index} 条已入账本，但 {timeout_s:g} 秒内未公布" + (f"：{why.zh}" if why else "；请继续等待。"),
        )

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            self._publish_once()
            with self._ready:
                if self._failure is not None or self._closed:
                    # What was appended before `close` is still brought out.
                    break
                rest = self._interval_s - (time.monotonic() - begun)
                self._ready.wait_for(lambda: self._closed, timeout=max(rest, 0.01))
        if self._failure is None:
            self._publish_once()
        with self._ready:
            for waiter in self._waiters:
                waiter.wake()

    def _publish_once(self) -> None:
        try:
            out = self._bring_out()
        except (LedgerCorruptError, LedgerRollbackError) as error:
            # Two histories, or a damaged ledger: nothing may be published any more.
            with self._ready:
                self._failure = error
        except EvidenceError as error:
            with self._ready:
                self._last_error = error
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            with self._ready:
                self._failure = LedgerError(f"Unexpected: {error!r}.", f"意外错误：{error!r}。")
        else:
            with self._ready:
                self._out, self._last_error = out, None
                for waiter in self._waiters:
                    if waiter.size <= out.size:
                        waiter.wake()

    def _bring_out(self) -> PublishedTree:
        if self._out.checkpoint and self._ledger.size == self._out.size and self._out.quorum_met:
            return self._out
        checkpoint, met = self._ledger.checkpoint(), self._witnessing is None
        if self._witnessing is not None:
            witnessed = gather_cosignatures(self._ledger, self._witnessing.policy, sizes=self._sizes)
            self._sizes.update(witnessed.sizes)
            checkpoint, met = witnessed.checkpoint, witnessed.quorum_met
            if not met and not self._witnessing.fail_open:
                failed = "; ".join(f"{name}: {text.en}" for name, text in witnessed.failures.items())
                raise LedgerError(
                    f"The witness policy was not met, so nothing was published ({failed}).",
                    f"未达到见证策略的要求，未作公布({failed})。",
                )
        size = open_checkpoint(checkpoint, []).checkpoint.size
        self._rounds += 1
        for target in self._targets:
            publish(self._ledger, target, checkpoint=checkpoint)
            if self._rounds % _COLLECT_EVERY == 0:
                collect(target, size)
        return PublishedTree(size=size, checkpoint=checkpoint, quorum_met=met)
