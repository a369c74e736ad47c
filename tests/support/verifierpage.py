"""verify.html in a real Chromium, from disk and offline: one browser for many bundles."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.report.wording import layer_results
from evidencekit.signing.note import format_vkey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cryptography import x509
    from playwright.sync_api import Page

    from evidencekit.model import VerificationReport
    from evidencekit.verify.trust import Trust

PAGE = Path(__file__).parents[2] / "evidencekit" / "report" / "templates" / "verify.html"
RANKS = ("FAILED", "NOT_PERFORMED", "INDETERMINATE", "PASSED")


NOT_HERE = {"corroboration.text", "corroboration.pictures", "corroboration.network"}
"""Registered findings that the page leaves to the library: NOT_PERFORMED by name."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the page said of one file: outcomes by finding id and by layer, verdict and sentence; or why it refused."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    overall: str = ""
    sentence: str = ""
    problem: str = ""

    @property
    def not_passed(self) -> dict[str, str]:
        """The findings that are not PASSED, as `expected.json` lists them."""
        return {name: outcome for name, outcome in self.outcomes.items() if outcome != "PASSED"}


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """What a user pastes."""

    signers: str = ""
    tsas: str = ""
    log: str = ""
    policy: str = ""

    @staticmethod
    def of(trust: Trust) -> Boxes:
        """The anchors of the library's own arguments."""
        return Boxes(
            signers=_pem(trust.signers) + "".join(crl.public_bytes(Encoding.PEM).decode() for crl in trust.crls),
            tsas=_pem(trust.tsas),
            log="\n".join(format_vkey(log) for log in trust.logs),
        )


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a user has beside the bundle: copies of deposited files, later receipts of anchors."""

    copies: Sequence[Path] = ()
    receipts: Sequence[Path] = ()


class Sheet:
    """One open page and everything it asked of the outside."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.asked.append(f"error {error}"))
        page.goto(PAGE.as_uri())

    @property
    def requests(self) -> list[str]:
        """Every request and error but that for the page itself and for pictures out of the bundle."""
        return [url for url in self.asked if not url.startswith("blob:") and url != PAGE.as_uri()]

    def ask(
        self,
        path: Path,
        boxes: Boxes | None = None,
        *,
        at: datetime,
        own: bool = False,
        beside: Held | None = None,
        timeout_s: float = 60,
    ) -> Judgement:
        """Give the page a file and return what it says."""
        page, filled = self.page, boxes or Boxes()
        for name in ("signers", "tsas", "log", "policy"):
            page.fill(f"#{name}", getattr(filled, name))
        page.set_checked("#self", own)
        held = beside or Held()
        for name in ("copies", "receipts"):
            page.set_input_files(f"#{name}", [str(file) for file in getattr(held, name)])
        page.clock.set_fixed_time(at)
        page.set_input_files("#file", [])
        page.evaluate("document.getElementById('result').replaceChildren()")
        page.set_input_files("#file", str(path))
        page.wait_for_selector("#overall, #problem", timeout=1000 * timeout_s)
        if page.query_selector("#problem"):
            return Judgement(problem=page.text_content("#problem span") or "")
        rows = page.eval_on_selector_all(
            "tr[data-id]", "rows => rows.map(row => [row.dataset.id, row.dataset.outcome])"
        )
        found: dict[str, str] = {}
        for name, outcome in rows:
            found[name] = min(found.get(name, "PASSED"), outcome, key=RANKS.index)
        layers = page.eval_on_selector_all(
            "section[data-layer]", "all => all.map(one => [one.dataset.layer, one.dataset.outcome])"
        )
        overall = page.get_attribute("#overall", "data-outcome") or ""
        sentence = page.text_content("#overall span") or ""
        return Judgement(outcomes=found, layers=dict(layers), overall=overall, sentence=sentence)


@contextmanager
def open_sheet(*, locale: str = "en-GB", width: int = 1280, height: int = 900) -> Iterator[Sheet]:
    """Open verify.html in a browser that has no network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(offline=True, locale=locale, viewport={"width": width, "height": height})
        yield Sheet(context.new_page())
        browser.close()


def by_library(report: VerificationReport) -> Judgement:
    """The library's report in the same form."""
    found: dict[str, str] = {}
    for finding in report.findings:
        found[finding.id] = min(found.get(finding.id, "PASSED"), finding.outcome.value, key=RANKS.index)
    layers = {result.layer.id: result.outcome.value for result in layer_results(report)}
    sentence = report.headline.zh.partition(" — ")[2]
    return Judgement(outcomes=found, layers=layers, overall=report.overall.value, sentence=sentence)


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
