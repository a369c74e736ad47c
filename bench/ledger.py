"""Measure the ledger beside a bare SQLite insert (and pymerkle, if it is installed) on one disk, in one run.

    python bench/ledger.py [--directory DIR] [--rounds N] [--only PART] [--large] [--sync-us MICROSECONDS]

Contenders get each batch in turn, so that a change in the machine's load strikes them alike; ratios are medians over
the rounds. Syncs are counted with strace when it is there. Ratios travel to other machines, absolute rates do not,
and where a sync costs next to nothing a ratio is one of processor time: `--sync-us` makes each sync wait so much
longer, for both sides, as on a disk that keeps what it was told.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from evidencekit.hashing.merkle import check_inclusion, leaf_hash
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.proof import check_proof, parse_proof
from evidencekit.signing.note import split_note
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Append = Callable[[list[bytes], list[bytes]], object]

KEY = Ed25519NoteSigner("bench.example/log", bytes(32))
ENTRY_BYTES = 128
PLAN = {1: 400, 100: 60, 10_000: 3}
"""Entries a batch: how many batches a round."""
SIZES = [10_000, 100_000, 1_000_000, 10_000_000]


def make_batches(size: int, repeats: int) -> list[list[bytes]]:
    return [[os.urandom(ENTRY_BYTES) for _ in range(size)] for _ in range(repeats)]


@contextmanager
def run_ledger(folder: Path) -> Iterator[Append]:
    with Ledger.open(folder / "ledger", KEY, create=True) as ledger:
        yield lambda batch, _: ledger.append_many(batch)


@contextmanager
def run_bare(folder: Path) -> Iterator[Append]:
    """Insert the same rows and unique index, synchronous=FULL, one transaction a batch: no tree, no signature."""
    database = sqlite3.connect(folder / "bare", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE entry(idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
    database.execute("CREATE TABLE leaf(hash BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    size = 0

    def append(batch: list[bytes], leaves: list[bytes]) -> None:
        nonlocal size
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO entry VALUES(?, ?)", enumerate(batch, size))
        database.executemany("INSERT INTO leaf VALUES(?, ?)", zip(leaves, range(size, size + len(batch)), strict=True))
        database.execute("COMMIT")
        size += len(batch)

    yield append
    database.close()


@contextmanager
def run_pymerkle(folder: Path) -> Iterator[Append]:
    tree = importlib.import_module("pymerkle").SqliteTree(str(folder / "pymerkle"))

    def append(batch: list[bytes], _: list[bytes]) -> None:
        if len(batch) == 1:
            tree.append_entry(batch[0])
        else:
            tree.append_entries(batch)

    yield append


def contenders() -> dict[str, Callable[[Path], AbstractContextManager[Append]]]:
    found: dict[str, Callable[[Path], AbstractContextManager[Append]]] = {
        "bare SQLite": run_bare,
        "evidencekit": run_ledger,
    }
    if importlib.util.find_spec("pymerkle"):
        found["pymerkle"] = run_pymerkle
    else:
        print("pymerkle is not installed and not measured")
    return found


def bench_batches(base: Path, rounds: int) -> None:
    """Give every contender each batch in turn, so that they meet the same load; compare round by round."""
    names = contenders()
    for size, repeats in PLAN.items():
        wall: dict[str, list[float]] = {name: [] for name in names}
        cpu: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            folder = Path(tempfile.mkdtemp(dir=base))
            with ExitStack() as stack:
                appends = {name: stack.enter_context(run(folder)) for name, run in names.items()}
                spent = {name: [0.0, 0.0] for name in names}
                for batch in make_batches(size, repeats):
                    leaves = [leaf_hash(entry) for entry in batch]
                    for name, append in appends.items():
                        begun, used = time.perf_counter(), time.process_time()
                        append(batch, leaves)
                        spent[name][0] += time.perf_counter() - begun
                        spent[name][1] += time.process_time() - used
            shutil.rmtree(folder)
            for name in names:
                wall[name].append(spent[name][0])
                cpu[name].append(spent[name][1])
        for name in names:
            rates = [size * repeats / seconds for seconds in wall[name]]
            beside = statistics.median(bare / ours for bare, ours in zip(wall["bare SQLite"], wall[name], strict=True))
            work = statistics.median(cpu[name]) / (size * repeats)
            print(
                f"batch {size:6,}  {name:12} best {max(rates):8,.0f}/s  median {statistics.median(rates):8,.0f}/s  "
                f"{beside:5.2f} of bare  CPU {work * 1e6:6.1f} µs an entry"
            )


def bench_waiters(base: Path) -> None:
    for waiters in (1, 4, 16, 64, 256, 512):
        latencies: list[float] = []
        bare: list[float] = []
        folder = Path(tempfile.mkdtemp(dir=base))

        async def wait(ledger: Ledger, entries: list[bytes], latencies: list[float] = latencies) -> None:
            for entry in entries:
                begun = time.perf_counter()
                await ledger.append_async(entry)
                latencies.append(time.perf_counter() - begun)

        async def crowd(ledger: Ledger, crowds: list[list[bytes]]) -> None:
            await asyncio.gather(*(wait(ledger, entries) for entries in crowds))

        taken = 0.0
        with Ledger.open(folder / "ledger", KEY, create=True) as ledger, run_bare(folder) as append:
            for _ in range(10):
                for batch in make_batches(1, 20):
                    leaves = [leaf_hash(entry) for entry in batch]
                    begun = time.perf_counter()
                    append(batch, leaves)
                    bare.append(time.perf_counter() - begun)
                crowds = make_batches(max(2, 400 // waiters), waiters)
                begun = time.perf_counter()
                asyncio.run(crowd(ledger, crowds))
                taken += time.perf_counter() - begun
        latencies.sort()
        p50, p99 = statistics.median(latencies), latencies[len(latencies) * 99 // 100]
        commit = statistics.median(bare)
        print(
            f"{waiters:4} waiters  {len(latencies) / taken:9,.0f}/s  p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms  "
            f"p50 is {p50 / commit:4.1f} bare commits of {commit * 1e3:5.2f} ms"
        )
        shutil.rmtree(folder)


def bench_growth(base: Path, sizes: list[int]) -> None:
    """Cost an entry in CPU and wall time as the ledger grows, and proofs at each size."""
    folder = Path(tempfile.mkdtemp(dir=base))
    path = folder / "ledger"
    with Ledger.open(path, KEY, create=True) as ledger:
        size = 0
        for goal in sizes:
            begun, wall, cpu = size, 0.0, 0.0
            while size < goal:
                batch = [os.urandom(ENTRY_BYTES) for _ in range(min(10_000, goal - size))]
                start, used = time.perf_counter(), time.process_time()
                ledger.append_many(batch)
                wall += time.perf_counter() - start
                cpu += time.process_time() - used
                size += len(batch)
            count = size - begun
            print(
                f"{size:10,} entries  {wall / count * 1e6:6.1f} µs an entry, CPU {cpu / count * 1e6:6.1f} µs", end="  "
            )
            report_size(path, size)
    start = time.perf_counter()
    report = fsck(path, [KEY.verifier])
    print(f"fsck {report.size / (time.perf_counter() - start):,.0f} entries/s, sound: {report.is_sound}")
    shutil.rmtree(folder)


def report_size(path: Path, size: int) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    print(f"{path.stat().st_size / size:6.1f} bytes each ({ENTRY_BYTES} of them data)")
    picks = [(i * 7919) % size for i in range(300)]
    # Opened afresh: nothing is cached yet.
    with Ledger.open(path, KEY) as ledger:
        proofs = []
        for name in ("cold", "warm"):
            taken = []
            proofs = []
            for i in picks:
                start = time.perf_counter()
                proofs.append(ledger.prove(i))
                taken.append(time.perf_counter() - start)
            middle, best = statistics.median(taken) * 1e3, min(taken) * 1e3
            print(f"    inclusion proof, {name}: p50 {middle:5.2f} ms  best {best:5.2f} ms")
        taken = []
        for i in picks[:50]:
            start = time.perf_counter()
            ledger.prove_consistency(i + 1)
            taken.append(time.perf_counter() - start)
        print(f"    consistency proof: p50 {statistics.median(taken) * 1e3:5.2f} ms")
        entries = [ledger.entry(i) for i in picks]
        root = parse_checkpoint(split_note(ledger.checkpoint())[0]).root
    parsed = [parse_proof(proof) for proof in proofs]
    leaves = [leaf_hash(entry) for entry in entries]
    paths, whole = [], []
    for leaf, proof, data, entry in zip(leaves, parsed, proofs, entries, strict=True):
        start = time.perf_counter()
        held = check_inclusion(leaf, proof.index, size, proof.path, root)
        paths.append(time.perf_counter() - start)
        start = time.perf_counter()
        proved = check_proof(data, entry, [KEY.verifier]).proves
        whole.append(time.perf_counter() - start)
        assert held
        assert proved
    print(
        f"    path verified: p50 {statistics.median(paths) * 1e6:5.1f} µs  best {min(paths) * 1e6:5.1f} µs; "
        f"file with signature: p50 {statistics.median(whole) * 1e6:6.1f} µs"
    )


COUNTED = """
import os, sys
from pathlib import Path
from bench_ledger import KEY, Ledger
with Ledger.open(Path(sys.argv[1]), KEY, create=True) as ledger:
    for _ in range(int(sys.argv[2])):
        ledger.append_many([os.urandom(128) for _ in range(100)])
