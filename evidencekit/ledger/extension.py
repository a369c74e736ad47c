"""Does a ledger still hold what it once signed? Against any checkpoint: published, mirrored, or found in a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from evidencekit.errors import LedgerRollbackError
from evidencekit.hashing.merkle import check_consistency
from evidencekit.ledger.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from evidencekit.ledger.checkpoint import SignedCheckpoint
    from evidencekit.model import Text


class Provable(Protocol):
    """A ledger that can prove how it grew."""

    def checkpoint(self) -> bytes:
        """Give the newest checkpoint."""
        ...

    def prove_consistency(self, old_size: int) -> tuple[list[bytes], bytes]:
        """Prove that the newest tree extends the one of `old_size`."""
        ...


def check_extension(ledger: Provable, known: SignedCheckpoint, what: Text) -> None:
    """Check that the ledger's newest tree extends `known`, a checkpoint that its key signed.

    Args:
        ledger: the ledger as it is now.
        known: what it signed before.
        what: names `known` in the message, e.g. "the checkpoint in /srv/log".

    Raises:
        LedgerRollbackError: the ledger is older, or has another history.
        LedgerCorruptError: the ledger's tiles are damaged.
    """
    old = known.checkpoint
    newest = open_checkpoint(ledger.checkpoint(), [])
    size = newest.checkpoint.size
    if size < old.size:
        raise LedgerRollbackError(
            f"The ledger has {size} entries, but {what.en} signs {old.size}: it was restored from an old copy. "
            "Stop appending and restore the newest file.",
            f"账本有 {size} 条，而{what.zh}已签署 {old.size} 条：账本由旧副本恢复。请停止登记并恢复最新文件。",
        )
    path, data = ledger.prove_consistency(old.size)
    now = open_checkpoint(data, []).checkpoint
    if not check_consistency(old.size, now.size, old.root, now.root, path):
        raise LedgerRollbackError(
            f"The ledger's first {old.size} entries are not those that {what.en} signs: there are two histories. "
            "Stop appending; both signed notes are evidence.",
            f"账本前 {old.size} 条与{what.zh}所签署的不同：存在两个历史。请停止登记；两份签名文本均为证据。",
        )
