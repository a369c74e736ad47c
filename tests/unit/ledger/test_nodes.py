"""Every proof of every small tree, from cached nodes, against RFC 6962 §2.1 written down naively."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import LedgerCorruptError
from evidencekit.hashing.merkle import (
    check_consistency,
    check_inclusion,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    root_of,
)
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.nodes import CACHED_TILES, NodeCache
from evidencekit.ledger.proof import check_proof
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
MOST = 300
ENTRIES = [b"%d" % i for i in range(MOST)]


@cache
def tree_hash(start: int, stop: int) -> bytes:
    """MTH(D[start:stop]) as RFC 6962 §2.1 defines it."""
    if stop - start == 1:
        return hashlib.sha256(b"\x00" + ENTRIES[start]).digest()
    k = 1
    while 2 * k < stop - start:
        k *= 2
    return hashlib.sha256(b"\x01" + tree_hash(start, start + k) + tree_hash(start + k, stop)).digest()


def path_of(m: int, start: int, stop: int) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 §2.1.1."""
    if stop - start == 1:
        return []
    k = 1
    while 2 * k < stop - start:
        k *= 2
    if m < k:
        return [*path_of(m, start, start + k), tree_hash(start + k, stop)]
    return [*path_of(m - k, start + k, stop), tree_hash(start, start + k)]


def subproof(m: int, start: int, stop: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962 §2.1.2."""
    if m == stop - start:
        return [] if whole else [tree_hash(start, stop)]
    k = 1
    while 2 * k < stop - start:
        k *= 2
    if m <= k:
        return [*subproof(m, start, start + k, whole=whole), tree_hash(start + k, stop)]
    return [*subproof(m - k, start + k, stop, whole=False), tree_hash(start, start + k)]


@pytest.mark.slow
def test_every_inclusion_and_every_consistency_to_300() -> None:
    edge = Edge()
    full: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        return full.get((level, index)) or b"".join(edge.levels[level])

    nodes = NodeCache()
    for n in range(1, MOST + 1):
        full |= {(tile.level, tile.index): data for tile, data in edge.extend([leaf_hash(ENTRIES[n - 1])])}
        root = tree_hash(0, n)
        assert edge.root() == root
        for i in range(n):
            path = [nodes.subtree_root(read, start, stop) for start, stop in inclusion_ranges(i, n)]
            assert path == path_of(i, 0, n), (i, n)
            assert check_inclusion(tree_hash(i, i + 1), i, n, path, root)
        for m in range(1, n + 1):
            path = [nodes.subtree_root(read, start, stop) for start, stop in consistency_ranges(m, n)]
            assert path == subproof(m, 0, n, whole=True), (m, n)
            assert check_consistency(m, n, tree_hash(0, m), root, path)


def test_three_levels_of_tiles_and_more_of_them_than_are_kept() -> None:
    size = 66_000 + 300
    leaves = [leaf_hash(b"%d" % i) for i in range(size)]
    edge = Edge()
    full = {(tile.level, tile.index): data for tile, data in edge.extend(leaves)}
    reads = 0

    def read(level: int, index: int) -> bytes:
        nonlocal reads
        reads += 1
        return full.get((level, index)) or b"".join(edge.levels[level])

    nodes = NodeCache()
    for start, stop in ((0, size), (0, 65_536), (65_536, size), (256, 512), (65_792, size), (66_299, size)):
        assert nodes.subtree_root(read, start, stop) == root_of(leaves[start:stop]), (start, stop)
    nodes.subtree_root(read, 0, 2)
    before = reads
    nodes.subtree_root(read, 0, 2)
    assert reads == before
    for index in range(CACHED_TILES + 1):
        nodes.subtree_root(lambda level, at: bytes(8192), index << 8, (index << 8) + 2)  # noqa: ARG005
    nodes.subtree_root(read, 0, 2)
    assert reads == before + 1


def test_a_stale_node_never_makes_a_proof(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l", KEY, create=True) as ledger:
        ledger.append_many([b"%d" % i for i in range(300)])
        whole = ledger.prove(3)
        held = ledger._nodes._tiles[0, 0]._heights[1]
        held[32:64] = bytes(32)
        assert ledger.prove(0) != ledger.prove(3) == whole
        assert check_proof(ledger.prove(1), b"1", [KEY.verifier]).proves
        for _ in range(3):
            ledger.append(b"more")
            for index in (0, 255, 256, 299):
                assert check_proof(ledger.prove(index), b"%d" % index, [KEY.verifier]).proves
        with pytest.raises(LedgerCorruptError), ledger._store.snapshot() as snapshot:
            snapshot.tile(0, 2)
