"""A check closes as one finding with the worst that it noted."""

from __future__ import annotations

import pytest

from evidencekit.model import Outcome
from evidencekit.verify.tally import MAX_NOTES, Tally


def test_nothing_noted_passes_with_the_sentence_given() -> None:
    found = Tally("sums.sm3", "SM3SUMS").close("all agree", "全部一致")
    assert (found.outcome, found.reason.en, found.reason.zh, found.subject) == (
        Outcome.PASSED,
        "all agree",
        "全部一致",
        "SM3SUMS",
    )


def test_worst_note_gives_outcome_and_reason_and_all_are_counted() -> None:
    tally = Tally("time.seal", "seal")
    tally.doubt("pending", "待补")
    tally.fail("broken", "损坏")
    tally.fail("broken too", "也损坏")
    tally.skip("idle", "未执行")
    found = tally.close("fine", "正常")
    assert found.outcome is Outcome.FAILED
    assert found.reason.en == "broken"
    assert found.details["notes_total"] == 4


def test_notes_are_bounded_but_counted() -> None:
    tally = Tally("manifest.artifacts", "records")
    for number in range(10_000):
        tally.fail(f"file {number}", f"文件 {number}")
    found = tally.close("fine", "正常")
    notes = found.details["notes"]
    assert isinstance(notes, list)
    assert len(notes) == MAX_NOTES
    assert found.details["notes_total"] == 10_000


def test_details_cannot_be_changed_afterwards() -> None:
    tally = Tally("ledger.entry", "entry")
    tally.details["index"] = 7
    found = tally.close("fine", "正常")
    tally.details["index"] = 8
    assert found.details["index"] == 7
    with pytest.raises(TypeError):
        found.details["index"] = 9  # type: ignore[index]
