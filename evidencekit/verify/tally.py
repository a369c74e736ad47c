"""One check in the making: what it saw, and the finding it ends as.

A check notes whatever it finds wrong or cannot decide, never stops at the first, and closes as exactly one finding
whose outcome is the worst that was noted.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.model import Finding, JsonValue, Outcome, Text
from evidencekit.verify.outcome import weakest

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NOTES = 20
"""How many notes a finding lists; all are counted."""


class InputMissingError(Exception):
    """A check cannot run because what it reads is not there or is broken; stays inside this package."""

    def __init__(self, outcome: Outcome, reason: Text) -> None:
        super().__init__(reason.en)
        self.outcome = outcome
        self.reason = reason


class Tally:
    """Collects the notes of one check."""

    def __init__(self, identifier: str, subject: str) -> None:
        self.identifier = identifier
        self.subject = subject
        self.details: dict[str, JsonValue] = {}
        self._notes: list[tuple[Outcome, Text]] = []
        self._first: dict[Outcome, Text] = {}
        self._count = 0

    @property
    def outcome(self) -> Outcome:
        """The worst outcome noted so far, PASSED when nothing was."""
        return weakest([Outcome.PASSED, *self._first])

    def fail(self, en: str, zh: str) -> None:
        """Note something that is wrong."""
        self.note(Outcome.FAILED, Text(en=en, zh=zh))

    def doubt(self, en: str, zh: str) -> None:
        """Note something that could not be decided."""
        self.note(Outcome.INDETERMINATE, Text(en=en, zh=zh))

    def skip(self, en: str, zh: str) -> None:
        """Note something that could not be done at all."""
        self.note(Outcome.NOT_PERFORMED, Text(en=en, zh=zh))

    def note(self, outcome: Outcome, reason: Text) -> None:
        """Note one thing; the first of each outcome gives the finding its reason."""
        self._count += 1
        self._first.setdefault(outcome, reason)
        if len(self._notes) < MAX_NOTES:
            self._notes.append((outcome, reason))

    def close(self, en: str, zh: str) -> Finding:
        """Return the finding; the sentence is its reason when nothing was noted."""
        outcome = self.outcome
        reason = self._first.get(outcome, Text(en=en, zh=zh))
        if self._count > 1:
            self.details["notes"] = [
                {"outcome": noted.value, "en": text.en, "zh": text.zh} for noted, text in self._notes
            ]
            self.details["notes_total"] = self._count
        return Finding(
            id=self.identifier,
            outcome=outcome,
            subject=self.subject,
            reason=reason,
            details=MappingProxyType(dict(self.details)),
        )


def finding(
    identifier: str,
    outcome: Outcome,
    reason: Text,
    *,
    subject: str = "bundle",
    details: Mapping[str, JsonValue] | None = None,
) -> Finding:
    """Return a finding that needed no collecting."""
    return Finding(
        id=identifier,
        outcome=outcome,
        subject=subject,
        reason=reason,
        details=MappingProxyType(dict(details or {})),
    )
