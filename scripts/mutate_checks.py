"""Deletes one note of one check at a time and asks whether a conformance case notices.

`python scripts/mutate_checks.py [--checks] [-v]`

Every statement `tally.fail(…)`, `.doubt(…)`, `.skip(…)` or `.note(…)` under `evidencekit/verify/` is one mutant: the
check no longer sees that one thing. The conformance cases are made once; each mutant judges them in a process of its
own until one case comes out otherwise than its `expected.json`. Survivors are listed; the status is 1 when there is
one that `tests/conformance/survivors.txt` does not name with its reason.

`--checks` takes the whole body of each check away instead, which is quicker; CI runs it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.conformance.catalogue import CASES, Exhibit, Workshop  # noqa: E402 - tests are no installed package
from tests.support.assembly import make_keys  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

VERIFY = ROOT / "evidencekit" / "verify"
EXPECTED = ROOT / "tests" / "conformance" / "cases"
SURVIVORS = ROOT / "tests" / "conformance" / "survivors.txt"
NOTES = frozenset({"fail", "doubt", "skip", "note"})
SHARED = frozenset({"tally", "trust", "policy", "outcome"})
"""Modules whose classes the exhibits hold or that decide nothing."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module's text with one thing gone; `name` stays the same when lines move."""

    module: str
    name: str
    source: str
    identifier: str = ""
    """The finding id, where one is written in the function."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One case, made: how it is judged and what must come of it."""

    name: str
    exhibit: Exhibit
    path: Path
    expected: Mapping[str, str]


def mutants(*, whole_checks: bool) -> Iterator[Mutant]:
    """Give every mutant of every module."""
    for path in sorted(VERIFY.glob("*.py")):
        if path.stem not in SHARED:
            yield from _of_module(path, whole_checks=whole_checks)


def _of_module(path: Path, *, whole_checks: bool) -> Iterator[Mutant]:
    text = path.read_text("utf-8")
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        targets = _closing(function) if whole_checks else _notes(function)
        for count, statement in enumerate(targets, 1):
            yield Mutant(
                module=f"evidencekit.verify.{path.stem}",
                name=f"{path.stem}.{function.name} #{count}",
                source=_without(text, statement, function if whole_checks else None),
                identifier=_identifier(function),
            )


def _identifier(function: ast.FunctionDef) -> str:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    named = [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "Tally"]
    return named[0].strip("'\"") if named else ""


def _notes(function: ast.FunctionDef) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in ast.walk(function):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in NOTES:
            found.append(node)  # type: ignore[arg-type] - an Expr is a statement
    return sorted(found, key=lambda one: one.lineno)


def _closing(function: ast.FunctionDef) -> list[ast.stmt]:
    """The last statement of a check: with nothing before it but its Tally, it passes whatever it is given."""
    makes_tally = any("Tally(" in ast.unparse(statement) for statement in function.body)
    return [function.body[-1]] if makes_tally and isinstance(function.body[-1], ast.Return) else []


def _without(text: str, statement: ast.stmt, whole: ast.FunctionDef | None) -> str:
    lines = text.splitlines()
    if whole is None:
        indent = " " * statement.col_offset
        return "\n".join([*lines[: statement.lineno - 1], f"{indent}pass", *lines[statement.end_lineno :]])
    identifier = next(
        node.args[0]
        for node in ast.walk(whole)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Tally"
    )
    indent = " " * (whole.col_offset + 4)
    body = f"{indent}return Tally({ast.unparse(identifier)}, '').close('gone', 'gone')"
    return "\n".join([*lines[: whole.body[0].lineno - 1], body, *lines[whole.end_lineno :]])


def make_cases(folder: Path) -> list[Made]:
    """Make every case once."""
    shop = Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder)
    made: list[Made] = []
    for name in sorted(CASES):
        home = folder / name
        home.mkdir()
        exhibit, path = CASES[name](replace(shop, folder=home)), folder / f"{name}.zip"
        if isinstance(exhibit.data, bytes):
            path.write_bytes(exhibit.data)
        else:
            for member, data in exhibit.data.items():
                (path / member).parent.mkdir(parents=True, exist_ok=True)
                (path / member).write_bytes(data)
        expected = json.loads((EXPECTED / name / "expected.json").read_text("utf-8"))["not_passed"]
        made.append(Made(name=name, exhibit=exhibit, path=path, expected=expected))
    # What must fail fails soonest when a note is gone.
    return sorted(made, key=lambda one: not one.name.endswith("_fail"))


def first_to_notice(mutant: Mutant | None, cases: Sequence[Made], folder: Path) -> str | None:
    """Judge the cases by the mutant, or by the library itself; name the first that comes out otherwise."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        noticed = "a crash"
        try:
            noticed = _judge(mutant, cases, folder) or ""
        finally:
            os.write(writer, noticed.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        said = answers.read()
    os.waitpid(pid, 0)
    return said or None


class _Finder:
    """Gives the mutated text for one module."""

    def __init__(self, module: str, path: Path) -> None:
        self._module, self._path = module, path

    def find_spec(self, name: str, _path: object = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self._path) if name == self._module else None


def _judge(mutant: Mutant | None, cases: Sequence[Made], folder: Path) -> str | None:
    if mutant is not None:
        changed = folder / f"mutant-{os.getpid()}.py"
        changed.write_text(mutant.source, "utf-8")
        sys.meta_path.insert(0, _Finder(mutant.module, changed))  # type: ignore[arg-type] - find_spec is all it needs
    package = sys.modules["evidencekit.verify"]
    for name in [name for name in sys.modules if name.startswith("evidencekit.verify.")]:
        stem = name.rpartition(".")[2]
        if stem not in SHARED:
            del sys.modules[name]
            # `from evidencekit.verify import …` takes what the package still holds.
            vars(package).pop(stem, None)
    verify_bundle = importlib.import_module("evidencekit.verify.verifier").verify_bundle
    # Cases that are about this finding notice soonest.
    for case in sorted(cases, key=lambda one: mutant is not None and mutant.identifier not in one.expected):
        terms = case.exhibit
        report = verify_bundle(case.path, trust=terms.trust, at=terms.at, policy=terms.policy, beside=terms.beside)
        found = {one.id: one.outcome.value for one in report.findings if one.outcome.value != "PASSED"}
        if found != case.expected:
            return case.name
    return None


def known_survivors() -> dict[str, str]:
    """Give the mutants that may live, with the reason."""
    lines = SURVIVORS.read_text("utf-8").splitlines() if SURVIVORS.is_file() else []
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def main(arguments: Sequence[str]) -> int:
    """Run every mutant; print the survivors."""
    known, survivors, count = known_survivors(), [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = make_cases(folder)
        untouched = first_to_notice(None, cases, folder)
        if untouched is not None:
            sys.stdout.write(f"{untouched} fails without any mutation; mend that first\n")
            return 1
        for mutant in mutants(whole_checks="--checks" in arguments):
            count += 1
            noticed = first_to_notice(mutant, cases, folder)
            if noticed is None and mutant.name not in known:
                survivors.append(mutant.name)
            if "-v" in arguments:
                sys.stdout.write(f"{mutant.name}: {noticed or 'LIVES'}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{count} mutants, {len(survivors)} live\n" + "".join(f"  {one}\n" for one in survivors))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
