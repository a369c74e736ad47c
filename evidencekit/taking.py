"""Take a file into a deposit: hash it as it is read, without a second copy where the file system allows it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.casefile import no_room
from evidencekit.errors import CaptureError, StorageError, UsageError
from evidencekit.hashing.digest import CHUNK_BYTES, MultiHasher

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.casefile import CaseFile
    from evidencekit.model import Digests

_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One file: its member (None with hash-only), size in bytes, digests, and when they were complete."""

    n: int
    path: str | None
    size: int
    digests: Digests
    hashed_at: datetime
    source: Path
    identity: _Identity

    def check_unchanged(self) -> None:
        """Refuse to go on when the file is not any more as it was hashed.

        Raises:
            CaptureError: it changed.
        """
        try:
            found = _identity(self.source.stat())
        except OSError:
            found = (0, 0, 0, 0)
        if found != self.identity:
            raise _changed(self.n)


def take_file(n: int, source: Path, path: str | None, case: CaseFile) -> Taken:
    """Hash a file and, with `path`, put it into the bundle's folder: as a hard link, or as a copy made while hashing.

    Args:
        n: its place among the files, from 1; messages name no file.
        source: a regular file.
        path: its member, None with hash-only.
        case: the deposit.

    Raises:
        UsageError: it is no regular file, or cannot be read.
        CaptureError: it changed while it was read.
        StorageError: the disk refuses.
    """
    target = None if path is None else case.folder / path
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(source, error) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise UsageError(f"{source} is no regular file; name files", f"{source} 不是普通文件；请指定文件")
        copy = _place(descriptor, target, case) if target is not None else None
        hasher = _hash(descriptor, copy, source, case)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if _identity(before) != _identity(after) or hasher.size != after.st_size:
        raise _changed(n)
    return Taken(
        n=n,
        path=path,
        size=hasher.size,
        digests=hasher.digests(),
        hashed_at=case.office.clock(),
        source=source,
        identity=_identity(after),
    )


def _place(descriptor: int, target: Path, case: CaseFile) -> int | None:
    """Link the opened file to its place; None when that was done, else the descriptor of a new file to copy into."""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(OSError):
            # By descriptor, so that what is hashed is what is linked, whatever happens to the name. Given a descriptor
            # of its own, Python calls linkat with AT_SYMLINK_FOLLOW; the path is absolute, so it is not used.
            os.link(f"/proc/self/fd/{descriptor}", target, src_dir_fd=descriptor, follow_symlinks=True)
            return None
        return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise no_room(case.workspace, error) from error


def _hash(descriptor: int, copy: int | None, source: Path, case: CaseFile) -> MultiHasher:
    hasher = MultiHasher()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    try:
        while count := _read(descriptor, buffer, source):
            hasher.update(buffer[:count])
            if copy is not None:
                _write(copy, buffer[:count], case)
    finally:
        if copy is not None:
            os.close(copy)
    return hasher


def _read(descriptor: int, buffer: memoryview, source: Path) -> int:
    try:
        return os.readv(descriptor, [buffer])
    except OSError as error:
        raise _unreadable(source, error) from error


def _write(copy: int, data: memoryview, case: CaseFile) -> None:
    try:
        while data:
            data = data[os.write(copy, data) :]
    except OSError as error:
        raise no_room(case.workspace, error) from error


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _changed(n: int) -> CaptureError:
    return CaptureError(
        f"file {n} changed while it was deposited, nothing was sealed; close what writes to it and deposit it again",
        f"第 {n} 个文件在存证过程中发生变化，未封存；请停止写入后重新存证",
    )


def _unreadable(source: Path, error: OSError) -> UsageError | StorageError:
    reason = error.strerror or str(error)
    kind = StorageError if error.errno in {errno.EIO, errno.ENOSPC} else UsageError
    return kind(
        f"{source} cannot be read ({reason}); check its name and permissions",
        f"无法读取 {source}({reason})；请检查名称与权限",
    )
