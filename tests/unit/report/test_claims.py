"""The claim gate: no document can print a sentence whose findings did not all pass (R33)."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from evidencekit.model import Finding, Outcome, Text, VerificationReport
from evidencekit.report.certificate import footer_template, render_certificate
from evidencekit.report.claims import CLAIMS, DENIALS, Claim, granted, judge, overclaims
from evidencekit.report.forensic import render_report
from evidencekit.report.instructions import VerifyFacts, render_verify_md
from evidencekit.report.machine import report_json
from evidencekit.report.terminal import render_text
from evidencekit.report.wording import CHECKS
from tests.unit.report.report_samples import (
    finding,
    plain_data,
    report_data,
    report_of,
    stranger_report,
    uniform_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOT_PASSED = [Outcome.FAILED, Outcome.INDETERMINATE, Outcome.NOT_PERFORMED]


def words(document: str) -> str:
    """The text of an HTML document, without markup."""
    body = re.sub(r"<style>.*?</style>", " ", document, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body)))


DOCUMENTS: dict[str, Callable[[VerificationReport], str]] = {
    "certificate": lambda report: words(render_certificate(plain_data(report))),
    "forensic report": lambda report: words(render_report(report_data(plain_data(report)))),
    "terminal en": lambda report: render_text(report, "en", verbose=True),
    "terminal zh": lambda report: render_text(report, "zh", verbose=True),
    "json": lambda report: json.dumps(report_json(report), ensure_ascii=False),
    "footer": lambda report: words(footer_template(report.number)),
    "VERIFY.md": lambda report: render_verify_md(
        "en", VerifyFacts(number=report.number, file=report.bundle, tokens=())
    ),
    "VERIFY.zh-CN.md": lambda report: render_verify_md(
        "zh", VerifyFacts(number=report.number, file=report.bundle, tokens=())
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("outcome", NOT_PASSED)
def test_no_document_claims_anything_when_nothing_passed(name: str, outcome: Outcome) -> None:
    document = DOCUMENTS[name](uniform_report(outcome))
    for claim in CLAIMS:
        assert claim.says.en not in document
        assert claim.says.zh not in document
    assert overclaims(document) == ()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_overclaims_when_everything_passed(name: str) -> None:
    assert overclaims(DOCUMENTS[name](uniform_report(Outcome.PASSED))) == ()


@pytest.mark.parametrize("name", ["certificate", "forensic report"])
def test_documents_print_each_claim_that_its_findings_support(name: str) -> None:
    document = DOCUMENTS[name](uniform_report(Outcome.PASSED))
    for claim in CLAIMS:
        assert claim.says.en in document
        assert claim.says.zh in document


def weakened(claim: Claim) -> Iterator[tuple[str, Outcome | None]]:
    for finding_id in claim.requires:
        yield finding_id, None
        for outcome in NOT_PASSED:
            yield finding_id, outcome


@pytest.mark.parametrize(
    ("claim", "finding_id", "outcome"),
    [(claim, finding_id, outcome) for claim in CLAIMS for finding_id, outcome in weakened(claim)],
    ids=lambda value: value.id if isinstance(value, Claim) else str(value),
)
def test_one_weak_finding_withdraws_the_claim(claim: Claim, finding_id: str, outcome: Outcome | None) -> None:
    whole = uniform_report(Outcome.PASSED)
    kept = tuple(one for one in whole.findings if one.id != finding_id)
    extra: tuple[Finding, ...] = () if outcome is None else (finding(finding_id, outcome),)
    judged = judge(claim, replace(whole, findings=kept + extra))
    assert not judged.granted
    assert judged.missing == ((finding_id, outcome or Outcome.NOT_PERFORMED),)


def test_one_bad_page_among_good_ones_withdraws_the_claim() -> None:
    whole = uniform_report(Outcome.PASSED)
    report = replace(whole, findings=(*whole.findings, finding("time.capture", Outcome.FAILED)))
    assert "captured" not in {claim.id for claim in granted(report)}


def test_anchors_from_the_bundle_itself_withdraw_all_anchored_claims() -> None:
    whole = uniform_report(Outcome.PASSED)
    report = replace(whole, findings=(*whole.findings, finding("trust.self", Outcome.INDETERMINATE)))
    assert {claim.id for claim in granted(report)} == {claim.id for claim in CLAIMS if not claim.anchored}


def test_a_stranger_without_anchors_gets_no_more_than_integrity_and_observation() -> None:
    seen = {"integrity", "environment", "exclusive", "handshake", "record", "agreement"}
    assert {claim.id for claim in granted(stranger_report())} == seen


def test_an_empty_report_supports_nothing() -> None:
    assert granted(report_of((), Outcome.INDETERMINATE, Text(en="", zh=""))) == ()


def test_claims_need_registered_findings() -> None:
    assert all(claim.requires for claim in CLAIMS)
    assert {finding_id for claim in CLAIMS for finding_id in claim.requires} <= set(CHECKS)


@pytest.mark.parametrize(
    "sentence",
    [
        "本证据已上链存证",
        "已写入区块链",
        "secured by BlockChain",
        "具有公证书效力",
        "This is a notarial certificate",
        "a qualified time-stamp",
        "Notarised by the office",
        "使用合格电子签名",
    ],
)
def test_words_no_finding_supports_are_found(sentence: str) -> None:
    assert overclaims(sentence)
    assert overclaims(f"{DENIALS[0].zh}{sentence}")


def test_denials_are_no_overclaims() -> None:
    for denial in DENIALS:
        assert overclaims(denial.en) == ()
        assert overclaims(denial.zh) == ()
