"""The default store: one SQLite file, WAL, synchronous=FULL, one transaction for everything a commit means.

```
entry(idx, data)           the raw entries, the only thing that cannot be computed again
leaf(segment, hash, idx)   which leaf stands where, in full segments: appending is idempotent (`sqlite_leaves`)
tile(level, idx, data)     full hash tiles
edge(level, data)          the hashes of the partial tile of each level
head(size, checkpoint, signed_at)   the newest signed tree, one row
```

`application_id` marks the file as a ledger, `user_version` is the version of this schema.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final

from evidencekit.errors import LedgerError, StorageError
from evidencekit.hashing.merkle import EMPTY_ROOT
from evidencekit.ledger.filelock import FileLock
from evidencekit.ledger.stores.growing import changed_levels, open_edge, partial_start
from evidencekit.ledger.stores.sqlite_errors import blob, damaged, translate
from evidencekit.ledger.stores.sqlite_leaves import FROM_VERSION_1, LEAF_TABLE, LeafIndex
from evidencekit.ledger.stores.sqlite_rows import insert_rows
from evidencekit.ledger.stores.sqlite_snapshot import SqliteSnapshot, read_head
from evidencekit.ledger.stores.store import Committed, Head, SignTree

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from evidencekit.ledger.edge import Edge

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x45764B4C
"""`EvKL`."""
_SCHEMA: Final = (
    "CREATE TABLE entry(idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    LEAF_TABLE,
    """CREATE TABLE tile(level INTEGER NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL,
       PRIMARY KEY(level, idx)) STRICT""",
    "CREATE TABLE edge(level INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    """CREATE TABLE head(id INTEGER PRIMARY KEY CHECK(id = 0), size INTEGER NOT NULL, checkpoint BLOB NOT NULL,
       signed_at INTEGER NOT NULL) STRICT""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_WAL_PAGES: Final = 4000
_CACHE_KIB: Final = 32 * 1024


class SqliteStore:
    """A ledger in one file; several threads and processes may hold the same file open."""

    __slots__ = (
        "_edge", "_head", "_leaves", "_lock", "_opened", "_path", "_reader", "_reader_lock", "_writer", "_writer_lock",
    )  # fmt: skip

    def __init__(self, path: Path, *, sign: SignTree, create: bool, lock_timeout_s: float) -> None:
        """Open the file, or make it with the signed checkpoint of the empty tree.

        Raises:
            LedgerError: there is no ledger and `create` is false, or the file is something else.
            LedgerLockedError: another process holds it for too long.
            LedgerCorruptError: the edge does not hash to the signed root.
            StorageError: the disk or the permissions do not allow it, or a newer version wrote it.
        """
        if not create and not path.exists():
            raise LedgerError(f"There is no ledger at {path}; create one first.", f"{path} 处没有账本；请先创建。")
        self._path = path
        self._writer_lock = threading.Lock()
        self._reader_lock = threading.Lock()
        lock_file = path.with_name(path.name + ".lock")
        with ExitStack() as opened:
            self._lock = opened.enter_context(closing(FileLock(lock_file, timeout_s=lock_timeout_s)))
            with translate(path), self._lock.held():
                self._writer = opened.enter_context(closing(_connect(path, lock_timeout_s)))
                self._reader = opened.enter_context(closing(_connect(path, lock_timeout_s)))
                self._leaves = LeafIndex(self._writer, lambda why: damaged(path, why))
                self._set_up(sign, create=create)
                self._head: Head | None = read_head(self._writer, path)
                self._edge = self._load_edge(self._head)
            self._opened = opened.pop_all()

    def commit(self, entries: Sequence[bytes], leaves: Sequence[bytes], sign: SignTree) -> Committed:
        """Append entries and the checkpoint over them; see `Store`.

        Raises:
            LedgerLockedError: another process holds the ledger for too long.
            LedgerCorruptError: what another process wrote does not hash to what was signed.
            StorageError: the disk failed; nothing is known to be written and this store must not be used again.
        """
        with self._writer_lock, translate(self._path), self._lock.held(), self._transaction():
            head = self._refresh()
            indices, fresh = self._leaves.place(leaves, head.size)
            if fresh:
                head = self._write(head, [entries[at] for at in fresh], [leaves[at] for at in fresh], sign)
        self._head = head
        return Committed(indices=indices, head=head)

    @contextmanager
    def snapshot(self) -> Generator[SqliteSnapshot, None, None]:
        """Read from one moment; one reader at a time.

        Raises:
            LedgerCorruptError: the database is damaged.
            StorageError: it cannot be read.
        """
        with self._reader_lock, translate(self._path):
            self._reader.execute("BEGIN")
            try:
                yield SqliteSnapshot(self._reader, self._path)
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; the last one to do so folds the write-ahead log into it."""
        with self._writer_lock, self._reader_lock, translate(self._path):
            self._opened.close()

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            # What memory holds may now be ahead of the file; the next commit reads it afresh.
            self._head = None
            self._leaves.forget()
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _set_up(self, sign: SignTree, *, create: bool) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        (application,) = self._writer.execute("PRAGMA application_id").fetchone()
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == application == tables == 0 and create:
            self._create(sign)
        elif application != APPLICATION_ID:
            raise LedgerError(
                f"{self._path} is not a ledger; give another path.", f"{self._path} 不是账本；请另选路径。"
            )
        elif version > SCHEMA_VERSION:
            raise StorageError(
                f"The ledger {self._path} was written by a newer version (schema {version}); update this program.",
                f"账本 {self._path} 由更新的版本写成(结构版本 {version})；请升级本程序。",
            )
        elif version < SCHEMA_VERSION:
            self._upgrade()

    def _upgrade(self) -> None:
        """Rewrite the index of version 1, which can be computed from the entries, in one transaction."""
        with self._transaction():
            for statement in (*FROM_VERSION_1, f"PRAGMA user_version = {SCHEMA_VERSION}"):
                self._writer.execute(statement)

    def _create(self, sign: SignTree) -> None:
        with self._transaction():
            for statement in _SCHEMA:
                self._writer.execute(statement)
            self._save_head(sign(None, 0, EMPTY_ROOT))
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _refresh(self) -> Head:
        """Read the head inside the transaction; another process may have appended since."""
        head = read_head(self._writer, self._path)
        if head != self._head:
            self._edge = self._load_edge(head)
        return head

    def _load_edge(self, head: Head) -> Edge:
        levels = self._writer.execute("SELECT data FROM edge ORDER BY level")
        start = partial_start(head.size)
        newest = self._writer.execute("SELECT data FROM entry WHERE idx >= ? ORDER BY idx", (start,))
        return open_edge(
            head,
            [blob(self._path, data) for (data,) in levels],
            [blob(self._path, data) for (data,) in newest],
            lambda why: damaged(self._path, why),
        )

    def _write(self, head: Head, entries: list[bytes], leaves: list[bytes], sign: SignTree) -> Head:
        insert_rows(self._writer, "entry", list(enumerate(entries, start=head.size)))
        full = self._edge.extend(leaves)
        self._leaves.grow(leaves)
        insert_rows(self._writer, "tile", [(tile.level, tile.index, data) for tile, data in full])
        levels = changed_levels(self._edge, full)
        self._writer.executemany("INSERT OR REPLACE INTO edge VALUES(?, ?)", levels)
        grown = sign(head, self._edge.size, self._edge.root())
        self._save_head(grown)
        return grown

    def _save_head(self, head: Head) -> None:
        row = (head.size, head.checkpoint, head.signed_at)
        self._writer.execute("INSERT OR REPLACE INTO head VALUES(0, ?, ?, ?)", row)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection
