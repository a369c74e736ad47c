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
    """One event loop: submits what its coroutines ask for in one turn of it together, and wakes them together.

    Submitted one by one, the first of them would have a commit to itself, and all others would wait for two.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sequencer: Sequencer) -> None:
        self._loop = loop
        self._sequencer = sequencer
        self._asked: list[_LoopSubmission] = []

    def submit(self, submission: _LoopSubmission) -> None:
        """Submit at the end of this turn of the loop; a refusal reaches the future."""
        if not self._asked:
            self._loop.call_soon(self._submit_all)
        self._asked.append(submission)

    def _submit_all(self) -> None:
        # Who gave up meanwhile is not waited for; their entries are not submitted.
        asked = [submission for submission in self._asked if not submission.future.done()]
        self._asked = []
        _settle(self._sequencer.submit_many(asked))

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
            deliver = self._delivers[loop] = _LoopDeliver(loop, sequencer)
        future: asyncio.Future[Submission] = loop.create_future()
        deliver.submit(_LoopSubmission(entries=entries, leaves=leaves, deliver=deliver, future=future))
        return await future


def _settle(submissions: Sequence[Submission]) -> None:
    for submission in submissions:
        if not isinstance(submission, _LoopSubmission) or submission.future.done():
            continue
        if submission.error is None:
            submission.future.set_result(submission)
        else:
            submission.future.set_exception(submission.error)
