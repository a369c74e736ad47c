"""Measure the ledger beside a bare SQLite insert (and pymerkle, if it is installed) on one disk, in one run.

    python bench/ledger.py [--directory DIR] [--rounds N] [--large]

Rounds are interleaved, so that a change in the machine's load strikes every contender; the best and the median are
printed. Syncs are counted with strace when it is there. Ratios travel to other machines, absolute rates do not.
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
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.hashing.merkle import check_inclusion, leaf_hash
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.proof import check_proof, parse_proof
from evidencekit.signing.note import split_note
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Ed25519NoteSigner("bench.example/log", bytes(32))
ENTRY_BYTES = 128
PLAN = {1: 400, 100: 60, 10_000: 3}
"""Entries a batch: how many batches a round."""


def make_batches(size: int, repeats: int) -> list[list[bytes]]:
    return [[os.urandom(ENTRY_BYTES) for _ in range(size)] for _ in range(repeats)]


def run_ledger(folder: Path, batches: list[list[bytes]]) -> float:
    with Ledger.open(folder / "ledger", KEY, create=True) as ledger:
        ledger.append(b"warm")
        begun = time.perf_counter()
        for batch in batches:
            ledger.append_many(batch)
        return time.perf_counter() - begun


def run_bare(folder: Path, batches: list[list[bytes]]) -> float:
    """Insert the same rows and unique index, synchronous=FULL, one transaction a batch: no tree, no signature."""
    database = sqlite3.connect(folder / "bare", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE entry(idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
    database.execute("CREATE TABLE leaf(hash BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    hashed = [[leaf_hash(entry) for entry in batch] for batch in batches]
    index = 0
    begun = time.perf_counter()
    for batch, leaves in zip(batches, hashed, strict=True):
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO entry VALUES(?, ?)", enumerate(batch, index))
        database.executemany(
            "INSERT INTO leaf VALUES(?, ?)", zip(leaves, range(index, index + len(batch)), strict=True)
        )
        database.execute("COMMIT")
        index += len(batch)
    taken = time.perf_counter() - begun
    database.close()
    return taken


def run_pymerkle(folder: Path, batches: list[list[bytes]]) -> float:
    tree = importlib.import_module("pymerkle").SqliteTree(str(folder / "pymerkle"))
    begun = time.perf_counter()
    for batch in batches:
        if len(batch) == 1:
            tree.append_entry(batch[0])
        else:
            tree.append_entries(batch)
    return time.perf_counter() - begun


def contenders() -> dict[str, Callable[[Path, list[list[bytes]]], float]]:
    found: dict[str, Callable[[Path, list[list[bytes]]], float]] = {"evidencekit": run_ledger, "bare SQLite": run_bare}
    if importlib.util.find_spec("pymerkle"):
        found["pymerkle"] = run_pymerkle
    else:
        print("pymerkle is not installed and not measured")
    return found


def bench_batches(base: Path, rounds: int) -> None:
    names = contenders()
    for size, repeats in PLAN.items():
        rates: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            batches = make_batches(size, repeats)
            for name, run in names.items():
                folder = Path(tempfile.mkdtemp(dir=base))
                rates[name].append(size * repeats / run(folder, batches))
                shutil.rmtree(folder)
        bare = statistics.median(rates["bare SQLite"])
        for name, values in rates.items():
            middle = statistics.median(values)
            print(
                f"batch {size:6,}  {name:14} best {max(values):9,.0f}/s  median {middle:9,.0f}/s  {middle / bare:5.2f}"
            )


def bench_waiters(base: Path) -> None:
    for waiters in (1, 16, 64, 512):
        latencies: list[float] = []
        folder = Path(tempfile.mkdtemp(dir=base))

        async def wait(ledger: Ledger, rounds: int, latencies: list[float] = latencies) -> None:
            for _ in range(rounds):
                entry = os.urandom(ENTRY_BYTES)
                begun = time.perf_counter()
                await ledger.append_async(entry)
                latencies.append(time.perf_counter() - begun)

        async def crowd(ledger: Ledger, crowd_size: int) -> None:
            await asyncio.gather(*(wait(ledger, max(20, 4000 // crowd_size)) for _ in range(crowd_size)))

        with Ledger.open(folder / "ledger", KEY, create=True) as ledger:
            begun = time.perf_counter()
            asyncio.run(crowd(ledger, waiters))
            rate = len(latencies) / (time.perf_counter() - begun)
        latencies.sort()
        p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
        bare = run_bare(folder, make_batches(1, 200)) / 200
        print(
            f"{waiters:4} waiters  {rate:9,.0f}/s  p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms  "
            f"p50 is {p50 / bare:4.1f} bare commits"
        )
        shutil.rmtree(folder)


def bench_growth(base: Path, sizes: list[int]) -> None:
    folder = Path(tempfile.mkdtemp(dir=base))
    path = folder / "ledger"
    with Ledger.open(path, KEY, create=True) as ledger:
        size = 0
        for goal in sizes:
            begun, spent = size, 0.0
            while size < goal:
                batch = [os.urandom(ENTRY_BYTES) for _ in range(min(10_000, goal - size))]
                start = time.perf_counter()
                ledger.append_many(batch)
                spent += time.perf_counter() - start
                size += len(batch)
            report_size(ledger, path, size, spent / (size - begun))
    start = time.perf_counter()
    report = fsck(path, [KEY.verifier])
    print(f"fsck {report.size / (time.perf_counter() - start):,.0f} entries/s, sound: {report.is_sound}")
    shutil.rmtree(folder)


def report_size(ledger: Ledger, path: Path, size: int, cost: float) -> None:
    picks = [(i * 7919) % size for i in range(200)]
    start = time.perf_counter()
    proofs = [ledger.prove(i) for i in picks]
    proving = (time.perf_counter() - start) / len(picks)
    parsed = [parse_proof(proof) for proof in proofs]
    leaves = [leaf_hash(ledger.entry(i)) for i in picks]
    root = parse_checkpoint(split_note(ledger.checkpoint())[0]).root
    start = time.perf_counter()
    held = [check_inclusion(leaf, p.index, size, p.path, root) for leaf, p in zip(leaves, parsed, strict=True)]
    verifying = (time.perf_counter() - start) / len(picks)
    start = time.perf_counter()
    whole = [check_proof(proof, ledger.entry(i), [KEY.verifier]).proves for proof, i in zip(proofs, picks, strict=True)]
    signed = (time.perf_counter() - start) / len(picks)
    assert all(held)
    assert all(whole)
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    print(
        f"{size:10,} entries  {cost * 1e6:6.1f} µs an entry  {path.stat().st_size / size:6.1f} bytes each "
        f"({ENTRY_BYTES} of them data)  proof {proving * 1e3:5.2f} ms, path verified in {verifying * 1e6:5.1f} µs, "
        f"with signature {signed * 1e6:5.1f} µs"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="grow to 10^7 entries instead of 10^5")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="bench-ledger-", dir=options.directory))
    try:
        bench_batches(base, options.rounds)
        bench_waiters(base)
        bench_syncs(base)
        bench_growth(base, [10_000, 100_000, 1_000_000, 10_000_000][: 4 if options.large else 2])
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
