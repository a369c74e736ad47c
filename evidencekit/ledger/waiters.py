"""How submitters wait: a thread on a lock, a coroutine on a future of its own event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from evidencekit.ledger.sequencer import Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.ledger.sequencer import Sequencer


def submit_and_wait(sequencer: Sequencer, entries: Sequence[bytes], leaves: Sequence[bytes]) -> Submission:
    """Submit and block this thread until the outcome.

    Raises:
        EvidenceError: whatever the commit met.
    """
    submission = Submission(entries=entries, leaves=leaves, deliver=_open_gates)
    submission.gate.acquire()
    sequencer.submit(submission)
    # The second acquire succeeds when the writer releases the first.
    submission.gate.acquire()
    if submission.error is not None:
        raise submission.error
    return submission


def _open_gates(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        submission.gate.release()


@dataclass(slots=True, kw_only=True, eq=False)
class _LoopSubmission(Submission):
    future: asyncio.Future[Submission]


class _LoopDeliver:
    """Wakes the futures of one event loop, all of a batch by one call into the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, submissions: Sequence[Submission]) -> None:
        # A loop that was closed meanwhile has nobody left to tell; the entries are committed all the same.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, submissions)


class LoopWaiters:
    """Coroutines that wait, one deliverer for each event loop."""

    __slots__ = ("_delivers",)

    def __init__(self) -> None:
        self._delivers: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopDeliver] = WeakKeyDictionary()

    async def submit(self, sequencer: Sequencer, entries: Sequence[bytes], leaves: Sequence[bytes]) -> Submission:
        """Submit and await the outcome.

        Raises:
            EvidenceError: whatever the commit met.
        """
        loop = asyncio.get_running_loop()
        deliver = self._delivers.get(loop)
        if deliver is None:
            deliver = self._delivers[loop] = _LoopDeliver(loop)
        future: asyncio.Future[Submission] = loop.create_future()
        sequencer.submit(_LoopSubmission(entries=entries, leaves=leaves, deliver=deliver, future=future))
        return await future


def _settle(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if not isinstance(submission, _LoopSubmission) or submission.future.done():
            continue
        if submission.error is None:
            submission.future.set_result(submission)
        else:
            submission.future.set_exception(submission.error)
