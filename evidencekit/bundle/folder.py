"""Members' bytes out of an unpacked folder, without following any link."""

from __future__ import annotations

import os
import stat
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.bundle.paths import container_order, lawful_name
from evidencekit.bundle.randomfile import RandomFile, cannot_read
from evidencekit.bundle.zipform import MAX_MEMBER_BYTES, MAX_MEMBERS, MAX_TOTAL_BYTES
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evidencekit.model import Text

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSource:
    """Reads members of one folder as it was when it was opened."""

    __slots__ = ("_root", "deviations", "sizes")

    def __init__(self, root: Path) -> None:
        """List the folder.

        Raises:
            FormatError: a link, a special file, an unlawful name, or too much of it.
            StorageError: it cannot be read.
        """
        self._root = root
        found: dict[str, int] = {}
        total = 0
        for name, size in _walk(root):
            found[name] = size
            total += size
            if len(found) > MAX_MEMBERS or total > MAX_TOTAL_BYTES or size > MAX_MEMBER_BYTES:
                raise FormatError(f"{root}: more than a verifier accepts", f"{root}：超过验证程序可接受的数量或大小")
        self.sizes: Mapping[str, int] = MappingProxyType(
            {name: found[name] for name in sorted(found, key=container_order)}
        )
        self.deviations: tuple[Text, ...] = ()

    def stream(self, name: str) -> Iterator[bytes]:
        """Give a member that is there, in pieces of at most 1 MiB.

        Raises:
            FormatError: it is another file than when the folder was opened.
            StorageError: the disk does not give the bytes.
        """
        file = _open_beneath(self._root, name)
        try:
            if file.size != self.sizes[name]:
                raise FormatError(f"{name}: changed since the folder was opened", f"{name}：自打开文件夹后发生变化")
            yield from file.chunks(0, file.size)
        finally:
            file.close()

    def close(self) -> None:
        """Do nothing: no file stays open between reads."""


def _walk(root: Path) -> Iterator[tuple[str, int]]:
    """Give name and size of every file; folders without files are ignored, as ZIP knows none."""
    waiting = [""]
    folders = 0
    while waiting:
        prefix = waiting.pop()
        folders += 1
        if folders > MAX_MEMBERS:
            raise FormatError(f"{root}: more folders than a verifier accepts", f"{root}：文件夹数量超过上限")
        try:
            with os.scandir(root / prefix) as listing:
                for found in listing:
                    name = prefix + found.name
                    if not lawful_name(name):
                        raise FormatError(
                            f"{root}: the name {name[:80]!r} is not lawful", f"{root}：名称 {name[:80]!r} 不合法"
                        )
                    status = found.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(name + "/")
                    elif stat.S_ISREG(status.st_mode):
                        yield name, status.st_size
                    else:
                        raise FormatError(f"{name}: is a link or a special file", f"{name}：是链接或特殊文件")
        except OSError as error:
            raise cannot_read(str(root / prefix), error) from error


def _open_beneath(root: Path, name: str) -> RandomFile:
    """Open a member one folder at a time: a link put in place of any of them since is refused."""
    *folders, last = name.split("/")
    try:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                inner = os.open(folder, _READ | os.O_DIRECTORY, dir_fd=at)
                os.close(at)
                at = inner
            return RandomFile(os.open(last, _READ, dir_fd=at), name)
        finally:
            os.close(at)
    except OSError as error:
        raise cannot_read(name, error) from error
