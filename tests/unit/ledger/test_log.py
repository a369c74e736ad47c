"""The ledger in one SQLite file: appends, proofs, threads, asyncio, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import (
    EvidenceError,
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerLockedError,
    LedgerRollbackError,
    StorageError,
    UsageError,
)
from evidencekit.hashing.merkle import EMPTY_ROOT, check_consistency, leaf_hash, root_of
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.filelock import FileLock
from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.ledger.proof import check_proof
from evidencekit.ledger.sequencer import Sequencer, Submission
from evidencekit.ledger.stores.store import Committed, Head
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
FAST = LedgerOptions(lock_timeout_s=0.2)


def create(tmp_path: Path, options: LedgerOptions | None = None) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite", KEY, create=True, clock=lambda: NOW, options=options)


def test_appended_entries_are_in_the_signed_tree(tmp_path: Path) -> None:
    entries = [b"entry %d" % i for i in range(600)]
    with create(tmp_path) as ledger:
        assert ledger.size == 0
        empty = open_checkpoint(ledger.checkpoint(), [KEY.verifier])
        assert empty.is_log_signed
        assert empty.checkpoint.root == EMPTY_ROOT
        for index, entry in enumerate(entries[:300]):
            appended = ledger.append(entry)
            assert (appended.index, appended.size, appended.leaf) == (index, index + 1, leaf_hash(entry))
        many = ledger.append_many(entries[300:])
        assert [appended.index for appended in many] == list(range(300, 600))
        assert {appended.size for appended in many} == {600}
        signed = open_checkpoint(ledger.checkpoint(), [KEY.verifier])
        assert signed.is_log_signed
        assert (signed.checkpoint.size, signed.checkpoint.origin) == (600, KEY.name)
        assert signed.checkpoint.root == root_of([leaf_hash(entry) for entry in entries])
        assert list(ledger.entries()) == entries
        assert list(ledger.entries(5, 7)) == entries[5:7]
        for index in (0, 1, 255, 256, 511, 512, 599):
            assert ledger.entry(index) == entries[index]
            assert check_proof(ledger.prove(index), entries[index], [KEY.verifier]).proves
            assert not check_proof(ledger.prove(index), b"other", [KEY.verifier]).proves


def test_consistency_is_proved(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        heads = [open_checkpoint(ledger.checkpoint(), []).checkpoint]
        for count in (1, 2, 253, 1, 300):
            ledger.append_many([os.urandom(8) for _ in range(count)])
            heads.append(open_checkpoint(ledger.checkpoint(), []).checkpoint)
        newest = heads[-1]
        for head in heads:
            path, checkpoint = ledger.prove_consistency(head.size)
            assert checkpoint == ledger.checkpoint()
            assert check_consistency(head.size, newest.size, head.root, newest.root, path)
        with pytest.raises(UsageError):
            ledger.prove_consistency(newest.size + 1)


def test_the_same_entry_keeps_its_first_index(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        assert [a.index for a in ledger.append_many([b"a", b"b", b"a", b"c", b"b"])] == [0, 1, 0, 2, 1]
        before = ledger.checkpoint()
        again = ledger.append(b"b")
        assert (again.index, again.size) == (1, 3)
        assert ledger.checkpoint() == before
    with create(tmp_path) as ledger:
        assert ledger.append(b"c").index == 2


def test_a_reopened_ledger_goes_on(tmp_path: Path) -> None:
    entries = [os.urandom(20) for _ in range(700)]
    for start in range(0, 700, 70):
        with create(tmp_path) as ledger:
            assert ledger.append_many(entries[start : start + 70])[0].index == start
    with create(tmp_path) as ledger:
        assert list(ledger.entries()) == entries
        assert fsck(tmp_path / "ledger.sqlite", [KEY.verifier]).is_sound


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(tmp_path / "ledger.sqlite", KEY)
    assert not (tmp_path / "ledger.sqlite").exists()
    with pytest.raises(UsageError, match="origin"):
        Ledger.open(tmp_path / "ledger.sqlite", KEY, origin="other", create=True)
    with pytest.raises(StorageError):
        Ledger.open(tmp_path / "no" / "ledger.sqlite", KEY, create=True)
    with create(tmp_path) as ledger:
        ledger.append(b"a")
        for index in (-1, 1):
            with pytest.raises(UsageError):
                ledger.prove(index)
            with pytest.raises(UsageError):
                ledger.entry(index)
        for start, stop in ((-1, 1), (0, 2), (1, 0)):
            with pytest.raises(UsageError):
                list(ledger.entries(start, stop))
        with pytest.raises(UsageError):
            ledger.append(bytes(65_536))
        assert ledger.append(bytes(65_535)).index == 1
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(b"b")
    assert stat.S_IMODE((tmp_path / "ledger.sqlite").stat().st_mode) == 0o600


def test_another_key_and_another_file_are_refused(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "ledger.sqlite"
    for other in (Ed25519NoteSigner(KEY.name, bytes(32)), Ed25519NoteSigner("example.com/other", bytes(range(32)))):
        with pytest.raises(LedgerCorruptError, match="not signed by the ledger key"):
            Ledger.open(path, other)
    (tmp_path / "text").write_bytes(b"this is not a database, only some text" * 100)
    with pytest.raises(LedgerCorruptError):
        Ledger.open(tmp_path / "text", KEY)
    with sqlite3.connect(tmp_path / "foreign") as foreign:
        foreign.execute("CREATE TABLE t(x)")
    foreign.close()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(tmp_path / "foreign", KEY, create=True)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(tmp_path / "empty", KEY)


def test_a_newer_schema_is_not_guessed_at(tmp_path: Path) -> None:
    create(tmp_path).close()
    database = sqlite3.connect(tmp_path / "ledger.sqlite")
    database.execute("PRAGMA user_version = 3")
    database.close()
    with pytest.raises(StorageError, match="newer version"):
        create(tmp_path)


def test_a_clock_behind_the_last_checkpoint_is_refused(tmp_path: Path) -> None:
    moment = NOW
    with Ledger.open(tmp_path / "l", KEY, create=True, clock=lambda: moment) as ledger:
        ledger.append(b"a")
        moment = NOW - timedelta(seconds=1)
        with pytest.raises(LedgerError, match="clock"):
            ledger.append(b"b")
        assert ledger.size == 1
        assert ledger.append(b"a").index == 0, "what is there already needs no new signature"
        moment = NOW + timedelta(seconds=1)
        assert ledger.append(b"b").index == 1
    moment = NOW
    with Ledger.open(tmp_path / "l", KEY, clock=lambda: moment) as ledger, pytest.raises(LedgerError, match="clock"):
        ledger.append(b"c")


def test_many_threads_share_one_ledger(tmp_path: Path) -> None:
    got: dict[bytes, int] = {}
    with create(tmp_path) as ledger:

        def work(name: int) -> None:
            for i in range(50):
                entry = b"%d-%d" % (name, i)
                got[entry] = ledger.append(entry).index

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got.values()) == list(range(400))
        stored = list(ledger.entries())
        assert all(stored[index] == entry for entry, index in got.items())


def test_asyncio(tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> list[int]:
        appended = await asyncio.gather(*(ledger.append_async(b"%d" % (i % 500)) for i in range(600)))
        return [a.index for a in appended]

    with create(tmp_path) as ledger:
        first = asyncio.run(work(ledger))
        assert first[:500] == list(range(500))
        assert first[500:] == list(range(100))
        assert asyncio.run(work(ledger)) == first
        with pytest.raises(UsageError):
            asyncio.run(ledger.append_async(bytes(65_536)))


def test_coroutines_of_one_turn_share_one_commit(tmp_path: Path) -> None:
    """Submitted one by one, the first would have a commit to itself and the others wait for two."""
    with create(tmp_path, LedgerOptions(queue_entries=20)) as ledger:

        async def crowd(size: int) -> list[object]:
            entries = [b"%d of %d" % (n, size) for n in range(size)]
            return await asyncio.gather(*(ledger.append_async(entry) for entry in entries), return_exceptions=True)

        placed = asyncio.run(crowd(16))
        assert [(each.index, each.size) for each in placed] == [(n, 16) for n in range(16)]  # type: ignore[attr-defined]
        # What does not fit is refused alone.
        more = asyncio.run(crowd(25))
        assert sum(isinstance(each, LedgerBusyError) for each in more) == 5
        assert ledger.size == 36

        async def gives_up() -> None:
            task = asyncio.ensure_future(ledger.append_async(b"given up"))
            await asyncio.sleep(0)
            task.cancel()
            await ledger.append_async(b"not given up")

        asyncio.run(gives_up())
        assert ledger.append(b"not given up").index == 36


def test_while_one_commit_runs_the_next_batch_collects() -> None:
    started, go_on = threading.Event(), threading.Event()
    batches: list[int] = []

    def commit(entries: object, leaves: object) -> Committed:
        assert isinstance(entries, list)
        assert entries == leaves
        batches.append(len(entries))
        started.set()
        assert go_on.wait(10)
        return Committed(indices=tuple(range(len(entries))), head=Head(size=len(entries), checkpoint=b"", signed_at=0))

    done: list[Submission] = []
    sequencer = Sequencer(commit, capacity=10, max_batch=4)

    def deliver(submissions: Sequence[Submission]) -> None:
        done.extend(submissions)

    def submission(count: int) -> Submission:
        return Submission(entries=[b"x"] * count, leaves=[b"x"] * count, deliver=deliver)

    sequencer.submit(submission(1))
    assert started.wait(10)
    for count in (1, 2, 2, 4, 1):
        sequencer.submit(submission(count))
    with pytest.raises(LedgerBusyError, match="10 of 10"):
        sequencer.submit(submission(1))
    go_on.set()
    sequencer.close()
    assert batches == [1, 3, 2, 4, 1]
    assert [len(s.entries) for s in done] == [1, 1, 2, 2, 4, 1]
    assert done[2].indices == (1, 2)


def test_a_failed_commit_reaches_its_submitters_and_a_failed_disk_stops_the_ledger() -> None:
    failures: list[Exception] = [LedgerLockedError("locked", "锁"), StorageError("disk", "盘")]
    outcomes: list[Submission] = []
    settled = threading.Event()

    def commit(entries: object, leaves: object) -> Committed:
        del entries, leaves
        raise failures.pop(0)

    def deliver(submissions: object) -> None:
        assert isinstance(submissions, list)
        outcomes.extend(submissions)
        settled.set()

    sequencer = Sequencer(commit, capacity=10, max_batch=4)
    for expected in (LedgerLockedError, StorageError):
        settled.clear()
        sequencer.submit(Submission(entries=[b""], leaves=[b""], deliver=deliver))
        assert settled.wait(10)
        assert isinstance(outcomes[-1].error, expected)
    with pytest.raises(LedgerError, match=r"stopped after a failure.*disk"):
        sequencer.submit(Submission(entries=[b""], leaves=[b""], deliver=deliver))
    sequencer.close()


def test_two_opens_of_one_file_see_each_other(tmp_path: Path) -> None:
    with create(tmp_path) as one, create(tmp_path) as two:
        for i in range(300):
            assert (one, two)[i % 2].append(b"%d" % i).index == i
        assert one.append(b"7").index == two.append(b"7").index == 7
        assert one.checkpoint() == two.checkpoint()
        assert check_proof(one.prove(299), b"299", [KEY.verifier]).proves


def test_a_held_lock_is_waited_for_and_then_reported(tmp_path: Path) -> None:
    with create(tmp_path, FAST) as ledger:
        lock = FileLock(tmp_path / "ledger.sqlite.lock", timeout_s=1)
        with lock.held():
            begun = time.monotonic()
            with pytest.raises(LedgerLockedError, match=r"0\.2 s"):
                ledger.append(b"a")
            assert 0.2 <= time.monotonic() - begun < 5
            with pytest.raises(LedgerLockedError):
                create(tmp_path, FAST)
        lock.close()
        assert ledger.append(b"a").index == 0
    with create(tmp_path, FAST) as ledger:
        foreign = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerLockedError, match="Another program"):
            ledger.append(b"b")
        foreign.execute("ROLLBACK")
        foreign.close()
        assert ledger.append(b"b").index == 1


def test_a_ledger_that_went_back_is_noticed_by_a_process_that_saw_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with create(tmp_path) as ledger:
        ledger.append(b"a")
    shutil.copy(path, tmp_path / "old")
    with create(tmp_path) as ledger:
        ledger.append_many([b"b", b"c"])
        old = sqlite3.connect(tmp_path / "old")
        live = sqlite3.connect(path)
        old.backup(live)
        old.close()
        live.close()
        with pytest.raises(LedgerRollbackError, match="from 3 to 1"):
            ledger.append(b"d")
        with pytest.raises(LedgerError, match="stopped"):
            ledger.append(b"e")


def test_a_forged_head_is_not_built_upon(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        ledger.append_many([b"a", b"b"])
        other = Ed25519NoteSigner(KEY.name, bytes(32))
        (tmp_path / "other").mkdir()
        with Ledger.open(tmp_path / "other" / "l", other, create=True, clock=lambda: NOW) as forger:
            forger.append_many([b"a", b"b"])
            forged = forger.checkpoint()
        database = sqlite3.connect(tmp_path / "ledger.sqlite")
        database.execute("UPDATE head SET checkpoint = ?", (forged,))
        database.commit()
        database.close()
        with pytest.raises(LedgerCorruptError, match="not signed"):
            ledger.append(b"c")
    with pytest.raises(LedgerCorruptError):
        create(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET data = x'00' WHERE idx = 299",
        "DELETE FROM entry WHERE idx = 299",
        "UPDATE edge SET data = zeroblob(length(data)) WHERE level = 0",
        "DELETE FROM edge",
        "UPDATE edge SET data = x'00' WHERE level = 1",
        "UPDATE head SET size = 299",
        "UPDATE head SET checkpoint = x'00'",
        "DELETE FROM head",
    ],
)
def test_a_damaged_edge_is_found_at_once(tmp_path: Path, damage: str) -> None:
    with create(tmp_path) as ledger:
        ledger.append_many([b"%d" % i for i in range(300)])
    database = sqlite3.connect(tmp_path / "ledger.sqlite")
    database.execute(damage)
    database.commit()
    database.close()
    with pytest.raises(LedgerCorruptError):
        create(tmp_path)


def test_a_damaged_tile_proves_nothing(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        ledger.append_many([b"%d" % i for i in range(300)])
        database = sqlite3.connect(tmp_path / "ledger.sqlite")
        database.execute("UPDATE tile SET data = zeroblob(8192)")
        database.commit()
        with pytest.raises(LedgerCorruptError, match="not proved"):
            ledger.prove(3)
        database.execute("DELETE FROM tile")
        database.commit()
        database.close()
        with pytest.raises(LedgerCorruptError, match="missing"):
            ledger.prove(3)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_is_told_to_open_the_ledger_itself(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        ledger.append(b"a")
        child = os.fork()
        if child == 0:
            try:
                ledger.append(b"b")
            except LedgerError as error:
                os._exit(7 if "parent" in error.en else 1)
            except BaseException:  # noqa: BLE001 - a child must never return into the test
                os._exit(2)
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert ledger.append(b"c").index == 1


LIMITED = """
import resource, sys
from pathlib import Path
from evidencekit.errors import LedgerError, StorageError
from evidencekit.ledger.log import Ledger
from evidencekit.signing.notesigner import Ed25519NoteSigner
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
ledger = Ledger.open(path, Ed25519NoteSigner("example.com/log", bytes(range(32))), create=True)
print(ledger.append(b"first").index, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
done = 0
try:
    while True:
        done = ledger.append(bytes(20_000) + b"%d" % done).index
except StorageError as error:
    print("storage", done, flush=True)
try:
    ledger.append(b"more")
except LedgerError as error:
    print("stopped" in error.en, flush=True)
"""


def test_a_full_disk_stops_the_ledger_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", LIMITED, str(path)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=60)
    lines = run.stdout.decode().splitlines()
    assert lines[0] == "0", run.stderr
    assert lines[1].startswith("storage "), run.stderr
    acknowledged = int(lines[1].split()[1])
    assert acknowledged > 3
    assert lines[2] == "True"
    assert fsck(path, [KEY.verifier]).is_sound
    with Ledger.open(path, KEY) as ledger:
        assert ledger.size > acknowledged
        assert ledger.entry(acknowledged) == bytes(20_000) + b"%d" % (acknowledged - 1)
        assert ledger.append(b"more").index == ledger.size - 1


def test_every_error_speaks_both_languages(tmp_path: Path) -> None:
    with create(tmp_path) as ledger:
        for call in (lambda: ledger.entry(0), lambda: ledger.append(bytes(70_000)), lambda: ledger.prove(9)):
            with pytest.raises(EvidenceError) as caught:
                call()
            assert any("\u4e00" <= character <= "\u9fff" for character in caught.value.zh)
