"""SHA-256 (FIPS 180-4) and SM3 (GB/T 32905-2016) of the same bytes in one pass.

SHA-256 drives trees and signatures; SM3 stands beside it (docs/spec/README.md).
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Protocol

from evidencekit.errors import StorageError
from evidencekit.model import Digests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK_BYTES = 1 << 20
"""Buffer for reading files: large enough that the interpreter releases its lock while it hashes."""


class _Hash(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class _CryptographySm3:
    """The SM3 of `cryptography`, for interpreters whose OpenSSL was built without it."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - most interpreters never need it

        self._hash = hashes.Hash(hashes.SM3())

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.copy().finalize().hex()


def _hashlib_sm3() -> _Hash:
    return hashlib.new("sm3")


@cache
def _sm3_factory() -> Callable[[], _Hash]:
    # `algorithms_available` names what OpenSSL lists, which a policy may still refuse: ask for one.
    try:
        hashlib.new("sm3")
    except ValueError:
        return _CryptographySm3
    return _hashlib_sm3


class MultiHasher:
    """Hashes a stream with both algorithms; `digests` may be asked at any time."""

    __slots__ = ("_sha256", "_size", "_sm3")

    def __init__(self) -> None:
        self._sha256: _Hash = hashlib.sha256()
        self._sm3 = _sm3_factory()()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the stream."""
        self._sha256.update(data)
        self._sm3.update(data)
        self._size += data.nbytes if isinstance(data, memoryview) else len(data)

    def digests(self) -> Digests:
        """Give the digests of all bytes taken so far."""
        return Digests(sha256=self._sha256.hexdigest(), sm3=self._sm3.hexdigest())


def digest_bytes(data: bytes | bytearray | memoryview) -> Digests:
    """Hash bytes that are already in memory."""
    hasher = MultiHasher()
    hasher.update(data)
    return hasher.digests()


def digest_file(path: Path) -> tuple[int, Digests]:
    """Hash a file in constant memory and give its size in bytes with its digests.

    Raises:
        StorageError: the file cannot be read.
    """
    hasher = MultiHasher()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
    except OSError as error:
        raise StorageError(
            f"cannot read {path} to hash it: {error.strerror}; check that it exists and may be read",
            f"无法读取 {path} 以计算摘要：{error.strerror}；请检查文件是否存在、是否可读",
        ) from error
    return hasher.size, hasher.digests()
