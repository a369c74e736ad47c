"""The index of leaves across segments: what is in keeps its index, wherever it stands, and nothing is taken for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import LedgerCorruptError, LedgerError
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.stores.sqlite_leaves import SEGMENT, LeafFilter
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
NOW = datetime.now(UTC) + timedelta(hours=1)
SIZE = 2 * SEGMENT + 300


def entry(index: int) -> bytes:
    return b"entry %d" % index


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a ledger of two closed segments and the beginning of a third; its batches cross their borders."""
    path = tmp_path_factory.mktemp("large") / "ledger.sqlite"
    with Ledger.open(path, KEY, create=True) as ledger:
        placed = ledger.append_many([entry(index) for index in range(SIZE)])
        assert [each.index for each in placed] == list(range(SIZE))
    return path


@pytest.fixture
def path(large: Path, tmp_path: Path) -> Path:
    shutil.copy(large, tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


def indices(ledger: Ledger, entries: list[bytes]) -> list[int]:
    return [each.index for each in ledger.append_many(entries)]


def test_every_segment_knows_its_own(path: Path) -> None:
    with Ledger.open(path, KEY) as ledger:
        known = [0, 5, SEGMENT - 1, SEGMENT, 2 * SEGMENT - 1, 2 * SEGMENT, SIZE - 1]
        # One by one: a process that appends little looks them up, segment by segment.
        assert [ledger.append(entry(index)).index for index in known] == known
        mixed = [entry(7), b"new", entry(SEGMENT + 7), b"new", entry(SIZE - 2), b"newer"]
        assert indices(ledger, mixed) == [7, SIZE, SEGMENT + 7, SIZE, SIZE - 2, SIZE + 1]
    assert fsck(path, [KEY.verifier]).is_sound


def test_a_busy_process_tells_by_its_filter(path: Path) -> None:
    with Ledger.open(path, KEY) as ledger:
        fresh = [os.urandom(40) for _ in range(9000)]
        assert indices(ledger, fresh) == list(range(SIZE, SIZE + 9000))
        known = [0, SEGMENT - 1, SEGMENT, 2 * SEGMENT - 1, SIZE - 1, SIZE + 8999]
        assert indices(ledger, [entry(index) for index in known[:-1]] + fresh[-1:]) == known
        assert indices(ledger, [entry(index) for index in range(20_000)]) == list(range(20_000))
        assert ledger.append(b"after").index == SIZE + 9000
    assert fsck(path, [KEY.verifier]).is_sound


def test_the_filter_takes_in_what_another_process_closed(path: Path) -> None:
    with Ledger.open(path, KEY) as one, Ledger.open(path, KEY) as other:
        indices(one, [os.urandom(40) for _ in range(5000)])
        theirs = [os.urandom(40) for _ in range(SEGMENT)]
        indices(other, theirs)
        size = SIZE + 5000 + SEGMENT
        for at in (0, 1000, SEGMENT - 1):
            assert one.append(theirs[at]).index == SIZE + 5000 + at
        assert one.append(b"new").index == size
    assert fsck(path, [KEY.verifier]).is_sound


def test_a_batch_across_a_border_holds_an_entry_twice(tmp_path: Path) -> None:
    path = tmp_path / "small.sqlite"
    with Ledger.open(path, KEY, create=True) as ledger:
        indices(ledger, [entry(index) for index in range(SEGMENT - 5)])
        across = [b"a", b"b", entry(3), b"c", b"d", b"e", b"f", b"a", b"g", entry(SEGMENT - 6)]
        placed = indices(ledger, across)
        first = SEGMENT - 5
        assert placed == [first, first + 1, 3, first + 2, first + 3, first + 4, first + 5, first, first + 6, first - 1]
        assert ledger.append(b"g").index == first + 6
        assert ledger.append(b"a").index == first
    assert fsck(path, [KEY.verifier]).is_sound


def test_a_missing_tile_is_not_passed_over(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM tile WHERE level = 0 AND idx = 17")
    with Ledger.open(path, KEY) as ledger, pytest.raises(LedgerCorruptError, match="entries 0 to 65536"):
        ledger.append_many([os.urandom(40) for _ in range(5000)])


def test_version_1_is_taken_over(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE leaf")
        database.execute("CREATE TABLE leaf(hash BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID")
        rows = [(leaf_hash(entry(index)), index) for index in range(SIZE)]
        database.executemany("INSERT INTO leaf VALUES(?, ?)", rows)
        database.execute("PRAGMA user_version = 1")
    assert fsck(path, [KEY.verifier]).is_sound
    with Ledger.open(path, KEY) as ledger:
        assert ledger.append(entry(SEGMENT + 1)).index == SEGMENT + 1
        assert ledger.append(b"new").index == SIZE
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM leaf WHERE segment != idx / 65536").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM leaf").fetchone() == (2 * SEGMENT,)
    assert fsck(path, [KEY.verifier]).is_sound


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE leaf SET idx = 5 WHERE idx = 6", "Entry 6"),
        ("DELETE FROM leaf WHERE idx = 6", "Entry 6"),
        ("UPDATE leaf SET segment = 1 WHERE idx = 6", "Entry 6"),
        ("INSERT INTO leaf VALUES(2, x'00', 131072)", "leaf has 131073 rows, not 131072"),
    ],
)
def test_fsck_names_what_is_wrong_in_the_index(path: Path, damage: str, says: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(damage)
    assert says in " ".join(problem.en for problem in fsck(path, [KEY.verifier]).problems)


def test_a_commit_that_failed_leaves_nothing_in_memory(path: Path) -> None:
    times = [NOW, NOW - timedelta(days=1), NOW]
    with Ledger.open(path, KEY, clock=lambda: times.pop(0)) as ledger:
        assert ledger.append(b"first").index == SIZE
        with pytest.raises(LedgerError, match="clock"):
            ledger.append(b"undone")
        assert ledger.append(b"second").index == SIZE + 1
        times.append(NOW)
        assert ledger.append(b"undone").index == SIZE + 2
    assert fsck(path, [KEY.verifier]).is_sound


def test_the_filter_never_denies_what_it_took_in() -> None:
    taken, others = os.urandom(32 * 20_000), os.urandom(32 * 20_000)
    seen = LeafFilter()
    seen.add(taken)
    leaves = [taken[at : at + 32] for at in range(0, len(taken), 32)]
    assert seen.suspects(leaves) == leaves
    strangers = [others[at : at + 32] for at in range(0, len(others), 32)]
    assert len(seen.suspects(strangers)) < 5
