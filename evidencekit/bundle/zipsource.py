"""Members' bytes out of a ZIP file, each checked against its size and CRC."""

from __future__ import annotations

import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.bundle.inflate import DeflateStream, inflate
from evidencekit.bundle.zipdirectory import read_listing
from evidencekit.bundle.zipform import STORED
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evidencekit.bundle.randomfile import RandomFile
    from evidencekit.bundle.zipdirectory import Member
    from evidencekit.model import Text


class ZipSource:
    """Reads members of one ZIP; closes its file."""

    __slots__ = ("_file", "_members", "deviations", "sizes")

    def __init__(self, file: RandomFile) -> None:
        """Read the structure of the ZIP.

        Raises:
            FormatError: no ZIP, or one that is refused.
            StorageError: the disk does not give the bytes.
        """
        listing = read_listing(file)
        self._file = file
        self._members = {member.entry.name: member for member in listing.members if not member.is_folder}
        self.sizes: Mapping[str, int] = MappingProxyType(
            {name: member.entry.size for name, member in self._members.items()}
        )
        self.deviations: tuple[Text, ...] = listing.deviations

    def stream(self, name: str) -> Iterator[bytes]:
        """Give a member that is there, in pieces of at most 1 MiB.

        Raises:
            FormatError: its data are damaged.
            StorageError: the disk does not give the bytes.
        """
        member = self._members[name]
        crc = 0
        for piece in self._pieces(member):
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != member.entry.crc:
            raise FormatError(f"{name}: its CRC-32 does not fit its data", f"{name}:CRC-32 与数据不符")

    def _pieces(self, member: Member) -> Iterator[bytes]:
        entry = member.entry
        if entry.method == STORED:
            return self._file.chunks(member.data_offset, entry.size)
        if not entry.compressed_size:
            raise FormatError(f"{entry.name}: its deflate stream is missing", f"{entry.name}：缺少 deflate 流")
        return inflate(
            DeflateStream(
                name=entry.name,
                compressed_size=entry.compressed_size,
                size=entry.size,
                read=lambda offset, length: self._file.read_at(member.data_offset + offset, length),
            )
        )

    def close(self) -> None:
        """Close the file; may be called again."""
        self._file.close()
