"""How an entry stands in a newer log: values alone, for the offline verifier; `standing` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a bundle proves of its entry: index, leaf hash, and the tree (size, root) that it was proved in."""

    index: int
    leaf: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """A status entered for an entry: where, what, when, by whose certificate, and the digest of its reason."""

    index: int
    status: str
    time: datetime
    key_id: str
    document_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an entry stands in a newer log.

    Attributes:
        origin: the log.
        size: its entries.
        newest: the time that its newest readable entry states, None when none does.
        extends: whether it holds the tree that the bundle proves its entry in; None when it is smaller than that tree.
        amendments: status entries for it, in order.
    """

    origin: str
    size: int
    newest: datetime | None
    extends: bool | None
    amendments: tuple[Amended, ...]
