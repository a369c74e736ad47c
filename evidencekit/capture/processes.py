"""Which browser process is ours: pid and start time, so that a later run ends exactly that one and no other.

A pid alone may have been given to another program since; pid, start time and boot id together name one process
(proc(5): field 22 of `/proc/PID/stat`, `/proc/sys/kernel/random/boot_id`). Where there is no `/proc`, `ps` gives
the start time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evidencekit.errors import StorageError

RECORD_NAME = "browser.json"
_RECORD_LIMIT = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process and no other: `started` is the kernel's start time in its own notation."""

    pid: int
    started: str
    boot: str


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process; None when there is none or it has already ended (zombie)."""
    if not Path("/proc/self/stat").exists():
        return _identify_by_ps(pid)
    try:
        # The command name (field 2) may hold spaces and brackets: count fields after its last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        if fields[0] in {"Z", "X"}:
            return None
        return ProcessIdentity(pid=pid, started=fields[19], boot=_BOOT_ID.read_text().strip())
    except (OSError, IndexError):
        return None


def _identify_by_ps(pid: int) -> ProcessIdentity | None:
    try:
        shown = subprocess.run(  # noqa: S603 (fixed words and a number)
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 (ps is where the system has it)
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    started = shown.stdout.strip()
    return ProcessIdentity(pid=pid, started=started, boot="") if started else None


def group_runs(group: int) -> bool:
    """Say whether a process group has a member that still runs; what is dead and not reaped does not count.

    Where the system does not tell (no procfs), the answer is yes.
    """
    try:
        numbers = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return True
    told = False
    for number in numbers:
        try:
            # proc(5): after the name in parentheses come state, parent and process group.
            state, _, of = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        told = True
        if of == str(group) and state not in {"Z", "X"}:
            return True
    return not told


def record_browser(staging: Path, identity: ProcessIdentity) -> None:
    """Write the identity to `<staging>/browser.json`, durable before the browser is used.

    Raises:
        StorageError: the file cannot be written.
    """
    document = {"boot": identity.boot, "pid": identity.pid, "started": identity.started}
    path = staging / RECORD_NAME
    try:
        with path.open("w", encoding="ascii") as file:
            json.dump(document, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; free space or choose another folder",
            f"无法写入 {path}:{error.strerror}；请清理磁盘或换一个目录",
        ) from error


def forget_browser(staging: Path) -> None:
    """Remove the record once the browser has ended."""
    (staging / RECORD_NAME).unlink(missing_ok=True)


def end_recorded_browser(staging: Path, *, patience_s: float = 5.0) -> bool:
    """End the browser that an earlier run recorded in `staging`, if it still runs.

    Returns:
        True when a browser was still running and was ended. A process that only has the same pid is left alone.
    """
    recorded = _read_record(staging / RECORD_NAME)
    if recorded is None:
        return False
    running = identify(recorded.pid) == recorded
    if running:
        _end(recorded, patience_s)
    forget_browser(staging)
    return running


def _read_record(path: Path) -> ProcessIdentity | None:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_RECORD_LIMIT))
        pid, started, boot = document["pid"], document["started"], document["boot"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(pid, int) or pid <= 1 or not isinstance(started, str) or not isinstance(boot, str):
        return None
    return ProcessIdentity(pid=pid, started=started, boot=boot)


def _end(identity: ProcessIdentity, patience_s: float) -> None:
    for word in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, word)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if identify(identity.pid) != identity:
                return
            time.sleep(0.02)
