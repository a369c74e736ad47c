"""What the layer contracts cannot see: what an import really loads, and what start-up costs."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

import evidencekit

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("cryptography", "dns", "nacl", "playwright", "requests", "rich", "warcio", "websockets")
NETWORK_AND_BROWSER = ("dns", "playwright", "requests", "urllib3", "websockets")


def loaded_by(statement: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after `statement`."""
    # Coverage's subprocess support imports modules of its own into the child.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    return set(shown.stdout.split())


def heavy_among(modules: set[str], heavy: tuple[str, ...]) -> list[str]:
    return sorted(name for name in modules if name.partition(".")[0] in heavy)


def test_the_facade_is_lazy() -> None:
    modules = loaded_by("import evidencekit")
    assert heavy_among(modules, HEAVY) == []
    assert "evidencekit.notary" not in modules


def test_verifying_loads_neither_browser_nor_network() -> None:
    modules = loaded_by("import evidencekit.verify.verifier, evidencekit.report.terminal, evidencekit.report.machine")
    assert heavy_among(modules, NETWORK_AND_BROWSER) == []
    assert [name for name in modules if name.startswith(("evidencekit.capture", "evidencekit.transport"))] == []


def test_the_command_line_starts_with_click_and_the_standard_library() -> None:
    modules = loaded_by("import evidencekit_cli.main")
    third_party = {
        name.partition(".")[0]
        for name in modules
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(("_", "sitecustomize"))
    }
    assert third_party - loaded_by_nothing() == {"click", "evidencekit_cli"}


@pytest.mark.parametrize("command", ["capture", "verify", "inspect", "list", "doctor", "config"])
def test_a_command_declares_itself_without_the_library(command: str) -> None:
    modules = loaded_by(f"import evidencekit_cli.commands.{command}")
    assert heavy_among(modules, HEAVY) == []
    own = {name for name in modules if name.startswith("evidencekit.")}
    assert own <= {"evidencekit.errors", "evidencekit.version"}


def loaded_by_nothing() -> set[str]:
    """Return what an interpreter loads by itself, such as hooks of editable installations."""
    return {name.partition(".")[0] for name in loaded_by("pass")}


def test_all_names_of_the_facade_exist_and_come_from_the_library() -> None:
    assert evidencekit.__all__
    assert sorted(evidencekit.__all__) == sorted(set(evidencekit.__all__))
    for name in evidencekit.__all__:
        value = getattr(evidencekit, name)
        home = getattr(value, "__module__", "evidencekit")
        assert home.startswith("evidencekit"), name
    assert set(evidencekit.__all__) <= set(dir(evidencekit))


def test_the_facade_has_no_other_names() -> None:
    with pytest.raises(AttributeError):
        getattr(evidencekit, "no_such_name")  # noqa: B009  mypy knows that it is not there


@pytest.mark.parametrize("package", sorted(path.parent for path in ROOT.glob("evidencekit/*/__init__.py")))
def test_package_files_hold_a_docstring_and_no_imports(package: Path) -> None:
    name = ".".join(package.relative_to(ROOT).parts)
    module = importlib.import_module(name)
    assert module.__doc__
    lines = (package / "__init__.py").read_text(encoding="utf-8").strip().splitlines()
    assert len(lines) == 1, lines


def cpu_seconds(arguments: list[str]) -> float:
    """Return the processor time of one run, which other work on the machine disturbs least."""
    # An installed program stands compiled: `pip install` does it, and here the first run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


@pytest.mark.slow
def test_help_costs_at_most_five_empty_interpreters() -> None:
    empty: list[float] = []
    shown: list[float] = []
    deadline = time.monotonic() + 30
    while len(empty) < 10 or (min(shown) > 5 * min(empty) and time.monotonic() < deadline):
        empty.append(cpu_seconds(["-c", "pass"]))
        shown.append(cpu_seconds(["-m", "evidencekit_cli", "--help"]))
    assert min(shown) <= 5 * min(empty), (min(shown), min(empty))
