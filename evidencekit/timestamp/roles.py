"""Which moments a TSA is asked for: a contract may pay for few tokens, and one over a batch serves many bundles."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

TsaT = TypeVar("TsaT")
"""Whatever stamps (`evidencekit.timestamp.client.TimeStamper`)."""


class Role(StrEnum):
    """The moments of a session (design §3), and `batch`: one token over many sealed bundles afterwards."""

    OPEN = "open"
    CAPTURE = "capture"
    SEAL = "seal"
    BATCH = "batch"


MOMENTS: Final = frozenset({Role.OPEN, Role.CAPTURE, Role.SEAL})
"""What a TSA is asked for unless it says otherwise."""


def roles_of(tsa: object) -> frozenset[Role]:
    """Return a TSA's roles; a caller's own TSA without `roles` serves every moment of a session."""
    roles: frozenset[Role] = getattr(tsa, "roles", MOMENTS)
    return roles


def serving(tsas: Iterable[TsaT], role: Role) -> tuple[TsaT, ...]:
    """Return those that serve a role, in order."""
    return tuple(tsa for tsa in tsas if role in roles_of(tsa))
