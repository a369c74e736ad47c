"""Publish a ledger where strangers read it, as a C2SP tlog-tiles log: a directory, a bucket, whatever keeps files.

```
checkpoint                          the newest published checkpoint, replaced last
checkpoints/<size>                  every published checkpoint, for court
tile/…                              tiles and bundles, written once
```

A run that was cut off is made good by the next one: everything but `checkpoint` is immutable, and what is there must be
equal to the byte. Nothing is published that does not extend what was published before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from evidencekit.errors import FormatError, LedgerCorruptError, LedgerRollbackError
from evidencekit.hashing.merkle import root_of
from evidencekit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from evidencekit.ledger.extension import check_extension
from evidencekit.ledger.tiles import ENTRIES, WIDTH, Tile, format_bundle, parse_tile_path, tile_widths, tiles_between
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evidencekit.ledger.log import Ledger

CHECKPOINT: Final = "checkpoint"
HISTORY: Final = "checkpoints/"


class Target(Protocol):
    """A place that keeps files by path and that strangers read."""

    @property
    def where(self) -> str:
        """The place, as messages name it."""
        ...

    def read(self, path: str) -> bytes | None:
        """Read a file, None when there is none."""
        ...

    def write_new(self, files: Iterable[tuple[str, bytes]]) -> int:
        """Write files that never change, and return how many were not there; on return all are durable.

        Raises:
            LedgerCorruptError: one is there with other bytes.
            StorageError: one cannot be written, or does not read back.
        """
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Give a file new contents at one moment, durably.

        Raises:
            LedgerLockedError: another publisher replaced it meanwhile.
            StorageError: it cannot be written, or does not read back.
        """
        ...

    def partials(self) -> Iterator[str]:
        """Name the partial tiles and bundles that are there."""
        ...

    def delete(self, paths: Iterable[str]) -> int:
        """Delete files, and return how many there were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a run did: the `size` that strangers now see, and how many tiles and bundles were `written`."""

    size: int
    written: int


def publish(ledger: Ledger, target: Target, *, checkpoint: bytes | None = None) -> Published:
    """Bring `target` up to the ledger's newest checkpoint.

    Args:
        ledger: the ledger.
        target: where it is published.
        checkpoint: the note to publish in place of the ledger's newest, with cosignatures (`witnessing`).

    Raises:
        LedgerRollbackError: what is published there is newer than the ledger, or another history.
        LedgerCorruptError: a published file has other bytes, or the ledger's tiles are damaged.
        StorageError: the place failed; the checkpoint was then not replaced.
    """
    newest = open_checkpoint(ledger.checkpoint() if checkpoint is None else checkpoint, [ledger.verifier])
    published = check_published(ledger, target)
    old_size = published.checkpoint.size if published else 0
    size = newest.checkpoint.size
    if published and old_size >= size:
        if old_size == size and checkpoint is not None and published.data != newest.data:
            target.replace(CHECKPOINT, newest.data)  # the same tree, now with its witnesses' word
        return Published(size=old_size, written=0)
    written = target.write_new((tile.path, _tile_bytes(ledger, tile)) for tile in tiles_between(old_size, size))
    _keep_history(target, newest)
    target.replace(CHECKPOINT, newest.data)
    return Published(size=size, written=written)


def check_published(ledger: Ledger, target: Target) -> SignedCheckpoint | None:
    """Read what is published, None when nothing is, and refuse a ledger that does not extend it.

    Raises:
        LedgerRollbackError: the ledger is older, or has another history.
        LedgerCorruptError: it is not signed by this ledger's key.
        FormatError: it is not a checkpoint.
    """
    data = target.read(CHECKPOINT)
    if data is None:
        return None
    signed = open_checkpoint(data, [ledger.verifier])
    if not signed.is_log_signed:
        raise LedgerCorruptError(
            f"The checkpoint in {target.where} is of {signed.checkpoint.origin!r}, not of this ledger; publish "
            "somewhere else.",
            f"{target.where} 中的检查点属于 {signed.checkpoint.origin!r}，而非本账本；请公布到其他位置。",
        )
    check_extension(ledger, signed, Text(en=f"the checkpoint in {target.where}", zh=f" {target.where} 中的检查点"))
    return signed


def collect(target: Target, size: int) -> int:
    """Delete partial tiles and bundles whose full tile is published; readers then take the full one.

    Args:
        target: a published log.
        size: the size of its published checkpoint.

    Returns:
        How many files were deleted.
    """
    full = [count for count, _ in tile_widths(size)]
    stale: list[str] = []
    seen: dict[str, bool] = {}
    for path in target.partials():
        tile = parse_tile_path(path)
        whole = Tile(level=tile.level, index=tile.index).path
        level = max(tile.level, 0)
        if level < len(full) and tile.index < full[level]:
            if whole not in seen:
                seen[whole] = target.read(whole) is not None
            if seen[whole]:
                stale.append(path)
    return target.delete(stale)


def _keep_history(target: Target, signed: SignedCheckpoint) -> None:
    """Keep a checkpoint for court; one of the same tree with other cosignatures, from a run cut off, is as good."""
    path = f"{HISTORY}{signed.checkpoint.size}"
    kept = target.read(path)
    if kept is None:
        target.write_new([(path, signed.data)])
        return
    try:
        known = open_checkpoint(kept, []).checkpoint
    except FormatError as error:
        raise LedgerCorruptError(
            f"{path} in {target.where} is not a checkpoint; do not overwrite it, find out who wrote it.",
            f"{target.where} 中的 {path} 不是检查点；请勿覆盖，并查明由谁写入。",
        ) from error
    if known != signed.checkpoint:
        raise LedgerRollbackError(
            f"{path} in {target.where} signs another tree of the same size: there are two histories. Stop appending; "
            "both signed notes are evidence.",
            f"{target.where} 中的 {path} 签署了同一大小的另一棵树：存在两个历史。请停止登记；两份签名文本均为证据。",
        )


def _tile_bytes(ledger: Ledger, tile: Tile) -> bytes:
    if tile.level == ENTRIES:
        start = tile.index * WIDTH
        return format_bundle(ledger.entries(start, start + tile.width))
    hashes = ledger.hashes(tile.level, tile.index)[: tile.width]
    if tile.level and tile.width == WIDTH and tile.index == 0:
        # The first tile of each upper level is checked against the one below: a cheap guard before it is immutable.
        below = ledger.hashes(tile.level - 1, 0)
        if root_of(below) != hashes[0]:
            raise LedgerCorruptError(
                f"{tile.path} does not hash from the level below; run fsck.",
                f"{tile.path} 与下一层不符；请运行 fsck。",
            )
    return b"".join(hashes)
