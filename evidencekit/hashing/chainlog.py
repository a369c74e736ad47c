"""Hash-chained JSON lines: the work log and the custody log (docs/spec/worklog.md).

Each line holds the SHA-256 of the line before it, without its LF. So no line can be changed, dropped, added or moved
without breaking the chain, and the hash of the last line, the head, fixes the whole log. The custody log takes the
work log's head as its `previous`, which makes both one chain.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from evidencekit.errors import FormatError, StorageError, UsageError
from evidencekit.hashing.chainline import (
    MAX_LINE_BYTES,
    ChainHeader,
    ChainLine,
    LineOutcome,
    format_header,
    format_line,
    parse_header,
    parse_line,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from evidencekit.model import JsonValue

WORKLOG = "worklog"
CUSTODY = "custody"
MAX_LOG_BYTES = 64 << 20
NO_PREVIOUS = bytes(32)
"""`previous` of a log that continues no other."""
CLOCK_STEP = "clock.step"
"""The step of a line that says that the clock was set back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of a log: `lines` in the file, header included; `head`, the last line's hash; its number `n`."""

    lines: int
    head: bytes
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """What checking a log found.

    `lines`, `head` and `n` describe the part that is whole. `broken_at` is the number of the first bad line in the
    file (the header is 0), with the reason. `torn` says that only the end of the last line is missing, as a crash
    leaves it.
    """

    ok: bool
    lines: int
    head: bytes
    n: int
    broken_at: int | None = None
    reason: Text | None = None
    torn: bool = False


def parse_lines(data: bytes, format_name: str) -> Iterator[ChainLine]:
    """Read the lines of a whole log one by one, without checking the chain.

    Raises:
        FormatError: a line is not one, or the log is too large.
    """
    for index, raw in enumerate(_split(_within_limit(data, format_name))):
        if index == 0:
            parse_header(raw, format_name)
        else:
            yield parse_line(raw, f"{format_name}.jsonl line {index}")


def _within_limit(data: bytes, format_name: str) -> bytes:
    if len(data) > MAX_LOG_BYTES:
        raise FormatError(
            f"{format_name}.jsonl: {len(data)} bytes, more than the {MAX_LOG_BYTES} allowed",
            f"{format_name}.jsonl:{len(data)} 字节，超过上限 {MAX_LOG_BYTES}",
        )
    return data


