"""What every store does alike when the tree grows: take the edge up again, and find out which entries are new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.errors import FormatError
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.tiles import WIDTH
from evidencekit.signing.note import split_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evidencekit.errors import LedgerCorruptError
    from evidencekit.ledger.stores.store import Head
    from evidencekit.ledger.tiles import Tile


def open_edge(
    head: Head, levels: Iterable[bytes], newest: Iterable[bytes], damaged: Callable[[str], LedgerCorruptError]
) -> Edge:
    """Take the edge of a stored tree up again, if it hashes to what was signed.

    Args:
        head: the newest signed tree.
        levels: the stored bytes of each level's partial tile, from the leaves up.
        newest: the entries of the last, partial bundle.
        damaged: makes the error from a reason.

    Raises:
        LedgerCorruptError: entries, edge and signed root do not belong together.
    """
    hashes = [[data[at : at + 32] for at in range(0, len(data), 32)] for data in levels]
    try:
        edge = Edge(head.size, hashes)
        signed = parse_checkpoint(split_note(head.checkpoint)[0])
    except FormatError as error:
        raise damaged(error.en) from error
    if (signed.size, signed.root) != (edge.size, edge.root()):
        raise damaged("its edge does not hash to the signed root")
    if [leaf_hash(entry) for entry in newest] != (edge.levels[0] if edge.levels else []):
        raise damaged("its newest entries do not hash to its edge")
    return edge


def place(
    leaves: Sequence[bytes], size: int, known: Callable[[bytes], int | None]
) -> tuple[tuple[int, ...], list[int]]:
    """Find the index of each leaf in a tree of `size`, and which ones are new (positions in `leaves`).

    `known` gives the index of a leaf that is stored already.
    """
    indices: list[int] = []
    fresh: list[int] = []
    placed: dict[bytes, int] = {}
    for at, leaf in enumerate(leaves):
        index = placed.get(leaf)
        if index is None:
            stored = known(leaf)
            index = size + len(fresh) if stored is None else stored
            placed[leaf] = index
            if stored is None:
                fresh.append(at)
        indices.append(index)
    return tuple(indices), fresh


def changed_levels(edge: Edge, full: Sequence[tuple[Tile, bytes]]) -> list[tuple[int, bytes]]:
    """Give each level whose partial tile changed, with its bytes: level 0, and each one above a tile that got full."""
    touched = 1 + max((tile.level + 1 for tile, _ in full), default=0)
    return [(level, b"".join(hashes)) for level, hashes in enumerate(edge.levels[:touched])]


def partial_start(size: int) -> int:
    """Give the index of the first entry of the last, partial bundle."""
    return size - size % WIDTH
