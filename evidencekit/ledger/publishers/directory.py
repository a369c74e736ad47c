"""Publish a ledger into a directory that any static web server can serve as a C2SP tlog-tiles log.

```
checkpoint                          the newest published checkpoint, replaced last
checkpoints/<size>                  every published checkpoint, for court
tile/…                              tiles and bundles, written once, mode 0444
```

A run that was cut off is made good by the next one: everything but `checkpoint` is immutable, and what is there must be
equal to the byte. Nothing is published that does not extend what was published before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import LedgerCorruptError
from evidencekit.hashing.merkle import root_of
from evidencekit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from evidencekit.ledger.durable import replace_file, write_new
from evidencekit.ledger.extension import check_extension
from evidencekit.ledger.tiles import ENTRIES, WIDTH, Tile, format_bundle, parse_tile_path, tile_widths, tiles_between
from evidencekit.model import Text

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.ledger.log import Ledger

MAX_CHECKPOINT_BYTES: Final = 1_000_000
_PARTIAL: Final = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a run did: the `size` that strangers now see, and how many tiles and bundles were `written`."""

    size: int
    written: int


def publish_directory(ledger: Ledger, directory: Path, *, checkpoint: bytes | None = None) -> Published:
    """Bring `directory` up to the ledger's newest checkpoint.

    Args:
        ledger: the ledger.
        directory: where it is published.
        checkpoint: the note to publish in place of the ledger's newest, with cosignatures (`witnessing`).

    Raises:
        LedgerRollbackError: what is published there is newer than the ledger, or another history.
        LedgerCorruptError: a published file has other bytes, or the ledger's tiles are damaged.
        StorageError: the disk failed; the checkpoint was then not replaced.
    """
    newest = open_checkpoint(ledger.checkpoint() if checkpoint is None else checkpoint, [ledger.verifier])
    published = read_published(ledger, directory)
    old_size = published.checkpoint.size if published else 0
    if published:
        where = Text(en=f"the checkpoint in {directory}", zh=f" {directory} 中的检查点")
        check_extension(ledger, published, where)
    size = newest.checkpoint.size
    if published and old_size == size:
        if checkpoint is not None and published.data != newest.data:
            replace_file(directory / "checkpoint", newest.data)  # the same tree, now with its witnesses' word
        return Published(size=size, written=0)
    written = sum(write_new(directory / tile.path, _tile_bytes(ledger, tile)) for tile in tiles_between(old_size, size))
    write_new(directory / "checkpoints" / str(size), newest.data)
    replace_file(directory / "checkpoint", newest.data)
    return Published(size=size, written=written)


def read_published(ledger: Ledger, directory: Path) -> SignedCheckpoint | None:
    """Read the checkpoint published in `directory`, None when nothing is.

    Raises:
        LedgerCorruptError: it is not signed by this ledger's key.
        FormatError: it is not a checkpoint.
    """
    path = directory / "checkpoint"
    if not path.exists():
        return None
    with path.open("rb") as file:
        signed = open_checkpoint(file.read(MAX_CHECKPOINT_BYTES + 1), [ledger.verifier])
    if not signed.is_log_signed:
        raise LedgerCorruptError(
            f"{path} is of {signed.checkpoint.origin!r}, not of this ledger; publish into another directory.",
            f"{path} 属于 {signed.checkpoint.origin!r}，而非本账本；请公布到其他目录。",
        )
    return signed


def collect_partials(directory: Path, size: int) -> int:
    """Delete partial tiles and bundles whose full tile is published; readers then take the full one.

    Args:
        directory: a published log.
        size: the size of its published checkpoint.

    Returns:
        How many files were deleted.
    """
    deleted = 0
    for level, (full, _) in enumerate(tile_widths(size)):
        for kind in (ENTRIES, level) if level == 0 else (level,):
            for folder in _partial_folders(directory, kind):
                tile = parse_tile_path(folder.relative_to(directory).as_posix().removesuffix(".p"))
                if tile.index < full and (directory / tile.path).is_file():
                    deleted += _delete(folder)
    return deleted


def _partial_folders(directory: Path, kind: int) -> list[Path]:
    base = directory / "tile" / ("entries" if kind == ENTRIES else str(kind))
    return sorted(base.rglob("[0-9][0-9][0-9].p"))


def _delete(folder: Path) -> int:
    partials = [path for path in folder.iterdir() if _PARTIAL.fullmatch(path.name)]
    for path in partials:
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return len(partials)


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
