"""The libraries that this program runs on: each installed file against the installer's record (R11, FM15).

RECORD lists SHA-256 of every file of a distribution (PyPA, "Recording installed projects").
"""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import JsonValue, Text

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_CODE: Final = frozenset({".py", ".so", ".pyd", ".dll", ".dylib", ".js", ".mjs"})
_MOST_BYTES: Final = 32 << 20
_SHOWN: Final = 5
_MOST_PACKAGES: Final = 200
_MOST_NAMED: Final = 100


@dataclass(slots=True, kw_only=True)
class _Tally:
    deadline: float
    records: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    changed: list[str] = field(default_factory=list[str])
    large: list[str] = field(default_factory=list[str])
    compared: int = 0
    late: bool = False

    def compare(self, root: Path, path: str, digest: str) -> None:
        """Hash one file, if there is time."""
        self.late = self.late or time.monotonic() > self.deadline
        if self.late:
            return
        found = _digest(root / path)
        if found == "":
            self.large.append(path)
            return
        self.compared += 1
        if found != digest:
            self.changed.append(path)


def probe_dependencies(context: ProbeContext) -> Observation:
    """Hash the code of every library that this program needs, and its record."""
    tally = _Tally(deadline=time.monotonic() + context.options.hashing_s)
    for name in needed_packages("evidencekit"):
        try:
            _add(tally, name, metadata.distribution(name))
        except metadata.PackageNotFoundError:
            continue
    observed: dict[str, JsonValue] = {
        "records": tally.records,
        "compared": tally.compared,
        "changed": list(tally.changed[:_MOST_NAMED]),
        "too_large": list(tally.large),
    }
    raw = "\n".join(tally.changed[:_MOST_NAMED])
    if tally.changed:
        shown = ", ".join(tally.changed[:_SHOWN])
        return warned(
            f"{len(tally.changed)} files of libraries differ from what was installed: {shown}",
            f"有 {len(tally.changed)} 个程序库文件与安装时不同：{shown}",
            observed,
            raw,
        )
    if tally.late:
        return not_performed(
            f"not every library could be compared in time; {tally.compared} files were, and agree",
            f"未能及时比对全部程序库；已比对的 {tally.compared} 个文件一致",
            observed,
        )
    return passed(
        f"{tally.compared} files of {len(tally.records)} libraries are as they were installed",
        f"{len(tally.records)} 个程序库的 {tally.compared} 个文件与安装时一致",
        observed,
    )


def _add(tally: _Tally, name: str, distribution: metadata.Distribution) -> None:
    record = distribution.read_text("RECORD")
    tally.records[name] = {
        "version": distribution.version,
        "record_sha256": None if record is None else hashlib.sha256(record.encode()).hexdigest(),
    }
    root = Path(str(distribution.locate_file("")))
    for path, digest in _recorded(record or ""):
        tally.compare(root, path, digest)


def needed_packages(name: str) -> list[str]:
    """Give the distributions that `name` needs to run, directly or not, in alphabetical order; extras left out."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting and len(found) < _MOST_PACKAGES:
        try:
            required = metadata.requires(waiting.pop()) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in required:
            match = _NAME.match(requirement)
            if match and "extra ==" not in requirement and (one := match[0].lower()) not in found:
                found[one] = None
                waiting.append(one)
    return sorted(found)


def _recorded(record: str) -> list[tuple[str, str]]:
    rows = csv.reader(record.splitlines())
    return [
        (row[0], row[1].removeprefix("sha256="))
        for row in rows
        if len(row) > 1 and row[1].startswith("sha256=") and Path(row[0]).suffix in _CODE
    ]


def _digest(path: Path) -> str | None:
    """SHA-256 as RECORD writes it; `None` when it cannot be read, empty text when it is too large to wait for."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ""
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


PROBE = Probe(
    id="tool.dependencies",
    name=Text(en="Libraries of this program", zh="取证程序所用程序库"),
    method=Text(en="SHA-256 of library files against RECORD", zh="将程序库文件的 SHA-256 与 RECORD 比对"),
    run=probe_dependencies,
)
