"""strace makes one system call of one append fail, or kills the process there; then fsck judges what is left.

A sample runs by default; EVIDENCEKIT_ALL_FAULTS=1 runs every call.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
CALLS = (
    "openat",
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "ftruncate",
    "unlink",
    "pread64",
    "fcntl",
    "mmap",
    "close",
)
SAMPLE = 14

# Exits 0 when the append was acknowledged, 3 when the library refused with an error of its own.
APPEND = """
import os, sys
from pathlib import Path
from evidencekit.errors import EvidenceError
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.signing.notesigner import Ed25519NoteSigner
key = Ed25519NoteSigner("example.com/log", bytes(range(32)))
try:
    ledger = Ledger.open(Path(sys.argv[1]), key, create=True, options=LedgerOptions(lock_timeout_s=0.3))
    ledger.append(b"under fault")
    os.write(1, b"acknowledged\\n")
    ledger.close()
except EvidenceError as error:
    print(error.code, file=sys.stderr)
    sys.exit(3)
"""


def run_traced(path: Path, *options: str, trace: Path) -> subprocess.CompletedProcess[bytes]:
    names = [str(path) + end for end in ("", "-wal", "-shm", "-journal", ".lock")]
    filters = [word for name in names for word in ("-P", name)]
    command = ["strace", "-f", "-qq", "-o", str(trace), *filters, *options, sys.executable, "-c", APPEND, str(path)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "ledger.sqlite"
    with Ledger.open(path, KEY, create=True) as ledger:
        # One entry short of a full tile, so that the append under fault writes one.
        ledger.append_many([b"%d" % i for i in range(255)])
    return path


def fault_points(prepared: Path, folder: Path, *, created: bool) -> list[tuple[str, int]]:
    path = folder / "count.sqlite"
    if created:
        shutil.copy(prepared, path)
    run = run_traced(path, "-e", f"trace={','.join(CALLS)}", trace=folder / "count")
    if run.returncode and b"ptrace" in run.stderr:
        pytest.skip("strace may not trace here")
    assert run.returncode == 0, run.stderr
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", (folder / "count").read_text(), re.MULTILINE))
    assert calls["fdatasync"] + calls["fsync"] >= 1
    return [(call, when) for call in CALLS for when in range(1, calls[call] + 1)]


def judge(path: Path, run: subprocess.CompletedProcess[bytes], before: int, what: str) -> None:
    acknowledged = b"acknowledged" in run.stdout
    if not path.exists() or (before == 0 and not acknowledged and not path.stat().st_size):
        return
    if before or acknowledged:
        report = fsck(path, [KEY.verifier])
        assert report.is_sound, (what, report.problems)
        assert report.size in (before, before + 1), what
        assert report.size == before + 1 or not acknowledged, f"{what}: an acknowledged entry is lost"
    with Ledger.open(path, KEY, create=True) as ledger:
        assert ledger.append(b"under fault").index == before
        assert ledger.append(b"after").index == before + 1
    assert fsck(path, [KEY.verifier]).is_sound, what


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "signal=KILL"])
@pytest.mark.parametrize("created", [True, False], ids=["append", "create"])
def test_no_fault_loses_what_was_acknowledged(prepared: Path, tmp_path: Path, fault: str, *, created: bool) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, so no system call can be made to fail")
    points = fault_points(prepared, tmp_path, created=created)
    if not os.environ.get("EVIDENCEKIT_ALL_FAULTS"):
        offset = ("error=EIO", "error=ENOSPC", "signal=KILL").index(fault)
        step = max(1, len(points) // (SAMPLE // 4))
        points = points[offset * step // 3 :: step]
    outcomes: Counter[str] = Counter()
    for call, when in points:
        path = tmp_path / f"{call}-{when}.sqlite"
        if created:
            shutil.copy(prepared, path)
        what = f"{fault} at {call} {when}"
        run = run_traced(path, "-e", f"inject={call}:{fault}:when={when}", trace=tmp_path / "trace")
        if not fault.startswith("signal"):
            assert run.returncode in (0, 3), (what, run.stderr[-2000:])
        outcomes[
            "acknowledged" if b"acknowledged" in run.stdout else "refused" if run.returncode == 3 else "killed"
        ] += 1
        judge(path, run, 255 if created else 0, what)
    sys.stderr.write(f"\n{'append' if created else 'create'}, {fault}: {len(points)} calls, {dict(outcomes)}\n")
