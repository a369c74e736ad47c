"""How submitters wait: a thread on a lock, a coroutine on a future of its own event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.ledger.sequencer import Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.ledger.sequencer import Sequencer

    Place = tuple[int, int]


@dataclass(slots=True, kw_only=True, eq=False)
class _ThreadSubmission(Submission):
    gate: threading.Lock = field(default_factory=threading.Lock)


def submit_and_wait(sequencer: Sequencer, entries: Sequence[bytes], leaves: Sequence[bytes]) -> Submission:
    """Submit and block this thread until the outcome.

    Raises:
        EvidenceError: whatever the commit met.
    """
    submission = _ThreadSubmission(entries=entries, leaves=leaves, deliver=_open_gates)
    submission.gate.acquire()
    sequencer.submit(submission)
    # The second acquire succeeds when the writer releases the first.
    submission.gate.acquire()
    if submission.error is not None:
        raise submission.error
    return submission


def _open_gates(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if isinstance(submission, _ThreadSubmission):
            submission.gate.release()


@dataclass(slots=True, kw_only=True, eq=False)
class _LoopSubmission(Submission):
    futures: list[asyncio.Future[Place]]


class _LoopDeliver:
    """One event loop: submits what its coroutines ask for in one turn of it together, and wakes them together.

    Submitted one by one, the first of them would have a commit to itself, and all others would wait for two. A turn is
    one submission, so that what the writer does for each costs nothing a coroutine.
    """

    __slots__ = ("_entries", "_futures", "_leaves", "_loop", "_sequencer")

    def __init__(self, loop: asyncio.AbstractEventLoop, sequencer: Sequencer) -> None:
        self._loop = loop
        self._sequencer = sequencer
        self._start_turn()

    def ask(self, entry: bytes, leaf: bytes) -> asyncio.Future[Place]:
        """Submit at the end of this turn of the loop; a refusal reaches the future."""
        if not self._futures:
            self._loop.call_soon(self._submit_turn)
        future: asyncio.Future[Place] = self._loop.create_future()
        self._entries.append(entry)
        self._leaves.append(leaf)
        self._futures.append(future)
        return future

    def _start_turn(self) -> None:
        self._entries: list[bytes] = []
        self._leaves: list[bytes] = []
        self._futures: list[asyncio.Future[Place]] = []

    def _submit_turn(self) -> None:
        entries, leaves, futures = self._entries, self._leaves, self._futures
        self._start_turn()
        if any(future.done() for future in futures):
            # Who gave up meanwhile is not waited for; their entries are not submitted.
            kept = [at for at, future in enumerate(futures) if not future.done()]
            entries, leaves = [entries[at] for at in kept], [leaves[at] for at in kept]
            futures = [futures[at] for at in kept]

        def part(start: int, stop: int) -> Submission:
            return _LoopSubmission(
                entries=entries[start:stop], leaves=leaves[start:stop], futures=futures[start:stop], deliver=self
            )

        taken, refusal = self._sequencer.submit_many(len(futures), part)
        if refusal is not None:
            _refuse(futures[taken:], refusal)

    def __call__(self, submissions: Sequence[Submission]) -> None:
        # A loop that was closed meanwhile has nobody left to tell; the entries are committed all the same.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, submissions)


class LoopWaiters:
    """Coroutines that wait, one deliverer for the event loop of each thread."""

    __slots__ = ("_local", "_sequencer")

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._local = threading.local()

    def ask(self, entry: bytes, leaf: bytes) -> asyncio.Future[Place]:
        """Submit an entry; the future of the running loop gives its index and the size of the signed tree.

        Instead it raises whatever the commit met, an `EvidenceError`.
        """
        loop = asyncio.get_running_loop()
        known: tuple[asyncio.AbstractEventLoop, _LoopDeliver] | None = getattr(self._local, "deliver", None)
        if known is None or known[0] is not loop:
            known = self._local.deliver = (loop, _LoopDeliver(loop, self._sequencer))
        return known[1].ask(entry, leaf)


def _settle(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if not isinstance(submission, _LoopSubmission):
            continue
        if submission.error is not None:
            _refuse(submission.futures, submission.error)
            continue
        size = submission.size
        for future, index in zip(submission.futures, submission.indices, strict=True):
            if not future.done():
                future.set_result((index, size))


def _refuse(futures: Sequence[asyncio.Future[Place]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
