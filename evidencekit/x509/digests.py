"""Hash functions by the names of `oids.HASH_NAMES`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes

from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CHUNK_BYTES: Final = 1 << 20

_CLASSES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
    "sha3-256": hashes.SHA3_256,
    "sha3-384": hashes.SHA3_384,
    "sha3-512": hashes.SHA3_512,
    "sm3": hashes.SM3,
}


def hash_algorithm(name: str) -> hashes.HashAlgorithm:
    """Return the hash function for `cryptography`.

    Raises:
        FormatError: A name that this library does not compute.
    """
    if name not in _CLASSES:
        raise FormatError(f"hash function {name} is not supported")
    return _CLASSES[name]()


def digest(name: str, data: bytes) -> bytes:
    """Hash `data`. SM3 comes from `cryptography`, because `hashlib` has it only on some builds of OpenSSL.

    Raises:
        FormatError: A name that this library does not compute.
    """
    if name == "sha256":
        return hashlib.sha256(data).digest()
    context = hashes.Hash(hash_algorithm(name))
    context.update(data)
    return context.finalize()


def digest_file(name: str, path: Path) -> bytes:
    """Hash a file in pieces of 1 MiB.

    Raises:
        FormatError: A name that this library does not compute.
        OSError: The file cannot be read.
    """
    context = hashes.Hash(hash_algorithm(name))
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            context.update(view[:count])
    return context.finalize()


def digest_stream(name: str, chunks: Iterable[bytes]) -> bytes:
    """Hash what comes in pieces.

    Raises:
        FormatError: A name that this library does not compute.
    """
    context = hashes.Hash(hash_algorithm(name))
    for chunk in chunks:
        context.update(chunk)
    return context.finalize()
