"""The registry equals the specification, and the verdict never rises above its weakest required finding."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.model import Finding, Outcome, Text
from evidencekit.verify.outcome import ALWAYS, ONLY_CAPTURE, ONLY_DEPOSIT, REGISTRY, Required, overall, weakest

SPEC = Path(__file__).parents[3] / "docs" / "spec" / "findings.md"
REQUIRED_IDS = [kind.id for kind in REGISTRY if kind.required is Required.YES]


def finding_of(identifier: str, outcome: Outcome) -> Finding:
    return Finding(id=identifier, outcome=outcome, subject="bundle", reason=Text(en="reason", zh="原因"))


def all_passed(like: str = "") -> list[Finding]:
    """Return what a report holds in which everything passed: a deposit's when `like` is an id of deposits."""
    names = [*ALWAYS] if like not in ONLY_DEPOSIT else [*(set(ALWAYS) - ONLY_CAPTURE), *ONLY_DEPOSIT]
    return [finding_of(identifier, Outcome.PASSED) for identifier in names]


def test_registry_is_the_table_of_the_specification() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| (.+) \|$", SPEC.read_text("utf-8"), re.MULTILINE)
    assert [(kind.id, kind.layer.value, kind.required.value, kind.what) for kind in REGISTRY] == rows
    assert len(rows) > 30


def test_verdict_passes_when_all_that_is_required_passed() -> None:
    assert overall(all_passed()) is Outcome.PASSED
    assert overall(all_passed("deposit.items")) is Outcome.PASSED


def test_a_deposit_is_no_capture_with_less() -> None:
    without = [finding for finding in all_passed() if finding.id not in ONLY_CAPTURE]
    assert overall(without) is Outcome.INDETERMINATE


@pytest.mark.parametrize("identifier", REQUIRED_IDS)
def test_verdict_sinks_when_a_required_finding_is_not_there(identifier: str) -> None:
    assert overall([found for found in all_passed(identifier) if found.id != identifier]) is Outcome.INDETERMINATE


@pytest.mark.parametrize("identifier", REQUIRED_IDS)
@pytest.mark.parametrize("outcome", [Outcome.INDETERMINATE, Outcome.NOT_PERFORMED])
def test_verdict_sinks_with_every_required_finding(identifier: str, outcome: Outcome) -> None:
    assert overall([*all_passed(identifier), finding_of(identifier, outcome)]) is Outcome.INDETERMINATE


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.id)
def test_any_failure_fails_the_verdict(kind: object) -> None:
    identifier = getattr(kind, "id", "")
    assert overall([*all_passed(), finding_of(identifier, Outcome.FAILED)]) is Outcome.FAILED


@pytest.mark.parametrize("outcome", [Outcome.INDETERMINATE, Outcome.NOT_PERFORMED])
def test_findings_that_are_not_required_do_not_bound_the_verdict(outcome: Outcome) -> None:
    capping = {"trust.self", "status.current"}
    loose = [kind.id for kind in REGISTRY if kind.required is not Required.YES and kind.id not in capping]
    assert overall([*all_passed(), *(finding_of(identifier, outcome) for identifier in loose)]) is Outcome.PASSED


def test_a_later_revocation_caps_the_verdict() -> None:
    assert overall([*all_passed(), finding_of("status.current", Outcome.INDETERMINATE)]) is Outcome.INDETERMINATE
    assert overall([*all_passed(), finding_of("status.current", Outcome.NOT_PERFORMED)]) is Outcome.PASSED


def test_anchors_from_the_bundle_cap_the_verdict() -> None:
    assert overall([*all_passed(), finding_of("trust.self", Outcome.INDETERMINATE)]) is Outcome.INDETERMINATE


def test_policy_makes_role_signatures_required() -> None:
    assert overall(all_passed(), asked=("policy.signatures",)) is Outcome.INDETERMINATE
    met = [*all_passed(), finding_of("policy.signatures", Outcome.PASSED)]
    assert overall(met, asked=("policy.signatures",)) is Outcome.PASSED


@given(st.lists(st.sampled_from(list(Outcome)), max_size=6))
def test_weakest_is_one_of_them_and_orders_by_what_is_worse(outcomes: list[Outcome]) -> None:
    worst = weakest(outcomes)
    if Outcome.FAILED in outcomes:
        assert worst is Outcome.FAILED
    elif worst is Outcome.PASSED:
        assert set(outcomes) == {Outcome.PASSED}
    else:
        assert worst in outcomes or not outcomes
