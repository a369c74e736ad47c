"""Reading a published tlog-tiles log, ours or anyone's, from a directory or over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from evidencekit.errors import FormatError, LedgerError, StorageError
from evidencekit.hashing.merkle import consistency_ranges
from evidencekit.ledger.tiles import ENTRIES, WIDTH, Tile, parse_bundle, split_hashes, subtree_root
from evidencekit.transport.http import get

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Fetch: TypeAlias = Callable[[str], bytes | None]

MAX_CHECKPOINT_BYTES: Final = 1_000_000
MAX_BUNDLE_BYTES: Final = WIDTH * (2 + 65_535)
_OK: Final = 200
_ABSENT: Final = frozenset((403, 404, 410))


def directory_source(directory: Path) -> Fetch:
    """Read a log from the directory that it was published into."""

    def fetch(path: str) -> bytes | None:
        try:
            with (directory / path).open("rb") as file:
                return file.read(MAX_BUNDLE_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                f"{directory / path} cannot be read ({error.strerror}).", f"无法读取 {directory / path}。"
            ) from error

    return fetch


def http_source(prefix: str, *, timeout_s: float = 30.0) -> Fetch:
    """Read a log from a web server; `prefix` is the URL below which `checkpoint` and `tile/` stand."""

    def fetch(path: str) -> bytes | None:
        url = f"{prefix.rstrip('/')}/{path}"
        reply = get(url, limit=MAX_BUNDLE_BYTES, timeout_s=timeout_s)
        if reply.status in _ABSENT:
            return None
        if reply.status != _OK:
            raise LedgerError(
                f"{url} answers {reply.status}; try again later.", f"{url} 返回 {reply.status}；请稍后再试。"
            )
        return reply.body

    return fetch


class TlogReader:
    """The tiles of a tree of `size` entries; nothing read is trusted until hashed into a signed root."""

    __slots__ = ("_cache", "_fetch", "_size")

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._cache: dict[tuple[int, int], list[bytes]] = {}

    def hashes(self, level: int, index: int) -> Sequence[bytes]:
        """Read a hash tile, as far as the tree has it.

        Raises:
            LedgerError: the log does not serve it.
            FormatError: it is malformed.
        """
        key = (level, index)
        if key not in self._cache:
            if len(self._cache) >= WIDTH:
                self._cache.clear()
            tile = self._tile(level, self._size >> 8 * level, index)
            hashes = split_hashes(self._read(tile))
            if len(hashes) < tile.width:
                raise FormatError(f"{tile.path} has too few hashes.", f"{tile.path} 的哈希数不足。")
            self._cache[key] = hashes[: tile.width]
        return self._cache[key]

    def bundle(self, index: int) -> list[bytes]:
        """Read the entries of a bundle, as far as the tree has them.

        Raises:
            LedgerError: the log does not serve it.
            FormatError: it is malformed.
        """
        tile = self._tile(ENTRIES, self._size, index)
        entries = parse_bundle(self._read(tile))
        if len(entries) < tile.width:
            raise FormatError(f"{tile.path} has too few entries.", f"{tile.path} 的条目数不足。")
        return entries[: tile.width]

    def consistency(self, old_size: int) -> list[bytes]:
        """Make a consistency proof from `old_size` to this size out of the log's tiles.

        Raises:
            LedgerError: the log does not serve a tile.
            FormatError: a tile is malformed.
        """
        return [subtree_root(self.hashes, start, stop) for start, stop in consistency_ranges(old_size, self._size)]

    def _tile(self, level: int, count: int, index: int) -> Tile:
        return Tile(level=level, index=index, width=min(WIDTH, count - index * WIDTH))

    def _read(self, tile: Tile) -> bytes:
        data = self._fetch(tile.path)
        if data is None and tile.width < WIDTH:
            # Partial tiles may be deleted once the full one exists.
            data = self._fetch(Tile(level=tile.level, index=tile.index).path)
        if data is None:
            raise LedgerError(
                f"The log does not serve {tile.path}, which its checkpoint promises.",
                f"日志未提供 {tile.path}，而其检查点已承诺。",
            )
        return data
