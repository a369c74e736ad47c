"""verify.html on every conformance case: it never passes a finding that the library refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.signing.note import format_vkey
from tests.conformance.forgeries import CASES, Exhibit, Workshop
from tests.support.assembly import make_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "evidencekit" / "report" / "templates" / "verify.html"
EXPECTED = ROOT / "tests" / "conformance" / "cases"
FOLDERS = {"whole_unpacked"}
POLICIES = {"policy_met", "policy_two_signers_missing"}
RANKS = ["FAILED", "NOT_PERFORMED", "INDETERMINATE", "PASSED"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("keys")
    return Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder)


@pytest.fixture(scope="module")
def sheet() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(offline=True, locale="zh-CN").new_page()
        page.goto(PAGE.as_uri())
        yield page
        browser.close()


def pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def ask(sheet: Page, exhibit: Exhibit, path: Path) -> dict[str, str]:
    """The worst outcome by finding id, and the overall one."""
    sheet.fill("#signers", pem(exhibit.trust.signers))
    sheet.fill("#tsas", pem(exhibit.trust.tsas))
    sheet.fill("#log", "\n".join(format_vkey(log) for log in exhibit.trust.logs))
    sheet.set_checked("#self", exhibit.trust.self_bundle)
    sheet.clock.set_fixed_time(exhibit.at)
    sheet.evaluate("document.getElementById('result').replaceChildren()")
    sheet.set_input_files("#file", [])
    sheet.set_input_files("#file", str(path))
    sheet.wait_for_selector("#overall")
    found: dict[str, str] = {}
    rows = sheet.eval_on_selector_all("tr[data-id]", "rows => rows.map(row => [row.dataset.id, row.dataset.outcome])")
    for name, outcome in rows:
        found[name] = min(found.get(name, "PASSED"), outcome, key=RANKS.index)
    return {**found, "overall": str(sheet.get_attribute("#overall", "data-outcome"))}


@pytest.mark.parametrize("name", sorted(set(CASES) - FOLDERS - POLICIES))
def test_page_refuses_what_the_library_refuses(name: str, sheet: Page, shop: Workshop, tmp_path: Path) -> None:
    exhibit = CASES[name](replace(shop, folder=tmp_path))
    assert isinstance(exhibit.data, bytes)
    path = tmp_path / "bundle.zip"
    path.write_bytes(exhibit.data)
    page = ask(sheet, exhibit, path)
    expected = json.loads((EXPECTED / name / "expected.json").read_text())
    refused = {key for key, outcome in expected["not_passed"].items() if outcome in {"FAILED", "INDETERMINATE"}}
    assert {key for key in refused if page.get(key) == "PASSED"} == set()
    broken = expected.get("broken")
    if broken and page[broken] != "NOT_PERFORMED":
        assert page["overall"] == "FAILED"
    if expected["overall"] != "FAILED":
        assert page["overall"] == "INDETERMINATE"
