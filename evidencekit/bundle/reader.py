"""Bundles as anyone may hand them over: a ZIP or the folder that it was unpacked to. Nothing is ever written.

Whoever reads a member in pieces (`stream`) must take it to the end before believing it: size and CRC are known then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from evidencekit.bundle.folder import FolderSource
from evidencekit.bundle.randomfile import open_file
from evidencekit.bundle.zipsource import ZipSource
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from evidencekit.model import Text


class MemberSource(Protocol):
    """Where members' bytes come from: `ZipSource` or `FolderSource`."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Every member's size in bytes, by name."""
        ...

    @property
    def deviations(self) -> tuple[Text, ...]:
        """How the container differs from the fixed form."""
        ...

    def stream(self, name: str) -> Iterator[bytes]:
        """Give a member that is there, in pieces, checked."""
        ...

    def close(self) -> None:
        """Let go of the file; may be called again."""
        ...


class Bundle:
    """Members by name. A context manager that closes the file at the end; threads may share it."""

    __slots__ = ("_sizes", "_source", "form_deviations", "is_folder")

    def __init__(self, source: MemberSource, *, is_folder: bool) -> None:
        self._source = source
        self._sizes = source.sizes
        self.is_folder = is_folder
        """Whether this is an unpacked folder, which has no ZIP form to judge."""
        self.form_deviations = source.deviations
        """How the ZIP differs from the form of docs/spec/bundle.md; empty when in no byte outside member data."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, name: object) -> bool:
        return name in self._sizes

    def names(self) -> tuple[str, ...]:
        """Give all members' names: of a ZIP as its directory lists them, of a folder in the order of the form."""
        return tuple(self._sizes)

    def size(self, name: str) -> int:
        """Give a member's size in bytes.

        Raises:
            FormatError: there is no such member.
        """
        size = self._sizes.get(name)
        if size is None:
            raise FormatError(f"the bundle has no member {name[:240]}", f"证据包中没有成员 {name[:240]}")
        return size

    def read(self, name: str, *, limit: int) -> bytes:
        """Give a whole member.

        Raises:
            FormatError: there is none, it is larger than `limit` bytes, or it is damaged.
            StorageError: the disk does not give it.
        """
        size = self.size(name)
        if size > limit:
            raise FormatError(
                f"{name}: {size} bytes, more than the {limit} allowed", f"{name}:{size} 字节，超过上限 {limit}"
            )
        return b"".join(self._source.stream(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """Give a member in pieces of at most 1 MiB; damage shows at the latest after the last piece.

        Raises:
            FormatError: there is none, or it is damaged.
            StorageError: the disk does not give it.
        """
        self.size(name)
        return self._source.stream(name)

    def close(self) -> None:
        """Close the file; may be called again."""
        self._source.close()


def open_bundle(path: Path) -> Bundle:
    """Open a bundle: a ZIP file, or the folder that one was unpacked to.

    Raises:
        UsageError: there is nothing at `path`.
        FormatError: it is no bundle, or one that would be unsafe to unpack.
        StorageError: it cannot be read.
    """
    if path.is_dir():
        return Bundle(FolderSource(path), is_folder=True)
    file = open_file(path)
    try:
        return Bundle(ZipSource(file), is_folder=False)
    except BaseException:
        file.close()
        raise
