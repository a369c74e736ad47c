"""Bodies on their way to disk: decoded bytes as the browser gives them, counted and hashed while they arrive."""

from __future__ import annotations

import base64
import binascii
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import Params, flag_of, text_of
from evidencekit.capture.exchanges import Body
from evidencekit.errors import FormatError, StorageError

if TYPE_CHECKING:
    from pathlib import Path


class BodySpool:
    """One body written to one file.

    Attributes:
        size: bytes written so far.
        ready: False until the bytes that came before streaming began are written; later pieces wait for them.
        truncated: whether bytes beyond the limit were left out.
        failed: what went wrong where nobody could be told; `close` tells.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        self.ready = False
        self.truncated = False
        self.failed: StorageError | None = None
        self._limit = limit
        self._waiting: list[bytes] = []
        self._hash = hashlib.sha256()
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise _storage_error(path, error) from error

    def begin(self, first: bytes) -> None:
        """Write what came before streaming began, then what has waited for it."""
        self.ready = True
        waiting, self._waiting = self._waiting, []
        for piece in (first, *waiting):
            self.write(piece)

    def write(self, piece: bytes) -> None:
        """Append one piece; beyond the limit nothing more is kept.

        Raises:
            StorageError: the disk does not take it.
        """
        if not self.ready:
            self._waiting.append(piece)
            return
        room = self._limit - self.size
        if len(piece) > room:
            self.truncated = True
            piece = piece[: max(room, 0)]
        try:
            self._file.write(piece)
        except OSError as error:
            raise _storage_error(self.path, error) from error
        self._hash.update(piece)
        self.size += len(piece)

    def close(self) -> Body:
        """Finish the file.

        Raises:
            StorageError: the disk does not take it.
        """
        if self.failed is not None:
            raise self.failed
        try:
            self._file.close()
        except OSError as error:
            raise _storage_error(self.path, error) from error
        return Body(file=self.path, size=self.size, sha256=self._hash.hexdigest())

    def discard(self) -> None:
        """Drop the file."""
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


def write_body(path: Path, data: bytes, limit: int) -> tuple[Body, bool]:
    """Write a whole body; the flag says whether it was cut at `limit` bytes.

    Raises:
        StorageError: the disk does not take it.
    """
    spool = BodySpool(path, limit)
    spool.begin(data)
    return spool.close(), spool.truncated


def decode_base64(text: str) -> bytes:
    """Bytes of a base64 text of the browser.

    Raises:
        FormatError: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("the browser sent a body that is not base64", "浏览器给出的正文不是 base64") from error


def body_bytes(result: Params) -> bytes:
    """Body bytes in the result of `Network.getResponseBody`.

    With durable messages Chromium gives UTF-8 bodies as text, byte for byte (a BOM included), and all others as
    base64 (observed on Chromium 156); a lone surrogate cannot occur then, and is kept visible if it does.

    Raises:
        FormatError: the body is not what the browser says it is.
    """
    text = text_of(result, "body")
    return decode_base64(text) if flag_of(result, "base64Encoded") else text.encode("utf-8", "surrogatepass")


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path}: {error.strerror or error}; free space on the disk and capture again",
        f"无法写入 {path}:{error.strerror or error}；请清理磁盘后重新取证",
    )
