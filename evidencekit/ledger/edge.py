"""The right edge of a growing tree: what a log must remember to go on hashing, below 8 KiB a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.errors import FormatError
from evidencekit.hashing.merkle import EMPTY_ROOT, Frontier
from evidencekit.ledger.tiles import WIDTH, Tile, tile_widths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Edge:
    """On each level the hashes of the tile that is not full yet.

    Beside each level stands its frontier, so that the root after one more leaf costs a few hashes, not 255 a level.
    """

    __slots__ = ("_frontiers", "levels", "size")

    def __init__(self, size: int = 0, levels: Iterable[Sequence[bytes]] = ()) -> None:
        """Take up a tree of `size` leaves again.

        Raises:
            FormatError: the levels do not have as many hashes as a tree of this size leaves open.
        """
        self.size = size
        self.levels = [list(level) for level in levels]
        self._frontiers = [Frontier(level) for level in self.levels]
        if [len(level) for level in self.levels] != [partial for _, partial in tile_widths(size)]:
            raise FormatError(f"The edge is not that of a tree of {size} leaves.", f"右边缘与大小 {size} 的树不符。")

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Append leaves and return the tiles that became full, with their bytes."""
        full: list[tuple[Tile, bytes]] = []
        hashes = list(leaves)
        index = self.size
        self.size += len(hashes)
        level = 0
        while hashes:
            groups = self._extend_level(level, hashes)
            index //= WIDTH
            full += [(Tile(level=level, index=index + at), b"".join(group)) for at, (group, _) in enumerate(groups)]
            hashes = [root for _, root in groups]
            level += 1
        return full

    def root(self) -> bytes:
        """Compute the Merkle tree hash of all leaves."""
        tail: bytes | None = None
        for frontier in self._frontiers:
            if frontier.size or tail is not None:
                tail = frontier.root(tail)
        return EMPTY_ROOT if tail is None else tail

    def _extend_level(self, level: int, hashes: list[bytes]) -> list[tuple[list[bytes], bytes]]:
        """Add hashes to a level and cut off the tiles that became full, each with its root."""
        if level == len(self.levels):
            self.levels.append([])
            self._frontiers.append(Frontier())
        open_tile, frontier = self.levels[level], self._frontiers[level]
        at = WIDTH - len(open_tile)
        open_tile += hashes[:at]
        frontier.extend(hashes[:at])
        full: list[tuple[list[bytes], bytes]] = []
        while len(open_tile) == WIDTH:
            full.append((open_tile, frontier.root()))
            open_tile = hashes[at : at + WIDTH]
            frontier = Frontier(open_tile)
            at += WIDTH
        self.levels[level], self._frontiers[level] = open_tile, frontier
        return full
