"""The result of one step of a check, so that a court can be told what was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.model import Outcome, Text

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One step: a stable id within its check, the outcome and the reason."""

    id: str
    outcome: Outcome
    reason: Text


def passed(check: str, en: str, zh: str) -> Check:
    """Make a step that holds."""
    return Check(id=check, outcome=Outcome.PASSED, reason=Text(en=en, zh=zh))


def failed(check: str, en: str, zh: str) -> Check:
    """Make a step that does not hold."""
    return Check(id=check, outcome=Outcome.FAILED, reason=Text(en=en, zh=zh))


def undecided(check: str, en: str, zh: str) -> Check:
    """Make a step that could not be decided."""
    return Check(id=check, outcome=Outcome.INDETERMINATE, reason=Text(en=en, zh=zh))


def not_performed(check: str, en: str, zh: str) -> Check:
    """Make a step that did not run."""
    return Check(id=check, outcome=Outcome.NOT_PERFORMED, reason=Text(en=en, zh=zh))


def first_not_passed(checks: Iterable[Check]) -> Check | None:
    """Return the first FAILED step, else the first INDETERMINATE one; steps that did not run do not count."""
    open_step: Check | None = None
    for check in checks:
        if check.outcome is Outcome.FAILED:
            return check
        if check.outcome is Outcome.INDETERMINATE and open_step is None:
            open_step = check
    return open_step


def summary(checks: Iterable[Check]) -> Outcome:
    """Return FAILED or INDETERMINATE if a step is, PASSED otherwise; steps that did not run do not count."""
    worst = first_not_passed(checks)
    return Outcome.PASSED if worst is None else worst.outcome
