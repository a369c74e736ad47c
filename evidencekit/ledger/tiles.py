"""Tiles and entry bundles: C2SP tlog-tiles v1.0.0, the layout any static web server can serve.

```
tile/<level>/<index>[.p/<width>]      hashes: width × 32 bytes, hash i of level l covers leaves [i·256^l, (i+1)·256^l)
tile/entries/<index>[.p/<width>]      entries: (big-endian uint16 length ‖ entry), width times
```

An index is written in groups of three digits, all but the last with an `x`: 1234067 is `x001/x234/067`. A tile with
fewer than 256 hashes is partial and carries its width; an empty one does not exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.merkle import HASH_BYTES, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

WIDTH: Final = 256
MAX_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 65_535
MAX_INDEX: Final = 1 << 63
ENTRIES: Final = -1
"""The level that stands for entry bundles; bundle n holds the entries of hash tile n of level 0."""

_PATH: Final = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<groups>(?:x[0-9]{3}/){0,6})(?P<last>[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Tile:
    """A place in the tree: `level` (ENTRIES for a bundle), `index` within it, and how many hashes or entries."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        groups = f"{self.index % 1000:03d}"
        rest = self.index // 1000
        while rest:
            groups = f"x{rest % 1000:03d}/{groups}"
            rest //= 1000
        return f"tile/{level}/{groups}" + ("" if self.width == WIDTH else f".p/{self.width}")


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path; only the one way to write it is accepted.

    Raises:
        FormatError: not the path of a tile.
    """
    match = _PATH.fullmatch(path)
    if not match:
        raise FormatError(f"{path[:80]!r} is not the path of a tile.", f"{path[:80]!r} 不是数据块路径。")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["groups"].replace("x", "").replace("/", "") + match["last"])
    tile = Tile(level=level, index=index, width=int(match["width"] or WIDTH))
    if level > MAX_LEVEL or tile.path != path:
        raise FormatError(
            f"{path[:80]!r} is not the canonical path of a tile.", f"{path[:80]!r} 不是规范的数据块路径。"
        )
    return tile


def tile_widths(size: int) -> list[tuple[int, int]]:
    """Count, level by level, the full tiles and the hashes in the partial one of a tree of `size` entries."""
    counts: list[tuple[int, int]] = []
    while size:
        counts.append(divmod(size, WIDTH))
        size //= WIDTH
    return counts


def tiles_between(old_size: int, new_size: int) -> Iterator[Tile]:
    """Name every bundle and tile of a tree of `new_size` entries that a tree of `old_size` does not have.

    Bundles come before the hash tiles of their level, low levels before high ones.
    """
    for level, (full, partial) in enumerate(tile_widths(new_size)):
        span = WIDTH**level
        old_full, old_partial = divmod(old_size // span, WIDTH)
        for kind in (ENTRIES, level) if level == 0 else (level,):
            yield from (Tile(level=kind, index=index) for index in range(old_full, full))
            if partial and (full, partial) != (old_full, old_partial):
                yield Tile(level=kind, index=full, width=partial)


def subtree_root(read_hashes: Callable[[int, int], Sequence[bytes]], start: int, stop: int) -> bytes:
    """Hash the leaves `[start, stop)` from tiles; the range must be a subtree as RFC 6962 §2.1 splits trees.

    `read_hashes(level, index)` gives the hashes of a tile, at least as many as the tree of `stop` leaves has there.
    As `start` is a multiple of a power of two not below the length, each level takes its hashes from one tile.
    """
    if start >= stop:
        raise UsageError(f"There are no leaves in [{start}, {stop}).", f"区间 [{start}, {stop}) 中没有叶子。")
    nodes: list[list[bytes]] = []
    while start < stop:
        level = ((stop - start).bit_length() - 1) // 8
        first, last = start >> 8 * level, stop >> 8 * level
        tile, offset = divmod(first, WIDTH)
        nodes.append(list(read_hashes(level, tile)[offset : offset + last - first]))
        start = last << 8 * level
    tail: list[bytes] = []
    for hashes in reversed(nodes):
        tail = [root_of(hashes + tail)]
    return tail[0]


def split_hashes(data: bytes) -> list[bytes]:
    """Part the bytes of a hash tile into its 1 to 256 hashes.

    Raises:
        FormatError: not a whole number of hashes, none, or too many.
    """
    if not data or len(data) % HASH_BYTES or len(data) > WIDTH * HASH_BYTES:
        raise FormatError(f"A hash tile has {len(data)} bytes.", f"哈希数据块长度为 {len(data)} 字节，格式错误。")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def format_bundle(entries: Iterable[bytes]) -> bytes:
    """Write an entry bundle.

    Raises:
        UsageError: an entry is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        check_entry_length(entry)
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_bundle(data: bytes) -> list[bytes]:
    """Read an entry bundle of 1 to 256 entries.

    Raises:
        FormatError: cut off, empty, or more than 256 entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or stop > len(data) or len(entries) == WIDTH:
            raise FormatError("An entry bundle is cut off or has over 256 entries.", "条目数据块被截断或超过 256 条。")
        entries.append(data[at + 2 : stop])
        at = stop
    if not entries:
        raise FormatError("An entry bundle is empty.", "条目数据块为空。")
    return entries


def check_entry_length(entry: bytes) -> None:
    """Refuse an entry that no bundle can hold.

    Raises:
        UsageError: it is longer than 65,535 bytes.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise UsageError(
            f"An entry of {len(entry)} bytes is over the limit of {MAX_ENTRY_BYTES}; log digests, not content.",
            f"条目长 {len(entry)} 字节，超过上限 {MAX_ENTRY_BYTES}；请登记摘要而非内容。",
        )
