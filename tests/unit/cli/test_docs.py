"""docs/cli.md says what the program says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.request import Mode
from evidencekit.model import EnvironmentControl, Relationship
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.main import evidencekit
from evidencekit_cli.options import ENVIRONMENT_CONTROLS, MODES, RELATIONSHIPS

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(text: str) -> list[str]:
    """Return the text without its line breaks, which other versions of click set elsewhere."""
    return text.split()


def test_the_help_in_the_document_is_what_the_program_prints() -> None:
    script = load_script("refresh_cli_docs")
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition(script.HEADING)[2]
    assert words(written) == words(script.sections())


def test_every_command_is_in_the_document() -> None:
    script = load_script("refresh_cli_docs")
    assert set(evidencekit.members) == {command.partition(" ")[0] for command in script.COMMANDS} - {""}


def test_every_exit_status_is_in_the_document() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {int(status) for status in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(ExitCode)


@pytest.mark.parametrize(
    ("choices", "kind"),
    [(MODES, Mode), (RELATIONSHIPS, Relationship), (ENVIRONMENT_CONTROLS, EnvironmentControl)],
)
def test_choices_are_those_of_the_library(
    choices: tuple[str, ...], kind: type[Mode | Relationship | EnvironmentControl]
) -> None:
    assert choices == tuple(member.value for member in kind)
