"""verify.html in real Chromium, from disk and offline: what a sound bundle gets, what each change fails."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.report.page import verifier_page, verifier_page_sha256
from evidencekit.report.wording import CHECKS
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from tests.unit.report.sealed_sample import FILE, NUMBER, sealed_members, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "evidencekit" / "report" / "templates" / "verify.html"
SOURCES = ROOT / "web" / "verifier"
Members = dict[str, bytes]
Outcomes = dict[str, str]

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
NOT_CHECKED = {
    "archive.records",
    "archive.wacz",
    "devtools.exclusive",
    "exchanges.corroborated",
    "seal.revocation",
    "tls.handshake",
}
TIMES = {"time.open", "time.capture", "time.seal", "outer.timestamp"}
ANCHORED = TIMES | {"seal.identity", "ledger.checkpoint", "ledger.open"}
DIGESTS = {"sums.sha256", "sums.sm3", "outer.manifest"}


def test_packaged_page_is_what_the_sources_give() -> None:
    built = subprocess.run([sys.executable, str(SOURCES / "build.py"), "--check"], check=False)
    assert built.returncode == 0, "run python web/verifier/build.py"


def test_library_gives_the_page_and_its_digest() -> None:
    assert verifier_page() == PAGE.read_bytes()
    assert verifier_page_sha256() == hashlib.sha256(PAGE.read_bytes()).hexdigest()


def test_page_allows_itself_and_nothing_else() -> None:
    text = PAGE.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy is not None
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|fetch\(|XMLHttp", text
    )


def test_page_knows_the_registered_findings() -> None:
    rows = re.findall(r"\['([a-z.0-9]+)', '([a-z ]+)', (true|false)\]", (SOURCES / "src" / "findings.js").read_text())
    assert [(row[0], row[1], row[2] == "true") for row in rows] == [
        (check.id, check.layer, check.required) for check in CHECKS.values()
    ]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return sealed_members(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def sheet() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(offline=True, locale="en-GB").new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(PAGE.as_uri())
        page.clock.set_fixed_time("2026-11-23T04:00:00Z")
        yield page
        browser.close()
        assert [url for url in asked if not url.startswith("blob:")] == [PAGE.as_uri()]


def ask(sheet: Page, path: Path, anchors: Members | None = None, *, own: bool = False) -> Outcomes:
    """Gives the page a file and returns the outcome by finding id, with the overall one under its own name."""
    names = {"signers": "trust/signer.pem", "tsas": "trust/tsa.pem", "log": "trust/ledger.vkey"}
    for box, member in names.items():
        sheet.fill(f"#{box}", anchors[member].decode() if anchors else "")
    sheet.set_checked("#self", own)
    sheet.evaluate("document.getElementById('result').replaceChildren()")
    sheet.set_input_files("#file", [])
    sheet.set_input_files("#file", str(path))
    sheet.wait_for_selector("#overall, #result .verdict")
    rows = sheet.eval_on_selector_all("tr[data-id]", "rows => rows.map(row => [row.dataset.id, row.dataset.outcome])")
    overall = sheet.text_content("#result .verdict")
    return {**dict(rows), "overall": str(overall)}


@pytest.mark.browser
@needs_browser
def test_sound_bundle_with_anchors(sheet: Page, sound: Members, tmp_path: Path) -> None:
    outcomes = ask(sheet, write_file(sound, tmp_path / FILE), sound)
    open_ones = {name: outcome for name, outcome in outcomes.items() if outcome != "PASSED"}
    assert open_ones == {
        **dict.fromkeys(NOT_CHECKED, "NOT_PERFORMED"),
        "time.independent": "NOT_PERFORMED",
        "ledger.independent": "INDETERMINATE",
        "status.current": "NOT_PERFORMED",
        "overall": "INDETERMINATE",
    }
    assert NUMBER in str(sheet.text_content("#result"))


@pytest.mark.browser
@needs_browser
def test_a_stranger_gets_no_origin_time_or_ledger(sheet: Page, sound: Members, tmp_path: Path) -> None:
    outcomes = ask(sheet, write_file(sound, tmp_path / FILE))
    assert {name for name in ANCHORED if outcomes[name] == "INDETERMINATE"} == ANCHORED
    assert outcomes["time.order"] == "INDETERMINATE"
    assert outcomes["seal.signature"] == outcomes["manifest.artifacts"] == "PASSED"


@pytest.mark.browser
@needs_browser
def test_own_anchors_cap_the_verdict(sheet: Page, sound: Members, tmp_path: Path) -> None:
    outcomes = ask(sheet, write_file(sound, tmp_path / FILE), own=True)
    assert outcomes["trust.self"] == "INDETERMINATE"
    assert outcomes["overall"] == "INDETERMINATE"


@pytest.mark.browser
@needs_browser
def test_anchors_of_another_issuer_prove_nothing(sheet: Page, sound: Members, tmp_path: Path) -> None:
    others = sealed_members(tmp_path / "others")
    outcomes = ask(sheet, write_file(sound, tmp_path / FILE), others)
    assert {name for name in ANCHORED if outcomes[name] == "INDETERMINATE"} == ANCHORED


def _flip(name: str, at: int = -20) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        data = bytearray(members[name])
        data[at] ^= 1
        members[name] = bytes(data)

    return change


def _add(members: Members) -> None:
    members["extra.txt"] = b"added"


def _drop(members: Members) -> None:
    del members["capture/pages/0001/dom.html"]


CHANGES: list[tuple[str, Callable[[Members], None], set[str]]] = [
    ("added", _add, {"container.members", "sums.sha256", "sums.sm3", "outer.manifest"}),
    ("dropped", _drop, DIGESTS | {"manifest.artifacts"}),
    (
        "picture",
        _flip("capture/pages/0001/screenshot.png"),
        DIGESTS | {"manifest.artifacts"},
    ),
    ("seal", _flip("seal/manifest.p7s"), {"seal.signature", "ledger.entry", "time.seal"}),
    ("outer signature", _flip("META-INF/signature001.p7s"), {"outer.signature", "outer.manifest"}),
    ("outer token", _flip("META-INF/timestamp001.tst"), {"outer.timestamp"}),
    ("open token", _flip("seal/open-1.tsr"), {"time.open"}),
    ("capture token", _flip("seal/capture-0001-1.tsr"), {"time.capture"}),
    ("work log", _flip("capture/worklog.jsonl"), {"worklog.chain", "manifest.artifacts"}),
    ("custody log", _flip("proof/custody.jsonl", -400), {"custody.chain"}),
    ("entry", _flip("proof/entry.json"), {"ledger.entry", "ledger.inclusion"}),
    ("open entry", _flip("proof/open.json"), {"ledger.open"}),
    ("checkpoint", _flip("proof/entry.tlog-proof"), {"ledger.checkpoint"}),
    ("artifact salts", _flip("capture/records.jsonl", 400), {"manifest.artifacts"}),
    ("records", _flip("capture/records.jsonl"), {"manifest.records"}),
]


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(("change", "wanted"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_each_change_fails_its_finding(
    sheet: Page, sound: Members, tmp_path: Path, change: Callable[[Members], None], wanted: set[str]
) -> None:
    members = dict(sound)
    change(members)
    outcomes = ask(sheet, write_file(members, tmp_path / FILE), sound)
    assert {name for name in wanted if outcomes[name] != "FAILED"} == set()
    assert outcomes["overall"] == "FAILED"


def judged_by_library(path: Path, anchors: Members, folder: Path) -> Outcomes:
    """The worst outcome by finding id that the library gives the same file with the same anchors."""
    specs = []
    for role, member in (("signer", "trust/signer.pem"), ("tsa", "trust/tsa.pem"), ("log", "trust/ledger.vkey")):
        (folder / member.split("/")[1]).write_bytes(anchors[member])
        specs.append(f"{role}={folder / member.split('/')[1]}")
    report = verify_bundle(path, trust=load_trust(specs), at=datetime(2026, 11, 23, 4, tzinfo=UTC))
    ranks = ["FAILED", "NOT_PERFORMED", "INDETERMINATE", "PASSED"]
    worst: Outcomes = {}
    for finding in report.findings:
        worst[finding.id] = min(worst.get(finding.id, "PASSED"), finding.outcome.value, key=ranks.index)
    return worst


SAME_OR_CHANGED: dict[str, Callable[[Members], None]] = {
    "unchanged": lambda _: None,
    **{row[0]: row[1] for row in CHANGES},
}


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("change", SAME_OR_CHANGED.values(), ids=SAME_OR_CHANGED)
def test_page_never_passes_what_the_library_does_not(
    sheet: Page, sound: Members, tmp_path: Path, change: Callable[[Members], None]
) -> None:
    members = dict(sound)
    change(members)
    path = write_file(members, tmp_path / FILE)
    library, page = judged_by_library(path, sound, tmp_path), ask(sheet, path, sound)
    # What the library did not reach, because a document it depends on is broken, is not counted against the page.
    refused = {name for name, outcome in library.items() if outcome in {"FAILED", "INDETERMINATE"}}
    assert {name for name in refused if page[name] == "PASSED"} == set()
    assert (page["overall"] == "FAILED") == ("FAILED" in library.values())


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 40, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_bundle_is_said_in_one_sentence(sheet: Page, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    outcomes = ask(sheet, path)
    assert set(outcomes) == {"overall"}
    assert outcomes["overall"].startswith("This file cannot be read")


@pytest.mark.browser
@needs_browser
def test_both_languages_open_with_the_warning(sheet: Page) -> None:
    first = sheet.locator("body > :first-child")
    assert "supplied by the party" in str(first.text_content())
    sheet.click("#language")
    assert "请使用您自备的副本" in str(first.text_content())
    sheet.click("#language")
