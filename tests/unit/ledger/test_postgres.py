"""The ledger in a real PostgreSQL: competing processes, kills, lost connections, fail-over, damage."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from evidencekit.errors import (
    EvidenceError,
    LedgerCorruptError,
    LedgerError,
    LedgerLockedError,
    LedgerRollbackError,
    LedgerUnreachableError,
    StorageError,
    UsageError,
)
from evidencekit.hashing.merkle import leaf_hash, root_of
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.ledger.opening import open_postgres
from evidencekit.ledger.proof import check_proof
from evidencekit.ledger.publishers.directory import publish_directory
from evidencekit.ledger.stores.postgres_rows import fsck_postgres
from evidencekit.signing.notesigner import Ed25519NoteSigner
from tests.support.postgres import Server, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]
KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
KILLS = int(os.environ.get("EVIDENCEKIT_KILLS", "3"))

# Appends batches of mixed sizes; a line stands on stdout only after the append returned.
WRITER = """
import os, random, sys, threading
from evidencekit.ledger.opening import open_postgres
from evidencekit.signing.notesigner import Ed25519NoteSigner
key = Ed25519NoteSigner("example.com/log", bytes(range(32)))
conninfo, schema, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger = open_postgres(conninfo, key, schema=schema, create=True)
def work(seed):
    chance = random.Random(seed)
    for _ in range(rounds):
        batch = [os.urandom(chance.choice((20, 900, 3000))) for _ in range(chance.choice((1, 1, 3, 40, 300)))]
        lines = "".join(f"{a.index} {a.leaf.hex()}\\n" for a in ledger.append_many(batch))
        os.write(1, lines.encode())
threads = [threading.Thread(target=work, args=(os.getpid() * 10 + n,)) for n in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ledger.close()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.node.originalname)[:50]


