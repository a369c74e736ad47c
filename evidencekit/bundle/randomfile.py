"""A file opened once and read at given places, by any number of threads."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 20


class RandomFile:
    """Reads ranges of one regular file; `size` is its size in bytes when it was opened."""

    __slots__ = ("_fd", "name", "size")

    def __init__(self, fd: int, name: str) -> None:
        """Take over an open descriptor; `name` is for messages.

        Raises:
            FormatError: it is a device, pipe or folder.
        """
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise FormatError(f"{name}: not a regular file", f"{name}：不是普通文件")
        self._fd = fd
        self.name = name
        self.size = status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Give exactly `length` bytes from `offset`.

        Raises:
            FormatError: the file ends before.
            StorageError: the disk does not give them.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(f"{self.name}: a part lies outside the file", f"{self.name}：有部分内容超出文件范围")
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    raise FormatError(f"{self.name}: became shorter while it was read", f"{self.name}：读取过程中变短")
                data += more
        except OSError as error:
            raise cannot_read(self.name, error) from error
        return data

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Give `length` bytes from `offset` in pieces of at most 1 MiB.

        Raises:
            FormatError: the file ends before.
            StorageError: the disk does not give them.
        """
        end = offset + length
        while offset < end:
            piece = self.read_at(offset, min(CHUNK_BYTES, end - offset))
            yield piece
            offset += len(piece)

    def close(self) -> None:
        """Close the file; may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def cannot_read(name: str, error: OSError) -> StorageError:
    """Say that the system does not let a file be read."""
    return StorageError(
        f"cannot read {name}: {error.strerror}; check permissions and the disk",
        f"无法读取 {name}:{error.strerror}；请检查权限与磁盘",
    )


def open_file(path: Path) -> RandomFile:
    """Open a file that the user names.

    Raises:
        UsageError: there is none.
        FormatError: it is no regular file.
        StorageError: it cannot be read.
    """
    try:
        # O_NONBLOCK: a pipe in place of the file must not make the program wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}; check the path", f"文件 {path} 不存在；请检查路径") from error
    except OSError as error:
        raise cannot_read(str(path), error) from error
    return RandomFile(fd, str(path))
