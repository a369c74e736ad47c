"""A short run of every harness; `make fuzz` runs them for ten minutes with a seed of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evidencekit.errors import FormatError
from tests.fuzz.harnesses import HARNESSES, Harness
from tests.fuzz.runner import inputs, one

ROUNDS = int(os.environ.get("EVIDENCEKIT_FUZZ_ROUNDS", "150"))
CORPUS = Path(__file__).parent / "corpus"
FEWER = {"bundle.reader": 4, "timestamp.check": 3, "timestamp.record.check": 3, "verify.bundle": 3}
"""What costs more runs less often."""


@pytest.mark.parametrize("name", sorted(HARNESSES))
def test_only_its_own_error_leaves_a_parser(name: str) -> None:
    harness = HARNESSES[name]
    samples = harness.samples()
    source = inputs(name, 1, samples)
    for sample in samples:
        harness.run(sample)
    for _ in range(ROUNDS // FEWER.get(name, 1)):
        one(harness, source, samples)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_once_found_stays_mended(path: Path) -> None:
    HARNESSES[path.parent.name](path.read_bytes())


def test_a_parser_that_breaks_is_noticed() -> None:
    def parse(data: bytes) -> int:
        if len(data) % 2:
            raise FormatError("odd")
        return data[4]

    harness = Harness(run=parse, samples=lambda: (b"sample",))
    source = inputs("x", 1, (b"sample",))

    def run_long() -> None:
        for _ in range(2000):
            one(harness, source, (b"sample",))

    with pytest.raises(IndexError):
        run_long()
