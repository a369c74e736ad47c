"""The report on a terminal: nothing open is left out, nothing foreign acts."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from evidencekit.model import Outcome, Text
from evidencekit.report.terminal import render_text
from tests.unit.report.report_samples import NASTY_TITLE, finding, stranger_report, uniform_report


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_open_finding_and_its_reason_are_shown(lang: Literal["en", "zh"]) -> None:
    report = stranger_report()
    shown = render_text(report, lang)
    for one in report.findings:
        if one.outcome is not Outcome.PASSED:
            assert one.id in shown
            assert (one.reason.en if lang == "en" else one.reason.zh) in shown
    assert "seal.signature" not in shown
    assert (report.headline.en if lang == "en" else report.headline.zh) in shown.splitlines()[1]


def test_time_and_trust_are_shown() -> None:
    shown = render_text(stranger_report(), "en")
    assert "2026-11-23T03:05:15.678901Z  (2026-11-23 11:05:15 +08:00)" in shown
    assert "trust       none" in shown


def test_verbose_shows_all_findings_and_details() -> None:
    report = stranger_report()
    detailed = replace(report.findings[0], details={"size": 7})
    shown = render_text(replace(report, findings=(detailed, *report.findings[1:])), "en", verbose=True)
    assert all(one.id in shown for one in report.findings)
    assert "size = 7" in shown


def test_a_layer_says_what_it_proves_only_when_it_passed() -> None:
    assert "proves: the record existed" in render_text(uniform_report(Outcome.PASSED), "en")
    assert "proves: the record existed" not in render_text(uniform_report(Outcome.INDETERMINATE), "en")
    assert "does not prove: when the page was first published" in render_text(uniform_report(Outcome.FAILED), "en")


def test_nothing_open_is_said_so() -> None:
    assert "none: every finding passed" in render_text(uniform_report(Outcome.PASSED), "en")


def test_foreign_text_cannot_act_on_the_terminal() -> None:
    reason = Text(en=NASTY_TITLE, zh=NASTY_TITLE)
    hostile = replace(finding("container.members", Outcome.FAILED, reason), subject=NASTY_TITLE)
    report = replace(stranger_report(), bundle=NASTY_TITLE, headline=reason, findings=(hostile,))
    shown = render_text(report, "zh", verbose=True)
    assert not any(char < " " for char in shown if char != "\n")
    assert "\u202e" not in shown
    assert "⟨U+001B⟩" in shown
