"""Which leaf stands where, in a SQLite ledger of any size: the millionth entry costs what the first one cost.

Leaf hashes are random, so in one B-tree over all of them every insert of a large ledger touches a page of its own. Here
each 65,536 entries have a range of the index to themselves (`segment`): inserts touch the newest, which is small. That
an entry is in none of the closed segments is told by a filter in memory; what it cannot rule out is looked up.
"""

from __future__ import annotations

import sqlite3
from struct import iter_unpack
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.merkle import HASH_BYTES
from evidencekit.ledger.stores.growing import place
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evidencekit.errors import LedgerCorruptError

SEGMENT: Final = WIDTH * WIDTH
"""Entries a segment: as many as a full tile of level 1 covers."""
LEAF_TABLE: Final = """CREATE TABLE leaf(segment INTEGER NOT NULL, hash BLOB NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY(segment, hash)) STRICT, WITHOUT ROWID"""
FROM_VERSION_1: Final = (
    "ALTER TABLE leaf RENAME TO leaf_1",
    LEAF_TABLE,
    f"INSERT INTO leaf SELECT idx / {SEGMENT}, hash, idx FROM leaf_1 ORDER BY 1, 2",  # noqa: S608 - a constant
    "DROP TABLE leaf_1",
)
"""Version 1 had one B-tree, `leaf(hash PRIMARY KEY, idx)`."""
LOOK_UP: Final = "SELECT idx FROM leaf WHERE segment = ? AND hash = ?"
LOOK_UP_1: Final = "SELECT idx FROM leaf WHERE ? >= 0 AND hash = ?"
"""The same of version 1; its segment says nothing."""
_INSERT: Final = "INSERT INTO leaf VALUES(?, ?, ?)"
_CLOSED: Final = """WITH RECURSIVE closed(segment) AS (VALUES(0) UNION ALL SELECT segment + 1 FROM closed
    WHERE segment < ? - 1) SELECT idx FROM closed CROSS JOIN leaf USING(segment) WHERE hash = ? LIMIT 1"""
_TILES: Final = "SELECT data FROM tile WHERE level = 0 AND idx >= ? AND idx < ? ORDER BY idx"
_UNFILTERED: Final = 4096
"""So many leaves are looked up in the closed segments, segment by segment, before the filter is worth making."""
_BUCKETS: Final = 1 << 16


class LeafFilter:
    """Knows of most leaves that they are not among those taken in, and is never wrong in that; three bytes a leaf.

    The first two bytes of a hash choose a bucket, the next three stand in it: of 10^7 leaves, one in 30,000 new ones
    looks like one that is there.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, hashes: bytes) -> None:
        """Take in hashes that stand one after the other."""
        buckets = self._buckets
        for bucket, mark in iter_unpack(">H3s27x", hashes):
            buckets[bucket] += mark

    def suspects(self, leaves: Iterable[bytes]) -> list[bytes]:
        """Give the leaves that may be among those taken in."""
        buckets = self._buckets
        return [leaf for leaf in leaves if leaf[2:5] in buckets[leaf[0] << 8 | leaf[1]]]


class LeafIndex:
    """The index of the connection that writes; used inside its transactions alone."""

    __slots__ = ("_damaged", "_filter", "_filtered", "_looked_up", "_writer")

    def __init__(self, writer: sqlite3.Connection, damaged: Callable[[str], LedgerCorruptError]) -> None:
        """Use `writer`; `damaged` makes the error for a ledger that lacks a tile."""
        self._writer = writer
        self._damaged = damaged
        self._filter: LeafFilter | None = None
        self._filtered = 0
        self._looked_up = 0

    def insert(self, leaves: Sequence[bytes], size: int) -> tuple[tuple[int, ...], Sequence[int]]:
        """Insert what is new into the index of a ledger of `size` entries.

        Returns:
            The index of each leaf, and the positions in `leaves` of the new ones.

        Raises:
            LedgerCorruptError: a tile is missing or malformed.
        """
        # Nearly always all are new and of one segment: no look-up there is faster than the insert itself.
        one_segment = size // SEGMENT == (size + len(leaves) - 1) // SEGMENT
        if one_segment and not any(self._closed_index(leaf, size) is not None for leaf in self._suspects(leaves, size)):
            placed = zip(leaves, range(size, size + len(leaves)), strict=True)
            if self._insert_all(placed):
                return tuple(range(size, size + len(leaves))), range(len(leaves))
        indices, fresh = place(leaves, size, lambda leaf: self._index_of(leaf, size))
        self._writer.executemany(_INSERT, _rows((leaves[at], size + count) for count, at in enumerate(fresh)))
        return indices, fresh

    def _insert_all(self, placed: Iterable[tuple[bytes, int]]) -> bool:
        """Insert all as new ones; False, and nothing is inserted, when one was there already or came twice."""
        self._writer.execute("SAVEPOINT placing")
        try:
            self._writer.executemany(_INSERT, _rows(placed))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            self._writer.execute("ROLLBACK TO placing")
            return False
        finally:
            if self._writer.in_transaction:
                self._writer.execute("RELEASE placing")
        return True

    def _index_of(self, leaf: bytes, size: int) -> int | None:
        row = self._writer.execute(LOOK_UP, (size // SEGMENT, leaf)).fetchone()
        if row is not None:
            return int(row[0])
        return self._closed_index(leaf, size) if self._suspects((leaf,), size) else None

    def _closed_index(self, leaf: bytes, size: int) -> int | None:
        row = self._writer.execute(_CLOSED, (size // SEGMENT, leaf)).fetchone()
        return None if row is None else int(row[0])

    def _suspects(self, leaves: Sequence[bytes], size: int) -> Sequence[bytes]:
        """Give the leaves that may stand in a closed segment."""
        closed = size // SEGMENT
        if not closed:
            return ()
        if self._filter is None:
            self._looked_up += len(leaves)
            if self._looked_up < _UNFILTERED:
                return leaves
            self._filter = LeafFilter()
        if self._filtered < closed:
            self._take_in(self._filter, closed)
        return self._filter.suspects(leaves)

    def _take_in(self, seen: LeafFilter, closed: int) -> None:
        """Fill the filter from the tiles of level 0, which hold every leaf of a closed segment."""
        for segment in range(self._filtered, closed):
            tiles = self._writer.execute(_TILES, (segment * WIDTH, (segment + 1) * WIDTH)).fetchall()
            hashes = b"".join(data for (data,) in tiles if isinstance(data, bytes))
            if len(hashes) != SEGMENT * HASH_BYTES:
                raise self._damaged(f"a tile of entries {segment * SEGMENT} and on is missing or malformed")
            seen.add(hashes)
            self._filtered = segment + 1


def _rows(placed: Iterable[tuple[bytes, int]]) -> list[tuple[int, bytes, int]]:
    """Make rows in the order of the index, where neighbours share a page."""
    return sorted((index // SEGMENT, leaf, index) for leaf, index in placed)
