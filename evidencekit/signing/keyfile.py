"""Key files on disk: written once, whole or not at all, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING, Final

from evidencekit.errors import SigningError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1 << 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644


def create_secret_file(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600; see `create_public_file`."""
    _create(path, data, _SECRET_MODE)


def create_public_file(path: Path, data: bytes) -> None:
    """Write a new file of mode 0644 that is whole and durable once it has its name, and never replace one.

    Raises:
        SigningError: there is a file of that name.
        StorageError: the disk or the permissions do not allow it.
    """
    _create(path, data, _PUBLIC_MODE)


def create_key_directory(directory: Path) -> None:
    """Make a directory for keys that only its owner may enter; an existing one is left as it is.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error(directory, error) from error


def read_secret_file(path: Path, *, check_permissions: bool = True) -> bytes:
    """Read a key file, if nobody but its owner can.

    Raises:
        SigningError: it is missing, unreadable, too large, or open to group or others.
    """
    return _read(path, forbidden=_OTHERS if check_permissions else 0)


def read_public_file(path: Path) -> bytes:
    """Read a certificate or public key file.

    Raises:
        SigningError: it is missing, unreadable or too large.
    """
    return _read(path, forbidden=0)


def _read(path: Path, *, forbidden: int) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that a swap between question and reading changes nothing.
            mode = os.fstat(file.fileno()).st_mode
            if mode & forbidden:
                raise SigningError(
                    f"The key file {path} can be read by others (mode {stat.S_IMODE(mode):04o}); "
                    f"run: chmod 600 '{path}'",
                    f"密钥文件 {path} 可被他人读取(权限 {stat.S_IMODE(mode):04o})；请执行：chmod 600 '{path}'",
                )
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SigningError(
            f"The file {path} cannot be read ({error.strerror}); check the path, or create an identity first.",
            f"无法读取文件 {path}({error.strerror})；请检查路径，或先创建身份。",
        ) from error
    if len(data) > MAX_BYTES:
        raise SigningError(
            f"The file {path} is over {MAX_BYTES} bytes, which no key is; check the path.",
            f"文件 {path} 超过 {MAX_BYTES} 字节，不可能是密钥；请检查路径。",
        )
    return data


def _create(path: Path, data: bytes, mode: int) -> None:
    """Write beside, sync, then link: the name appears with all its bytes, or, if it is taken, not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_synced(beside, data, mode)
        try:
            os.link(beside, path)
        finally:
            beside.unlink()
        _sync_directory(path.parent)
    except FileExistsError as error:
        raise SigningError(
            f"{path} exists and keys are never overwritten; move it away or choose another directory.",
            f"{path} 已存在，密钥绝不覆盖；请将其移走或另选目录。",
        ) from error
    except OSError as error:
        raise _storage_error(path, error) from error


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written ({error.strerror}); check the disk and the permissions of its directory.",
        f"无法写入 {path}({error.strerror})；请检查磁盘与目录权限。",
    )