def start_writer(conninfo: str, schema: str, rounds: int, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as stdout:
        return subprocess.Popen([sys.executable, "-c", WRITER, conninfo, schema, str(rounds)], stdout=stdout)


def acknowledged(output: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in output.read_text().split("\n")[:-1]:
        index, leaf = line.split(" ")
        assert found.setdefault(int(index), leaf) == leaf
    return found


def check_whole(conninfo: str, schema: str, expected: dict[int, str]) -> int:
    """Every acknowledged entry stands where it was said to, none twice; the rest hashes to what was signed."""
    report = fsck_postgres(conninfo, [KEY.verifier], schema=schema)
    assert report.is_sound, report.problems
    assert report.signed
    with open_postgres(conninfo, KEY, schema=schema) as ledger:
        leaves = [leaf_hash(entry).hex() for entry in ledger.entries()]
        assert len(set(leaves)) == len(leaves) == report.size
        assert all(leaves[index] == leaf for index, leaf in expected.items())
    return report.size


def test_the_same_ledger_as_in_a_file(server: Server, schema: str, tmp_path: Path) -> None:
    entries = [b"entry %d" % i for i in range(700)]
    with open_postgres(server.conninfo, KEY, schema=schema, create=True) as ledger:
        assert ledger.size == 0
        for index, entry in enumerate(entries[:20]):
            appended = ledger.append(entry)
            assert (appended.index, appended.size, appended.leaf) == (index, index + 1, leaf_hash(entry))
        assert [a.index for a in ledger.append_many([*entries[10:300], b"entry 5"])] == [*range(10, 300), 5]
    with open_postgres(server.conninfo, KEY, schema=schema) as ledger:
        ledger.append_many(entries[300:])
        signed = open_checkpoint(ledger.checkpoint(), [KEY.verifier])
        assert signed.is_log_signed
        assert signed.checkpoint.root == root_of([leaf_hash(entry) for entry in entries])
        assert list(ledger.entries()) == entries
        for index in (0, 255, 256, 511, 512, 699):
            assert check_proof(ledger.prove(index), entries[index], [KEY.verifier]).proves
        assert publish_directory(ledger, tmp_path / "log").size == 700
        beside = fsck_postgres(server.conninfo, [KEY.verifier], schema=schema)
        assert beside.is_sound
        assert (beside.size, beside.root) == (700, signed.checkpoint.root)


def test_what_is_not_there_or_not_ours_is_refused(server: Server, schema: str) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        open_postgres(server.conninfo, KEY, schema=schema)
    with pytest.raises(LedgerError, match="no ledger"):
        fsck_postgres(server.conninfo, schema=schema)
    open_postgres(server.conninfo, KEY, schema=schema, create=True).close()
    with pytest.raises(LedgerCorruptError, match="not signed by the ledger key"):
        open_postgres(server.conninfo, Ed25519NoteSigner(KEY.name, bytes(32)), schema=schema)
    server.sql("UPDATE head SET version = 2", schema)
    with pytest.raises(StorageError, match="newer version"):
        open_postgres(server.conninfo, KEY, schema=schema)
    with pytest.raises(UsageError, match="connection string") as caught:
        open_postgres("password=geheim port", KEY)
    assert "geheim" not in str(caught.value)
    brief = LedgerOptions(reconnect_s=0.3)
    with pytest.raises(LedgerUnreachableError, match="append them again"):
        open_postgres("host=127.0.0.1 port=1 dbname=x password=geheim", KEY, options=brief)


def test_a_server_that_does_not_sync_is_refused(tmp_path: Path) -> None:
    del tmp_path
    with postgres() as lazy:
        lazy.stop()
        lazy.start("fsync=off")
        with pytest.raises(StorageError, match="fsync = off"):
            open_postgres(lazy.conninfo, KEY, create=True)
        lazy.stop()
        lazy.start("synchronous_commit=off")
        with open_postgres(lazy.conninfo, KEY, create=True) as ledger:
            assert ledger.append(b"a").index == 0
            lazy.kill()
            lazy.start()
            assert ledger.append(b"a").index == 0
            assert ledger.append(b"b").index == 1


def test_clocks_of_several_machines_may_differ_a_little(server: Server, schema: str) -> None:
    moment = NOW
    with open_postgres(server.conninfo, KEY, schema=schema, create=True, clock=lambda: moment) as ledger:
        ledger.append(b"a")
        moment = NOW - timedelta(seconds=4)
        assert ledger.append(b"b").index == 1
        moment = NOW - timedelta(seconds=6)
        with pytest.raises(LedgerError, match="clock"):
            ledger.append(b"c")
        assert ledger.size == 2


def test_a_held_head_is_waited_for_and_then_reported(server: Server, schema: str) -> None:
    options = LedgerOptions(lock_timeout_s=0.3)
    with (
        open_postgres(server.conninfo, KEY, schema=schema, create=True, options=options) as ledger,
        psycopg.connect(server.conninfo) as other,
    ):
        other.execute("SELECT set_config('search_path', %s, true)", (schema,))
        other.execute("SELECT 1 FROM head FOR UPDATE")
        with pytest.raises(LedgerLockedError, match="too long"):
            ledger.append(b"a")
        other.rollback()
        assert ledger.append(b"a").index == 0


def test_processes_that_compete_leave_no_gap_and_no_double(server: Server, schema: str, tmp_path: Path) -> None:
    outputs = [tmp_path / f"output-{n}" for n in range(3)]
    writers = [start_writer(server.conninfo, schema, 8, output) for output in outputs]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    found: dict[int, str] = {}
    for output in outputs:
        new = acknowledged(output)
        assert not found.keys() & new.keys()
        found |= new
    assert sorted(found) == list(range(len(found)))
    assert check_whole(server.conninfo, schema, found) == len(found)


def test_killed_writers_lose_nothing(server: Server, schema: str, tmp_path: Path) -> None:
    expected: dict[int, str] = {}
    chance = random.Random(20)
    for turn in range(KILLS):
        outputs = [tmp_path / f"output-{turn}-{n}" for n in range(2)]
        writers = [start_writer(server.conninfo, schema, 100_000, output) for output in outputs]
        wait_until(lambda: all(output.stat().st_size for output in outputs), "a writer does not begin")  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.3))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        for output in outputs:
            new = acknowledged(output)
            assert new, "the writer was killed before it wrote"
            assert not expected.keys() & new.keys(), "an index was given twice"
            expected |= new
    assert check_whole(server.conninfo, schema, expected) >= len(expected)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Load:
    """Threads of this process that append; `trouble` runs meanwhile."""

    def __init__(self, ledger: Ledger, threads: int = 4) -> None:
        self.found: dict[int, str] = {}
        self.failures: list[EvidenceError] = []
        self._ledger = ledger
        self._going = True
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(threads)]

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)
        while self._going:
            batch = [os.urandom(40) for _ in range(chance.choice((1, 1, 20)))]
            try:
                done = self._ledger.append_many(batch)
            except EvidenceError as error:
                self.failures.append(error)
                return
            with self._lock:
                for appended in done:
                    assert self.found.setdefault(appended.index, appended.leaf.hex()) == appended.leaf.hex()

    def during(self, trouble: Callable[[], None]) -> None:
        for thread in self._threads:
            thread.start()
        try:
            self.wait_for_more()
            trouble()
            if not self.failures:
                self.wait_for_more()
        finally:
            self._going = False
            for thread in self._threads:
                thread.join()

    def wait_for_more(self) -> None:
        goal = len(self.found) + 50
        wait_until(lambda: len(self.found) >= goal or self.failures, "nothing is appended any more")


