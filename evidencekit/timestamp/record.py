"""EvidenceRecord (RFC 4998): the ASN.1 and the arithmetic of reduced hash trees.

An archive time-stamp covers many objects: its token stamps the root of a tree of digests, and each
object keeps the reduced tree that leads from its digest to the root. Digests of one level are sorted,
equal ones taken once, concatenated and hashed (§4.2). A first list with a single digest is not hashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError, UsageError
from evidencekit.x509 import der, oids
from evidencekit.x509.digests import digest
from evidencekit.x509.signature import parse_algorithm

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_STAMPS: Final = 256
MAX_LISTS: Final = 64
MAX_DIGESTS: Final = 1 << 15
MAX_OBJECTS: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTimeStamp:
    """One ArchiveTimeStamp (§4.1). `algorithm` is `None` where the token's own is meant; `tree` may be empty."""

    algorithm: str | None
    tree: tuple[tuple[bytes, ...], ...]
    token: bytes
    attributes: bool
    """Whether it carries attributes, which nothing protects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """An EvidenceRecord (§3.1): chains of archive time-stamps, oldest first."""

    algorithms: tuple[str, ...]
    chains: tuple[tuple[ArchiveTimeStamp, ...], ...]
    encoded_chains: tuple[bytes, ...]
    extras: bool
    """Whether it carries crypto or encryption information, which nothing protects."""


def parse_record(data: bytes) -> EvidenceRecord:
    """Read an EvidenceRecord, DER, of at most 1 MiB.

    Raises:
        FormatError: Another structure, an unknown hash function, or over the limits.
    """
    cursor = der.Cursor(der.parse(data), "EvidenceRecord")
    version = der.read_integer(cursor.take())
    if version != 1:
        raise FormatError(f"EvidenceRecord version {version} is not 1")
    algorithms = tuple(_hash_name(node) for node in der.children(cursor.take(der.SEQUENCE)))
    extras = [cursor.optional(der.context(0)), cursor.optional(der.context(1))]
    sequence = der.children(cursor.take(der.SEQUENCE))
    cursor.end()
    chains = tuple(tuple(_parse_stamp(node) for node in der.children(chain, tag=der.SEQUENCE)) for chain in sequence)
    count = sum(len(chain) for chain in chains)
    if not all(chains) or not 1 <= count <= MAX_STAMPS:
        raise FormatError(f"EvidenceRecord holds {count} time-stamps in {len(chains)} chains")
    return EvidenceRecord(
        algorithms=algorithms,
        chains=chains,
        encoded_chains=tuple(node.raw for node in sequence),
        extras=any(extra is not None for extra in extras),
    )


def _parse_stamp(node: der.Node) -> ArchiveTimeStamp:
    cursor = der.Cursor(node, "ArchiveTimeStamp")
    algorithm, attributes = cursor.optional(der.context(0)), cursor.optional(der.context(1))
    tree, token = cursor.optional(der.context(2)), cursor.take(der.SEQUENCE)
    cursor.end()
    return ArchiveTimeStamp(
        algorithm=None if algorithm is None else _hash_name(algorithm, tag=der.context(0)),
        tree=() if tree is None else _parse_tree(tree),
        token=token.raw,
        attributes=attributes is not None,
    )


def _parse_tree(node: der.Node) -> tuple[tuple[bytes, ...], ...]:
    lists = der.children(node)
    if len(lists) > MAX_LISTS:
        raise FormatError(f"reduced hash tree of {len(lists)} levels")
    found = tuple(tuple(der.read_octets(item) for item in der.children(level, tag=der.SEQUENCE)) for level in lists)
    if not found or not all(1 <= len(level) <= MAX_DIGESTS for level in found):
        raise FormatError("reduced hash tree with an empty or oversized level")
    return found


def _hash_name(node: der.Node, *, tag: int = der.SEQUENCE) -> str:
    algorithm = parse_algorithm(node, tag=tag)
    name = oids.HASH_NAMES.get(algorithm.oid)
    if name is None or not algorithm.plain:
        raise FormatError(f"hash function {algorithm.oid} is not known")
    return name


def format_stamp(algorithm: str, tree: Sequence[Sequence[bytes]], token: bytes) -> bytes:
    """Write an ArchiveTimeStamp, DER."""
    levels = [der.sequence(*(der.octet_string(value) for value in level)) for level in tree]
    return der.sequence(
        der.encode(der.context(0), der.oid(oids.HASH_OIDS[algorithm])),
        *((der.encode(der.context(2), *levels),) if levels else ()),
        token,
    )


def format_record(chains: Sequence[Sequence[bytes]], algorithms: Sequence[str]) -> bytes:
    """Write an EvidenceRecord, DER.

    Args:
        chains: Encoded ArchiveTimeStamps, oldest first.
        algorithms: Names of all hash functions used.
    """
    names = dict.fromkeys(algorithms)
    return der.sequence(
        der.integer(1),
        der.sequence(*(der.sequence(der.oid(oids.HASH_OIDS[name])) for name in names)),
        der.sequence(*(der.sequence(*chain) for chain in chains)),
    )


def root_of(tree: Sequence[Sequence[bytes]], algorithm: str) -> bytes:
    """Return the root to which a reduced hash tree leads (§4.3).

    Raises:
        FormatError: A hash function that is not computed here.
    """
    first = tree[0]
    current = first[0] if len(first) == 1 else _group(first, algorithm)
    for level in tree[1:]:
        current = _group((*level, current), algorithm)
    return current


def _group(values: Sequence[bytes], algorithm: str) -> bytes:
    return digest(algorithm, b"".join(sorted(set(values))))


def reduce_trees(
    groups: Sequence[Sequence[bytes]], algorithm: str
) -> tuple[bytes, tuple[tuple[tuple[bytes, ...], ...], ...]]:
    """Build a binary tree over groups of digests, so that one token serves many objects.

    Returns:
        The root to stamp, and each group's reduced hash tree in the same order.

    Raises:
        UsageError: No digest, too many, or one of another length.
    """
    size = oids.DIGEST_SIZES.get(algorithm)
    if not 0 < len(groups) <= MAX_OBJECTS or not all(_lawful_group(group, size) for group in groups):
        raise UsageError(
            f"A hash tree needs one to {MAX_OBJECTS} groups of one to {MAX_DIGESTS} digests of {algorithm}.",
            f"杂凑树需要 1 至 {MAX_OBJECTS} 组、每组 1 至 {MAX_DIGESTS} 个 {algorithm} 摘要。",
        )
    trees: list[list[tuple[bytes, ...]]] = [[tuple(sorted(set(group)))] for group in groups]
    level = [(root_of(tree, algorithm), [number]) for number, tree in enumerate(trees)]
    while len(level) > 1:
        above = [_join(level[i], level[i + 1], trees, algorithm) for i in range(0, len(level) - 1, 2)]
        level = above + level[len(level) - len(level) % 2 :]
    return level[0][0], tuple(tuple(tree) for tree in trees)


def _lawful_group(group: Sequence[bytes], size: int | None) -> bool:
    return 0 < len(group) <= MAX_DIGESTS and all(len(value) == size for value in group)


def _join(
    left: tuple[bytes, list[int]],
    right: tuple[bytes, list[int]],
    trees: list[list[tuple[bytes, ...]]],
    algorithm: str,
) -> tuple[bytes, list[int]]:
    for number in left[1]:
        trees[number].append((right[0],))
    for number in right[1]:
        trees[number].append((left[0],))
    return _group((left[0], right[0]), algorithm), left[1] + right[1]
