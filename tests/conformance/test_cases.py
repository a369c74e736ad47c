"""Every case of `cases/`: what is made of a bundle by `forgeries.py`, and what the verifier must say of it.

`expected.json` holds the verdict and the outcome of every finding that is not PASSED. A case named `…_fail` must fail,
and names in `broken` the finding that is about what was done.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evidencekit.model import Outcome, VerificationReport
from evidencekit.report.claims import CLAIMS, granted
from evidencekit.verify.outcome import ALWAYS, ONLY_CAPTURE, ONLY_DEPOSIT, REGISTERED
from evidencekit.verify.verifier import verify_bundle
from tests.conformance.catalogue import CASES, Exhibit, Workshop
from tests.support.assembly import make_keys

FOLDER = Path(__file__).parent / "cases"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("keys")
    return Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder)


def judged(exhibit: Exhibit, folder: Path) -> VerificationReport:
    path = folder / "bundle.zip"
    if isinstance(exhibit.data, bytes):
        path.write_bytes(exhibit.data)
    else:
        for name, data in exhibit.data.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return verify_bundle(path, trust=exhibit.trust, at=exhibit.at, policy=exhibit.policy, beside=exhibit.beside)


def test_every_case_has_its_folder_and_every_folder_its_case() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/expected.json")} == set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name: str, shop: Workshop, tmp_path: Path) -> None:
    expected = json.loads((FOLDER / name / "expected.json").read_text("utf-8"))
    report = judged(CASES[name](replace(shop, folder=tmp_path)), tmp_path)
    found = {finding.id: finding.outcome.value for finding in report.findings if finding.outcome is not Outcome.PASSED}
    assert report.overall.value == expected["overall"]
    assert found == expected["not_passed"]
    if name.endswith("_fail"):
        assert report.overall is Outcome.FAILED
        assert found[expected["broken"]] == "FAILED"
        assert expected["broken"] in report.headline.en
    ids = [finding.id for finding in report.findings]
    kind, other = (ONLY_DEPOSIT, ONLY_CAPTURE) if "deposit.items" in ids else (ONLY_CAPTURE, ONLY_DEPOSIT)
    made = {"corroboration.rerender", "time.film"}
    assert kind - made <= set(ids), "a re-render or a film is judged only where one was made"
    assert ("time.film" in ids) == name.startswith("film")
    assert [each for each in ids if each in ALWAYS] == [each for each in ALWAYS if each not in other]
    assert set(ids) <= set(REGISTERED) - other
    for finding in report.findings:
        assert finding.reason.en
        assert finding.reason.zh


def test_forged_whole_never_rises_above_integrity(shop: Workshop, tmp_path: Path) -> None:
    for number, name in enumerate(("forged_whole", "forged_whole_stranger", "forged_whole_trust_self")):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = judged(CASES[name](replace(shop, folder=folder)), folder)
        assert report.overall is Outcome.INDETERMINATE
        assert report.headline.en.startswith("INDETERMINATE — ")
        agreeing = {one.id: one.outcome for one in report.findings if one.id.startswith("corroboration.")}
        assert len(agreeing) >= 5
        assert set(agreeing.values()) == {Outcome.PASSED}, "the parts of a forgery as a whole agree, and prove nothing"


def test_a_broken_work_log_is_said_to_break_where_it_does(shop: Workshop, tmp_path: Path) -> None:
    """The sample log has lines 1 to 3 after its header; a changed line shows in the next one, which names its hash."""
    for name, line in (
        ("worklog_line_gone_fail", 2),
        ("worklog_lines_swapped_fail", 1),
        ("worklog_line_edited_fail", 3),
    ):
        folder = tmp_path / name
        folder.mkdir()
        report = judged(CASES[name](replace(shop, folder=folder)), folder)
        finding = next(one for one in report.findings if one.id == "worklog.chain")
        assert finding.details["broken_at"] == line, name
        assert f"line {line}:" in finding.reason.en
        assert f"第 {line} 行" in finding.reason.zh


def test_the_time_of_an_anchor_is_what_its_token_says(shop: Workshop, tmp_path: Path) -> None:
    report = judged(CASES["anchor_stamped"](replace(shop, folder=tmp_path)), tmp_path)
    found = next(one for one in report.findings if one.id == "ledger.anchored")
    assert "time-stamp of 2026-11-23T03:04:05" in found.reason.en
    assert "2019" not in found.reason.en + found.reason.zh


def test_an_old_record_sealed_today_earns_no_vouched_lower_bound(shop: Workshop, tmp_path: Path) -> None:
    """T_open bounds when the record was put together; nothing may say that its bytes arrived after anything."""
    folder = tmp_path / "old"
    folder.mkdir()
    report = judged(CASES["time_old_record_resealed"](replace(shop, folder=folder)), folder)
    assert report.overall is Outcome.INDETERMINATE
    order = next(one for one in report.findings if one.id == "time.order")
    assert "before T_open" in order.reason.en
    bounds = [claim for claim in granted(report) if re.search(r"\bafter\b|not before|earlier", claim.says.en)]
    assert [claim.id for claim in bounds] == ["opened"]
    assert bounds[0].says.en == "The record was assembled after the opening time-stamp."
    assert bounds[0].limits.en == "Not that the page's bytes arrived after it."
    lower = re.compile(r"captured (not before|after)|arrived after|不早于")
    assert [claim.id for claim in CLAIMS if lower.search(claim.says.en + claim.says.zh)] == []
