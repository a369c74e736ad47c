"""The inner nodes of tiles, hashed once: what makes a proof a handful of look-ups instead of hundreds of hashes.

A node over a full power of two of hashes never changes, so a tile's nodes only grow with it. The cache never decides
anything: a proof made from it is checked against the signed root.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.merkle import HASH_BYTES, node_hash
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable

    ReadTile = Callable[[int, int], bytes]

CACHED_TILES: Final = 1024
"""At most 16 KiB each."""
_HEIGHTS: Final = 8
_PAIR: Final = 2 * HASH_BYTES

_sha256 = hashlib.sha256


class TileNodes:
    """The hashes of one tile and every node over a full power of two of them, height by height, as they are known."""

    __slots__ = ("_heights",)

    def __init__(self) -> None:
        self._heights = [bytearray() for _ in range(_HEIGHTS + 1)]

    @property
    def width(self) -> int:
        """How many hashes of the tile are known."""
        return len(self._heights[0]) // HASH_BYTES

    def grow(self, data: bytes) -> None:
        """Take in the tile's bytes as they are now; hashes known already are not hashed again."""
        hashes = self._heights[0]
        hashes.extend(data[len(hashes) :])
        for below, above in pairwise(self._heights):
            start, stop = 2 * len(above), len(below) // _PAIR * _PAIR
            pairs = bytes(below[start:stop])
            nodes = [_sha256(b"\x01" + pairs[at : at + _PAIR]).digest() for at in range(0, len(pairs), _PAIR)]
            above.extend(b"".join(nodes))

    def root(self, offset: int, count: int, tail: bytes | None) -> bytes:
        """Hash `count` hashes from `offset` on, and after them `tail`, the root of a smaller tree, if there is one.

        `offset` is a multiple of a power of two that is not below `count`.
        """
        stop = offset + count
        node = tail
        # From the right: each one-bit of `count` is a subtree whose node is known.
        while stop > offset:
            height = (stop - offset & offset - stop).bit_length() - 1
            at = (stop >> height) - 1
            peak = bytes(self._heights[height][at * HASH_BYTES : (at + 1) * HASH_BYTES])
            node = peak if node is None else node_hash(peak, node)
            stop -= 1 << height
        return node or b""


class NodeCache:
    """The nodes of the tiles that were used last. Not for several threads at once."""

    __slots__ = ("_tiles",)

    def __init__(self) -> None:
        self._tiles: OrderedDict[tuple[int, int], TileNodes] = OrderedDict()

    def clear(self) -> None:
        """Forget everything; what is stored is read again."""
        self._tiles.clear()

    def subtree_root(self, read: ReadTile, start: int, stop: int) -> bytes:
        """Hash the leaves `[start, stop)`, a subtree as RFC 6962 §2.1 splits trees; see `tiles.subtree_root`.

        Args:
            read: gives the bytes of a tile by level and index.
            start: a multiple of a power of two that is not below `stop - start`.
            stop: above `start`.

        Raises:
            LedgerCorruptError: a tile is missing or malformed.
        """
        pieces: list[tuple[int, int, int]] = []
        while start < stop:
            level = ((stop - start).bit_length() - 1) // 8
            first, last = start >> 8 * level, stop >> 8 * level
            pieces.append((level, first, last - first))
            start = last << 8 * level
        tail: bytes | None = None
        for level, first, count in reversed(pieces):
            index, offset = divmod(first, WIDTH)
            tail = self._nodes(read, level, index, offset + count).root(offset, count, tail)
        return tail or b""

    def _nodes(self, read: ReadTile, level: int, index: int, width: int) -> TileNodes:
        key = (level, index)
        nodes = self._tiles.get(key)
        if nodes is None:
            nodes = self._tiles[key] = TileNodes()
            if len(self._tiles) > CACHED_TILES:
                self._tiles.popitem(last=False)
        else:
            self._tiles.move_to_end(key)
        if nodes.width < width:
            nodes.grow(read(level, index))
        return nodes
