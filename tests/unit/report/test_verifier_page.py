"""verify.html in real Chromium, from disk and offline: what a sound bundle gets, what each change fails."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evidencekit.report.page import verifier_page, verifier_page_sha256
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from tests.support.verifierpage import NOT_HERE, PAGE, Boxes, Judgement, Sheet, by_library, open_sheet
from tests.unit.report.sealed_sample import FILE, sealed_members, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "web" / "verifier"
Members = dict[str, bytes]

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
pytestmark = pytest.mark.xdist_group("verifier-page")
ANCHORED = {
    "time.open",
    "time.capture",
    "time.seal",
    "outer.timestamp",
    "seal.identity",
    "ledger.checkpoint",
    "ledger.open",
}
DIGESTS = {"sums.sha256", "sums.sm3", "outer.manifest"}
AT = datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_packaged_page_is_what_the_sources_give() -> None:
    built = subprocess.run([sys.executable, str(SOURCES / "build.py"), "--check"], check=False)
    assert built.returncode == 0, "run python web/verifier/build.py"


def test_sources_hold_their_types() -> None:
    checked = subprocess.run(["npx", "tsc", "--noEmit"], cwd=SOURCES, capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_library_gives_the_page_and_its_digest() -> None:
    assert verifier_page() == PAGE.read_bytes()
    assert verifier_page_sha256() == hashlib.sha256(PAGE.read_bytes()).hexdigest()


def test_page_allows_itself_and_nothing_else() -> None:
    text = PAGE.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy is not None
    assert script is not None
    assert style is not None
    script_hash, style_hash = (
        base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() for found in (script, style)
    )
    assert policy[1] == (
        f"default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; img-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_sources_use_nothing_that_runs_or_fetches_foreign_text() -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\bfetch\(|XMLHttp|WebSocket"
        r"|sendBeacon|import\("
    )
    for source in (SOURCES / "src").glob("*.ts"):
        assert re.search(forbidden, source.read_text()) is None, source.name


def test_lock_file_pins_every_package_by_digest() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")} == set()
    wanted = json.loads((SOURCES / "package.json").read_text())
    versions = wanted["dependencies"] | wanted["devDependencies"]
    assert {name for name, version in versions.items() if not version[0].isdigit()} == set()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return sealed_members(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def sheet() -> Iterator[Sheet]:
    with open_sheet() as made:
        yield made
        assert made.requests == []


def boxes_from(anchors: Members) -> Boxes:
    return Boxes(
        signers=anchors["trust/signer.pem"].decode(),
        tsas=anchors["trust/tsa.pem"].decode(),
        log=anchors["trust/ledger.vkey"].decode(),
    )


@pytest.mark.browser
@needs_browser
def test_page_shows_its_own_digest(sheet: Sheet) -> None:
    assert sheet.page.text_content("#own") == hashlib.sha256(PAGE.read_bytes()).hexdigest()


@pytest.mark.browser
@needs_browser
def test_fingerprints_obtained_elsewhere_are_anchors(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    prints = {}
    for role in ("signer", "tsa"):
        certificate = x509.load_pem_x509_certificate(sound[f"trust/{role}.pem"])
        prints[role] = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    boxes = Boxes(signers=f"SHA256 {prints['signer']}", tsas=prints["tsa"], log=sound["trust/ledger.vkey"].decode())
    path = write_file(sound, tmp_path / FILE)
    by_pem, by_print = sheet.ask(path, boxes_from(sound), at=AT), sheet.ask(path, boxes, at=AT)
    assert by_print.outcomes["seal.identity"] == by_print.outcomes["time.seal"] == "PASSED"
    assert by_print == by_pem
    wrong = sheet.ask(path, replace(boxes, signers="00" * 32), at=AT)
    assert wrong.outcomes["seal.identity"] == "INDETERMINATE"


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("text", ["not an anchor", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_bad_anchors_are_said_in_one_sentence(sheet: Sheet, sound: Members, tmp_path: Path, text: str) -> None:
    assert sheet.ask(write_file(sound, tmp_path / FILE), Boxes(signers=text), at=AT).problem


@pytest.mark.browser
@needs_browser
def test_a_stranger_gets_no_origin_time_or_ledger(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    outcomes = sheet.ask(write_file(sound, tmp_path / FILE), at=AT).outcomes
    assert {name for name in ANCHORED if outcomes[name] == "INDETERMINATE"} == ANCHORED
    assert outcomes["time.order"] == "INDETERMINATE"
    assert outcomes["seal.signature"] == outcomes["manifest.artifacts"] == "PASSED"


@pytest.mark.browser
@needs_browser
def test_own_anchors_give_no_origin_and_no_time(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    said = sheet.ask(write_file(sound, tmp_path / FILE), at=AT, own=True)
    assert {name for name in ANCHORED if said.outcomes[name] == "INDETERMINATE"} == ANCHORED
    assert said.outcomes["trust.self"] == said.overall == "INDETERMINATE"


@pytest.mark.browser
@needs_browser
def test_own_anchors_beside_given_ones_take_nothing_away(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    said = sheet.ask(write_file(sound, tmp_path / FILE), boxes_from(sound), at=AT, own=True)
    assert {said.outcomes[name] for name in ANCHORED} == {"PASSED"}
    assert said.overall == "INDETERMINATE"


@pytest.mark.browser
@needs_browser
def test_anchors_of_another_issuer_prove_nothing(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    others = sealed_members(tmp_path / "others")
    outcomes = sheet.ask(write_file(sound, tmp_path / FILE), boxes_from(others), at=AT).outcomes
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


def judged_by_library(path: Path, anchors: Members, folder: Path) -> Judgement:
    specs = []
    for role, member in (("signer", "trust/signer.pem"), ("tsa", "trust/tsa.pem"), ("log", "trust/ledger.vkey")):
        (folder / member.split("/")[1]).write_bytes(anchors[member])
        specs.append(f"{role}={folder / member.split('/')[1]}")
    return by_library(verify_bundle(path, trust=load_trust(specs), at=AT))


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(
    ("change", "wanted"),
    [(lambda _: None, set[str]()), *(row[1:] for row in CHANGES)],
    ids=["unchanged", *(row[0] for row in CHANGES)],
)
def test_each_change_fails_its_finding_as_in_the_library(
    sheet: Sheet, sound: Members, tmp_path: Path, change: Callable[[Members], None], wanted: set[str]
) -> None:
    members = dict(sound)
    change(members)
    path = write_file(members, tmp_path / FILE)
    said = sheet.ask(path, boxes_from(sound), at=AT)
    assert {name for name in wanted if said.outcomes[name] != "FAILED"} == set()
    library = judged_by_library(path, sound, tmp_path)
    assert _judged_here(said) == _judged_here(library)
    assert said.overall == library.overall


def _judged_here(said: Judgement) -> dict[str, str]:
    return {name: outcome for name, outcome in said.not_passed.items() if name not in NOT_HERE}


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 40, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_bundle_is_said_in_one_sentence(sheet: Sheet, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    said = sheet.ask(path, at=AT)
    assert said.problem
    assert not said.outcomes


@pytest.mark.browser
@needs_browser
def test_both_languages_open_with_the_warning(sheet: Sheet) -> None:
    first = sheet.page.locator("body > :first-child")
    assert "supplied by the party" in str(first.text_content())
    sheet.page.click("#language")
    assert "请使用您自备的副本" in str(first.text_content())
    sheet.page.click("#language")


@pytest.mark.browser
@needs_browser
def test_certificate_is_shown_as_words_and_never_runs(sheet: Sheet, sound: Members, tmp_path: Path) -> None:
    members = dict(sound)
    members["certificate.html"] = (
        b"<h1>Words <b>shown</b></h1><img src=x onerror=alert(1)><p>a\xe2\x80\xaeb</p>"
        b"<script>document.title='run'</script><iframe src='https://elsewhere.test/'></iframe>"
    )
    sheet.ask(write_file(members, tmp_path / FILE), at=AT)
    shown = sheet.page.locator(".certificate")
    assert shown.inner_text().split() == [
        "Words",
        "shown",
        "a\N{MATHEMATICAL LEFT ANGLE BRACKET}U+202E\N{MATHEMATICAL RIGHT ANGLE BRACKET}b",
    ]
    assert shown.locator("img, script, iframe").count() == 0
    assert sheet.page.title() != "run"
