"""The hash chain: whatever is done to a line shows, and a crash is told from a change."""

from __future__ import annotations

import hashlib
import itertools
import json
import resource
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, StorageError, UsageError
from evidencekit.hashing.chainline import LineOutcome
from evidencekit.hashing.chainlog import (
    CUSTODY,
    NO_PREVIOUS,
    WORKLOG,
    ChainCheck,
    ChainHead,
    ChainWriter,
    Clock,
    check_chain,
    parse_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

CAPTURE_ID = "ab" * 16
START = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)


def stepping(*steps_s: float) -> Clock:
    """Make a clock that advances by the given seconds, then by one second a reading."""
    moments = itertools.accumulate(itertools.chain([0.0], steps_s, itertools.repeat(1.0)))
    counts = itertools.count(100, 7)
    return Clock(now=lambda: START + timedelta(seconds=next(moments)), monotonic_ms=lambda: next(counts))


def write_log(path: Path, lines: int = 3) -> ChainHead:
    with ChainWriter(path, format_name=WORKLOG, capture_id=CAPTURE_ID, clock=stepping()) as log:
        for index in range(lines):
            log.append("page.load", object=f"https://example.com/{index}", detail={"status": 200})
        log.sync()
        return log.close()


def check_log(data: bytes, previous: bytes = NO_PREVIOUS) -> ChainCheck:
    return check_chain(data, format_name=WORKLOG, capture_id=CAPTURE_ID, previous=previous)


def test_lines_are_those_of_the_spec(tmp_path: Path) -> None:
    head = write_log(tmp_path / "worklog.jsonl")
    raw = (tmp_path / "worklog.jsonl").read_bytes().split(b"\n")[:-1]
    assert json.loads(raw[0]) == {
        "capture_id": CAPTURE_ID,
        "format": "evidencekit/worklog",
        "previous": "0" * 64,
        "started": "2026-11-23T03:04:05.678901Z",
        "version": 1,
    }
    assert json.loads(raw[1]) == {
        "beijing": "2026-11-23T11:04:06.678901+08:00",
        "detail": {"status": 200},
        "monotonic_ms": 100,
        "n": 1,
        "object": "https://example.com/0",
        "outcome": "ok",
        "previous": hashlib.sha256(raw[0]).hexdigest(),
        "step": "page.load",
        "time": "2026-11-23T03:04:06.678901Z",
    }
    assert head == ChainHead(lines=4, head=hashlib.sha256(raw[-1]).digest(), n=3)


def test_custody_continues_the_work_log(tmp_path: Path) -> None:
    worklog = write_log(tmp_path / "worklog.jsonl")
    custody = tmp_path / "custody.jsonl"
    with ChainWriter(
        custody, format_name=CUSTODY, capture_id=CAPTURE_ID, previous=worklog.head, first_n=worklog.n + 1
    ) as log:
        assert log.append("manifest.write") == 4
        end = log.close()
    data = custody.read_bytes()
    good = check_chain(data, format_name=CUSTODY, capture_id=CAPTURE_ID, previous=worklog.head, first_n=4)
    assert (good.ok, good.lines, good.head, good.n) == (True, 2, end.head, 4)
    for previous, first_n, broken_at in ((bytes(32), 4, 0), (worklog.head, 1, 1)):
        bad = check_chain(data, format_name=CUSTODY, capture_id=CAPTURE_ID, previous=previous, first_n=first_n)
        assert (bad.ok, bad.broken_at) == (False, broken_at)


def test_the_whole_log_checks_and_reads(tmp_path: Path) -> None:
    head = write_log(tmp_path / "log")
    data = (tmp_path / "log").read_bytes()
    assert check_log(data) == ChainCheck(ok=True, lines=head.lines, head=head.head, n=head.n)
    lines = list(parse_lines(data, WORKLOG))
    assert [line.n for line in lines] == [1, 2, 3]
    assert lines[0].outcome is LineOutcome.OK
    assert lines[0].time == START + timedelta(seconds=1)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    head = write_log(tmp_path / "log", lines=2)
    data = (tmp_path / "log").read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x01
        try:
            result = check_log(bytes(changed))
        except FormatError:
            continue
        # The last line and the header's own time are fixed by the head that the manifest holds.
        assert not result.ok or result.head != head.head, position


@pytest.mark.parametrize(
    ("order", "broken_at"),
    [([0, 2, 1, 3], 1), ([0, 1, 3], 2), ([0, 2, 3], 1), ([0, 1, 1, 2, 3], 2), ([0, 1, 2, 3, 3], 4)],
)
def test_moved_dropped_and_doubled_lines_are_found(tmp_path: Path, order: list[int], broken_at: int) -> None:
    write_log(tmp_path / "log")
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    result = check_log(b"".join(lines[index] for index in order))
    assert (result.ok, result.broken_at, result.lines) == (False, broken_at, broken_at)
    assert result.reason is not None


def rechained(lines: list[dict[str, object]]) -> bytes:
    """Write lines whose hashes are right, so that only their content can be wrong."""
    raw: list[bytes] = []
    for line in lines:
        if raw:
            line["previous"] = hashlib.sha256(raw[-1]).hexdigest()
        raw.append(json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    return b"".join(line + b"\n" for line in raw)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n": 5}, "where 2 is due"),
        ({"monotonic_ms": 1}, "monotonic_ms goes back"),
        ({"time": "2026-11-23T03:04:05.000000Z", "beijing": "2026-11-23T11:04:05.000000+08:00"}, "time goes back"),
        ({"beijing": "2026-11-23T11:04:07.000000+08:00"}, "same instant"),
        ({"time": "9999-12-31T23:59:59.000000Z"}, "same instant"),
        ({"outcome": "fine"}, "not one of"),
        ({"detail": []}, "object"),
        ({"step": 1}, "text"),
    ],
)
def test_content_that_does_not_fit_is_found(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    write_log(tmp_path / "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert check_log(rechained(lines)).ok
    lines[2] |= change
    result = check_log(rechained(lines))
    assert not result.ok
    assert result.broken_at == 2
    assert result.reason is not None
    assert complaint in result.reason.en


def test_a_clock_that_is_set_back_is_logged(tmp_path: Path) -> None:
    clock = stepping(1, -3600, 1)
    with ChainWriter(tmp_path / "log", format_name=WORKLOG, capture_id=CAPTURE_ID, clock=clock) as log:
        log.append("one")
        log.append("two")
        assert log.append("three") == 4
    data = (tmp_path / "log").read_bytes()
    lines = list(parse_lines(data, WORKLOG))
    assert [line.step for line in lines] == ["one", "clock.step", "two", "three"]
    assert lines[1].detail == {"back_us": 3_600_000_000}
    assert check_log(data).ok


def test_a_torn_last_line_is_told_from_a_change(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    data = (tmp_path / "log").read_bytes()
    whole = data.rindex(b"\n", 0, -1) + 1
    for end in range(whole + 1, len(data)):
        result = check_log(data[:end])
        assert (result.ok, result.torn, result.broken_at, result.lines, result.n) == (False, True, 3, 3, 2)
    assert check_log(data[:whole]).ok
    changed = data.replace(b"example.com/0", b"example.org/0")[:-5]
    assert (check_log(changed).torn, check_log(changed).broken_at) == (False, 2)


@given(st.binary(max_size=300))
def test_garbage_after_the_header_raises_nothing(rest: bytes) -> None:
    header = (
        b'{"capture_id":"'
        + CAPTURE_ID.encode()
        + b'","format":"evidencekit/worklog","previous":"'
        + b"0" * 64
        + b'","started":"2026-11-23T03:04:05.678901Z","version":1}\n'
    )
    result = check_log(header + rest)
    assert result.ok == (not rest)


@given(st.binary(max_size=200))
def test_no_header_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        check_log(data)


def test_another_capture_or_format_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    data = (tmp_path / "log").read_bytes()
    result = check_chain(data, format_name=WORKLOG, capture_id="cd" * 16)
    assert (result.ok, result.broken_at) == (False, 0)
    with pytest.raises(FormatError):
        check_chain(data, format_name=CUSTODY, capture_id=CAPTURE_ID)


def test_many_threads_make_one_chain(tmp_path: Path) -> None:
    with ChainWriter(tmp_path / "log", format_name=WORKLOG, capture_id=CAPTURE_ID) as log:

        def work(thread: int) -> None:
            for index in range(50):
                log.append("work", detail={"thread": thread, "index": index})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        head = log.close()
    result = check_log((tmp_path / "log").read_bytes())
    assert (result.ok, result.n, result.head) == (True, 400, head.head)


def test_a_killed_writer_leaves_every_line_that_was_appended(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from evidencekit.hashing.chainlog import ChainWriter\n"
        f"log = ChainWriter(Path(sys.argv[1]), format_name='worklog', capture_id='{CAPTURE_ID}')\n"
        "for i in range(100): log.append('step', detail={'i': i})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "log"], check=False)
    assert done.returncode == -9
    result = check_log((tmp_path / "log").read_bytes())
    assert (result.ok, result.n) == (True, 100)


def test_an_existing_log_is_never_touched(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    before = (tmp_path / "log").read_bytes()
    with pytest.raises(StorageError, match="cannot create"):
        ChainWriter(tmp_path / "log", format_name=WORKLOG, capture_id=CAPTURE_ID)
    assert (tmp_path / "log").read_bytes() == before


def test_a_closed_log_takes_no_line(tmp_path: Path) -> None:
    log = ChainWriter(tmp_path / "log", format_name=WORKLOG, capture_id=CAPTURE_ID)
    assert log.close() == log.close()
    with pytest.raises(StorageError, match="closed"):
        log.append("late")


def test_lines_that_no_reader_takes_are_not_written(tmp_path: Path) -> None:
    with ChainWriter(tmp_path / "log", format_name=WORKLOG, capture_id=CAPTURE_ID) as log:
        with pytest.raises(UsageError, match="over the"):
            log.append("long", detail={"text": "x" * (1 << 20)})
        with pytest.raises(UsageError, match="canonical"):
            log.append("surrogate", object="\ud800")
        log.append("good")
    assert check_log((tmp_path / "log").read_bytes()).n == 1


def test_after_a_failed_write_nothing_follows_half_a_line(tmp_path: Path) -> None:
    # A file size limit makes the kernel cut a write short, as a full disk does.
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from evidencekit.errors import StorageError\n"
        "from evidencekit.hashing.chainlog import ChainWriter\n"
        f"log = ChainWriter(Path(sys.argv[1]), format_name='worklog', capture_id='{CAPTURE_ID}')\n"
        "log.append('first')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        "for step in ('second', 'third'):\n"
        "    try:\n"
        "        log.append(step, detail={'text': 'x' * 400})\n"
        "    except StorageError as error:\n"
        "        print(error.en)\n"
    )
    assert hasattr(resource, "RLIMIT_FSIZE")
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "log"], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert "cannot write" in first
    assert "an earlier write to it failed" in second
    result = check_log((tmp_path / "log").read_bytes())
    assert (result.torn, result.n) == (True, 1)
