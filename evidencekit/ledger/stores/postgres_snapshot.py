"""Reading a ledger in PostgreSQL: every value of one repeatable-read transaction belongs to the same head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.merkle import HASH_BYTES
from evidencekit.ledger.stores.postgres_errors import damaged
from evidencekit.ledger.stores.store import Head
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import psycopg

    Cursor = psycopg.Cursor[tuple[Any, ...]]
    Connection = psycopg.Connection[tuple[Any, ...]]

_HEAD: Final = "SELECT version, size, checkpoint, signed_at, epoch, incarnation FROM head WHERE id = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRow:
    """The head with its fence.

    Attributes:
        head: the newest signed tree.
        version: of the schema.
        epoch: grows whenever the ledger is found on another server or after a promotion.
        incarnation: which server wrote last: system identifier and timeline.
    """

    head: Head
    version: int
    epoch: int
    incarnation: str


def read_head(connection: Connection, where: str) -> HeadRow:
    """Read the head.

    Raises:
        LedgerCorruptError: there is none.
    """
    return parse_head(ask_head(connection), where)


def ask_head(connection: Connection, *, lock: bool = False) -> Cursor:
    """Ask for the head; `lock` keeps every other writer out until the transaction ends."""
    return connection.execute(_HEAD + (" FOR UPDATE" if lock else ""))


def parse_head(cursor: Cursor, where: str) -> HeadRow:
    """Read the answer to `ask_head`.

    Raises:
        LedgerCorruptError: there is no head.
    """
    row = cursor.fetchone()
    if row is None:
        raise damaged(where, "it has no head")
    version, size, checkpoint, signed_at, epoch, incarnation = row
    head = Head(size=size, checkpoint=bytes(checkpoint), signed_at=signed_at)
    return HeadRow(head=head, version=version, epoch=epoch, incarnation=incarnation)


class PostgresSnapshot:
    """An open transaction of a connection whose `search_path` is the ledger's schema."""

    __slots__ = ("_connection", "_where", "head")

    def __init__(self, connection: Connection, where: str, head: Head) -> None:
        self._connection = connection
        self._where = where
        self.head = head

    def tile(self, level: int, index: int) -> bytes:
        """Read a tile, full or partial.

        Raises:
            LedgerCorruptError: the tile is missing or malformed.
        """
        full, partial = divmod(self.head.size >> 8 * level, WIDTH)
        place: tuple[int, ...]
        if index < full:
            query, place = "SELECT data FROM tile WHERE level = %s AND idx = %s", (level, index)
        else:
            query, place = "SELECT data FROM edge WHERE level = %s", (level,)
        row = self._connection.execute(query, place, binary=True).fetchone()
        data: bytes = row[0] if row else b""
        if index > full or not data or len(data) != (WIDTH if index < full else partial) * HASH_BYTES:
            raise damaged(self._where, f"tile {index} of level {level} is missing or malformed")
        return data

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Read the entries `[start, stop)`.

        Raises:
            LedgerCorruptError: one is missing.
        """
        query = "SELECT idx, data FROM entry WHERE idx >= %s AND idx < %s ORDER BY idx"
        expected = start
        for index, data in self._connection.execute(query, (start, stop), binary=True):
            if index != expected:
                break
            expected += 1
            yield data
        if expected < stop:
            raise damaged(self._where, f"entry {expected} is missing")
