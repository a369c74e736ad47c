"""Words follow what verified and nothing else (R33, R66)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evidencekit.model import Finding, Outcome, Text, VerificationReport
from evidencekit.verify.layers import LayerSummary, layers
from evidencekit.verify.outcome import ALWAYS, Layer, overall
from evidencekit.verify.wording import headline

ANCHORED = {
    "seal.identity",
    "time.open",
    "time.capture",
    "time.seal",
    "time.independent",
    "outer.timestamp",
    "ledger.checkpoint",
    "ledger.independent",
}


def findings_with(changes: dict[str, Outcome]) -> list[Finding]:
    return [
        Finding(
            id=identifier,
            outcome=changes.get(identifier, Outcome.PASSED),
            subject="bundle",
            reason=Text(en=f"reason of {identifier}", zh=f"{identifier} 的原因"),
        )
        for identifier in [*ALWAYS, *(name for name in changes if name not in ALWAYS)]
    ]


def sentence(changes: dict[str, Outcome]) -> Text:
    found = findings_with(changes)
    return headline(overall(found), found)


def summary(changes: dict[str, Outcome], layer: Layer) -> LayerSummary:
    found = findings_with(changes)
    verdict = overall(found)
    report = VerificationReport(
        bundle="x.zip",
        number="EK-1",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        trust="",
        overall=verdict,
        headline=headline(verdict, found),
        findings=tuple(found),
    )
    return next(row for row in layers(report) if row.layer is layer)


def test_stranger_reads_that_integrity_holds_and_what_is_not_tied_to_anything() -> None:
    said = sentence(dict.fromkeys(ANCHORED, Outcome.INDETERMINATE))
    assert said.en == (
        "INDETERMINATE — integrity holds; who signed, when, and the log could not be tied to anything you trust"
    )
    assert said.zh.startswith("INDETERMINATE — 完整性成立；签署人、时间、日志")


@pytest.mark.parametrize("identifier", ["seal.signature", "manifest.artifacts", "archive.records", "outer.signature"])
def test_integrity_is_not_said_to_hold_when_a_check_of_it_did_not_pass(identifier: str) -> None:
    assert "integrity holds" not in sentence({identifier: Outcome.NOT_PERFORMED}).en
    assert identifier in sentence({identifier: Outcome.NOT_PERFORMED}).en


def test_failure_names_the_finding_and_its_reason() -> None:
    said = sentence({"sums.sm3": Outcome.FAILED})
    assert said.en == "FAILED — sums.sm3: reason of sums.sm3"
    assert "sums.sm3 的原因" in said.zh


def test_anchors_from_the_bundle_are_named_in_the_headline() -> None:
    assert "--trust self" in sentence({"trust.self": Outcome.INDETERMINATE}).en
    assert "--trust self" in sentence({"trust.self": Outcome.INDETERMINATE}).zh


def test_layers_prove_nothing_when_nothing_ran() -> None:
    for layer in Layer:
        row = summary(dict.fromkeys(ALWAYS, Outcome.NOT_PERFORMED), layer)
        assert row.proves.en == "nothing"
        assert row.does_not_prove.en != "nothing"


def test_signature_without_an_anchor_is_integrity_only() -> None:
    row = summary({"seal.identity": Outcome.INDETERMINATE}, Layer.SIGNATURE)
    assert "integrity only" in row.does_not_prove.en
    assert "anchor" not in row.proves.en
    assert "integrity only" not in summary({}, Layer.SIGNATURE).does_not_prove.en


def test_ledger_without_a_witness_says_what_it_does_not_prove() -> None:
    row = summary({"ledger.independent": Outcome.NOT_PERFORMED}, Layer.LEDGER)
    assert row.outcome is Outcome.PASSED
    assert "operator" in row.does_not_prove.en
    assert "vouches" not in row.proves.en


def test_own_timestamps_are_not_called_independent() -> None:
    row = summary({"time.independent": Outcome.INDETERMINATE}, Layer.TIME)
    assert "independent of the issuer" in row.does_not_prove.en
    assert "independent" not in summary({}, Layer.TIME).does_not_prove.en


def test_no_layer_ever_claims_more_than_it_may() -> None:
    for layer in Layer:
        row = summary({}, layer)
        for text in (row.proves.en, row.proves.zh, row.does_not_prove.en, row.does_not_prove.zh):
            assert "blockchain" not in text.lower()
            assert "区块链" not in text
            assert "公证书" not in text
            assert "qualified" not in text