def test_lost_connections_and_a_restarted_server_lose_nothing(schema: str) -> None:
    with postgres() as own, open_postgres(own.conninfo, KEY, schema=schema, create=True) as ledger:
        load = Load(ledger)

        def trouble() -> None:
            for _ in range(10):
                own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evidencekit'")
                load.wait_for_more()
            for _ in range(2):
                own.kill()
                own.start()
                load.wait_for_more()

        load.during(trouble)
        assert not load.failures
        assert check_whole(own.conninfo, schema, load.found) >= len(load.found)


def both(one: Server, two: Server) -> str:
    return f"host=127.0.0.1,127.0.0.1 port={one.port},{two.port} dbname=postgres user=postgres"


def test_fail_over_to_a_synchronous_standby_loses_nothing(schema: str, tmp_path: Path) -> None:
    with postgres() as primary:
        standby = primary.standby(primary.folder / "standby", "second")
        standby.start()
        try:
            primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'")
            primary.sql("SELECT pg_reload_conf()")
            conninfo = both(primary, standby)
            with open_postgres(conninfo, KEY, schema=schema, create=True) as ledger:
                output = tmp_path / "output"
                writer = start_writer(conninfo, schema, 100_000, output)
                load = Load(ledger)

                def trouble() -> None:
                    wait_until(lambda: output.stat().st_size, "the other process appends nothing")
                    primary.kill()
                    standby.promote()
                    before = output.stat().st_size
                    load.wait_for_more()
                    wait_until(lambda: output.stat().st_size > before, "the other process does not go on")

                load.during(trouble)
                writer.kill()
                writer.wait()
                assert not load.failures
                others = acknowledged(output)
                assert not others.keys() & load.found.keys(), "an index was given twice"
                check_whole(standby.conninfo, schema, others | load.found)
                assert standby.sql("SELECT epoch FROM head", schema) == "2"
                # The old primary comes back, cut off from the new one: whoever saw that one writes here no more.
                primary.start("synchronous_standby_names=")
                standby.kill()
                with pytest.raises(LedgerRollbackError, match="before a fail-over"):
                    ledger.append(b"to the old primary")
                with pytest.raises(LedgerError, match="stopped"):
                    ledger.append(b"again")
        finally:
            standby.stop()


