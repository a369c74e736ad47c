"""The whole discipline of writing files that must survive a power cut.

A file is written beside its place, synced, given its name, and the directory is synced; a new directory's parent is
synced too. A sync error is raised at once and never retried: afterwards the page cache does not say what the disk has.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from evidencekit.errors import LedgerCorruptError, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def write_new(path: Path, data: bytes, mode: int = 0o444) -> bool:
    """Write a file that never changes; one that is there already must hold the same bytes.

    Returns:
        Whether the file was written.

    Raises:
        LedgerCorruptError: a file of that name holds other bytes.
        StorageError: the disk or the permissions do not allow it.
    """
    with _storage_errors(path):
        if not path.exists():
            make_directory(path.parent)
            with _beside(path, data, mode) as beside, suppress(FileExistsError):
                os.link(beside, path)
                sync_directory(path.parent)
                return True
        if path.read_bytes() != data:
            raise LedgerCorruptError(
                f"{path} is published already with other bytes; do not overwrite it, find out which ledger wrote it.",
                f"{path} 已以其他内容公布；请勿覆盖，并查明由哪个账本写入。",
            )
    return False


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Give a file new contents at one moment: readers see the old bytes or the new ones.

    Raises:
        StorageError: the disk or the permissions do not allow it.
    """
    with _storage_errors(path):
        make_directory(path.parent)
        with _beside(path, data, mode) as beside:
            beside.replace(path)
            sync_directory(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, each durable in the one above."""
    missing = []
    while not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir()
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _beside(path: Path, data: bytes, mode: int) -> Generator[Path, None, None]:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _storage_errors(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}); check disk and permissions.",
            f"无法写入 {path}({error.strerror})；请检查磁盘与权限。",
        ) from error
