"""Runs `evidencekit verify FILE` once a line of standard input, each in a child of its own with narrow limits.

Answers one JSON object a line: exit status, standard error, seconds of CPU, peak memory in MiB over the parent's, and
what was written into the working directory or the home.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import traceback
from pathlib import Path

from evidencekit_cli.main import main

CPU_SECONDS = 120
MEMORY_BYTES = 3 << 30


def child(path: str, folder: Path) -> None:
    """Verify one file under limits; never returns."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.chdir(folder)
    os.environ["HOME"] = os.environ["EVIDENCEKIT_HOME"] = str(folder)
    errors = os.open(folder.parent / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(errors, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status: object = 70
    try:
        status = main(["verify", path])
    except SystemExit as stop:
        status = stop.code
    except BaseException:  # noqa: BLE001 - a child must never go on as a second parent
        traceback.print_exc()
    finally:
        os._exit(status if isinstance(status, int) else 0)


def run(path: str) -> dict[str, object]:
    """Verify one file in a child."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            child(path, folder)
        _, status, usage = os.wait4(pid, 0)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "status": os.waitstatus_to_exitcode(status),
            "stderr": (Path(name) / "stderr").read_text("utf-8", "replace"),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "extra_mib": max(0, usage.ru_maxrss - own) / 1024,
            "written": sorted(str(found.relative_to(folder)) for found in folder.rglob("*")),
        }


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(line.rstrip("\n"))) + "\n")
        sys.stdout.flush()