def test_a_lost_head_after_asynchronous_fail_over_is_noticed(schema: str) -> None:
    with postgres() as primary:
        conninfo = primary.conninfo
        open_postgres(conninfo, KEY, schema=schema, create=True).close()
        standby = primary.standby(primary.folder / "standby", "second")
        try:
            conninfo = both(primary, standby)
            with (
                open_postgres(conninfo, KEY, schema=schema) as ledger,
                open_postgres(conninfo, KEY, schema=schema) as idle,
            ):
                ledger.append_many([b"%d" % i for i in range(300)])
                assert idle.append(b"7").index == 7
                # The copy was taken before and never followed: it lacks all 300.
                primary.kill()
                standby.start()
                standby.promote()
                with pytest.raises(LedgerRollbackError, match="a fail-over lost the head"):
                    ledger.append(b"next")
                with pytest.raises(LedgerError, match="stopped"):
                    ledger.append(b"again")
                # A process that knew nothing goes on, and grows past the lost size: still another history.
                with open_postgres(standby.conninfo, KEY, schema=schema) as fresh:
                    fresh.append_many([b"other %d" % i for i in range(400)])
                with pytest.raises(LedgerRollbackError, match="a fail-over lost the head"):
                    idle.append(b"next")
        finally:
            standby.stop()


def test_a_commit_that_did_not_wait_for_its_standby_is_not_acknowledged(schema: str) -> None:
    with postgres() as primary, open_postgres(primary.conninfo, KEY, schema=schema, create=True) as ledger:
        ledger.append(b"a")
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        primary.sql("SELECT pg_reload_conf()")
        time.sleep(0.3)
        outcome: list[EvidenceError] = []

        def append() -> None:
            with contextlib.suppress(LedgerError):
                try:
                    ledger.append(b"b")
                except StorageError as error:
                    outcome.append(error)

        thread = threading.Thread(target=append)
        thread.start()
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: primary.sql(waiting), "the commit does not wait")
        primary.sql(f"SELECT pg_cancel_backend({primary.sql(waiting)})")
        thread.join(timeout=30)
        assert [type(error) for error in outcome] == [StorageError]
        assert "standby" in outcome[0].en
        # Another process finds the entry, but what nobody replicated is not acknowledged for being found.
        with open_postgres(primary.conninfo, KEY, schema=schema) as other:
            late = threading.Thread(target=lambda: other.append(b"b"))
            late.start()
            wait_until(lambda: primary.sql(waiting), "what was found is acknowledged without the standby")
            primary.sql("ALTER SYSTEM RESET synchronous_standby_names")
            primary.sql("SELECT pg_reload_conf()")
            late.join(timeout=30)
            assert not late.is_alive()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE entry SET data = set_bit(data, 3, 1 - get_bit(data, 3)) WHERE idx = 17", "Entry 17"),
        ("DELETE FROM entry WHERE idx = 17", "not in sequence"),
        ("UPDATE leaf SET idx = 5 WHERE idx = 6", "Entry 6"),
        ("UPDATE tile SET data = set_bit(data, 99, 1 - get_bit(data, 99)) WHERE idx = 1", "tile/0/001"),
        ("UPDATE edge SET data = set_bit(data, 9, 1 - get_bit(data, 9)) WHERE level = 0", "edge"),
        ("UPDATE head SET checkpoint = set_bit(checkpoint, 800, 1 - get_bit(checkpoint, 800))", ""),
        ("DELETE FROM head", "head"),
    ],
)
def test_damage_is_found(server: Server, schema: str, damage: str, says: str) -> None:
    server.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    with open_postgres(server.conninfo, KEY, schema=schema, create=True) as ledger:
        ledger.append_many([b"entry %d " % i + bytes(range(100)) for i in range(600)])
    server.sql(damage, schema)
    report = fsck_postgres(server.conninfo, [KEY.verifier], schema=schema)
    assert not report.is_sound
    assert says in " ".join(problem.en for problem in report.problems), report.problems
    if "edge" in damage or "head" in damage:
        with pytest.raises(LedgerCorruptError):
            open_postgres(server.conninfo, KEY, schema=schema)
