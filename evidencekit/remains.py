"""What of a recorded process a kill left behind, counted: lines, shots, notes, film."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from evidencekit.model import Text

if TYPE_CHECKING:
    from pathlib import Path

_LOG_BYTES = 64 << 20
_MIB = 1 << 20


def remains_of(kept: Path) -> Text | None:
    """Say what is kept of a process in the folder of a killed session; None when it was none."""
    steps = _steps(kept / "worklog.jsonl")
    if not steps["process.screen"] and not steps["process.start"]:
        return None
    film = kept / "capture" / "bundle" / "capture" / "session.mp4"
    size = film.stat().st_size if film.is_file() else 0
    lines, shots, notes, parts = (
        sum(steps.values()),
        steps["process.shot"],
        steps["process.note"],
        steps["process.film"],
    )
    return Text(
        en=f"Of the process there are {lines} lines of its work log, {shots} shots, {notes} notes, and "
        f"{size / _MIB:.1f} MiB of film with {parts} logged digests; `evidencekit deposit` takes the files as they are",
        zh=f"过程部分保留了工作日志 {lines} 行、截图 {shots} 张、备注 {notes} 条、录像 {size / _MIB:.1f} MiB"
        f"(已记录摘要 {parts} 次)；可用 `evidencekit deposit` 将这些文件原样存证",
    )


def _steps(log: Path) -> Counter[str]:
    """How often each step stands in a work log; a last line that a crash tore is passed over."""
    counts: Counter[str] = Counter()
    try:
        with log.open("rb") as file:
            lines = file.read(_LOG_BYTES).split(b"\n")
    except OSError:
        return counts
    for line in lines[1:]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            counts[str(value.get("step"))] += 1
    return counts
