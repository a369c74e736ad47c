"""Take up a log that a kill cut short: drop the torn end of its last line, and say in the log that it was taken up."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, StorageError
from evidencekit.hashing.chainline import ChainLine, LineOutcome, format_line
from evidencekit.hashing.chainlog import CLOCK_STEP, ChainHead, check_chain, parse_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evidencekit.model import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line to come: its fields as in docs/spec/worklog.md."""

    step: str
    object: str = ""
    outcome: LineOutcome = LineOutcome.OK
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


def whole_lines(path: Path, *, format_name: str, capture_id: str, before: ChainHead) -> tuple[bytes, ChainHead]:
    """Read a log up to its last whole line.

    Args:
        path: the log, closed by everyone.
        format_name: `WORKLOG` or `CUSTODY`.
        capture_id: the capture that it is about.
        before: the end of the log that it continues.

    Returns:
        Its bytes without a torn last line, and its end.

    Raises:
        FormatError: it is broken elsewhere than at its torn end.
        StorageError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(path, error) from error
    check = check_chain(
        data, format_name=format_name, capture_id=capture_id, previous=before.head, first_n=before.n + 1
    )
    if not check.ok and not check.torn:
        raise FormatError(f"{path} is broken and cannot be continued", f"{path} 已损坏，无法续写")
    whole = data[: data.rindex(b"\n") + 1]
    return whole, ChainHead(lines=check.lines, head=check.head, n=check.n)


def continue_log(path: Path, whole: bytes, end: ChainHead, steps: Sequence[Step], *, format_name: str) -> None:
    """Cut the log to `whole` and append `steps` after its `end`, durably.

    Raises:
        StorageError: the disk refuses.
    """
    lines = list(parse_lines(whole, format_name))
    last = lines[-1] if lines else None
    added, head, n = b"", end.head, end.n
    for step in _with_clock_step(last, datetime.now(UTC), steps):
        n += 1
        line = format_line(_line(step, last, head, n))
        head, added = hashlib.sha256(line).digest(), added + line + b"\n"
    try:
        with path.open("r+b") as file:
            file.truncate(len(whole))
            file.seek(0, os.SEEK_END)
            file.write(added)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unusable(path, error) from error


def _with_clock_step(last: ChainLine | None, now: datetime, steps: Sequence[Step]) -> list[Step]:
    """A clock that was set back since the last line is said before anything else (docs/spec/worklog.md)."""
    back = 0.0 if last is None else (last.time - now).total_seconds()
    if back <= 0:
        return list(steps)
    said = Step(step=CLOCK_STEP, outcome=LineOutcome.WARNING, detail={"back_us": round(back * 1_000_000)})
    return [said, *steps]


def _line(step: Step, last: ChainLine | None, head: bytes, n: int) -> ChainLine:
    # Monotonic clocks start anew with the machine, and the log says that they never go back.
    milliseconds = max(time.monotonic_ns() // 1_000_000, last.monotonic_ms if last is not None else 0)
    return ChainLine(
        n=n,
        time=datetime.now(UTC),
        monotonic_ms=milliseconds,
        step=step.step,
        object=step.object,
        outcome=step.outcome,
        detail=step.detail,
        previous=head,
    )


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the log {path} cannot be continued: {error.strerror or error}; check free space and permissions",
        f"无法续写日志 {path}:{error.strerror or error}；请检查磁盘空间与权限",
    )
