"""Names of running programs: /proc on Linux, `ps` on macOS, `tasklist` on Windows."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 4096
_NAME_CHARS = 200


def running_programs(process_folder: Path, system: str) -> tuple[str, ...] | None:
    """Give the names of running programs, at most 4,096; `None` when they cannot be listed.

    On Linux the kernel cuts names to 15 bytes (proc(5), /proc/pid/comm).
    """
    if (process_folder / "self").exists():
        return _from_proc(process_folder)
    if system == "darwin":
        listed = output_of("ps", "-axco", "comm=")
        return None if listed is None else parse_ps(listed)
    if system == "win32":
        listed = output_of("tasklist", "/fo", "csv", "/nh")
        return None if listed is None else parse_tasklist(listed)
    return None


def parse_ps(listed: str) -> tuple[str, ...]:
    """Read what `ps -axco comm=` prints: one name a line."""
    return tuple(line.strip()[:_NAME_CHARS] for line in listed.splitlines()[:_MOST] if line.strip())


def parse_tasklist(listed: str) -> tuple[str, ...]:
    """Read what `tasklist /fo csv /nh` prints: the image name first; `.exe` is left out."""
    rows = csv.reader(listed.splitlines()[:_MOST])
    return tuple(row[0][:_NAME_CHARS].removesuffix(".exe") for row in rows if row and row[0])


def _from_proc(folder: Path) -> tuple[str, ...]:
    names: list[str] = []
    for entry in folder.iterdir():
        if not entry.name.isdigit() or len(names) >= _MOST:
            continue
        try:
            names.append((entry / "comm").read_text("utf-8", "replace").strip())
        except OSError:
            continue  # it ended meanwhile
    return tuple(names)
