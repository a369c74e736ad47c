"""A new file appears under its name complete and on disk, or not at all; what exists is never overwritten."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
# What file systems without hard links (FAT, some network and container mounts) answer to link(2).
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL, errno.EACCES})


def publish_new(out: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file through a temporary one beside it and give it its name, without replacing anything.

    Args:
        out: the new file; its folder must exist.
        write: writes the content; what it raises is passed on, and nothing is left behind.

    Raises:
        StorageError: `out` exists, or the disk refuses.
    """
    if os.path.lexists(out):
        raise _exists(out)
    part = out.with_name(f".{out.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        try:
            with part.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            _give_name(part, out)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(out.parent)
    except FileExistsError as error:
        raise _exists(out) from error
    except OSError as error:
        raise _refused(out, error) from error


def _give_name(part: Path, out: Path) -> None:
    """Name the finished file by the first way that the file system knows and that fails when the name is taken."""
    try:
        os.link(part, out)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    if not _rename_new(part, out):
        _copy_new(part, out)


def _rename_new(part: Path, out: Path) -> bool:
    """Rename with RENAME_NOREPLACE (renameat2(2), Linux 3.15); False where system or file system does not know it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(part), _AT_FDCWD, os.fsencode(out), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_LINKS:
        return False
    raise OSError(number, os.strerror(number), str(out))


def _copy_new(part: Path, out: Path) -> None:
    """Copy under the new name: the last resort, in which a crash may leave a part under that name."""
    with out.open("xb") as target:
        try:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        except BaseException:
            out.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network and user-space file systems cannot sync a folder; the file itself is on disk.
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(fd)


def _exists(out: Path) -> StorageError:
    return StorageError(
        f"{out} exists and is not overwritten; choose another name with -o or move it away",
        f"{out} 已存在，不会被覆盖；请用 -o 另选名称，或先移走该文件",
    )


def _refused(out: Path, error: OSError) -> StorageError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageError(
            f"no room to write {out}: {error.strerror}; free space or choose another disk with -o",
            f"没有空间写入 {out}:{error.strerror}；请清理磁盘，或用 -o 选择其他磁盘",
        )
    return StorageError(
        f"cannot write {out}: {error.strerror}; check that its folder exists and may be written to",
        f"无法写入 {out}:{error.strerror}；请检查文件夹是否存在、是否可写",
    )
