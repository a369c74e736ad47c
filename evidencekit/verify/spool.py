"""The copy of the web archive that is checked: a ZIP of its own, which needs random access.

Small ones stay in memory. A large one goes to a temporary file while it is read, and its SM3 is computed from there
in another thread, behind the writing and during the first checks: SM3 is what verifying waits for.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from typing import IO, TYPE_CHECKING, Final, TypeVar, cast

from evidencekit.errors import StorageError
from evidencekit.hashing.digest import Sm3

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES: Final = 16 << 20
_PIECE: Final = 1 << 20
_T = TypeVar("_T")


class Spool:
    """Takes a stream once and gives it as a file; closing it ends the thread and removes the copy."""

    def __init__(self, size: int, *, follow: bool = True) -> None:
        """Prepare for `size` bytes; `follow` says that the SM3 of a large stream will be asked for.

        Raises:
            StorageError: there is no temporary file to be had.
        """
        self.large = size > MEMORY_BYTES
        self._written = 0
        self._done = False
        self._news = threading.Condition()
        self._sm3 = Sm3()
        self._failure: OSError | None = None
        self._thread: threading.Thread | None = None
        self._file = _guarded(self._open)
        if self.large and follow:
            self._thread = threading.Thread(target=self._follow, name="sm3", daemon=True)
            self._thread.start()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            StorageError: the disk of the temporary folder refuses.
        """
        _guarded(lambda: self._append(data))

    def finish(self) -> None:
        """Say that everything was written."""
        with self._news:
            self._done = True
            self._news.notify()

    def sm3(self) -> str:
        """Give the SM3 of a large stream, waiting for it.

        Raises:
            StorageError: the copy could not be read.
        """
        if self._thread is None:
            self._follow()  # everything was written: it ends at the end
        else:
            self._thread.join()
        if self._failure is not None:
            raise _refused(self._failure) from self._failure
        return self._sm3.hexdigest()

    def open(self) -> IO[bytes]:
        """Give the whole stream as a file, at its beginning; the spool closes it."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Let go of the copy."""
        with self._news:
            self._done, self._written = True, 0
            self._news.notify()
        if self._thread is not None:
            self._thread.join()
        self._file.close()

    def _open(self) -> IO[bytes]:
        return cast("IO[bytes]", tempfile.TemporaryFile(buffering=0)) if self.large else io.BytesIO()

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            view = view[count:]
        with self._news:
            self._written += len(data)
            self._news.notify()

    def _follow(self) -> None:
        """Hash what was written, from the file, as far as it has come."""
        offset = 0
        while True:
            with self._news:
                while offset >= self._written and not self._done:
                    self._news.wait()
                until = self._written
            if offset >= until:
                return
            try:
                data = os.pread(self._file.fileno(), min(_PIECE, until - offset), offset)
            except OSError as error:
                self._failure = error
                return
            self._sm3.update(data)
            offset += len(data)


def _guarded(act: Callable[[], _T]) -> _T:
    try:
        return act()
    except OSError as error:
        raise _refused(error) from error


def _refused(error: OSError) -> StorageError:
    folder, reason = tempfile.gettempdir(), error.strerror or str(error)
    return StorageError(
        f"the web archive could not be copied to {folder} to be checked: {reason}; make room, or set TMPDIR",
        f"无法将网络归档复制到 {folder} 以供核验：{reason}；请腾出空间，或设置 TMPDIR",
    )
