"""Hostile containers against both verifiers: bounded time and memory, one clear sentence, nothing written (R67)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.forgeries import Workshop
from tests.conformance.hostile import HOSTILE, REFUSED, many_members
from tests.support.assembly import AT, make_keys
from tests.support.verifierpage import Sheet, open_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.assembly import Members

ROOT = Path(__file__).parents[2]
MANY = 1_000_000 if os.environ.get("EVIDENCEKIT_LONG") else 70_000
"""A page reads 65,536 members; the library 2^20."""
EXTRA_MIB = 400
CPU_S = 60
PAGE_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("verifier-page")]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    folder = tmp_path_factory.mktemp("hostile")
    return Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder).members()


@pytest.fixture(scope="module")
def runner() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).parent / "hostile_runner.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def sheet() -> Iterator[Sheet]:
    with open_sheet() as made:
        yield made
        assert made.requests == []


def by_command(runner: subprocess.Popen[str], path: Path) -> dict[str, object]:
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write(f"{path}\n")
    runner.stdin.flush()
    answer = json.loads(runner.stdout.readline())
    assert answer["written"] == []
    assert answer["cpu_s"] < CPU_S
    assert answer["extra_mib"] < EXTRA_MIB
    return dict(answer)


def written(name: str, members: Members, folder: Path) -> Path:
    path = folder / "bundle.zip"
    path.write_bytes(HOSTILE[name].make(members))
    return path


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_library_refuses(name: str, runner: subprocess.Popen[str], members: Members, tmp_path: Path) -> None:
    answer = by_command(runner, written(name, members, tmp_path))
    wanted = HOSTILE[name].wanted
    said = str(answer["stderr"])
    if wanted == REFUSED:
        assert answer["status"] == 10, said
        assert len([line for line in said.splitlines() if line.strip()]) == 1, said
        assert "Traceback" not in said
        assert "\0" not in said
        assert "\u202e" not in said
    else:
        assert answer["status"] == {"FAILED": 1, "INDETERMINATE": 3}[wanted[1]], said


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_page_refuses(name: str, sheet: Sheet, members: Members, tmp_path: Path) -> None:
    said = sheet.ask(written(name, members, tmp_path), at=AT, timeout_s=PAGE_S)
    wanted = HOSTILE[name].wanted
    if wanted == REFUSED:
        assert said.problem
        assert "\0" not in said.problem
        assert "\u202e" not in said.problem
        assert "an error of this page" not in said.problem
    else:
        assert not said.problem
        assert said.outcomes[wanted[0]] == wanted[1]


def test_library_bounds_the_number_of_members(runner: subprocess.Popen[str], tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(many_members(MANY))
    assert by_command(runner, path)["status"] == 10


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_page_bounds_the_number_of_members(sheet: Sheet, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(many_members(MANY))
    assert "use evidencekit verify" in sheet.ask(path, at=AT, timeout_s=PAGE_S).problem
