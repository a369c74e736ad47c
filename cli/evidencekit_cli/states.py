"""What is to be done about the bundles of a home: a time-stamp that is owed, a renewal that is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.bundle.growth import latest
from evidencekit.errors import EvidenceError
from evidencekit.owed import owed_in
from evidencekit.timestamp.standing import Standing
from evidencekit.upkeep import standing
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.model import Text

_UNKNOWN = Standing(independent=False, renew_by=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One bundle: where it is now, why it is PENDING if it is, and when its time-stamps must be renewed."""

    number: str
    bundle: Path
    there: bool
    pending: tuple[Text, ...]
    renew_by: datetime | None
    due: bool

    @property
    def sentence(self) -> Sentence:
        """The state in a few words."""
        if not self.there:
            return Sentence("not there", "不在原处")
        if self.pending:
            return Sentence("PENDING", "待补 PENDING")
        if self.due and self.renew_by is not None:
            return Sentence(f"renew by {self.renew_by:%Y-%m-%d}", f"请于 {self.renew_by:%Y-%m-%d} 前续期")
        return Sentence("-", "-")


def states_of(home: Home) -> list[State]:
    """Look at every bundle of a home, oldest first, each once, as it has grown; nothing is verified."""
    owed = {each.number: each.reasons for each in owed_in(home.path)}
    places = {each.number: each.bundle for each in home.captures()}
    return [_state(number, latest(bundle), owed.get(number, ())) for number, bundle in places.items()]


def _state(number: str, bundle: Path, pending: tuple[Text, ...]) -> State:
    try:
        found = standing(bundle)
    except EvidenceError:
        found = _UNKNOWN
    return State(
        number=number,
        bundle=bundle,
        there=bundle.exists(),
        pending=pending,
        renew_by=found.renew_by,
        due=found.is_due(datetime.now(UTC)),
    )
