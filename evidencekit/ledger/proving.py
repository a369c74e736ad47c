"""Proofs out of a snapshot of the ledger, each checked before it is given away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, LedgerCorruptError, LedgerRollbackError, UsageError
from evidencekit.hashing.merkle import check_inclusion, inclusion_ranges, leaf_hash
from evidencekit.ledger.checkpoint import open_checkpoint, parse_checkpoint
from evidencekit.ledger.nodes import NodeCache
from evidencekit.ledger.proof import TlogProof, format_proof
from evidencekit.signing.note import split_note

if TYPE_CHECKING:
    from evidencekit.ledger.stores.store import Head, Snapshot
    from evidencekit.signing.note import NoteVerifier


def prove_entry(
    snapshot: Snapshot, index: int, checkpoint: bytes | None = None, *, cache: NodeCache | None = None
) -> bytes:
    """Prove that entry `index` is in a signed tree: a C2SP tlog-proof.

    Args:
        snapshot: the ledger at one moment.
        index: the entry.
        checkpoint: the note that signs the tree; None for the snapshot's own.
        cache: nodes hashed before; what is proved from it is checked, and read again if it does not hold.

    Raises:
        UsageError: there is no such entry.
        LedgerCorruptError: the stored tiles do not prove it.
    """
    note = snapshot.head.checkpoint if checkpoint is None else checkpoint
    tree = parse_checkpoint(split_note(note)[0])
    if tree.size > snapshot.head.size:
        check_index(tree.size - 1, snapshot.head.size)
    check_index(index, tree.size)
    ranges = inclusion_ranges(index, tree.size)
    leaf = leaf_hash(next(iter(snapshot.entries(index, index + 1))))
    for nodes in (cache, None):
        path = subtree_roots(snapshot, ranges, nodes)
        if check_inclusion(leaf, index, tree.size, path, tree.root):
            return format_proof(TlogProof(index=index, path=tuple(path), checkpoint=note))
        if cache is not None:
            cache.clear()
    raise LedgerCorruptError(
        f"Entry {index} is not proved by the stored tiles; run fsck and restore a copy.",
        f"已存数据块无法证明第 {index} 条；请运行 fsck 并从副本恢复。",
    )


def subtree_roots(snapshot: Snapshot, ranges: list[tuple[int, int]], cache: NodeCache | None = None) -> list[bytes]:
    """Hash the subtrees of a proof, reading each tile once, or not at all when `cache` knows it.

    Raises:
        LedgerCorruptError: a tile is missing or malformed.
    """
    nodes = NodeCache() if cache is None else cache
    return [nodes.subtree_root(snapshot.tile, start, stop) for start, stop in ranges]


def check_index(index: int, size: int) -> None:
    """Refuse an index that the ledger does not have.

    Raises:
        UsageError: it is negative or not below `size`.
    """
    if not 0 <= index < size:
        raise UsageError(
            f"The ledger has {size} entries; there is no entry {index}.", f"账本共有 {size} 条；不存在第 {index} 条。"
        )


def check_head(head: Head, verifier: NoteVerifier, seen: Head | None) -> None:
    """Accept a head that another process wrote only if the ledger's key signed it and it does not go back.

    Raises:
        LedgerCorruptError: malformed, or signed by another key.
        LedgerRollbackError: it has fewer entries than the one `seen` before, or as many but others.
    """
    try:
        opened = open_checkpoint(head.checkpoint, [verifier])
    except FormatError as error:
        raise LedgerCorruptError(
            f"The ledger's checkpoint is malformed: {error.en} Run fsck and restore a copy.",
            f"账本检查点格式错误：{error.zh} 请运行 fsck 并从副本恢复。",
        ) from error
    if not opened.is_log_signed or opened.checkpoint.size != head.size:
        raise LedgerCorruptError(
            f"The checkpoint of {opened.checkpoint.origin!r} at size {head.size} is not signed by the ledger key "
            f"{verifier.name!r}; open the ledger with its own key.",
            f"大小为 {head.size} 的检查点({opened.checkpoint.origin!r})不是由账本密钥 {verifier.name!r} "
            "签署；请使用该账本自己的密钥。",
        )
    if seen is None:
        return
    known = parse_checkpoint(split_note(seen.checkpoint)[0])
    if head.size == seen.size and opened.checkpoint.root != known.root:
        raise LedgerRollbackError(
            f"The ledger shows two trees of {head.size} entries: there are two histories. Stop appending; both signed "
            "notes are evidence.",
            f"账本出现两棵大小均为 {head.size} 的不同的树：存在两个历史。请停止登记；两份签名文本均为证据。",
        )
    if head.size < seen.size:
        raise LedgerRollbackError(
            f"The ledger went back from {seen.size} to {head.size} entries; restore the newer file.",
            f"账本从 {seen.size} 条退回到 {head.size} 条；请恢复较新的文件。",
        )
