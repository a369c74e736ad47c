"""The README's `make capture`: the URL arrives as typed, status 3 is no failure, nothing expands it.

The real Makefile and program run in a folder of their own whose virtual environment is the one that
runs these tests. No browser starts: a loopback address is refused, and the refusal repeats it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOST = "http://127.0.0.1:9/"
QUERIES = [
    "?a=$(id)&b='x#y",
    "?a=$(shell touch expanded)&b=`touch expanded`;touch expanded&c=${HOME}$HOME$$&d=$",
    '? two  spaces "quoted" 100%25 % (1,2),[3] \\n\\\\ *?~! 山间茶铺🍵#fragment',
]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, its scripts, and an environment that make holds for finished."""
    folder = tmp_path / "check out"
    program = folder / ".venv" / "bin"
    program.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("python", "evidencekit"):
        script = program / name
        module = "" if name == "python" else "-m evidencekit_cli "
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        script.chmod(0o755)
    (folder / ".venv" / "pyvenv.cfg").touch()
    (folder / ".venv" / ".installed").touch()
    return folder


def run_make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment.pop("EVIDENCEKIT_URL", None)
    environment |= {"EVIDENCEKIT_HOME": str(checkout / "home"), "LC_ALL": "C.UTF-8"} | variables
    return subprocess.run(
        ["make", "--no-print-directory", "capture", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def refused_url(process: subprocess.CompletedProcess[str]) -> str:
    """Return the URL that the refusal repeats."""
    error = json.loads(process.stdout[process.stdout.index("{") :])
    assert error["code"] == "capture.blocked", process.stderr
    assert error["exit_status"] == 11
    assert isinstance(error["message"]["en"], str)
    return error["message"]["en"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_the_url_arrives_as_typed(checkout: Path, query: str, way: str) -> None:
    url = HOST + query
    given = (f"URL={url}",) if way == "argument" else ()
    variables = {} if way == "argument" else {"URL": url}
    process = run_make(checkout, "ARGS=--json", *given, **variables)
    assert url in refused_url(process)
    assert not (checkout / "expanded").exists()


def test_a_failed_capture_fails_make(checkout: Path) -> None:
    process = run_make(checkout, f"URL={HOST}")
    assert process.returncode == 2
    assert "127.0.0.1" in process.stderr
    assert "Error 11" in process.stderr


def test_status_3_is_explained_and_no_failure(tmp_path: Path) -> None:
    program = tmp_path / "evidencekit"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    process = subprocess.run(
        ["sh", str(ROOT / "scripts" / "run-capture"), str(program)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0
    assert "PENDING" in process.stderr
    assert "封存" in process.stderr
