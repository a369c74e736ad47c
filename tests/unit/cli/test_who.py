"""Who works: asked once where somebody can answer, kept in config.toml, never asked without a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import ConfigError
from evidencekit_cli.settings import read_settings
from evidencekit_cli.settingsfile import write_settings
from tests.support.program import Program

if TYPE_CHECKING:
    from pathlib import Path

ALONE = ("--no-third-party", "--tsa", "none", "--json")


def _deposit_at_a_terminal(home: Path, file: Path, typed: str) -> tuple[int, str]:
    """Run `deposit` with a terminal as stdin and stderr; `typed` waits there already."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "evidencekit_cli", "deposit", str(file), "--no-third-party", "--tsa", "none"]
    environment = {**os.environ, "EVIDENCEKIT_HOME": str(home), "LC_ALL": "C.UTF-8"}
    running = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=environment)
    os.close(theirs)
    os.write(ours, typed.encode())
    running.communicate(timeout=120)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # the terminal is gone with its last user
    os.close(ours)
    return running.returncode, shown.decode("utf-8", "replace")


def _operator(home: Path) -> dict[str, str]:
    bundle = max((home / "captures").glob("*.zip"), key=lambda path: path.stat().st_mtime_ns)
    with zipfile.ZipFile(bundle) as archive:
        operator = json.loads(archive.read("manifest.json"))["operator"]
    assert isinstance(operator, dict)
    return operator


@pytest.mark.browser
def test_a_terminal_is_asked_once_and_the_answers_are_kept(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "work.txt"
    file.write_text("a work")
    answers = "王小明\n天津某公司\ncounsel\nnotary_host\n天津\n维权取证\n依法维护自身合法权益\n"
    status, shown = _deposit_at_a_terminal(home, file, answers)
    assert status == 0, shown
    assert "Your name" in shown
    operator = _operator(home)
    assert operator == {
        "name": "王小明",
        "role": "operator",
        "relationship": "counsel",
        "environment_control": "notary_host",
        "identity": "unverified",
        "on_behalf_of": "天津某公司",
        "place": "天津",
        "purpose": "维权取证",
        "lawful_basis": "依法维护自身合法权益",
    }
    kept = tomllib.loads((home / "config.toml").read_text("utf-8"))["operator"]
    assert kept["place"] == "天津"
    status, shown = _deposit_at_a_terminal(home, file, "")
    assert status == 0, shown
    assert "Your name" not in shown
    assert _operator(home) == operator


@pytest.mark.browser
def test_nobody_is_asked_without_a_terminal_and_options_go_first(tmp_path: Path) -> None:
    program, file = Program(home=tmp_path / "home"), tmp_path / "work.txt"
    file.write_text("a work")
    done = program.run("deposit", str(file), *ALONE)
    assert done.status == 0, done.err
    operator = _operator(program.home)
    assert (operator["name"], operator["relationship"], operator["environment_control"]) == (
        "unnamed",
        "party",
        "party_host",
    )
    assert operator["identity"] == "unverified"
    assert not (program.home / "config.toml").exists()
    assert program.run("config", "set", "operator.place", "天津").status == 0
    stated = ("--on-behalf-of", "某公司", "--purpose", "x", "--lawful-basis", "y", "--role", "律师助理")
    assert program.run("deposit", str(file), *ALONE, *stated).status == 0
    operator = _operator(program.home)
    assert (operator["place"], operator["on_behalf_of"], operator["role"]) == ("天津", "某公司", "律师助理")


def test_setting_a_value_and_taking_it_back(tmp_path: Path) -> None:
    program = Program(home=tmp_path / "home")
    assert program.run("config", "set", "operator.name", 'Li "小" \\ x').status == 0
    assert program.run("config", "set", "capture.third_party", "false").status == 0
    assert program.run("config", "set", "environment.resolvers", "10.0.0.53", "10.0.0.54").status == 0
    settings = read_settings(program.home / "config.toml")
    assert settings.text("operator.name") == 'Li "小" \\ x'
    assert settings.flag("capture.third_party") is False
    assert settings.texts("environment.resolvers") == ("10.0.0.53", "10.0.0.54")
    assert program.run("config", "set", "capture.third_party").status == 0
    assert read_settings(program.home / "config.toml").flag("capture.third_party") is True
    for wrong in (
        ("operator.relationship", "friend"),
        ("no.such", "x"),
        ("capture.third_party", "maybe"),
        ("operator.name", "a", "b"),
    ):
        assert program.run("config", "set", *wrong).status == 2, wrong


_FILE = """# kept by the office
[operator]  # who
name = \"\"\"
old
name\"\"\"  # three lines
place = "here"

[tsa.x]
url = "https://x/"
name = 3
"""


def test_the_rest_of_the_file_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(_FILE)
    write_settings(file, {"operator.name": "new", "capture.mode": "fast"})
    assert file.read_text() == _FILE.replace('"""\nold\nname"""  # three lines', '"new"') + (
        '\n[capture]\nmode = "fast"\n'
    )
    write_settings(file, {"operator.name": None, "capture.mode": None})
    assert "new" not in file.read_text()
    assert "# kept by the office" in file.read_text()


@pytest.mark.parametrize("text", ['operator.name = "x"\n', 'operator = { name = "x" }\n', '[operator]\n"name" = "x"\n'])
def test_what_cannot_be_changed_safely_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        write_settings(file, {"operator.name": "y"})
    assert file.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]
