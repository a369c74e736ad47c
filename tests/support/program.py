"""The program as its user runs it: a process of its own, its own home, no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evidencekit.errors import FormatError
from evidencekit.home import Home
from evidencekit.ledger.entry import AbandonedEntry, CaptureEntry, Entry, OpenEntry, parse_entry
from evidencekit.ledger.fsck import fsck

LIMIT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on stderr, without the word before it; what was made or asked before does not count."""
        notes = ("first use: ", "首次使用", "stopping; ")
        lines = [line for line in self.err.splitlines() if line and not line.startswith(notes)]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("error: ").removeprefix("错误：").removeprefix("错误:")


@dataclass(frozen=True, kw_only=True)
class Program:
    """Commands with one home; `variables` are added to a small, plain environment."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "evidencekit_cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
            start_new_session=True,
        )

    def run(self, *arguments: str) -> Done:
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            except BaseException:
                process.kill()
                raise
        return Done(status=process.returncode, out=out, err=err)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        fixed = {"EVIDENCEKIT_HOME": str(self.home), "LC_ALL": "C.UTF-8", "no_proxy": "127.0.0.1,localhost"}
        return {**kept, **fixed, **self.variables}


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the ledger says: announcements that nothing closes, reasons of those abandoned, numbers of those sealed."""

    unclosed: list[int]
    reasons: list[str]
    numbers: list[str]


def read_ledger(home: Path) -> Announced:
    """Read the ledger of a home, which must be sound and signed."""
    keys = Home.open(home).keys(datetime.now(UTC))
    report = fsck(home / "ledger.sqlite", [keys.ledger.signer.verifier])
    assert report.is_sound, report.problems
    assert report.signed or report.size == 0
    entries = _entries(home)
    closed = [entry.open for entry in entries.values() if isinstance(entry, CaptureEntry | AbandonedEntry)]
    assert len(closed) == len(set(closed)), "an announcement was closed twice"
    return Announced(
        unclosed=[at for at, entry in entries.items() if isinstance(entry, OpenEntry) and at not in closed],
        reasons=[entry.reason for entry in entries.values() if isinstance(entry, AbandonedEntry)],
        numbers=[entry.number for entry in entries.values() if isinstance(entry, CaptureEntry)],
    )


def _entries(home: Path) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    opened = Home.open(home)
    with opened.ledger(opened.keys(datetime.now(UTC)).ledger) as ledger:
        for index, data in enumerate(ledger.entries(0)):
            with suppress(FormatError):
                found[index] = parse_entry(data)
        assert len(found) == ledger.size
    return found


def processes_naming(path: Path) -> list[int]:
    """Processes whose command line names `path`: a browser is started with its profile's."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(path) in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def leftovers(home: Path) -> list[Path]:
    """What a command that ended in order does not leave: work under way, beginnings of files."""
    pending = [path for path in (home / "pending").iterdir() if path.is_dir()]
    return [*pending, *home.rglob("*.part")]
