"""A content-addressed store: a blob's name is its SHA-256, so it can neither change nor be mistaken for another.

```
blobs/<first two hex characters>/<SHA-256 in hex>
```

What is written is read back and hashed before it counts as kept; what is read is hashed before it counts as had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from evidencekit.errors import LedgerCorruptError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob that is kept: its SHA-256 in hex, its size in bytes, and whether this call wrote it."""

    sha256: str
    size: int
    written: bool


class BlobStore(Protocol):
    """A place that keeps blobs."""

    @property
    def where(self) -> str:
        """The place, as messages name it."""
        ...

    def put(self, file: Path) -> Blob:
        """Keep a file; memory stays flat.

        Raises:
            LedgerCorruptError: what is kept under its name has other bytes.
            StorageError: it cannot be written, or does not read back.
        """
        ...

    def get(self, sha256: str, out: Path) -> int:
        """Write a blob to a new file and return its size in bytes.

        Raises:
            LedgerCorruptError: what is kept does not hash to its name; nothing is left at `out`.
            UsageError: there is no such blob, or it is no SHA-256.
            StorageError: the store or the disk refuses.
        """
        ...

    def check(self, sha256: str) -> bool:
        """Tell whether a blob is there and hashes to its name (fixity)."""
        ...


def blob_path(sha256: str) -> str:
    """Give the path of a blob.

    Raises:
        UsageError: it is no SHA-256 in lower-case hexadecimal.
    """
    if not _SHA256.fullmatch(sha256):
        raise UsageError(
            f"{sha256[:80]!r} is no SHA-256 in lower-case hexadecimal", f"{sha256[:80]!r} 不是小写十六进制的 SHA-256"
        )
    return f"blobs/{sha256[:2]}/{sha256}"


def absent(where: str, sha256: str) -> UsageError:
    """Say that there is no such blob."""
    return UsageError(f"{where} keeps no blob {sha256}", f"{where} 中没有 {sha256}")


def corrupt(where: str, sha256: str) -> LedgerCorruptError:
    """Say that a blob is not what its name says."""
    return LedgerCorruptError(
        f"what {where} keeps as {sha256} has other bytes; restore it from another copy",
        f"{where} 中的 {sha256} 内容不符；请从其他副本恢复",
    )
