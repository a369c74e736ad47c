"""One line of a hash-chained log, and its header: docs/spec/worklog.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import JsonValue

VERSION = 1
MAX_LINE_BYTES = 1 << 20

_BEIJING = timezone(timedelta(hours=8))


class LineOutcome(StrEnum):
    """How a logged step ended."""

    OK = "ok"
    ERROR = "error"
    RETRY = "retry"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHeader:
    """Line 0. `previous` is the head of the log that this one continues, 32 bytes."""

    format_name: str
    capture_id: str
    previous: bytes
    started: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLine:
    """Line n >= 1. `monotonic_ms` counts milliseconds from an origin that only its writer knows."""

    n: int
    time: datetime
    monotonic_ms: int
    step: str
    object: str
    outcome: LineOutcome
    detail: Mapping[str, JsonValue]
    previous: bytes


def beijing_time(moment: datetime) -> str:
    """Write a time as China Standard Time, UTC+8, with microseconds: what a reader of the log in court expects."""
    return moment.astimezone(_BEIJING).isoformat(timespec="microseconds")


def format_header(header: ChainHeader) -> bytes:
    """Write line 0, without its LF."""
    return canonical_bytes(
        {
            "capture_id": header.capture_id,
            "format": f"evidencekit/{header.format_name}",
            "previous": header.previous.hex(),
            "started": format_time(header.started),
            "version": VERSION,
        }
    )


def format_line(line: ChainLine) -> bytes:
    """Write line n, without its LF."""
    return canonical_bytes(
        {
            "beijing": beijing_time(line.time),
            "detail": line.detail,
            "monotonic_ms": line.monotonic_ms,
            "n": line.n,
            "object": line.object,
            "outcome": line.outcome.value,
            "previous": line.previous.hex(),
            "step": line.step,
            "time": format_time(line.time),
        }
    )


def parse_header(data: bytes, format_name: str) -> ChainHeader:
    """Read line 0.

    Raises:
        FormatError: it is not the header of such a log.
    """
    what = f"{format_name}.jsonl header"
    fields = Fields(parse_canonical(data, limit=MAX_LINE_BYTES, what=what), what)
    check_version(fields, format_name, VERSION)
    return ChainHeader(
        format_name=format_name,
        capture_id=fields.text("capture_id", limit=64),
        previous=fields.octets("previous", 32),
        started=fields.time("started"),
    )


def parse_line(data: bytes, what: str) -> ChainLine:
    """Read line n; whether it fits the line before is `check_chain`'s question.

    Raises:
        FormatError: it is not a line of a log, or its two times are not the same instant.
    """
    fields = Fields(parse_canonical(data, limit=MAX_LINE_BYTES, what=what), what)
    moment = fields.time("time")
    try:
        same = fields.text("beijing", limit=64) == beijing_time(moment)
    except OverflowError:
        same = False
    if not same:
        fields.refuse("beijing", "is not the same instant as time", "与 time 不是同一时刻")
    return ChainLine(
        n=fields.integer("n", 1),
        time=moment,
        monotonic_ms=fields.integer("monotonic_ms"),
        step=fields.text("step"),
        object=fields.text("object"),
        outcome=fields.choice("outcome", LineOutcome),
        detail=fields.mapping("detail"),
        previous=fields.octets("previous", 32),
    )
