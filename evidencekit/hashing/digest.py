"""SHA-256 (FIPS 180-4) and SM3 (GB/T 32905-2016) of the same bytes in one pass.

SHA-256 drives trees and signatures; SM3 stands beside it (docs/spec/README.md).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from evidencekit.errors import StorageError
from evidencekit.model import Digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

KnownSm3: TypeAlias = "Mapping[str, str]"
"""The SM3 of bytes by their SHA-256, for bytes that this very process has hashed with both (ADR 0018).

Equal SHA-256 means equal bytes, so the slower hash need not be computed again. Never filled from a file: what somebody
else states of their bytes is to be checked, not believed."""

CHUNK_BYTES = 1 << 20
"""Buffer for reading files: large enough that the interpreter releases its lock while it hashes."""
_SHARED_BYTES = 1 << 15
_AHEAD = 4


class _Sink(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...


class _Hash(_Sink, Protocol):
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
    """Hashes a stream with both algorithms; `digests` may be asked at any time.

    With a `pool`, large pieces are hashed with SM3 in its thread while the caller's does SHA-256 and whatever comes
    next: SM3 takes five times as long. The pool must have exactly one thread, which keeps the pieces in order.
    """

    __slots__ = ("_pending", "_pool", "_sha256", "_size", "_sm3")

    def __init__(self, pool: Executor | None = None) -> None:
        self._sha256: _Hash = hashlib.sha256()
        self._sm3 = _sm3_factory()()
        self._size = 0
        self._pool = pool
        self._pending: deque[Future[None]] = deque()

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the stream."""
        if self._pool is not None and isinstance(data, bytes) and len(data) >= _SHARED_BYTES:
            self._pending.append(self._pool.submit(self._sm3.update, data))
            self._wait(_AHEAD)
        else:
            self._wait(0)
            self._sm3.update(data)
        self._sha256.update(data)
        self._size += data.nbytes if isinstance(data, memoryview) else len(data)

    def digests(self) -> Digests:
        """Give the digests of all bytes taken so far."""
        self._wait(0)
        return Digests(sha256=self._sha256.hexdigest(), sm3=self._sm3.hexdigest())

    def _wait(self, left: int) -> None:
        while len(self._pending) > left:
            self._pending.popleft().result()


class Sm3:
    """SM3 alone, for whoever computes the other digest elsewhere."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = _sm3_factory()()

    def update(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """Give the digest, 64 lower-case hexadecimal characters."""
        return self._hash.hexdigest()


def digest_bytes(data: bytes | bytearray | memoryview) -> Digests:
    """Hash bytes that are already in memory."""
    hasher = MultiHasher()
    hasher.update(data)
    return hasher.digests()


def known_sm3(digests: Iterable[Digests]) -> dict[str, str]:
    """Gather what this process has hashed, for `KnownSm3`."""
    return {each.sha256: each.sm3 for each in digests}


def digest_file(path: Path, known: KnownSm3 | None = None) -> tuple[int, Digests]:
    """Hash a file in constant memory and give its size in bytes with its digests.

    Args:
        path: the file.
        known: the SM3 of bytes that were hashed before; then only what is new is hashed with SM3.

    Raises:
        StorageError: the file cannot be read.
    """
    if known:
        sha256 = hashlib.sha256()
        size = _feed(path, sha256)
        sm3 = known.get(sha256.hexdigest())
        if sm3 is not None:
            return size, Digests(sha256=sha256.hexdigest(), sm3=sm3)
    hasher = MultiHasher()
    _feed(path, hasher)
    return hasher.size, hasher.digests()


def _feed(path: Path, hasher: _Sink) -> int:
    """Give a hasher all bytes of a file; returns their number."""
    size = 0
    try:
        with path.open("rb", buffering=0) as file:
            # Most files are small: a large buffer would take longer to clear than they to hash.
            buffer = memoryview(bytearray(min(max(os.fstat(file.fileno()).st_size, 1), CHUNK_BYTES)))
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
                size += count
    except OSError as error:
        raise StorageError(
            f"cannot read {path} to hash it: {error.strerror}; check that it exists and may be read",
            f"无法读取 {path} 以计算摘要：{error.strerror}；请检查文件是否存在、是否可读",
        ) from error
    return size


def digest_beginnings(pieces: Iterable[bytes], sizes: Sequence[int]) -> dict[int, str]:
    """Give the SHA-256 of the first so many bytes, for each size in ascending order that there are bytes for."""
    hasher, done, found = hashlib.sha256(), 0, dict[int, str]()
    wanted = iter(sorted(set(sizes)))
    size = next(wanted, None)
    for piece in pieces:
        at = 0
        while size is not None and size <= done + len(piece):
            hasher.update(piece[at : size - done])
            at = size - done
            found[size] = hasher.hexdigest()
            size = next(wanted, None)
        hasher.update(piece[at:])
        done += len(piece)
    if size == 0:
        found[0] = hasher.hexdigest()
    return found
