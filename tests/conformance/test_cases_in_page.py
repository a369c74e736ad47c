"""Every conformance case in verify.html: finding by finding what the library says, in one browser session.

The page differs in two points, on purpose: what only the bundle's own anchors support is INDETERMINATE there, where the
library reports it PASSED beside `trust.self`; and it does not read evidence records, which it says.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.forgeries import CASES, Exhibit, Workshop
from tests.support.assembly import make_keys
from tests.support.verifierpage import Boxes, Sheet, open_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPECTED = Path(__file__).parent / "cases"
FOLDERS = {"whole_unpacked"}
"""A browser gives a page files, and an unpacked folder has no ZIP to judge."""
ANCHORED = {
    "outer.timestamp",
    "seal.identity",
    "time.open",
    "time.capture",
    "time.seal",
    "time.order",
    "time.independent",
    "time.lasting",
    "ledger.checkpoint",
    "ledger.open",
    "ledger.independent",
}
RECORDS = {
    "certificate_expired_renewed",
    "certificate_expired_renewed_late",
    "record_of_other_data_fail",
    "record_without_manifest_fail",
}
NOT_HERE = {
    "corroboration.text",
    "corroboration.images",
    "corroboration.location",
    "corroboration.pictures",
    "corroboration.network",
}
"""Registered findings that the page does not check; it names them NOT_PERFORMED."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("verifier-page"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("keys")
    return Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder)


@pytest.fixture(scope="module")
def sheet() -> Iterator[Sheet]:
    with open_sheet(locale="zh-CN") as made:
        yield made
        assert made.requests == []


def boxes_of(exhibit: Exhibit) -> Boxes:
    policy = {"format": "evidencekit/policy", "version": 1, "signers": exhibit.policy.signers}
    text = json.dumps(policy | {"certificates": list(exhibit.policy.certificates)})
    return replace(Boxes.of(exhibit.trust), policy=text if exhibit.policy.asks else "")


@pytest.mark.parametrize("name", sorted(set(CASES) - FOLDERS - RECORDS))
def test_page_says_what_the_library_says(name: str, sheet: Sheet, shop: Workshop, tmp_path: Path) -> None:
    exhibit = CASES[name](replace(shop, folder=tmp_path))
    assert isinstance(exhibit.data, bytes)
    path = tmp_path / "bundle.zip"
    path.write_bytes(exhibit.data)
    expected = json.loads((EXPECTED / name / "expected.json").read_text("utf-8"))
    own = exhibit.trust.self_bundle
    said = sheet.ask(path, boxes_of(exhibit), at=exhibit.at, own=own)
    assert not said.problem
    wanted = {key: outcome for key, outcome in expected["not_passed"].items() if key not in NOT_HERE}
    found = {key: outcome for key, outcome in said.not_passed.items() if key not in NOT_HERE}
    if own:
        found = {key: outcome for key, outcome in found.items() if key in wanted or key not in ANCHORED}
    assert found == wanted
    if expected.get("broken") not in NOT_HERE:
        assert said.overall == expected["overall"]
    assert {said.outcomes[key] for key in NOT_HERE} <= {"NOT_PERFORMED"}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_page_says_that_it_reads_no_evidence_records(name: str, sheet: Sheet, shop: Workshop, tmp_path: Path) -> None:
    exhibit = CASES[name](replace(shop, folder=tmp_path))
    assert isinstance(exhibit.data, bytes)
    path = tmp_path / "bundle.zip"
    path.write_bytes(exhibit.data)
    said = sheet.ask(path, boxes_of(exhibit), at=exhibit.at)
    assert said.outcomes["outer.manifest"] == "INDETERMINATE"
    assert said.outcomes["time.lasting"] == "NOT_PERFORMED"
    assert said.overall == "INDETERMINATE"
