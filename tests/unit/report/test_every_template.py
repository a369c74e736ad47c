"""The claim gate (R33) over every document that the program can make, in both languages: no template gets past it.

Each template is found by walking the folder, so that a new one cannot be forgotten.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evidencekit.exports.courtfiles import _SLOT, label_html, readme
from evidencekit.model import Digests, Text
from evidencekit.report import catalogue, rule902
from evidencekit.report.blocks import document_html
from evidencekit.report.claims import CLAIMS, overclaims

TEMPLATES = Path(catalogue.__file__).parent / "templates"
PAGES = sorted(path for path in TEMPLATES.iterdir() if path.suffix in {".html", ".md", ".sh", ".css"})
DENIALS_OF_THE_PAGE = (
    "it is no blockchain",
    "本账本不是区块链",
    "The ledger is not a blockchain",
    "账本不是区块链",
)
SUMS = Digests(sha256="0" * 64, sm3="1" * 64)


def test_every_template_is_walked() -> None:
    assert {path.name for path in PAGES} == {path.name for path in TEMPLATES.iterdir() if path.is_file()}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_template_claims_by_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for denial in DENIALS_OF_THE_PAGE:
        text = text.replace(denial, "")
    assert overclaims(text) == ()
    for claim in CLAIMS:
        assert claim.says.en not in text
        assert claim.says.zh not in text


def exported() -> dict[str, str]:
    row = catalogue.CatalogueRow(
        number="1-1",
        name=Text(en="evidence bundle", zh="证据包"),
        source="https://shop.test/",
        formed="2026-11-23 11:04:05",
        pages=(1, 2),
        kind=catalogue.ORIGINAL,
        file="3-disc/x.zip",
        digests=SUMS,
    )
    listed = catalogue.Catalogue(
        matter=None,
        rows=(row,),
        total_pages=2,
        made=Text(en="2026-11-23", zh="2026-11-23"),
        verdicts=(("X", Text(en="INDETERMINATE", zh="INDETERMINATE")),),
        trust=Text(en="none", zh="无"),
    )
    system = rule902.System(
        number="X",
        tool="evidencekit 1",
        browser="Chromium 156",
        system="Linux",
        started="a",
        finished="b",
        urls=("https://shop.test/",),
        manifest_sha256="0" * 64,
        checks_performed=1,
        checks_total=2,
    )
    items = (rule902.Item(path="capture/page.wacz", formed="b", digests=SUMS),)
    return {
        "catalogue": document_html(catalogue.TITLE, catalogue.catalogue_blocks(listed)),
        "902(13)": document_html(catalogue.TITLE, rule902.draft_13(system, items)),
        "902(14)": document_html(catalogue.TITLE, rule902.draft_14(system, items)),
        "readme": readme(50 << 20),
        "translations": _SLOT,
        "label": label_html((), None, datetime(2026, 11, 23, tzinfo=UTC), "0" * 64),
    }


@pytest.mark.parametrize("name", sorted(exported()))
def test_no_export_claims_anything_that_its_bundle_did_not_show(name: str) -> None:
    text = exported()[name]
    assert overclaims(text) == ()
    for claim in CLAIMS:
        assert claim.says.en not in text
        assert claim.says.zh not in text
