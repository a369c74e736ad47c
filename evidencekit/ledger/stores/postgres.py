"""The store for many machines: PostgreSQL 15 or newer, one transaction for everything a commit means.

```
head(id = 0, version, size, checkpoint, signed_at, epoch, incarnation)    locked FOR UPDATE by whoever appends
entry(idx, data)  leaf(hash, idx)  tile(level, idx, data)  edge(level, data)      as in the SQLite file
```

The lock on `head` orders all writers of all machines. A lost connection leaves open whether a commit was done, so it is
done again: what is in already keeps its index. On each new connection the tree must extend the one known before; after
a fail-over that lost entries it does not, and the ledger stops. `epoch` grows when another server or timeline answers,
so that a process which saw the new one never writes to the old one again.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from psycopg import sql

from evidencekit.errors import LedgerRollbackError, StorageError
from evidencekit.hashing.merkle import EMPTY_ROOT, check_consistency, consistency_ranges
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.proving import subtree_roots
from evidencekit.ledger.stores.growing import changed_levels, open_edge, partial_start, place
from evidencekit.ledger.stores.postgres_errors import absent, damaged, translate
from evidencekit.ledger.stores.postgres_session import Session
from evidencekit.ledger.stores.postgres_snapshot import HeadRow, PostgresSnapshot, ask_head, parse_head, read_head
from evidencekit.ledger.stores.store import Committed, Head, SignTree
from evidencekit.signing.note import split_note

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from evidencekit.ledger.edge import Edge
    from evidencekit.ledger.stores.postgres_session import Connection

SCHEMA_VERSION: Final = 1
_COPY_ROWS: Final = 16
"""From so many rows on, COPY beats INSERT."""
_QUEUE: Final = "SELECT pg_advisory_xact_lock(hashtext('evidencekit ledger'), hashtext(%s))"
_STORED: Final = "SELECT hash, idx FROM leaf WHERE hash = ANY(%b)"
_EDGE: Final = "INSERT INTO edge VALUES(%s, %b) ON CONFLICT (level) DO UPDATE SET data = excluded.data"
_TABLES: Final = (
    "CREATE TABLE entry(idx bigint PRIMARY KEY, data bytea NOT NULL)",
    "CREATE TABLE leaf(hash bytea PRIMARY KEY, idx bigint NOT NULL)",
    "CREATE TABLE tile(level smallint, idx bigint, data bytea NOT NULL, PRIMARY KEY(level, idx))",
    "CREATE TABLE edge(level smallint PRIMARY KEY, data bytea NOT NULL)",
    """CREATE TABLE head(id smallint PRIMARY KEY CHECK(id = 0), version int NOT NULL, size bigint NOT NULL,
       checkpoint bytea NOT NULL, signed_at bigint NOT NULL, epoch bigint NOT NULL, incarnation text NOT NULL)""",
    # Hashes do not shrink; trying costs time on every commit.
    "ALTER TABLE tile ALTER COLUMN data SET STORAGE EXTERNAL",
    "ALTER TABLE edge ALTER COLUMN data SET STORAGE EXTERNAL",
)


class PostgresStore:
    """A ledger in one schema of a PostgreSQL database, for many processes on many machines."""

    __slots__ = (
        "_edge",
        "_epoch",
        "_head",
        "_known",
        "_reader",
        "_reader_lock",
        "_schema",
        "_trusted",
        "_writer",
        "_writer_lock",
    )

    def __init__(
        self, conninfo: str, schema: str, *, sign: SignTree, create: bool, timeout_s: float, retry_s: float
    ) -> None:
        """Connect, and make the schema with the signed checkpoint of the empty tree if `create` is true.

        Raises:
            UsageError: the connection string is malformed.
            LedgerError: there is no ledger and `create` is false, or this user may not use it.
            LedgerUnreachableError: no server answers for `retry_s` seconds.
            LedgerCorruptError: the edge does not hash to the signed root.
            StorageError: a newer version wrote it, or the server does not sync what it acknowledges.
        """
        self._writer_lock = threading.Lock()
        self._reader_lock = threading.Lock()
        self._writer = Session(conninfo, schema, server="read-write", timeout_s=timeout_s, retry_s=retry_s)
        self._reader = Session(conninfo, schema, server="primary", timeout_s=timeout_s, retry_s=retry_s)
        self._schema = schema
        self._epoch = 0
        self._known: Head | None = None
        self._head: Head | None = None
        self._trusted: Connection | None = None
        try:
            with translate(self._writer.where):
                self._writer.work(lambda connection: self._set_up(connection, sign, create=create))
        except BaseException:
            self.close()
            raise

    def commit(self, entries: Sequence[bytes], leaves: Sequence[bytes], sign: SignTree) -> Committed:
        """Append entries and the checkpoint over them; see `Store`. Survives a lost connection and a fail-over.

        Raises:
            LedgerUnreachableError: no server answers for too long; whether the entries are in is open.
            LedgerLockedError: another process holds the head for too long.
            LedgerRollbackError: another server answers and lacks what was acknowledged, or is from before a fail-over.
            LedgerCorruptError: what another process wrote does not hash to what was signed.
            StorageError: the server failed; this store must not be used again.
        """
        with self._writer_lock, translate(self._writer.where):
            return self._writer.work(lambda connection: self._commit(connection, entries, leaves, sign))

    @contextmanager
    def snapshot(self) -> Generator[PostgresSnapshot, None, None]:
        """Read from one moment; one reader at a time.

        Raises:
            LedgerUnreachableError: the server does not answer, or stopped to.
            LedgerCorruptError: the database is damaged.
        """
        with self._reader_lock, translate(self._reader.where):
            head = self._reader.work(self._begin_reading)
            connection = self._reader.connection()
            try:
                yield PostgresSnapshot(connection, self._reader.where, head.head)
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._reader.close()

    def _begin_reading(self, connection: Connection) -> HeadRow:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return read_head(connection, self._reader.where)

    def _set_up(self, connection: Connection, sign: SignTree, *, create: bool) -> None:
        with connection.transaction():
            connection.execute(_QUEUE, (self._schema,))
            found = connection.execute("SELECT to_regclass('head') IS NOT NULL").fetchone()
            if found == (False,):
                if not create:
                    raise absent(self._writer.where)
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self._schema)))
                for statement in _TABLES:
                    connection.execute(statement)
                self._insert_head(connection, sign(None, 0, EMPTY_ROOT))
            row = read_head(connection, self._writer.where)
            if row.version > SCHEMA_VERSION:
                raise StorageError(
                    f"The ledger {self._writer.where} was written by a newer version (schema {row.version}); update "
                    "this program.",
                    f"账本 {self._writer.where} 由更新的版本写成(结构版本 {row.version})；请升级本程序。",
                )
            self._refresh(connection, row)

    def _commit(
        self, connection: Connection, entries: Sequence[bytes], leaves: Sequence[bytes], sign: SignTree
    ) -> Committed:
        self._writer.weakened = None
        # Until COMMIT has returned, memory may be ahead of the database.
        own, self._head = self._head, None
        with connection.transaction():
            row, known = self._lock_head(connection, leaves)
            if connection is not self._trusted or row.head != own:
                self._refresh(connection, row)
            indices, fresh = place(leaves, row.head.size, known.get)
            head = row.head
            if fresh:
                head = self._write(connection, row, [entries[at] for at in fresh], [leaves[at] for at in fresh], sign)
            elif head != own or self._is_elsewhere(row):
                # Nothing is new, but another process wrote it: its commit may not have reached the standby yet, ours
                # comes after it and waits for both.
                self._save_head(connection, row, head)
        self._check_weakened()
        self._epoch = self._next_epoch(row)
        self._head = self._known = head
        self._trusted = connection
        return Committed(indices=indices, head=head)

    def _check_weakened(self) -> None:
        if self._writer.weakened is not None:
            raise StorageError(
                f"PostgreSQL at {self._writer.where} committed without its standby ({self._writer.weakened}); nothing "
                "is acknowledged. Bring the standby back, then open the ledger again.",
                f"{self._writer.where} 的 PostgreSQL 未等备机即提交({self._writer.weakened})；未予确认。"
                "请恢复备机，然后重新打开账本。",
            )

    def _refresh(self, connection: Connection, row: HeadRow) -> None:
        """Take up a head that this process did not write, or that another server shows.

        Raises:
            LedgerRollbackError: it does not extend the one known before.
        """
        where = self._writer.where
        if row.epoch < self._epoch:
            raise LedgerRollbackError(
                f"The database of {where} is from before a fail-over (epoch {row.epoch}, {self._epoch} was seen); "
                "connect to the promoted one and shut this one down.",
                f"{where} 的数据库为故障切换前的旧库(纪元 {row.epoch}，已见 {self._epoch})；请连接新主库并停用旧库。",
            )
        if self._known is not None and connection is not self._trusted:
            self._check_extends(PostgresSnapshot(connection, where, row.head), self._known)
        self._edge = self._load_edge(connection, row.head)
        self._epoch = row.epoch
        self._known = row.head

    def _check_extends(self, snapshot: PostgresSnapshot, known: Head) -> None:
        old, new = (parse_checkpoint(split_note(head.checkpoint)[0]) for head in (known, snapshot.head))
        kept = old.size <= new.size and check_consistency(
            old.size, new.size, old.root, new.root, subtree_roots(snapshot, consistency_ranges(old.size, new.size))
        )
        if not kept:
            raise LedgerRollbackError(
                f"After a reconnection the ledger {self._writer.where} has {new.size} entries and does not extend the "
                f"{old.size} that were acknowledged: a fail-over lost the head. Stop, and restore the server that has "
                "it; both signed notes are evidence.",
                f"重新连接后账本 {self._writer.where} 为 {new.size} 条，并非已确认的 {old.size} 条的延伸："
                "故障切换丢失了头部。请停止登记，恢复持有该头部的服务器；两份签名文本均为证据。",
            )

    def _load_edge(self, connection: Connection, head: Head) -> Edge:
        levels = connection.execute("SELECT data FROM edge ORDER BY level", binary=True).fetchall()
        query = "SELECT data FROM entry WHERE idx >= %s ORDER BY idx"
        newest = connection.execute(query, (partial_start(head.size),), binary=True).fetchall()
        where = self._writer.where
        return open_edge(
            head, [data for (data,) in levels], [data for (data,) in newest], lambda why: damaged(where, why)
        )

    def _lock_head(self, connection: Connection, leaves: Sequence[bytes]) -> tuple[HeadRow, dict[bytes, int]]:
        """Lock the head, read it, and look up which leaves are stored, in one round trip."""
        with connection.pipeline():
            # Row locks go to whoever comes first, and a busy process would starve the others; this one has a queue.
            connection.execute(_QUEUE, (self._schema,))
            head = ask_head(connection, lock=True)
            found = connection.execute(_STORED, (list(leaves),), binary=True)
        return parse_head(head, self._writer.where), dict(found.fetchall())

    def _is_elsewhere(self, row: HeadRow) -> bool:
        return row.incarnation != self._writer.incarnation

    def _write(
        self, connection: Connection, row: HeadRow, entries: list[bytes], leaves: list[bytes], sign: SignTree
    ) -> Head:
        size = row.head.size
        placed = list(zip(leaves, range(size, size + len(leaves)), strict=True))
        full = self._edge.extend(leaves)
        grown = sign(row.head, self._edge.size, self._edge.root())
        if len(leaves) >= _COPY_ROWS:
            _copy(connection, "entry", ("int8", "bytea"), enumerate(entries, start=size))
            _copy(connection, "leaf", ("bytea", "int8"), placed)
        with connection.pipeline(), connection.cursor() as cursor:
            if len(leaves) < _COPY_ROWS:
                cursor.executemany("INSERT INTO entry VALUES(%s, %b)", enumerate(entries, start=size))
                cursor.executemany("INSERT INTO leaf VALUES(%b, %s)", placed)
            tiles = [(tile.level, tile.index, data) for tile, data in full]
            cursor.executemany("INSERT INTO tile VALUES(%s, %s, %b)", tiles)
            cursor.executemany(_EDGE, changed_levels(self._edge, full))
            self._save_head(connection, row, grown)
        return grown

    def _insert_head(self, connection: Connection, head: Head) -> None:
        values = (SCHEMA_VERSION, head.size, head.checkpoint, head.signed_at, 1, self._writer.incarnation)
        connection.execute("INSERT INTO head VALUES(0, %s, %s, %s, %s, %s, %s)", values)

    def _save_head(self, connection: Connection, row: HeadRow, head: Head) -> None:
        connection.execute(
            "UPDATE head SET size = %s, checkpoint = %b, signed_at = %s, epoch = %s, incarnation = %s WHERE id = 0",
            (head.size, head.checkpoint, head.signed_at, self._next_epoch(row), self._writer.incarnation),
        )

    def _next_epoch(self, row: HeadRow) -> int:
        return row.epoch + 1 if self._is_elsewhere(row) else row.epoch


def _copy(connection: Connection, table: str, types: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Copy rows into a table, in the order of its columns."""
    command = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
