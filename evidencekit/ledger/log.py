"""The ledger: append, and get an index in a tree that is signed and on disk.

with Ledger.open(path, key, create=True) as ledger:
appended = ledger.append(entry)
proof = ledger.prove(appended.index)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from evidencekit.errors import (
    LedgerError,
    UsageError,
)
from evidencekit.hashing.merkle import consistency_ranges, leaf_hash
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint
from evidencekit.ledger.extension import check_extension
from evidencekit.ledger.mirror import (
    read_mirror,
    read_published,
    refuse_missing_ledger,
    refuse_published_log,
    write_mirror,
)
from evidencekit.ledger.nodes import NodeCache
from evidencekit.ledger.proving import check_head, check_index, prove_entry, subtree_roots
from evidencekit.ledger.sequencer import Sequencer, Submission
from evidencekit.ledger.stores.sqlite import SqliteStore
from evidencekit.ledger.stores.store import Head
from evidencekit.ledger.tiles import check_entry_length, split_hashes
from evidencekit.ledger.waiters import LoopWaiters, submit_and_wait
from evidencekit.model import Text
from evidencekit.signing.note import sign_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from evidencekit.ledger.source import Fetch
    from evidencekit.ledger.stores.store import Committed, Store
    from evidencekit.signing.note import NoteSigner, NoteVerifier

_CHUNK: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Where an entry stands: `index`, its `leaf` hash, and the `size` of a signed tree on disk that holds it."""

    index: int
    leaf: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """How long to wait for other processes, and how much may queue and commit at once.

    `head_mirror` names a file outside the home that holds the newest checkpoint (`mirror`): without one, a ledger
    restored from an old copy looks like any other. It costs two more syncs a commit. The clocks of several machines on
    one PostgreSQL ledger differ: up to `clock_skew_s` behind the last checkpoint is not refused. `reconnect_s` bounds
    how long a lost database is waited for. `published` reads the places where the log is published (`source`): a
    ledger that does not extend what is there is refused, and none is begun where one is published already.
    """

    lock_timeout_s: float = 10.0
    queue_entries: int = 100_000
    max_batch: int = 10_000
    head_mirror: Path | None = None
    clock_skew_s: int = 0
    reconnect_s: float = 30.0
    published: tuple[Fetch, ...] = ()


def utc_now() -> datetime:
    """Read the system clock."""
    return datetime.now(UTC)


class Ledger:
    """An append-only log in one file, for many threads, asyncio, and several processes at once."""

    __slots__ = (
        "_clock",
        "_key",
        "_nodes",
        "_options",
        "_pid",
        "_seen",
        "_sequencer",
        "_signed",
        "_store",
        "_waiters",
        "origin",
    )

    def __init__(
        self,
        store: Callable[[Ledger], Store],
        key: NoteSigner,
        *,
        clock: Callable[[], datetime],
        options: LedgerOptions,
    ) -> None:
        """Use `Ledger.open`; `store` opens the store with this ledger's `sign_tree`."""
        self.origin = key.name
        self._key = key
        self._clock = clock
        self._options = options
        self._pid = os.getpid()
        self._nodes = NodeCache()
        self._seen: Head | None = None
        self._signed: Head | None = None
        self._store = store(self)
        try:
            with self._store.snapshot() as snapshot:
                self._check_head(snapshot.head)
            self._check_mirror()
            self._check_published()
        except BaseException:
            self._store.close()
            raise
        self._sequencer = Sequencer(self._commit, capacity=options.queue_entries, max_batch=options.max_batch)
        self._waiters = LoopWaiters(self._sequencer)

    @classmethod
    def open(
        cls,
        path: Path,
        key: NoteSigner,
        *,
        origin: str | None = None,
        create: bool = False,
        clock: Callable[[], datetime] = utc_now,
        options: LedgerOptions | None = None,
    ) -> Self:
        """Open the ledger at `path`, or make it when `create` is true and there is none.

        Args:
            path: the SQLite file; a `.lock` file and SQLite's own stand beside it.
            key: signs the checkpoints; its name is the log's origin.
            origin: what the caller expects the origin to be.
            create: whether to make a ledger that is not there.
            clock: gives aware times; a time before the last checkpoint is refused.
            options: waits and sizes.

        Raises:
            UsageError: the key's name is not the origin.
            LedgerError: there is no ledger and `create` is false, or the file is something else.
            LedgerLockedError: another process holds the file for too long.
            LedgerCorruptError: what is stored does not hash to what was signed, or another key signed it.
            LedgerRollbackError: the head mirror knows of a newer ledger or of another history.
            StorageError: the disk or the permissions do not allow it, or a newer version wrote the file.
        """
        if origin is not None and origin != key.name:
            raise UsageError(
                f"The ledger key is named {key.name!r}, not {origin!r}; a log signs under its origin.",
                f"账本密钥名为 {key.name!r}，而不是 {origin!r}；日志须以其来源名签名。",
            )
        options = options or LedgerOptions()
        timeout_s = options.lock_timeout_s
        if options.head_mirror is not None:
            refuse_missing_ledger(path, options.head_mirror, key.verifier)
        if not path.exists():
            refuse_published_log(str(path), options.published, key.verifier)
        return cls(
            lambda ledger: SqliteStore(path, sign=ledger.sign_tree, create=create, lock_timeout_s=timeout_s),
            key,
            clock=clock,
            options=options,
        )

    def append(self, entry: bytes) -> Appended:
        """Append one entry of at most 65,535 bytes; return when it is durable and in a signed tree.

        The same bytes again return their first index. Safe from many threads.

        Raises:
            UsageError: the entry is too long.
            LedgerBusyError: the queue is full.
            LedgerLockedError: another process holds the ledger for too long.
            LedgerError: closed, stopped after a failure, or the clock is behind the last checkpoint.
            LedgerCorruptError: what is stored does not hash to what was signed.
            StorageError: the disk failed; the ledger stops.
        """
        return self.append_many((entry,))[0]

    def append_many(self, entries: Sequence[bytes]) -> list[Appended]:
        """Append entries in order, in as few commits as the batch limit allows; see `append`.

        Entries of an earlier commit stay appended when a later one fails.
        """
        appended: list[Appended] = []
        for start in range(0, len(entries), self._options.max_batch):
            chunk = tuple(entries[start : start + self._options.max_batch])
            leaves = self._leaves(chunk)
            done = submit_and_wait(self._sequencer, chunk, leaves)
            appended += _appended(done)
        return appended

    async def append_async(self, entry: bytes) -> Appended:
        """Append one entry without blocking the running event loop; see `append`."""
        self._check_process()
        check_entry_length(entry)
        leaf = leaf_hash(entry)
        index, size = await self._waiters.ask(entry, leaf)
        return Appended(index=index, leaf=leaf, size=size)

    @property
    def size(self) -> int:
        """The number of entries in the newest signed tree."""
        with self._store.snapshot() as snapshot:
            return snapshot.head.size

    def checkpoint(self) -> bytes:
        """Give the newest checkpoint: a signed note."""
        with self._store.snapshot() as snapshot:
            return snapshot.head.checkpoint

    def entry(self, index: int) -> bytes:
        """Give one entry.

        Raises:
            UsageError: there is no such entry.
        """
        with self._store.snapshot() as snapshot:
            check_index(index, snapshot.head.size)
            return next(iter(snapshot.entries(index, index + 1)))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Give the entries `[start, stop)` in order, as many as there are now when `stop` is None; memory stays flat.

        Raises:
            UsageError: the range is not within the ledger.
        """
        size = self.size
        stop = size if stop is None else stop
        if not 0 <= start <= stop <= size:
            raise UsageError(
                f"The ledger has {size} entries; [{start}, {stop}) is not within it.",
                f"账本共有 {size} 条；区间 [{start}, {stop}) 超出范围。",
            )
        for chunk in range(start, stop, _CHUNK):
            with self._store.snapshot() as snapshot:
                entries = list(snapshot.entries(chunk, min(chunk + _CHUNK, stop)))
            yield from entries

    @property
    def verifier(self) -> NoteVerifier:
        """The public key of the ledger."""
        return self._key.verifier

    def hashes(self, level: int, index: int) -> Sequence[bytes]:
        """Give the hashes of a tile, full or as far as it is now.

        Raises:
            LedgerCorruptError: there is no such tile, or it is malformed.
        """
        with self._store.snapshot() as snapshot:
            return split_hashes(snapshot.tile(level, index))

    def prove(self, index: int) -> bytes:
        """Prove that entry `index` is in the newest signed tree: a C2SP tlog-proof, from one snapshot, checked.

        Raises:
            UsageError: there is no such entry.
            LedgerCorruptError: the stored tiles do not prove it.
        """
        with self._store.snapshot() as snapshot:
            return prove_entry(snapshot, index, cache=self._nodes)

    def prove_in(self, index: int, checkpoint: bytes) -> bytes:
        """Prove that entry `index` is in the tree of `checkpoint`, a note of this log that witnesses cosigned.

        Raises:
            UsageError: that tree has no such entry, or the ledger is not that large.
            LedgerCorruptError: the stored tiles do not prove it.
        """
        with self._store.snapshot() as snapshot:
            return prove_entry(snapshot, index, checkpoint, cache=self._nodes)

    def prove_consistency(self, old_size: int) -> tuple[list[bytes], bytes]:
        """Prove that the newest tree extends the one of `old_size`: the hashes, and the checkpoint they lead to.

        Raises:
            UsageError: the ledger is not that large.
        """
        with self._store.snapshot() as snapshot:
            path = subtree_roots(snapshot, consistency_ranges(old_size, snapshot.head.size))
            return path, snapshot.head.checkpoint

    def prove_consistency_to(self, old_size: int, size: int) -> list[bytes]:
        """Prove that the tree of `size`, perhaps not the newest, extends the one of `old_size`.

        Raises:
            UsageError: `size` is not within the ledger, or less than `old_size`.
        """
        with self._store.snapshot() as snapshot:
            if not 0 <= size <= snapshot.head.size:
                check_index(size - 1, snapshot.head.size)
            return subtree_roots(snapshot, consistency_ranges(old_size, size))

    def close(self) -> None:
        """Commit what is queued and close the file."""
        self._sequencer.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def sign_tree(self, previous: Head | None, size: int, root: bytes) -> Head:
        """Sign a grown tree, inside the store's transaction: nobody sees the signature before it is on disk.

        Raises:
            LedgerError: the clock is behind the last checkpoint.
            LedgerRollbackError: the ledger is smaller than this process has seen it.
            LedgerCorruptError: the previous checkpoint is not this key's.
        """
        now = int(self._clock().timestamp())
        if previous is not None:
            self._check_head(previous)
            if now < previous.signed_at - self._options.clock_skew_s:
                raise LedgerError(
                    f"This machine's clock ({_utc(now)}) is behind the ledger's last checkpoint "
                    f"({_utc(previous.signed_at)}); set the clock right.",
                    f"本机时钟({_utc(now)})早于账本最后检查点({_utc(previous.signed_at)})；请校正时钟。",
                )
            now = max(now, previous.signed_at)
        text = format_checkpoint(Checkpoint(origin=self.origin, size=size, root=root))
        self._signed = Head(size=size, checkpoint=sign_note(text, self._key), signed_at=now)
        return self._signed

    def _commit(self, entries: Sequence[bytes], leaves: Sequence[bytes]) -> Committed:
        committed = self._store.commit(entries, leaves, self.sign_tree)
        if committed.head is not self._signed:
            self._check_head(committed.head)
        if self._options.head_mirror is not None and committed.head != self._seen:
            write_mirror(self._options.head_mirror, committed.head.checkpoint)
        self._seen = committed.head
        return committed

    def _check_mirror(self) -> None:
        mirror = self._options.head_mirror
        known = read_mirror(mirror, self._key.verifier) if mirror else None
        if known is not None:
            check_extension(self, known, Text(en=f"the head mirror {mirror}", zh=f"头镜像 {mirror} "))

    def _check_published(self) -> None:
        for known in read_published(self._options.published, self._key.verifier):
            check_extension(self, known, Text(en="the published checkpoint", zh="已公布的检查点"))

    def _leaves(self, entries: Sequence[bytes]) -> list[bytes]:
        self._check_process()
        for entry in entries:
            check_entry_length(entry)
        return [leaf_hash(entry) for entry in entries]

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            # A forked child has neither the writer's thread nor SQLite's locks.
            raise LedgerError(
                "This ledger was opened by the parent process; open it again in this one.",
                "该账本由父进程打开；请在本进程中重新打开。",
            )

    def _check_head(self, head: Head) -> None:
        if head != self._seen:
            check_head(head, self._key.verifier, self._seen)
            self._seen = head


def _appended(done: Submission) -> list[Appended]:
    placed = zip(done.indices, done.leaves, strict=True)
    return [Appended(index=index, leaf=leaf, size=done.size) for index, leaf in placed]


def _utc(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
