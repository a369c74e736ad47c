"""Run the harnesses: `python -m tests.fuzz.runner [NAME…] [--seconds 600] [--seed N]`.

An input that breaks a parser, or takes it longer than ten seconds, is written to a file and named; the seed gives the
same inputs again.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES, Harness
from tests.fuzz.mutations import mutate

SLOW_S = 10.0
OUT = Path("build", "fuzz")
"""Ignored by git: what breaks a parser is looked at, and goes to `corpus/` once it is mended."""


def inputs(name: str, seed: int, samples: tuple[bytes, ...]) -> random.Random:
    """Return the source of a harness's inputs: its own for each name and seed."""
    digest = hashlib.sha256(f"{name}/{seed}/{len(samples)}".encode()).digest()
    return random.Random(digest)


def one(harness: Harness, source: random.Random, samples: tuple[bytes, ...]) -> bytes:
    """Give a harness its next input and return it."""
    data = mutate(source, source.choice(samples))
    harness(data)
    return data


def run(name: str, *, seconds: float, seed: int, out: Path) -> tuple[int, list[Path]]:
    """Run one harness for some seconds.

    Returns:
        How many inputs it saw, and the files with those that broke it.
    """
    harness = HARNESSES[name]
    samples = harness.samples()
    source, found, count = inputs(name, seed, samples), list[Path](), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data, begun = mutate(source, source.choice(samples)), time.monotonic()
        count += 1
        try:
            harness(data)
            problem = None if time.monotonic() - begun < SLOW_S else "too slow"
        except Exception:  # noqa: BLE001 - that is what is looked for
            problem = traceback.format_exc(limit=-3)
        if problem is not None:
            file = out / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            file.write_bytes(data)
            found.append(file)
            print(f"{file}: {problem}", file=sys.stderr)
    return count, found


def main() -> int:
    """Run what the command line names, all by default, sharing the time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(HARNESSES))
    parser.add_argument("--seconds", type=float, default=600.0, help="for all harnesses together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=OUT, help="where inputs that broke a parser are kept")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.names or list(HARNESSES)
    print(f"seed {arguments.seed}", flush=True)
    broken: list[Path] = []
    for name in names:
        count, found = run(name, seconds=arguments.seconds / len(names), seed=arguments.seed, out=arguments.out)
        broken += found
        print(f"{name:24} {count:8} inputs  {len(found)} broke it", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
