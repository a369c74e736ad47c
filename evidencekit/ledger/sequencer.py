"""One writer for many submitters: while one commit runs, the next batch collects.

There is no artificial window: an idle ledger commits a single entry at once, a busy one commits what has come in
meanwhile, up to `max_batch` entries. The queue is bounded; a full one refuses instead of growing.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from evidencekit.errors import (
    EvidenceError,
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerRollbackError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evidencekit.ledger.stores.store import Committed

    Commit = Callable[[Sequence[bytes], Sequence[bytes]], Committed]


class Deliver(Protocol):
    """Tells submitters that their submissions have an outcome; called in the writer's thread, with a whole batch."""

    def __call__(self, submissions: Sequence[Submission]) -> None:
        """Wake them; must not raise."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Submission:
    """Entries that wait for one commit. `indices` and `size`, or `error`, are set before `deliver` is called."""

    entries: Sequence[bytes]
    leaves: Sequence[bytes]
    deliver: Deliver
    indices: tuple[int, ...] = ()
    size: int = 0
    error: Exception | None = None


class Sequencer:
    """Runs `commit` in a thread of its own, batch after batch, until closed or until the store fails."""

    __slots__ = (
        "_asleep",
        "_bell",
        "_capacity",
        "_closed",
        "_commit",
        "_failure",
        "_lock",
        "_max_batch",
        "_queue",
        "_queued",
        "_thread",
    )

    def __init__(self, commit: Commit, *, capacity: int, max_batch: int) -> None:
        """Take batches of at most `max_batch` entries from a queue of at most `capacity` entries."""
        self._commit = commit
        self._capacity = capacity
        self._max_batch = max_batch
        self._queue: deque[Submission] = deque()
        self._queued = 0
        self._lock = threading.Lock()
        # The writer sleeps on `_bell`, a lock that is free for the moment when it is rung; a condition costs more.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._asleep = False
        self._closed = False
        self._failure: EvidenceError | None = None
        self._thread: threading.Thread | None = None

    def submit(self, submission: Submission) -> None:
        """Queue a submission of at most `max_batch` entries; its outcome comes through `deliver`.

        Raises:
            LedgerBusyError: the queue is full; nothing was queued.
            LedgerError: closed, or stopped after a failure of the store.
        """
        with self._lock:
            self._check_open()
            if self._queued + len(submission.entries) > self._capacity:
                raise self._busy()
            self._enqueue(submission)
            self._wake()

    def submit_many(self, count: int, part: Callable[[int, int], Submission]) -> tuple[int, LedgerError | None]:
        """Queue `count` entries that came at one moment, as far as there is room, so that one commit takes them.

        Args:
            count: how many entries.
            part: makes the submission of the entries `[start, stop)`, at most `max_batch` of them.

        Returns:
            How many were queued, the first ones, and why the rest was refused.
        """
        with self._lock:
            try:
                self._check_open()
            except LedgerError as error:
                return 0, error
            taken = min(count, self._capacity - self._queued)
            for start in range(0, taken, self._max_batch):
                self._enqueue(part(start, min(start + self._max_batch, taken)))
            if taken:
                self._wake()
            return taken, None if taken == count else self._busy()

    def _enqueue(self, submission: Submission) -> None:
        self._queue.append(submission)
        self._queued += len(submission.entries)

    def _busy(self) -> LedgerBusyError:
        return LedgerBusyError(
            f"The ledger's queue holds {self._queued} of {self._capacity} entries; try again later.",
            f"账本队列已有 {self._queued} 条(上限 {self._capacity})；请稍后再试。",
        )

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="evidencekit-ledger", daemon=True)
            self._thread.start()
        self._ring()

    def _ring(self) -> None:
        if self._asleep:
            self._asleep = False
            self._bell.release()

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        with self._lock:
            self._closed = True
            self._ring()
        if self._thread is not None:
            self._thread.join()

    def _check_open(self) -> None:
        if self._failure is not None:
            raise LedgerError(
                f"The ledger stopped after a failure and must be opened again: {self._failure.en}",
                f"账本在故障后已停止，须重新打开：{self._failure.zh}",
            )
        if self._closed:
            raise LedgerError("The ledger is closed; open it again.", "账本已关闭；请重新打开。")

    def _run(self) -> None:
        while batch := self._next_batch():
            self._commit_batch(batch)
            _deliver(batch)

    def _next_batch(self) -> list[Submission]:
        self._await_work()
        with self._lock:
            batch: list[Submission] = []
            room = self._max_batch
            while self._queue and (not batch or len(self._queue[0].entries) <= room):
                submission = self._queue.popleft()
                room -= len(submission.entries)
                self._queued -= len(submission.entries)
                batch.append(submission)
            return batch

    def _await_work(self) -> None:
        with self._lock:
            self._asleep = not self._queue and not self._closed
            if not self._asleep:
                return
        # Who queues the next submission, or closes, rings; only this thread empties the queue.
        self._bell.acquire()

    def _commit_batch(self, batch: list[Submission]) -> None:
        try:
            with self._lock:
                if self._failure is not None:
                    self._check_open()
            entries = list(chain.from_iterable(submission.entries for submission in batch))
            leaves = list(chain.from_iterable(submission.leaves for submission in batch))
            committed = self._commit(entries, leaves)
        except Exception as error:  # noqa: BLE001 - every failure belongs to the submitters, none to this thread
            self._refuse(batch, error)
            return
        start = 0
        for submission in batch:
            stop = start + len(submission.entries)
            submission.indices = committed.indices[start:stop]
            submission.size = committed.head.size
            start = stop

    def _refuse(self, batch: list[Submission], error: Exception) -> None:
        """Hand the error to all; after a failed disk or a damaged file nothing may be written any more.

        After a failed fsync the page cache no longer says what the disk holds: the only safe act is to stop.
        """
        for submission in batch:
            submission.error = error
        if isinstance(error, LedgerCorruptError | LedgerRollbackError | StorageError):
            self._stop(error)
        elif not isinstance(error, EvidenceError):
            self._stop(LedgerError(f"Unexpected: {error!r}.", f"意外错误：{error!r}。"))

    def _stop(self, failure: EvidenceError) -> None:
        with self._lock:
            self._failure = self._failure or failure


def _deliver(batch: list[Submission]) -> None:
    groups: dict[Deliver, list[Submission]] = {}
    for submission in batch:
        groups.setdefault(submission.deliver, []).append(submission)
    for deliver, submissions in groups.items():
        deliver(submissions)