"""


def bench_syncs(base: Path) -> None:
    if shutil.which("strace") is None:
        print("strace is not installed: syncs are not counted")
        return
    counts = []
    for batches in (100, 300):
        folder = Path(tempfile.mkdtemp(dir=base))
        code = COUNTED.replace("bench_ledger", Path(__file__).stem)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        command = ["strace", "-f", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", str(folder / "trace")]
        command += [sys.executable, "-c", code, str(folder / "ledger"), str(batches)]
        subprocess.run(command, check=True, env=environment)
        counts.append((folder / "trace").read_text().count("sync("))
        shutil.rmtree(folder)
    print(f"syncs: {(counts[1] - counts[0]) / 200:.2f} a batch of 100")


def slow_down(options: argparse.Namespace) -> NoReturn:
    """Start this bench again under strace, which stops at syncs alone and makes them wait."""
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull, "-e", "trace=fdatasync,fsync"]
    delay = ["-e", f"inject=fdatasync,fsync:delay_exit={options.sync_us}"]
    again = [sys.executable, __file__, "--directory", str(options.directory), "--rounds", str(options.rounds)]
    # What counts syncs uses strace itself, and a process has one tracer.
    os.execvp(tracer[0], [*tracer, *delay, *again, "--only", options.only or "waiters"])  # noqa: S606


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("batches", "waiters", "syncs", "growth"))
    parser.add_argument("--large", action="store_true", help="grow to 10^7 entries instead of 10^6")
    parser.add_argument("--sync-us", type=int, default=0, help="each fdatasync and fsync takes so much longer (strace)")
    options = parser.parse_args()
    if options.sync_us:
        slow_down(options)
    base = Path(tempfile.mkdtemp(prefix="bench-ledger-", dir=options.directory))
    parts: dict[str, Callable[[], None]] = {
        "batches": lambda: bench_batches(base, options.rounds),
        "waiters": lambda: bench_waiters(base),
        "syncs": lambda: bench_syncs(base),
        "growth": lambda: bench_growth(base, SIZES if options.large else SIZES[:3]),
    }
    try:
        for name, run in parts.items():
            if options.only in (None, name):
                run()
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
