"""Every conformance case in verify.html: finding by finding and layer by layer what the library says, in one browser.

The page differs in two points, on purpose: what only the bundle's own anchors support is INDETERMINATE there, where the
library reports it PASSED beside `trust.self`; and texts, pixels and the witnesses of the network are left to the
library, which bounds no verdict: no comparison is required, and none can fail.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.ledger.anchors.anchor import format_receipt
from evidencekit.signing.note import format_vkey
from evidencekit.verify.policy import Policy
from tests.conformance.catalogue import CASES, Exhibit, Workshop
from tests.conformance.test_cases import judged
from tests.support.assembly import make_keys
from tests.support.verifierpage import NOT_HERE, Boxes, Held, Sheet, by_library, open_sheet

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
    "time.film",
    "time.seal",
    "time.order",
    "time.independent",
    "time.lasting",
    "ledger.checkpoint",
    "ledger.open",
    "ledger.independent",
    "ledger.anchored",
}
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
    policy = exhibit.policy
    anchors = policy.anchors
    value = {
        "format": "evidencekit/policy",
        "version": 1,
        "signers": policy.signers,
        "certificates": policy.certificates,
        "roles": policy.roles,
        "tsas": policy.tsas,
        "witnesses": policy.witnesses,
        "findings": policy.findings,
        "anchors": {
            "signers": anchors.signers,
            "tsas": anchors.tsas,
            "logs": [format_vkey(log) for log in anchors.logs],
        },
    }
    return replace(Boxes.of(exhibit.trust), policy="" if policy == Policy() else json.dumps(value))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", sorted(set(CASES) - FOLDERS))
def test_page_says_what_the_library_says(name: str, sheet: Sheet, shop: Workshop, tmp_path: Path) -> None:
    exhibit = CASES[name](replace(shop, folder=tmp_path))
    assert isinstance(exhibit.data, bytes)
    path = tmp_path / "bundle.zip"
    path.write_bytes(exhibit.data)
    expected = json.loads((EXPECTED / name / "expected.json").read_text("utf-8"))
    own = exhibit.trust.self_bundle
    copies = [_written(tmp_path / f"copy-{n}", data) for n, data in enumerate(exhibit.copies)]
    receipts = [_written(tmp_path / f"{one.anchor}.json", format_receipt(one)) for one in exhibit.receipts]
    beside = Held(copies=copies, receipts=receipts)
    said = sheet.ask(path, boxes_of(exhibit), at=exhibit.at, own=own, beside=beside)
    assert not said.problem
    wanted = {key: outcome for key, outcome in expected["not_passed"].items() if key not in NOT_HERE}
    found = {key: outcome for key, outcome in said.not_passed.items() if key not in NOT_HERE}
    if own:
        found = {key: outcome for key, outcome in found.items() if key in wanted or key not in ANCHORED}
    assert found == wanted
    assert said.overall == expected["overall"]
    if not own:
        library = by_library(judged(exhibit, tmp_path))
        assert said.layers == library.layers
        # What failed is told in words of each one's own, and of what the page leaves out it cannot speak.
        if said.overall != "FAILED" and not NOT_HERE & set(expected["not_passed"]):
            assert said.sentence == library.sentence
    assert {said.outcomes.get(key, "NOT_PERFORMED") for key in NOT_HERE} == {"NOT_PERFORMED"}
    assert {expected["not_passed"].get(key) for key in NOT_HERE} <= {None, "INDETERMINATE", "NOT_PERFORMED"}
