"""How fast `verify` is, against hashing the same bytes with SHA-256 and SM3 on two threads, and its peak memory.

    python bench/verify.py [--mib 1024] [--folder DIR]

Makes one bundle with a large stored member and one whose WACZ holds as much, by the tests' own assembly, and runs
each measurement in a process of its own, the two sides of a ratio in turn. A ratio of 1 means that verifying costs no
more than hashing.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROUNDS = 3
MIB = 1 << 20


def hash_two_threads(path: Path) -> None:
    """Hash a file with both algorithms at once: the yardstick."""
    buffers = [memoryview(bytearray(MIB)) for _ in range(4)]
    hashers = [hashlib.sha256(), hashlib.new("sm3")]
    with path.open("rb", buffering=0) as file:
        place = 0
        pending: list[threading.Thread] = []
        while count := file.readinto(buffers[place]):
            for thread in pending:
                thread.join()
            pending = [threading.Thread(target=h.update, args=(buffers[place][:count],)) for h in hashers]
            for thread in pending:
                thread.start()
            place = (place + 1) % len(buffers)
        for thread in pending:
            thread.join()


def measure(kind: str, path: Path) -> tuple[float, float]:
    """Run one side in a fresh process; give wall seconds inside it and its peak memory in MiB."""
    said = subprocess.run(
        [sys.executable, __file__, "--run", kind, str(path)], capture_output=True, encoding="utf-8", check=True
    ).stdout.split()
    return float(said[0]), float(said[1])


def run(kind: str, path: Path) -> None:
    """Be one side, and print what it cost."""
    if kind == "verify":
        from evidencekit.verify.verifier import verify_bundle

        start = time.perf_counter()
        report = verify_bundle(path)
        assert all(finding.outcome != "FAILED" for finding in report.findings), report.headline.en
    else:
        start = time.perf_counter()
        hash_two_threads(path)
    taken = time.perf_counter() - start
    # Not ru_maxrss, which a process inherits from its parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(taken, int(peak) / 1024)


def make_bundles(folder: Path, mib: int) -> dict[str, Path]:
    """Make the two bundles of about `mib` MiB, and one of 5."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.support.large import write_archive_bundle, write_deposit_bundle

    large, found = folder / "large.bin", {}
    block = hashlib.shake_256(b"noise").digest(MIB - 8)
    with large.open("wb") as file:
        for number in range(mib):
            file.write(number.to_bytes(8, "big") + block)
    for name, file_name in (("one stored deposit", "deposit.zip"), ("a WACZ", "archive.zip"), ("5 MiB", "small.zip")):
        found[name] = folder / file_name
    write_deposit_bundle(found["one stored deposit"], large)
    large.unlink()
    write_archive_bundle(found["a WACZ"], mib * MIB)
    write_archive_bundle(found["5 MiB"], 5 * MIB)
    return found


def compare(name: str, path: Path) -> None:
    """Print a line about one bundle."""
    pairs = [(measure("hash", path), measure("verify", path)) for _ in range(ROUNDS)]
    hashing, verifying = min(h[0] for h, _ in pairs), min(v[0] for _, v in pairs)
    size = path.stat().st_size / MIB
    print(
        f"{name}: {size:.0f} MiB, hashing {hashing:.2f} s, verifying {verifying:.2f} s, "
        f"ratio {hashing / verifying:.2f}, peak {max(v[1] for _, v in pairs):.0f} MiB"
    )


def whole_command(path: Path) -> None:
    """Print the wall time of `evidencekit verify`, the interpreter's start included."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "evidencekit_cli", "verify", str(path)], capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    print(f"evidencekit verify, {path.stat().st_size / MIB:.0f} MiB: {min(times):.2f} s of wall in all")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--run", nargs=2, metavar=("KIND", "FILE"))
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run[0], Path(arguments.run[1]))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bundles = make_bundles(Path(folder), arguments.mib)
        for name, path in bundles.items():
            compare(name, path)
        whole_command(bundles["5 MiB"])


if __name__ == "__main__":
    main()
