"""Reading a SQLite ledger: every value of one snapshot belongs to the same head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.merkle import HASH_BYTES
from evidencekit.ledger.stores.sqlite_errors import blob, damaged
from evidencekit.ledger.stores.store import Head
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


class SqliteSnapshot:
    """An open read transaction."""

    __slots__ = ("_connection", "_path", "head")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.head = read_head(connection, path)

    def tile(self, level: int, index: int) -> bytes:
        """Read a tile, full or partial.

        Raises:
            LedgerCorruptError: the tile is missing or malformed.
        """
        full, partial = divmod(self.head.size >> 8 * level, WIDTH)
        if index < full:
            cursor = self._connection.execute("SELECT data FROM tile WHERE level = ? AND idx = ?", (level, index))
        else:
            cursor = self._connection.execute("SELECT data FROM edge WHERE level = ?", (level,))
        row = cursor.fetchone()
        data: bytes = blob(self._path, row[0]) if row else b""
        if index > full or not data or len(data) != (WIDTH if index < full else partial) * HASH_BYTES:
            raise damaged(self._path, f"tile {index} of level {level} is missing or malformed")
        return data

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Read the entries `[start, stop)`.

        Raises:
            LedgerCorruptError: one is missing.
        """
        query = "SELECT idx, data FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
        expected = start
        for index, data in self._connection.execute(query, (start, stop)):
            if index != expected:
                break
            expected += 1
            yield blob(self._path, data)
        if expected < stop:
            raise damaged(self._path, f"entry {expected} is missing")


def read_head(connection: sqlite3.Connection, path: Path) -> Head:
    """Read the head.

    Raises:
        LedgerCorruptError: there is none.
    """
    row = connection.execute("SELECT size, checkpoint, signed_at FROM head WHERE id = 0").fetchone()
    if row is None:
        raise damaged(path, "it has no head")
    size, checkpoint, signed_at = row
    if not isinstance(size, int) or not isinstance(signed_at, int):
        raise damaged(path, "its head is malformed")
    return Head(size=size, checkpoint=blob(path, checkpoint), signed_at=signed_at)
