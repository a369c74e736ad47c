"""Publish a ledger into a directory that any static web server can serve; files are written as `durable` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from evidencekit.errors import StorageError
from evidencekit.ledger.durable import replace_file, write_new
from evidencekit.ledger.publishers.target import Published, collect, publish
from evidencekit.ledger.source import directory_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from evidencekit.ledger.log import Ledger

_PARTIAL: Final = re.compile(r"[1-9][0-9]{0,2}")


class DirectoryTarget:
    """A directory of its own; immutable files get mode 0444."""

    __slots__ = ("_directory", "_read")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read = directory_source(directory)

    @property
    def where(self) -> str:
        """The directory's path."""
        return str(self._directory)

    def read(self, path: str) -> bytes | None:
        """Read a file, None when there is none.

        Raises:
            StorageError: it cannot be read.
        """
        return self._read(path)

    def write_new(self, files: Iterable[tuple[str, bytes]]) -> int:
        """Write files that never change; see `Target`."""
        return sum(write_new(self._directory / path, data) for path, data in files)

    def replace(self, path: str, data: bytes) -> None:
        """Give a file new contents at one moment; see `Target`."""
        replace_file(self._directory / path, data)

    def partials(self) -> Iterator[str]:
        """Name the partial tiles and bundles that are there."""
        for folder in sorted((self._directory / "tile").rglob("[0-9][0-9][0-9].p")):
            for path in folder.iterdir():
                if _PARTIAL.fullmatch(path.name):
                    yield path.relative_to(self._directory).as_posix()

    def delete(self, paths: Iterable[str]) -> int:
        """Delete files and the folders they leave empty.

        Raises:
            StorageError: one cannot be deleted.
        """
        deleted = 0
        for path in paths:
            place = self._directory / path
            try:
                place.unlink()
                if not any(place.parent.iterdir()):
                    place.parent.rmdir()
            except OSError as error:
                raise StorageError(
                    f"{place} cannot be deleted ({error.strerror}); check the permissions.",
                    f"无法删除 {place}({error.strerror})；请检查权限。",
                ) from error
            deleted += 1
        return deleted


def publish_directory(ledger: Ledger, directory: Path, *, checkpoint: bytes | None = None) -> Published:
    """Bring `directory` up to the ledger's newest checkpoint, or to the given one; see `publish`."""
    return publish(ledger, DirectoryTarget(directory), checkpoint=checkpoint)


def collect_partials(directory: Path, size: int) -> int:
    """Delete the partial tiles of `directory` that a full tile replaces; see `collect`."""
    return collect(DirectoryTarget(directory), size)
