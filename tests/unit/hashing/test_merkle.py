"""RFC 6962 arithmetic against a naive tree that is the RFC's recursion word for word, and against known answers."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evidencekit.errors import UsageError
from evidencekit.hashing.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    salted_leaf,
)

LEAVES = tuple(hashlib.sha256(b"\x00" + str(i).encode()).digest() for i in range(301))
VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "ledger" / "c2sp_vectors.json"

# RFC 6962 §2.1 roots of the leaves below, as published in transparency-dev/merkle testonly/constants.go.
KNOWN_DATA = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
KNOWN_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def naive_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@cache
def naive_root(lo: int, hi: int) -> bytes:
    if hi == lo:
        return hashlib.sha256(b"").digest()
    if hi - lo == 1:
        return LEAVES[lo]
    k = naive_split(hi - lo)
    return hashlib.sha256(b"\x01" + naive_root(lo, lo + k) + naive_root(lo + k, hi)).digest()


def naive_path(m: int, lo: int, hi: int) -> list[bytes]:
    if hi - lo <= 1:
        return []
    k = naive_split(hi - lo)
    if m < k:
        return [*naive_path(m, lo, lo + k), naive_root(lo + k, hi)]
    return [*naive_path(m - k, lo + k, hi), naive_root(lo, lo + k)]


def naive_subproof(m: int, lo: int, hi: int, *, whole: bool) -> list[bytes]:
    n = hi - lo
    if m == n:
        return [] if whole else [naive_root(lo, hi)]
    k = naive_split(n)
    if m <= k:
        return [*naive_subproof(m, lo, lo + k, whole=whole), naive_root(lo + k, hi)]
    return [*naive_subproof(m - k, lo + k, hi, whole=False), naive_root(lo, lo + k)]


def check_every_tree(sizes: range) -> None:
    for n in sizes:
        root = naive_root(0, n)
        for i in range(n):
            path = prove_inclusion(LEAVES[:n], i)
            assert path == naive_path(i, 0, n), (i, n)
            assert check_inclusion(LEAVES[i], i, n, path, root), (i, n)
        for m in range(1, n + 1):
            path = prove_consistency(LEAVES[:n], m)
            assert path == naive_subproof(m, 0, n, whole=True), (m, n)
            assert check_consistency(m, n, naive_root(0, m), root, path), (m, n)


def test_known_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(data)) for data in KNOWN_DATA]
    assert root_of([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, root in KNOWN_ROOTS.items():
        assert root_of(leaves[:size]).hex() == root


def test_vectors_of_transparency_dev() -> None:
    if not VECTORS.exists():
        pytest.skip("shared/vectors/ledger is not beside the repository")
    vectors: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))["rfc6962"]
    leaves = [leaf_hash(bytes.fromhex(data)) for data in vectors["leaves"]]
    assert root_of([]).hex() == vectors["empty_root"]
    assert [root_of(leaves[: n + 1]).hex() for n in range(len(leaves))] == vectors["roots"]


def test_frontier_knows_every_root() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for n in range(1, 301):
        assert frontier.append(LEAVES[n - 1]) == n - 1
        assert frontier.size == n
        assert frontier.root() == root_of(LEAVES[:n]) == naive_root(0, n)
    assert Frontier(LEAVES[:77]).root() == naive_root(0, 77)


def test_every_proof_to_100_equals_the_naive_tree() -> None:
    check_every_tree(range(101))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(101, 109))
def test_every_proof_to_300_equals_the_naive_tree(first: int) -> None:
    check_every_tree(range(first, 301, 8))


def test_a_wrong_inclusion_proof_fails() -> None:
    for n in range(1, 35):
        root = naive_root(0, n)
        for i in range(n):
            path = prove_inclusion(LEAVES[:n], i)
            assert not check_inclusion(LEAVES[i + 1], i, n, path, root)
            assert not check_inclusion(LEAVES[i], i, n, path, LEAVES[0] if n > 1 else LEAVES[1])
            assert not check_inclusion(LEAVES[i], i, n, [*path, root], root)
            assert not check_inclusion(LEAVES[i], i, n, [root, *path], root)
            for j in range(n):
                assert check_inclusion(LEAVES[i], j, n, path, root) == (i == j)
            for k in range(len(path)):
                assert not check_inclusion(LEAVES[i], i, n, path[:k] + path[k + 1 :], root)
                bent = bytes([path[k][0] ^ 1]) + path[k][1:]
                assert not check_inclusion(LEAVES[i], i, n, [*path[:k], bent, *path[k + 1 :]], root)


def test_a_wrong_consistency_proof_fails() -> None:
    for n in range(2, 35):
        new = naive_root(0, n)
        for m in range(1, n):
            old = naive_root(0, m)
            path = prove_consistency(LEAVES[:n], m)
            assert not check_consistency(m, n, new, old, path)
            assert not check_consistency(m, n, new, new, path)
            assert not check_consistency(m, n, old, old, path)
            assert not check_consistency(m, n, old, new, [*path, old])
            assert not check_consistency(m, n, old, new, [old, *path])
            for k in range(len(path)):
                assert not check_consistency(m, n, old, new, path[:k] + path[k + 1 :])
                bent = path[k][:-1] + bytes([path[k][-1] ^ 128])
                assert not check_consistency(m, n, old, new, [*path[:k], bent, *path[k + 1 :]])


def test_an_empty_or_equal_tree_needs_an_empty_proof() -> None:
    root = naive_root(0, 5)
    assert check_consistency(5, 5, root, root, [])
    assert not check_consistency(5, 5, root, root, [root])
    assert not check_consistency(5, 5, root, LEAVES[0], [])
    assert check_consistency(0, 5, EMPTY_ROOT, root, [])
    assert check_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not check_consistency(0, 0, EMPTY_ROOT, root, [])
    assert not check_consistency(0, 5, root, root, [])
    assert not check_consistency(0, 5, EMPTY_ROOT, root, [root])
    assert prove_consistency(LEAVES[:5], 0) == prove_consistency(LEAVES[:5], 5) == []


def test_absurd_numbers_and_lengths_are_false_not_errors() -> None:
    root = naive_root(0, 4)
    path = prove_inclusion(LEAVES[:4], 1)
    assert check_inclusion(LEAVES[1], 1, 4, path, root)
    assert not check_inclusion(LEAVES[1], -1, 4, path, root)
    assert not check_inclusion(LEAVES[1], 4, 4, path, root)
    assert not check_inclusion(LEAVES[1], 0, 0, [], root)
    assert not check_inclusion(LEAVES[1], 1, 2**64, path, root)
    assert not check_inclusion(LEAVES[1][:-1], 1, 4, path, root)
    assert not check_inclusion(LEAVES[1], 1, 4, path, root + b"\0")
    assert not check_consistency(-1, 4, root, root, path)
    assert not check_consistency(4, 3, root, naive_root(0, 3), path)
    assert not check_consistency(3, 2**70, root, root, path)


def test_hashes_of_another_length_cannot_shift_a_node_border() -> None:
    left, right = LEAVES[0], LEAVES[1]
    root = node_hash(left, right)
    assert check_inclusion(left, 0, 2, [right], root)
    assert not check_inclusion(left + right[:1], 0, 2, [right[1:]], root)


def test_proofs_that_cannot_be_made_are_refused() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(UsageError):
            prove_inclusion(LEAVES[:size], index)
    for old in (-1, 4):
        with pytest.raises(UsageError):
            prove_consistency(LEAVES[:3], old)


def test_salted_leaf() -> None:
    salt = bytes(range(32))
    assert salted_leaf(salt, b"{}") == hashlib.sha256(b"\x00" + salt + b"{}").digest()
    with pytest.raises(UsageError):
        salted_leaf(salt[:-1], b"{}")
