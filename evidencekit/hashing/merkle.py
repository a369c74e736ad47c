"""Merkle tree arithmetic of RFC 6962 §2.1 (the same tree as RFC 9162 §2.1) over SHA-256, and salted leaves.

```
empty tree   SHA-256("")
leaf         SHA-256(0x00 ‖ data)
node         SHA-256(0x01 ‖ left ‖ right), split at the largest power of two below the number of leaves
salted leaf  SHA-256(0x00 ‖ salt ‖ descriptor), docs/spec/records.md
```

A `leaf` below is always the 32-byte leaf hash, never the data. What a proof consists of is said once, as ranges of
leaves (`inclusion_ranges`, `consistency_ranges`): a list of leaves hashes the ranges itself, a ledger looks them up
in its tiles. The `check_` functions take bytes from anyone: whatever is wrong with them, the answer is False.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from evidencekit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES: Final = 32
SALT_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry into its leaf: SHA-256(0x00 ‖ data), 32 bytes."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children into their parent: SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return _sha256(b"\x01" + left + right).digest()


def salted_leaf(salt: bytes, descriptor: bytes) -> bytes:
    """Commit to `descriptor` so that it can be withheld: the leaf hash of `salt ‖ descriptor` (docs/spec/records.md).

    Raises:
        UsageError: the salt is not 32 bytes long, so where it ends would be open.
    """
    if len(salt) != SALT_BYTES:
        raise UsageError(
            f"A leaf's salt has {len(salt)} bytes; give {SALT_BYTES} random bytes.",
            f"叶子的盐值为 {len(salt)} 字节；请提供 {SALT_BYTES} 个随机字节。",
        )
    return leaf_hash(salt + descriptor)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Compute the Merkle tree hash of 32-byte leaves: 32 bytes; the empty tree's is `EMPTY_ROOT`.

    Works level by level: an odd last node is carried up unchanged, which is the same tree as the RFC's recursion.
    It also folds the hashes of equal perfect subtrees of which only the last may be smaller.
    """
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        carried = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [_sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level += carried
    return level[0]


class Frontier:
    """A tree that only grows: takes leaves one by one and knows its root at any moment, in 32·log2(size) bytes."""

    __slots__ = ("_peaks", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        self.extend(leaves)

    def append(self, leaf: bytes) -> int:
        """Add one 32-byte leaf and return its index."""
        index = self.size
        node = leaf
        remaining = index
        while remaining & 1:
            node = node_hash(self._peaks.pop(), node)
            remaining >>= 1
        self._peaks.append(node)
        self.size = index + 1
        return index

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add 32-byte leaves, height by height: the same as to append each, and cheaper."""
        nodes = list(leaves)
        remaining = self.size
        self.size += len(nodes)
        peaks: list[bytes] = []
        while nodes:
            if remaining & 1:
                nodes.insert(0, self._peaks.pop())
            if len(nodes) & 1:
                peaks.append(nodes.pop())
            pairs = zip(nodes[::2], nodes[1::2], strict=True)
            nodes = [_sha256(b"\x01" + left + right).digest() for left, right in pairs]
            remaining >>= 1
        self._peaks += reversed(peaks)

    def root(self, tail: bytes | None = None) -> bytes:
        """Compute the Merkle tree hash of all leaves so far (32 bytes).

        `tail` is the root of a smaller tree that follows, when these leaves are themselves roots of equal subtrees.
        """
        if not self._peaks:
            return EMPTY_ROOT if tail is None else tail
        nodes = self._peaks if tail is None else [*self._peaks, tail]
        node = nodes[-1]
        for peak in reversed(nodes[:-1]):
            node = node_hash(peak, node)
        return node


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Name the subtrees of an audit path (RFC 6962 §2.1.1): `[start, stop)` of leaves, from the leaf to the root.

    Raises:
        UsageError: there is no leaf `index` in a tree of `size` leaves.
    """
    if not 0 <= index < size:
        raise UsageError(
            f"There is no leaf {index} in a tree of {size} leaves; give an index below the size.",
            f"大小为 {size} 的树中没有第 {index} 个叶子；索引须小于树的大小。",
        )
    start, stop = 0, size
    ranges: list[tuple[int, int]] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Name the subtrees of a consistency proof (RFC 6962 §2.1.2): `[start, stop)` of leaves, in the proof's order.

    An empty or an equal old tree needs no proof: the list is then empty (C2SP tlog-checkpoint).

    Raises:
        UsageError: the sizes are negative or the old tree is the larger one.
    """
    if not 0 <= old_size <= new_size:
        raise UsageError(
            f"A tree of {new_size} leaves cannot extend one of {old_size}; give the smaller size first.",
            f"大小为 {new_size} 的树不可能是大小为 {old_size} 的树的延伸；请先给出较小者。",
        )
    if old_size == 0:
        return []
    start, stop = 0, new_size
    ranges: list[tuple[int, int]] = []
    while stop != old_size:
        middle = start + _split(stop - start)
        if old_size <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, stop))
    ranges.reverse()
    return ranges


def prove_inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Prove that leaf `index` is in the tree of `leaves`: sibling hashes from the leaf to the root.

    Raises:
        UsageError: there is no such leaf.
    """
    return [root_of(leaves[start:stop]) for start, stop in inclusion_ranges(index, len(leaves))]


def prove_consistency(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Prove that the tree of the first `old_size` leaves is a prefix of the tree of all `leaves`.

    Raises:
        UsageError: `old_size` is negative or greater than the number of leaves.
    """
    return [root_of(leaves[start:stop]) for start, stop in consistency_ranges(old_size, len(leaves))]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `path` proves that `leaf` stands at `index` in the tree of `size` leaves with this `root`.

    Source: RFC 9162 §2.1.3.2; a path with one hash too many or too few proves nothing.
    """
    if not 0 <= index < size or not _are_hashes(leaf, root, *path):
        return False
    inner, border = _path_shape(index, size)
    if len(path) != inner + border:
        return False
    node = leaf
    # Above the point where the path joins the right edge, every sibling stands left: as if all bits were one.
    turns = index | -1 << inner
    for sibling in path:
        node = _sha256(b"\x01" + sibling + node if turns & 1 else b"\x01" + node + sibling).digest()
        turns >>= 1
    return node == root


def check_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` proves that the tree (`new_size`, `new_root`) extends the tree (`old_size`, `old_root`).

    Source: RFC 9162 §2.1.4.2. The empty tree is extended by every tree, with an empty path.
    """
    if not 0 <= old_size <= new_size or not _are_hashes(old_root, new_root, *path):
        return False
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == new_size:
        return not path and old_root == new_root
    return bool(path) and _check_extension(old_size, new_size, old_root, new_root, path)


def _check_extension(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Rebuild both roots from a non-empty path; 0 < old_size < new_size."""
    last = old_size - 1
    inner, border = _path_shape(last, new_size)
    shift = (old_size & -old_size).bit_length() - 1
    # A perfect old tree is its own first hash, so the proof leaves it out.
    seed, rest = (old_root, path) if old_size == 1 << shift else (path[0], path[1:])
    inner -= shift
    if len(rest) != inner + border:
        return False
    old_node = new_node = seed
    for bit, sibling in enumerate(rest[:inner], start=shift):
        if last >> bit & 1:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
        else:
            new_node = node_hash(new_node, sibling)
    for sibling in rest[inner:]:
        old_node = node_hash(sibling, old_node)
        new_node = node_hash(sibling, new_node)
    return old_node == old_root and new_node == new_root


def _split(size: int) -> int:
    """Find the largest power of two below `size` (> 1): where RFC 6962 §2.1 parts a tree."""
    return 1 << (size - 1).bit_length() - 1


def _path_shape(index: int, size: int) -> tuple[int, int]:
    """Count the hashes of an audit path: below the point where it joins the tree's right edge, and along that edge."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _are_hashes(*values: bytes) -> bool:
    return set(map(len, values)) == {HASH_BYTES}
