"""Honest pages that make their texts in twenty ways agree with their record; edited ones do not."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle.reader import open_bundle
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest
from evidencekit.corroboration.images import judge_images
from evidencekit.corroboration.location import judge_location
from evidencekit.corroboration.texts import judge_texts
from evidencekit.home import Home
from evidencekit.model import Outcome
from evidencekit.notary import preserve
from evidencekit.verify.case import Case
from evidencekit.verify.corroboration import CorroborationChecks
from evidencekit.verify.trust import Trust
from tests.support.honestpages import NAMES, asset_files, serve_bids, shop_files
from tests.support.preserved import _serve, trusted_context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from evidencekit.corroboration.record import Record
    from evidencekit.notary import Evidence

# What its module makes is made once: one worker runs it whole.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("corroboration")]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One page of the session, judged with nothing but its own requests."""

    record: Record
    evidence: Evidence


@contextmanager
def sites(folder: Path) -> Generator[BrowserOptions]:
    context = trusted_context(folder)
    with ExitStack() as stack:
        ports = [stack.enter_context(_serve(files, context)) for files in (shop_files(), asset_files())]
        bids = stack.enter_context(serve_bids(context))
        rules = (
            f"MAP shop.test:443 127.0.0.1:{ports[0]},MAP cdn.test:443 127.0.0.1:{ports[1]},"
            f"MAP cdn.test:8443 127.0.0.1:{bids}"
        )
        yield BrowserOptions(home=folder / "browserhome", extra_args=(f"--host-resolver-rules={rules}",))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("honest")
    urls = tuple(f"https://shop.test/{name}" for name in NAMES)
    with sites(folder) as browser:
        request = CaptureRequest(urls=urls, allow_private=True, third_party=False)
        evidence = preserve(
            urls, home=Home.open(folder / "home"), request=request, tsas=(), output=folder / "b.zip", browser=browser
        )
    with (
        open_bundle(evidence.bundle) as bundle,
        closing(Case(bundle, "b.zip", trust=Trust.stranger(), at=datetime.now(UTC))) as case,
    ):
        yield Judged(record=CorroborationChecks(case).record(), evidence=evidence)


def alone(record: Record, name: str) -> Record:
    """The record of one page alone, so that no other page's responses can speak for it."""
    page = record.pages[NAMES.index(name)]
    own = tuple(line for line in record.lines if line.page in {page.id, ""})
    names = {line.id for line in own}

    def blocks(wanted: Callable[[str, int], bool]) -> Iterator[tuple[str, bytes]]:
        return record.blocks(lambda block, size: block.partition(".")[0] in names and wanted(block, size))

    return replace(record, pages=(page,), lines=own, blocks=blocks)


def test_all_of_a_session_of_honest_pages_agrees(honest: Judged) -> None:
    found = {each.id: each for each in honest.evidence.report.findings if each.id.startswith("corroboration.")}
    assert {name: each.outcome for name, each in found.items()} == dict.fromkeys(found, Outcome.PASSED), [
        each.reason.en for each in found.values()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_honest_page_is_not_flagged(name: str, honest: Judged) -> None:
    record = alone(honest.record, name)
    texts = judge_texts(record)
    assert texts.notes == [], json.dumps(texts.details, ensure_ascii=False)
    assert judge_images(record).notes == []
    assert judge_location(record).notes == []
