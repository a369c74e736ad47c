"""What of a recorded process a kill left behind: counted, held against its work log, and given out to be deposited."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.model import Text

if TYPE_CHECKING:
    from pathlib import Path

_LOG = "worklog.jsonl"
_FILES = "capture/bundle"
_FILM = f"{_FILES}/capture/session.mp4"
_LOG_BYTES = 64 << 20
_READ_BYTES = 1 << 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Files of a session that was killed, its work log first, and the sentence that says how far they go.

    Private originals are not among them: they hold what a bundle withholds.
    """

    files: tuple[Path, ...]
    cut_short: Text


def is_killed_session(folder: Path) -> bool:
    """Whether a folder is what a killed session left (`interrupted/` of a home)."""
    return (folder / _LOG).is_file()


def take_remains(folder: Path) -> Remains:
    """Give out what a killed session left, and hold its film against the digests in its work log."""
    log = folder / _LOG
    files = sorted(path for path in (folder / _FILES).rglob("*") if path.is_file() and not path.is_symlink())
    lines = _lines(log)
    last = str(lines[-1].get("time", "")) if lines else ""
    steps = Counter(str(line.get("step")) for line in lines)
    digests = [_segment(line) for line in lines if line.get("step") == "process.film"]
    matching = _matching(folder / _FILM, [each for each in digests if each is not None])
    film_en = (
        f"; {matching} of the {len(digests)} digests of the film in its work log match the film" if digests else ""
    )
    film_zh = f"；工作日志所载录像摘要 {len(digests)} 个，与录像相符 {matching} 个" if digests else ""
    return Remains(
        files=(log, *files),
        cut_short=Text(
            en=f"the session was cut short by a kill: its work log ends with line {len(lines)} at {last}, after "
            f"{steps['process.shot']} shots; nothing after that was recorded{film_en}",
            zh=f"会话被强行中断：工作日志止于第 {len(lines)} 行({last})，其间截图 {steps['process.shot']} 张；"
            f"其后未作记录{film_zh}",
        ),
    )


def _segment(line: dict[str, object]) -> tuple[int, str] | None:
    detail = line.get("detail")
    if not isinstance(detail, dict):
        return None
    size, digest = detail.get("size"), detail.get("sha256")
    return (size, digest) if isinstance(size, int) and isinstance(digest, str) else None


def _matching(film: Path, segments: list[tuple[int, str]]) -> int:
    """How many of the digests are those of the film's beginnings; one pass over the film."""
    found, done, running = 0, 0, hashlib.sha256()
    try:
        with film.open("rb") as file:
            for size, digest in sorted(segments):
                while done < size:
                    data = file.read(min(size - done, _READ_BYTES))
                    if not data:
                        return found
                    running.update(data)
                    done += len(data)
                found += running.hexdigest() == digest
    except OSError:
        return found
    return found


def remains_of(kept: Path) -> Text | None:
    """Say what is kept of a process in the folder of a killed session; None when it was none."""
    steps = Counter(str(line.get("step")) for line in _lines(kept / _LOG))
    if not steps["process.screen"] and not steps["process.start"]:
        return None
    folder = shlex.quote(str(kept))
    film = kept / _FILM
    size = film.stat().st_size if film.is_file() else 0
    lines, shots, notes, parts = (
        sum(steps.values()),
        steps["process.shot"],
        steps["process.note"],
        steps["process.film"],
    )
    return Text(
        en=f"Of the process there are {lines} lines of its work log, {shots} shots, {notes} notes, and "
        f"{size / _MIB:.1f} MiB of film with {parts} logged digests; `evidencekit deposit {folder}` seals "
        "them as they are, as PARTIAL",
        zh=f"过程部分保留了工作日志 {lines} 行、截图 {shots} 张、备注 {notes} 条、录像 {size / _MIB:.1f} MiB"
        f"(已记录摘要 {parts} 次)；可用 `evidencekit deposit {folder}` 将其原样封存，并注明不完整",
    )


def _lines(log: Path) -> list[dict[str, object]]:
    """The lines of a work log after its header; a last line that a crash tore is passed over."""
    try:
        with log.open("rb") as file:
            raw = file.read(_LOG_BYTES).split(b"\n")[1:]
    except OSError:
        return []
    lines: list[dict[str, object]] = []
    for each in raw:
        try:
            value = json.loads(each)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines
