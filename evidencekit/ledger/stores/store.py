"""What a ledger asks of the database behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest signed tree: `checkpoint` is the note, `signed_at` whole Unix seconds."""

    size: int
    checkpoint: bytes
    signed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The outcome of one commit: where each entry stands, and the head of the signed tree that holds them all."""

    indices: tuple[int, ...]
    head: Head


class SignTree(Protocol):
    """Signs a tree that grew."""

    def __call__(self, previous: Head | None, size: int, root: bytes) -> Head:
        """Sign the tree of `size` entries with this root; `previous` is the head it grows from, None at creation.

        Raises:
            LedgerError: the tree must not be signed; the commit is then undone.
        """
        ...


class Snapshot(Protocol):
    """One moment of the ledger: everything read from it belongs to the same head."""

    @property
    def head(self) -> Head:
        """The head of this moment."""
        ...

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of a tile, full or partial, one after the other.

        Raises:
            LedgerCorruptError: the tile is missing or malformed.
        """
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """The entries `[start, stop)`, below the head's size.

        Raises:
            LedgerCorruptError: one is missing.
        """
        ...


class Store(Protocol):
    """Durable storage with one method that matters: `commit`."""

    def commit(self, entries: Sequence[bytes], leaves: Sequence[bytes], sign: SignTree) -> Committed:
        """Append entries that are not there yet and the checkpoint over them, all or nothing, durably.

        Entry i hashes to leaf i. An entry that is there already keeps its first index. `sign` is called inside the
        transaction, at most once, and only when the tree grew.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Read from one moment."""
        ...

    def close(self) -> None:
        """Give up all resources."""
        ...
