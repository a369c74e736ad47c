"""The right edge of a growing tree: what a log must remember to go on hashing, below 8 KiB a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.errors import FormatError
from evidencekit.hashing.merkle import EMPTY_ROOT, Frontier, root_of
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
            first = index // WIDTH
            full += [(Tile(level=level, index=first + at), b"".join(group)) for at, group in enumerate(groups)]
            hashes = [root_of(group) for group in groups]
            index = first
            level += 1
        return full

    def root(self) -> bytes:
        """Compute the Merkle tree hash of all leaves."""
        tail: bytes | None = None
        for frontier in self._frontiers:
            if frontier.size or tail is not None:
                tail = frontier.root(tail)
        return EMPTY_ROOT if tail is None else tail

    def _extend_level(self, level: int, hashes: list[bytes]) -> list[list[bytes]]:
        """Add hashes to a level and cut off the tiles that became full."""
        if level == len(self.levels):
            self.levels.append([])
            self._frontiers.append(Frontier())
        open_tile = self.levels[level]
        if len(open_tile) + len(hashes) < WIDTH:
            open_tile += hashes
            for node in hashes:
                self._frontiers[level].append(node)
            return []
        open_tile = open_tile + hashes
        whole = len(open_tile) // WIDTH
        self.levels[level] = open_tile[whole * WIDTH :]
        self._frontiers[level] = Frontier(self.levels[level])
        return [open_tile[at * WIDTH : (at + 1) * WIDTH] for at in range(whole)]
