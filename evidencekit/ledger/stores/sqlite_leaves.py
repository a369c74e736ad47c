"""Which leaf stands where, in a SQLite ledger of any size: the millionth entry costs what the first one cost.

Leaf hashes are random: in one B-tree over all of them each new entry rewrites a page of its own. Here the index grows
by segments of 65,536 entries. A segment's rows are written once, in order, when it is full. Until then its leaves are
held in memory; they can be read again from the tiles and the edge, which every commit writes anyway. That an entry is
in none of the full segments is told by a filter in memory; what it cannot rule out is looked up.
"""

from __future__ import annotations

from struct import iter_unpack
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.merkle import HASH_BYTES
from evidencekit.ledger.stores.growing import place
from evidencekit.ledger.stores.sqlite_rows import insert_rows
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from evidencekit.errors import LedgerCorruptError

SEGMENT: Final = WIDTH * WIDTH
"""Entries a segment: as many as a full tile of level 1 covers."""
LEAF_TABLE: Final = """CREATE TABLE leaf(segment INTEGER NOT NULL, hash BLOB NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY(segment, hash)) STRICT, WITHOUT ROWID"""
FROM_VERSION_1: Final = (
    "ALTER TABLE leaf RENAME TO leaf_1",
    LEAF_TABLE,
    f"""INSERT INTO leaf SELECT idx / {SEGMENT}, hash, idx FROM leaf_1, (SELECT size FROM head WHERE id = 0)
        WHERE idx < size / {SEGMENT} * {SEGMENT} ORDER BY 1, 2""",  # noqa: S608 - a constant
    "DROP TABLE leaf_1",
)
"""Version 1 had one B-tree, `leaf(hash PRIMARY KEY, idx)`, with a row for every entry."""
LOOK_UP: Final = "SELECT idx FROM leaf WHERE segment = ? AND hash = ?"
LOOK_UP_1: Final = "SELECT idx FROM leaf WHERE ? >= 0 AND hash = ?"
"""The same of version 1; its segment says nothing."""
_CLOSED: Final = """WITH RECURSIVE closed(segment) AS (VALUES(0) UNION ALL SELECT segment + 1 FROM closed
    WHERE segment < ? - 1) SELECT idx FROM closed CROSS JOIN leaf USING(segment) WHERE hash = ? LIMIT 1"""
_TILES: Final = "SELECT data FROM tile WHERE level = 0 AND idx >= ? AND idx < ? ORDER BY idx"
_EDGE: Final = "SELECT data FROM edge WHERE level = 0"
_UNFILTERED: Final = 4096
"""So many leaves are looked up in the full segments, segment by segment, before the filter is worth making."""
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
    """The index as the connection that writes sees it; used inside its transactions alone.

    After a transaction that failed, `forget`: memory may then be ahead of the file.
    """

    __slots__ = ("_damaged", "_filter", "_filtered", "_last", "_looked_up", "_newest", "_size", "_writer")

    def __init__(self, writer: sqlite3.Connection, damaged: Callable[[str], LedgerCorruptError]) -> None:
        """Use `writer`; `damaged` makes the error for a ledger that lacks a tile."""
        self._writer = writer
        self._damaged = damaged
        self._filter: LeafFilter | None = None
        self._filtered = 0
        self._looked_up = 0
        self.forget()

    def forget(self) -> None:
        """Read the leaves of the newest segment afresh when they are next needed."""
        self._newest: dict[bytes, int] = {}
        self._size = 0
        self._last = b""

    def place(self, leaves: Sequence[bytes], size: int) -> tuple[tuple[int, ...], Sequence[int]]:
        """Find the index of each leaf in a ledger of `size` entries, and which ones are new (positions in `leaves`).

        Raises:
            LedgerCorruptError: a tile is missing or malformed.
        """
        self._catch_up(size)
        # Nearly always all are new; whether they are is asked of all at once.
        if (
            self._newest.keys().isdisjoint(leaves)
            and len(set(leaves)) == len(leaves)
            and not any(self._closed_index(leaf, size) is not None for leaf in self._suspects(leaves, size))
        ):
            return tuple(range(size, size + len(leaves))), range(len(leaves))
        return place(leaves, size, lambda leaf: self._index_of(leaf, size))

    def grow(self, leaves: Sequence[bytes]) -> None:
        """Take up new leaves at the end of the ledger, and write the segments that they fill."""
        first = self._size // SEGMENT
        self._newest.update(zip(leaves, range(self._size, self._size + len(leaves)), strict=True))
        self._size += len(leaves)
        self._last = leaves[-1]
        for segment in range(first, self._size // SEGMENT):
            end = (segment + 1) * SEGMENT
            filled = {leaf: index for leaf, index in self._newest.items() if index < end}
            # In the order of the index, each page is written once and full.
            insert_rows(self._writer, "leaf", [(segment, leaf, filled[leaf]) for leaf in sorted(filled)])
            self._newest = {leaf: index for leaf, index in self._newest.items() if index >= end}

    def _catch_up(self, size: int) -> None:
        """Read the leaves of the newest segment that this process does not have: another one may have appended."""
        if self._size == size and self._last:
            return
        start = size // SEGMENT * SEGMENT
        if self._size > start and self._size < size and self._read(self._size - 1, self._size, size) == self._last:
            start = self._size
        else:
            self.forget()
        hashes = self._read(start, size, size)
        leaves = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        self._newest.update(zip(leaves, range(start, size), strict=True))
        self._size = size
        self._last = leaves[-1] if leaves else b""

    def _read(self, start: int, stop: int, size: int) -> bytes:
        """Read the leaves `[start, stop)` of a ledger of `size` entries, from tiles and edge."""
        first, full = start // WIDTH, size // WIDTH
        parts = self._writer.execute(_TILES, (first, min(full, -(-stop // WIDTH)))).fetchall()
        if stop > full * WIDTH:
            parts += self._writer.execute(_EDGE).fetchall()
        data = b"".join(part for (part,) in parts if isinstance(part, bytes))
        hashes = data[(start - first * WIDTH) * HASH_BYTES : (stop - first * WIDTH) * HASH_BYTES]
        if len(hashes) != (stop - start) * HASH_BYTES:
            raise self._damaged(f"a tile of the entries {start} to {stop} is missing or malformed")
        return hashes

    def _index_of(self, leaf: bytes, size: int) -> int | None:
        index = self._newest.get(leaf)
        if index is not None:
            return index
        return self._closed_index(leaf, size) if self._suspects((leaf,), size) else None

    def _closed_index(self, leaf: bytes, size: int) -> int | None:
        row = self._writer.execute(_CLOSED, (size // SEGMENT, leaf)).fetchone()
        return None if row is None else int(row[0])

    def _suspects(self, leaves: Sequence[bytes], size: int) -> Sequence[bytes]:
        """Give the leaves that may stand in a full segment."""
        closed = size // SEGMENT
        if not closed:
            return ()
        if self._filter is None:
            self._looked_up += len(leaves)
            if self._looked_up < _UNFILTERED:
                return leaves
            self._filter = LeafFilter()
        for segment in range(self._filtered, closed):
            self._filter.add(self._read(segment * SEGMENT, (segment + 1) * SEGMENT, size))
            self._filtered = segment + 1
        return self._filter.suspects(leaves)
