"""What SQLite's error codes mean to a ledger."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from evidencekit.errors import EvidenceError, LedgerCorruptError, LedgerLockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_PRIMARY: Final = 0xFF
_LOCKED: Final = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))
_DAMAGED: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT))


@contextmanager
def translate(path: Path) -> Generator[None, None, None]:
    """Raise what SQLite and the system say as errors of this library.

    Raises:
        LedgerLockedError: the database is locked.
        LedgerCorruptError: it is malformed, or holds what a ledger cannot.
        StorageError: the disk is full or failed, or there is no permission.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(path, error) from error
    except UnicodeDecodeError as error:
        # Python meets this when SQLite's own message quotes damaged bytes.
        raise damaged(path, "a name in it is not UTF-8") from error
    except OSError as error:
        raise _storage(path, error.strerror or str(error)) from error


def _meaning(path: Path, error: sqlite3.Error) -> EvidenceError:
    code: int = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in _LOCKED:
        return LedgerLockedError(
            f"Another program holds the ledger {path}; close it and try again.",
            f"另一程序占用账本 {path}；请关闭后重试。",
        )
    if code in _DAMAGED or isinstance(error, sqlite3.IntegrityError):
        return damaged(path, str(error))
    return _storage(path, str(error))


def _storage(path: Path, why: str) -> StorageError:
    return StorageError(
        f"The ledger {path} cannot be read or written ({why}); check disk and permissions, then open it again.",
        f"无法读写账本 {path}({why})；请检查磁盘与权限，然后重新打开。",
    )


def damaged(path: Path, why: str) -> LedgerCorruptError:
    """Say what is wrong with the ledger at `path`."""
    return LedgerCorruptError(
        f"The ledger {path} is damaged: {why}. Keep the file, run fsck, restore a copy.",
        f"账本 {path} 已损坏：{why}。请保留该文件、运行 fsck，并从副本恢复。",
    )


def blob(path: Path, value: object) -> bytes:
    """Return `value` if it is bytes; a damaged row may hold anything.

    Raises:
        LedgerCorruptError: it is something else.
    """
    if not isinstance(value, bytes):
        raise damaged(path, "a row holds something else than bytes")
    return value
