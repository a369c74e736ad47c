"""The set-up scripts: silent when all is there, one line saying what to do when it cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
TOOLS = ("sh", "id", "uname", "mktemp", "rm", "env")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts are for POSIX shells")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the barest tools: no browser, no apt-get, no fontconfig."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return str(folder)


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    return subprocess.run(
        ["/bin/sh", str(SCRIPTS / name), *arguments],
        capture_output=True,
        encoding="utf-8",
        env=kept | {"LC_ALL": "C.UTF-8"} | environment,
        timeout=120,
        check=False,
    )


@pytest.mark.browser
def test_an_installed_browser_is_used_without_a_word() -> None:
    process = run_script("ensure-browser", sys.executable)
    assert process.returncode == 0
    assert process.stdout == ""


@pytest.mark.slow
def test_without_a_browser_one_line_says_what_to_do(bare_path: str, tmp_path: Path) -> None:
    process = run_script(
        "ensure-browser",
        sys.executable,
        PATH=bare_path,
        HOME=str(tmp_path),
        PLAYWRIGHT_BROWSERS_PATH=str(tmp_path / "browsers"),
        PLAYWRIGHT_DOWNLOAD_HOST="http://127.0.0.1:1",
    )
    assert process.returncode == 11
    assert len(process.stderr.splitlines()) == 1
    assert "apt-get install chromium" in process.stderr
    assert "请安装" in process.stderr


def test_a_python_that_is_missing_or_too_old_is_named(bare_path: str, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    missing = run_script("ensure-venv", str(venv), PATH=bare_path, PYTHON="python3")
    assert missing.returncode == 1
    assert "Python 3.11 or newer" in missing.stderr
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    process = run_script("ensure-venv", str(venv), PYTHON=str(old))
    assert process.returncode == 1
    assert "Python 3.9.2" in process.stderr
    assert not venv.exists()


@pytest.mark.slow
def test_a_half_made_environment_is_made_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "left-over").write_text("")
    process = run_script("ensure-venv", str(venv), PYTHON=sys.executable)
    assert process.returncode == 0, process.stderr
    assert not (venv / "bin" / "left-over").exists()
    version = subprocess.run([str(venv / "bin" / "python"), "-m", "pip", "--version"], capture_output=True, check=False)
    assert version.returncode == 0
