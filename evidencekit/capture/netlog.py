"""Reading Chromium's network log (NetLog) as a stream while it is written: wanted events only, one line in memory.

The file is one JSON object whose writer puts the constants on the first line and each event on a line of its own
(net/log/file_net_log_observer.cc), fourteen events at most behind the browser. The event's type stands at the end of
its line, so that the many events nobody asks for are told apart without parsing them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.capture.cdp import Params, integer_of, mapping_of, value_at
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LINE_LIMIT: Final = 64 << 20
_PIECE: Final = 1 << 20
_TYPE: Final = b'"type":'
_NONE: Final = 0
BEGIN: Final = 1
END: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NetLogEvent:
    """One event: its name, phase (0 none, 1 begin, 2 end), source, time (ms, the browser's clock) and parameters."""

    name: str
    phase: int
    source: int
    time_ms: int
    params: Params


class NetLogReader:
    """Reads what was appended since the last time.

    Attributes:
        complete: whether the file was read to the end that the browser writes when it closes in order.
        events: lines read, wanted or not.
        skipped: lines that were no event or over the limit.
        missing: wanted events that this browser does not know, by name.
        offset_ms: add it to an event's time for milliseconds since 1970; None until the constants were read.
    """

    def __init__(self, path: Path, wanted: Mapping[str, Callable[[NetLogEvent], None]]) -> None:
        self.complete = False
        self.events = 0
        self.skipped = 0
        self.missing: tuple[str, ...] = ()
        self.offset_ms: int | None = None
        self.net_errors: dict[int, str] = {}
        self._path = path
        self._wanted = wanted
        self._handlers: dict[bytes, tuple[str, Callable[[NetLogEvent], None]]] = {}
        self._position = 0
        self._rest = b""
        self._dropping = False

    def read_more(self) -> None:
        """Read to the end of what is written; a file that is not there yet is empty."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                while piece := file.read(_PIECE):
                    self._position += len(piece)
                    self._take(piece)
        except FileNotFoundError:
            return

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self._position

    def _take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if self._dropping:
                self._dropping = False
            else:
                self._line(line)
        if len(self._rest) > LINE_LIMIT:
            self._rest, self._dropping = b"", True
            self.skipped += 1

    def _line(self, line: bytes) -> None:
        if self.offset_ms is None:
            self._constants(line)
            return
        at = line.rfind(_TYPE)
        if at < 0 or not line.startswith(b"{"):
            self.complete = self.complete or line.startswith(b'"polledData"')
            return
        self.events += 1
        found = self._handlers.get(line[at + len(_TYPE) :].rstrip(b",}] \r"))
        if found is None:
            return
        try:
            event = json.loads(line.rstrip(b",] \r"))
        except (ValueError, RecursionError):
            self.skipped += 1
            return
        name, handler = found
        source = integer_of(event, "source", "id")
        if source is None:
            self.skipped += 1
            return
        handler(
            NetLogEvent(
                name=name,
                phase=integer_of(event, "phase") or _NONE,
                source=source,
                time_ms=_milliseconds(event.get("time")),
                params=mapping_of(event.get("params")),
            )
        )

    def _constants(self, line: bytes) -> None:
        try:
            constants = json.loads(line.rstrip(b", \r") + b"}")
        except (ValueError, RecursionError):
            constants = {}
        types = mapping_of(value_at(constants, "constants", "logEventTypes"))
        self.offset_ms = integer_of(constants, "constants", "timeTickOffset") or 0
        self.missing = tuple(sorted(set(self._wanted) - set(types)))
        for name, handler in self._wanted.items():
            number = types.get(name)
            if isinstance(number, int):
                self._handlers[b"%d" % number] = (name, handler)
        for name, number in mapping_of(value_at(constants, "constants", "netError")).items():
            if isinstance(number, int):
                self.net_errors[number] = f"net::{name}"


def copy_without(source: Path, out: Path, names: frozenset[str]) -> None:
    """Copy a log without the events of these names, line by line.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        with source.open("rb") as lines, out.open("xb") as kept:
            first = lines.readline(LINE_LIMIT)
            kept.write(first)
            endings = tuple(b'"type":%d},' % number for number in _numbers(first, names))
            for line in lines:
                if not (endings and line.rstrip().endswith(endings)):
                    kept.write(line)
    except OSError as error:
        raise StorageError(
            f"cannot write {out}: {error.strerror or error}; free space on the disk and capture again",
            f"无法写入 {out}:{error.strerror or error}；请清理磁盘后重新取证",
        ) from error


def _numbers(first: bytes, names: frozenset[str]) -> tuple[int, ...]:
    try:
        constants = json.loads(first.rstrip(b", \r\n") + b"}")
    except (ValueError, RecursionError):
        return ()
    types = mapping_of(value_at(constants, "constants", "logEventTypes"))
    return tuple(number for name, number in types.items() if name in names and isinstance(number, int))


def _milliseconds(value: object) -> int:
    text = value if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0  # noqa: PLR2004 (fits 64 bits)
