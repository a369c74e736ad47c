"""Blobs in a directory: written beside their place, synced, named; 0444, never replaced."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from evidencekit.errors import StorageError
from evidencekit.ledger.blobs.store import Blob, absent, blob_path, corrupt
from evidencekit.ledger.durable import make_directory, sync_directory

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CHUNK_BYTES: Final = 1 << 20


class DirectoryBlobs:
    """Blobs below a directory."""

    __slots__ = ("_root",)

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        """The directory."""
        return str(self._root)

    def put(self, file: Path) -> Blob:
        """Keep a file; see `BlobStore`."""
        with storage_errors(self._root), file.open("rb") as source:
            make_directory(self._root / "blobs")
            beside = self._root / "blobs" / f".{secrets.token_hex(8)}.part"
            try:
                sha256, size = _copy(source, beside)
                target = self._root / blob_path(sha256)
                if target.exists():
                    if hash_file(target) != (sha256, size):
                        raise corrupt(self.where, sha256)
                    return Blob(sha256=sha256, size=size, written=False)
                if hash_file(beside) != (sha256, size):
                    raise corrupt(self.where, sha256)
                make_directory(target.parent)
                beside.rename(target)
                sync_directory(target.parent)
            finally:
                beside.unlink(missing_ok=True)
        return Blob(sha256=sha256, size=size, written=True)

    def get(self, sha256: str, out: Path) -> int:
        """Write a blob to a new file; see `BlobStore`."""
        place = self._root / blob_path(sha256)
        if not place.is_file():
            raise absent(self.where, sha256)
        with storage_errors(out):
            try:
                with place.open("rb") as source:
                    found, size = _copy(source, out, mode=0o600)
            except FileExistsError as error:
                raise exists(out) from error
            if found != sha256:
                out.unlink()
                raise corrupt(self.where, sha256)
        return size

    def check(self, sha256: str) -> bool:
        """Tell whether a blob is there and whole; see `BlobStore`."""
        place = self._root / blob_path(sha256)
        with storage_errors(place):
            return place.is_file() and hash_file(place)[0] == sha256


def hash_file(path: Path) -> tuple[str, int]:
    """Give SHA-256 and size of a file, in flat memory."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def exists(out: Path) -> StorageError:
    """Say that a file is not overwritten."""
    return StorageError(
        f"{out} exists and is not overwritten; name a new file", f"{out} 已存在，不会被覆盖；请另选名称"
    )


@contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Raise what the disk says as an error of this library.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be used ({error.strerror}); check disk and permissions",
            f"无法使用 {path}({error.strerror})；请检查磁盘与权限",
        ) from error


def _copy(source: BinaryIO, out: Path, mode: int = 0o444) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size
