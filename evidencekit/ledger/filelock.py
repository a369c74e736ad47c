"""A lock between processes: flock on a file beside the ledger, with a bound on the wait.

SQLite's own locks would keep the data whole; this one adds order and a clear error. It is never taken on the database
file itself: closing any descriptor of a file drops the POSIX locks that SQLite holds on it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from evidencekit.errors import LedgerLockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_FIRST_PAUSE_S: Final = 0.0002
_LONGEST_PAUSE_S: Final = 0.02


class FileLock:
    """An exclusive lock; each instance excludes every other one, in this process or another."""

    __slots__ = ("_descriptor", "_path", "_timeout_s")

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"The lock file {path} cannot be opened ({error.strerror}); check the directory and its permissions.",
                f"无法打开锁文件 {path}({error.strerror})；请检查目录及其权限。",
            ) from error
        self._path = path
        self._timeout_s = timeout_s

    @contextmanager
    def held(self) -> Generator[None, None, None]:
        """Hold the lock.

        Raises:
            LedgerLockedError: another process did not let go in time.
        """
        self._acquire()
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file up."""
        # Linux frees the descriptor, and with it the lock, whatever close() answers.
        with suppress(OSError):
            os.close(self._descriptor)

    def _acquire(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LedgerLockedError(
                        f"Another process has held {self._path} for over {self._timeout_s:g} s; wait for it or end it.",
                        f"另一进程占用 {self._path} 已超过 {self._timeout_s:g} 秒；请等待其结束或终止它。",
                    ) from None
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                return
