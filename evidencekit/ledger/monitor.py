"""Watch a published log: does each checkpoint extend the last one, and do the entries hash to it?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from evidencekit.errors import LedgerCorruptError, LedgerError
from evidencekit.hashing.merkle import check_consistency, leaf_hash
from evidencekit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from evidencekit.ledger.durable import replace_file
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.fsck import MAX_PROBLEMS, FsckReport
from evidencekit.ledger.source import MAX_CHECKPOINT_BYTES, TlogReader
from evidencekit.ledger.tiles import WIDTH
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.ledger.source import Fetch
    from evidencekit.signing.note import NoteVerifier


class Sighting(StrEnum):
    """How a log's checkpoint stands to the one seen before."""

    FIRST = "first"
    SAME = "same"
    GROWN = "grown"
    OLDER = "older"
    FORK = "fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a log. On `FORK`, the two signed notes are the evidence: both are the log's own words.

    `OLDER` means that the log shows less than it signed before: a stale cache, or a log that was set back.
    """

    sighting: Sighting
    before: SignedCheckpoint | None
    now: SignedCheckpoint


def observe(fetch: Fetch, verifiers: Sequence[NoteVerifier], before: bytes | None) -> Observation:
    """Read a log's checkpoint and hold it against the one seen before.

    Args:
        fetch: reads the log (`source`).
        verifiers: the log's key, and witnesses' if any.
        before: the checkpoint note seen last time, None the first time.

    Raises:
        LedgerCorruptError: the log's checkpoint, or the one kept, is not signed by the log.
        LedgerError: the log does not serve what it must.
        FormatError: something it serves is malformed.
        TransportError: it cannot be reached.
    """
    now = read_checkpoint(fetch, verifiers)
    if before is None:
        return Observation(sighting=Sighting.FIRST, before=None, now=now)
    known = _signed(before, verifiers)
    return Observation(sighting=_compare(fetch, known, now), before=known, now=now)


def follow(fetch: Fetch, verifiers: Sequence[NoteVerifier], state: Path) -> Observation:
    """Observe a log and keep its newest checkpoint in the file `state`; a fork or an older tree never replaces it.

    Raises:
        EvidenceError: as `observe`; StorageError when the state cannot be kept.
    """
    before = state.read_bytes() if state.exists() else None
    observation = observe(fetch, verifiers, before)
    if observation.sighting in (Sighting.FIRST, Sighting.GROWN):
        replace_file(state, observation.now.data)
    return observation


def read_checkpoint(fetch: Fetch, verifiers: Sequence[NoteVerifier]) -> SignedCheckpoint:
    """Read a log's newest checkpoint.

    Raises:
        LedgerError: there is none.
        LedgerCorruptError: it is not signed by the log.
        FormatError: it is malformed.
    """
    data = fetch("checkpoint")
    if data is None:
        raise LedgerError("The log serves no checkpoint; check its address.", "日志未提供检查点；请检查其地址。")
    return _signed(data[: MAX_CHECKPOINT_BYTES + 1], verifiers)


def audit(fetch: Fetch, verifiers: Sequence[NoteVerifier]) -> FsckReport:
    """Rebuild a published log from its entry bundles and compare every tile; memory stays flat.

    Raises:
        LedgerError: the log does not serve what its checkpoint promises.
        LedgerCorruptError: the checkpoint is not signed by the log.
        FormatError: something it serves is malformed.
    """
    signed = read_checkpoint(fetch, verifiers)
    size = signed.checkpoint.size
    reader = TlogReader(fetch, size)
    edge = Edge()
    problems: list[Text] = []

    def compare(level: int, index: int, hashes: list[bytes]) -> None:
        if list(reader.hashes(level, index)) != hashes and len(problems) < MAX_PROBLEMS:
            problems.append(
                Text(
                    en=f"Tile {index} of level {level} is not what the entries hash to.",
                    zh=f"第 {level} 层第 {index} 块与条目的哈希不符。",
                )
            )

    for index in range(-(-size // WIDTH)):
        for tile, data in edge.extend([leaf_hash(entry) for entry in reader.bundle(index)]):
            compare(tile.level, tile.index, [data[at : at + 32] for at in range(0, len(data), 32)])
    for level, hashes in enumerate(edge.levels):
        if hashes:
            compare(level, (size >> 8 * level) // WIDTH, hashes)
    if edge.root() != signed.checkpoint.root:
        problems.append(
            Text(en=f"The {size} entries do not hash to the signed root.", zh=f"{size} 条条目与所签署的根不符。")
        )
    return FsckReport(size=size, root=edge.root(), signed=True, problems=tuple(problems))


def _compare(fetch: Fetch, known: SignedCheckpoint, now: SignedCheckpoint) -> Sighting:
    old, new = known.checkpoint, now.checkpoint
    if old.origin != new.origin:
        raise LedgerCorruptError(
            f"The log calls itself {new.origin!r}, the checkpoint kept is of {old.origin!r}; use one state file a log.",
            f"日志自称 {new.origin!r}，而所存检查点属于 {old.origin!r}；每个日志请用各自的状态文件。",
        )
    if new.size < old.size:
        return Sighting.OLDER
    if new.size == old.size:
        return Sighting.SAME if new.root == old.root else Sighting.FORK
    path = TlogReader(fetch, new.size).consistency(old.size)
    grown = check_consistency(old.size, new.size, old.root, new.root, path)
    return Sighting.GROWN if grown else Sighting.FORK


def _signed(data: bytes, verifiers: Sequence[NoteVerifier]) -> SignedCheckpoint:
    signed = open_checkpoint(data, verifiers)
    if not signed.is_log_signed:
        raise LedgerCorruptError(
            f"The checkpoint of {signed.checkpoint.origin!r} is not signed by a key that was given.",
            f"{signed.checkpoint.origin!r} 的检查点不是由所给密钥签署。",
        )
    return signed
