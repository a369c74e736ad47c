"""Declared steps after the first page: numbered shots, secrets by reference, and a step that fails."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from evidencekit.hashing.process import Marker, parse_process
from tests.support.market import PASSWORD, SESSION, USER, open_market
from tests.support.program import Program, leftovers, read_ledger
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALONE = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party")
SIGN_IN = """goto {url}login
type "#user" {user}
type "#password" env:SHOP_PASSWORD
click "#go"
wait "#knob"
deed login
"""
LOOK = """goto {url}item/7
marker price
click "#seller"
marker seller
tab 1
scroll 1
shot
"""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    browser()


@pytest.fixture
def market() -> Iterator[str]:
    with open_market() as url:
        yield url


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(home=tmp_path / "home", variables={"SHOP_PASSWORD": PASSWORD})


def members_of(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_script_signs_in_looks_and_shoots(tmp_path: Path, program: Program, market: str) -> None:
    script, bundle = tmp_path / "steps.txt", tmp_path / "steps.zip"
    script.write_text((SIGN_IN + LOOK).format(url=market, user=USER))
    done = program.run(
        "capture", "--script", str(script), "--account-owner", "李明", "-o", str(bundle), *ALONE, "--json"
    )
    assert done.status == 0, done.err
    report = json.loads(program.run("verify", str(bundle), "--json").out)
    assert [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"] == []

    members = members_of(bundle)
    process = parse_process(members["capture/process.json"])
    assert (process.kind, process.ended_by, process.account_owner) == ("script", "script", "李明")
    assert [(shot.marker, shot.tab) for shot in process.shots] == [
        (Marker.PRICE, 1),
        (Marker.SELLER, 2),
        (None, 1),
        (None, 1),
    ]
    assert "type '#password' env:SHOP_PASSWORD" in process.steps
    log = [json.loads(line) for line in members["capture/worklog.jsonl"].splitlines()[1:]]
    steps = [line["object"] for line in log if line["step"] == "process.step"]
    assert steps == list(process.steps)
    for secret in (PASSWORD, SESSION):
        assert [name for name, data in members.items() if secret.encode() in data] == []
    manifest = json.loads(members["manifest.json"])
    assert "湖畔茶庄".encode() in members["capture/pages/0003/text.txt"]
    assert len(manifest["t_capture"]) == len(manifest["pages"]) == 5
    assert "Input.dispatchMouseEvent" in {each["kind"] for each in manifest["transformations"]}
    assert manifest["request"]["process"]["steps"] == list(process.steps)


def test_a_step_that_fails_ends_the_script_and_is_named(tmp_path: Path, program: Program, market: str) -> None:
    script, bundle = tmp_path / "steps.txt", tmp_path / "steps.zip"
    script.write_text(f"goto {market}login\nshot\ntab 4\nclick '#user'\n")
    done = program.run("capture", "--script", str(script), "-o", str(bundle), *ALONE, "--json")
    assert done.status == 3, done.err
    (partial,) = json.loads(done.out)["partial"]
    assert "line 3 of the script (tab 4) failed: there is no tab 4; 1 later steps were not done" in partial["en"]
    process = parse_process(members_of(bundle)["capture/process.json"])
    assert (process.ended_by, len(process.shots)) == ("step failed", 2)


@pytest.mark.parametrize("text", ["jump x", "goto {url}", "type a env:"])
def test_a_script_that_cannot_run_is_refused_before_anything_is_announced(
    tmp_path: Path, program: Program, market: str, text: str
) -> None:
    script = tmp_path / "steps.txt"
    script.write_text(text.format(url=market))
    done = program.run("capture", "--script", str(script), *ALONE)
    assert done.status == 2, done.err
    assert not program.home.exists() or (leftovers(program.home) == [] and read_ledger(program.home).unclosed == [])