def _split(data: bytes) -> Iterator[bytes]:
    """Yield lines without their LF; what stands after the last LF comes too, if it is not empty."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield data[start:end]
        start = end + 1


def _break_in(line: ChainLine, before: ChainLine | None, head: bytes, n: int) -> Text | None:
    """Say how `line` fails to follow the line `before`, whose hash is `head`, where number `n` is due."""
    if line.previous != head:
        return Text(en="its `previous` is not the hash of the line before", zh="其 previous 不是上一行的摘要")
    if line.n != n:
        return Text(en=f"its number is {line.n} where {n} is due", zh=f"行号为 {line.n}，应为 {n}")
    if before is None:
        return None
    if line.monotonic_ms < before.monotonic_ms:
        return Text(en="its monotonic_ms goes back", zh="monotonic_ms 倒退")
    if line.time < before.time and line.step != CLOCK_STEP:
        return Text(en="its time goes back and the line does not say so", zh="时间倒退且该行未予说明")
    return None


def check_chain(
    data: bytes,
    *,
    format_name: str,
    capture_id: str,
    previous: bytes = NO_PREVIOUS,
    first_n: int = 1,
) -> ChainCheck:
    """Check a complete log from its header to its head.

    Args:
        data: the file.
        format_name: `WORKLOG` or `CUSTODY`.
        capture_id: the capture that the log must be about.
        previous: the head of the log that this one must continue.
        first_n: the number that line 1 must have (a custody log continues the work log's count).

    Returns:
        The result; bad lines are a result and raise nothing.

    Raises:
        FormatError: the first line is not the header of such a log, or the file is over the limit.
    """
    lines = _split(_within_limit(data, format_name))
    raw = next(lines, b"")
    header = parse_header(raw, format_name)
    good = ChainHead(lines=1, head=hashlib.sha256(raw).digest(), n=first_n - 1)
    reason = _header_break(header, capture_id, previous)
    if reason is not None:
        return _broken(good, 0, reason)
    before: ChainLine | None = None
    complete = data.endswith(b"\n")
    expected_lines = data.count(b"\n") + (not complete)
    for index, raw in enumerate(lines, 1):
        if index == expected_lines - 1 and not complete:
            break
        try:
            line = parse_line(raw, f"{format_name}.jsonl line {index}")
        except FormatError as error:
            return _broken(good, index, Text(en=error.en, zh=error.zh))
        reason = _break_in(line, before, good.head, good.n + 1)
        if reason is not None:
            return _broken(good, index, reason)
        good = ChainHead(lines=index + 1, head=hashlib.sha256(raw).digest(), n=line.n)
        before = line
    if not complete:
        torn = Text(en="the last line is torn: its end is missing", zh="最后一行不完整：缺少结尾")
        return _broken(good, expected_lines - 1, torn, torn=True)
    return ChainCheck(ok=True, lines=good.lines, head=good.head, n=good.n)


def _header_break(header: ChainHeader, capture_id: str, previous: bytes) -> Text | None:
    if header.capture_id != capture_id:
        return Text(en="the header names another capture", zh="首行所记的取证编号不是本次取证")
    if header.previous != previous:
        return Text(en="the header does not continue the log before it", zh="首行未衔接前一日志")
    return None


def _broken(good: ChainHead, index: int, reason: Text, *, torn: bool = False) -> ChainCheck:
    return ChainCheck(ok=False, lines=good.lines, head=good.head, n=good.n, broken_at=index, reason=reason, torn=torn)


def _system_now() -> datetime:
    return datetime.now(UTC)


def _system_monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where a log takes its times from: aware UTC time, and milliseconds that never go back."""

    now: Callable[[], datetime] = _system_now
    monotonic_ms: Callable[[], int] = _system_monotonic_ms


class ChainWriter:
    """Writes a new log while things happen; many threads may append.

    A line is handed to the operating system when `append` returns, and is on disk when `sync` returns. What is written
    is public: the caller keeps secrets out of `object` and `detail`.
    """

    def __init__(
        self,
        path: Path,
        *,
        format_name: str,
        capture_id: str,
        previous: bytes = NO_PREVIOUS,
        first_n: int = 1,
        clock: Clock | None = None,
    ) -> None:
        """Create the log and write its header.

        Raises:
            StorageError: the file exists, or cannot be written.
        """
        self._path = path
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._lines = 0
        self._size = 0
        self._head = previous
        self._n = first_n - 1
        started = self._clock.now()
        self._last_time = started
        self._last_ms = 0
        self._fd = -1
        header = ChainHeader(format_name=format_name, capture_id=capture_id, previous=previous, started=started)
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._storage_error("create", error) from error
        self._write(format_header(header))
        self._sync_directory()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(
        self,
        step: str,
        *,
        object: str = "",  # noqa: A002 - the field's name in docs/spec/worklog.md
        outcome: LineOutcome = LineOutcome.OK,
        detail: Mapping[str, JsonValue] | None = None,
    ) -> int:
        """Write one line and give its number `n`.

        When the clock was set back since the last line, a line `clock.step` is written first and says by how much.

        Raises:
            UsageError: `detail` has no canonical JSON form, or makes a line longer than a reader takes.
            StorageError: the disk refuses, the log is full, or it is closed.
        """
        with self._lock:
            now = self._clock.now()
            back = self._last_time - now
            if back.total_seconds() > 0:
                microseconds = round(back.total_seconds() * 1_000_000)
                self._append(now, CLOCK_STEP, "", LineOutcome.WARNING, {"back_us": microseconds})
            return self._append(now, step, object, outcome, detail or {})

    def _append(
        self, now: datetime, step: str, subject: str, outcome: LineOutcome, detail: Mapping[str, JsonValue]
    ) -> int:
        milliseconds = max(self._clock.monotonic_ms(), self._last_ms)
        line = ChainLine(
            n=self._n + 1,
            time=now,
            monotonic_ms=milliseconds,
            step=step,
            object=subject,
            outcome=outcome,
            detail=detail,
            previous=self._head,
        )
        self._write(self._within_bounds(format_line(line), step))
        self._n += 1
        self._last_time = now
        self._last_ms = milliseconds
        return self._n

    def sync(self) -> None:
        """Wait until all lines are on disk; called at the borders of the steps.

        Raises:
            StorageError: the disk refuses, or the log is closed.
        """
        with self._lock:
            try:
                os.fsync(self._open_fd())
            except OSError as error:
                self._abandon()
                raise self._storage_error("write", error) from error

    def close(self) -> ChainHead:
        """Sync and close the log; give its end. May be called again.

        Raises:
            StorageError: the disk refuses.
        """
        if self._fd >= 0:
            self.sync()
            self._abandon()
        return self.head

    @property
    def head(self) -> ChainHead:
        """The end of the log as written so far."""
        with self._lock:
            return ChainHead(lines=self._lines, head=self._head, n=self._n)

    def _within_bounds(self, line: bytes, step: str) -> bytes:
        if len(line) > MAX_LINE_BYTES:
            raise UsageError(
                f"the log line {step!r} has {len(line)} bytes, over the {MAX_LINE_BYTES} allowed; shorten its detail",
                f"日志行 {step!r} 有 {len(line)} 字节，超过上限 {MAX_LINE_BYTES}；请缩短其 detail",
            )
        if self._size + len(line) >= MAX_LOG_BYTES:
            raise StorageError(
                f"the log {self._path} has reached its limit of {MAX_LOG_BYTES} bytes; end this session, start another",
                f"日志 {self._path} 已达上限 {MAX_LOG_BYTES} 字节；请结束本次会话，另开一次",
            )
        return line

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise StorageError(
                f"the log {self._path} is closed, or an earlier write to it failed; start a new capture",
                f"日志 {self._path} 已关闭，或先前写入失败；请重新开始取证",
            )
        return self._fd

    def _write(self, line: bytes) -> None:
        # After a failed write the file may end in half a line: nothing may follow it.
        fd = self._open_fd()
        rest = memoryview(line + b"\n")
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as error:
            self._abandon()
            raise self._storage_error("write", error) from error
        self._head = hashlib.sha256(line).digest()
        self._lines += 1
        self._size += len(line) + 1

    def _abandon(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _sync_directory(self) -> None:
        try:
            fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self._abandon()
            raise self._storage_error("create", error) from error

    def _storage_error(self, verb: str, error: OSError) -> StorageError:
        doing = {"create": "创建", "write": "写入"}[verb]
        return StorageError(
            f"cannot {verb} the log {self._path}: {error.strerror}; check free space and permissions",
            f"无法{doing}日志 {self._path}:{error.strerror}；请检查磁盘空间与权限",
        )
