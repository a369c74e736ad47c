"""Killed writers, competing processes, flipped bits: no acknowledged entry is lost, moved or doubled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import EvidenceError, LedgerError
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.fsck import fsck
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.proof import check_proof
from evidencekit.signing.notesigner import Ed25519NoteSigner

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
KILLS = int(os.environ.get("EVIDENCEKIT_KILLS", "20"))

# Appends batches of mixed sizes until killed; a line stands on stdout only after the append returned.
WRITER = """
import os, random, sys, threading
from pathlib import Path
from evidencekit.ledger.log import Ledger
from evidencekit.signing.notesigner import Ed25519NoteSigner
key = Ed25519NoteSigner("example.com/log", bytes(range(32)))
rounds = int(sys.argv[2])
ledger = Ledger.open(Path(sys.argv[1]), key, create=True)
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


def acknowledged(output: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in output.read_text().split("\n")[:-1]:
        index, leaf = line.split(" ")
        assert found.setdefault(int(index), leaf) == leaf
    return found


@pytest.mark.slow
def test_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    expected: dict[int, str] = {}
    chance = random.Random(20)
    for turn in range(KILLS):
        output = tmp_path / f"output-{turn}"
        with output.open("wb") as stdout:
            process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "100000"], stdout=stdout)
            while not output.stat().st_size and process.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.wait()
        new = acknowledged(output)
        assert new, "the writer was killed before it wrote"
        assert not expected.keys() & new.keys(), "an index was given twice"
        expected |= new
        if turn % 5 == 4:
            report = fsck(path, [KEY.verifier])
            assert report.is_sound, report.problems
            assert report.signed
    with Ledger.open(path, KEY) as ledger:
        leaves = [leaf_hash(entry).hex() for entry in ledger.entries()]
        assert len(leaves) == ledger.size
        assert len(set(leaves)) == len(leaves)
        assert all(leaves[index] == leaf for index, leaf in expected.items())
        last = max(expected)
        assert check_proof(ledger.prove(last), ledger.entry(last), [KEY.verifier]).proves


@pytest.mark.slow
def test_several_processes_compete_without_gap_or_double(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    outputs = [tmp_path / f"output-{n}" for n in range(3)]
    processes = []
    for output in outputs:
        with output.open("wb") as stdout:
            processes.append(subprocess.Popen([sys.executable, "-c", WRITER, str(path), "10"], stdout=stdout))
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    found: dict[int, str] = {}
    for output in outputs:
        new = acknowledged(output)
        assert not found.keys() & new.keys()
        found |= new
    assert sorted(found) == list(range(len(found)))
    report = fsck(path, [KEY.verifier])
    assert report.is_sound, report.problems
    assert report.size == len(found)
    with Ledger.open(path, KEY) as ledger:
        assert [leaf_hash(entry).hex() for entry in ledger.entries()] == [found[i] for i in range(len(found))]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path, KEY, create=True) as ledger:
        ledger.append_many([b"entry %d " % i + bytes(range(100)) for i in range(600)])
    return path


def test_fsck_of_a_sound_ledger(sound: Path) -> None:
    report = fsck(sound, [KEY.verifier])
    assert report.is_sound
    assert report.signed
    with Ledger.open(sound, KEY) as ledger:
        assert report.size == ledger.size == 600
        beside = fsck(sound, [KEY.verifier])
        assert beside.root == report.root
        ledger.append(b"more")
        assert fsck(sound).size == 601
    assert not fsck(sound).signed
    stranger = Ed25519NoteSigner(KEY.name, bytes(32)).verifier
    assert not fsck(sound, [stranger]).is_sound
    with pytest.raises(LedgerError):
        fsck(sound.with_name("nothing"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE entry SET data = x'00' WHERE idx = 17", "Entry 17"),
        (
            "UPDATE entry SET data = CAST(substr(data, 1, 8) || x'00' || substr(data, 10) AS BLOB) WHERE idx = 17",
            "Entry 17",
        ),
        ("DELETE FROM entry WHERE idx = 17", "not in sequence"),
        ("DELETE FROM entry WHERE idx = 599", "signed tree has 600"),
        ("INSERT INTO entry VALUES(600, x'00')", "Entry 600"),
        ("INSERT INTO leaf VALUES(0, x'00', 3)", "leaf has 1 rows, not 0"),
        ("UPDATE tile SET data = zeroblob(8192) WHERE idx = 1", "tile/0/001"),
        ("DELETE FROM tile WHERE idx = 1", "tile/0/001"),
        ("INSERT INTO tile VALUES(5, 5, x'00')", "tile has 3 rows"),
        ("UPDATE edge SET data = zeroblob(length(data)) WHERE level = 0", "edge"),
        ("UPDATE edge SET data = zeroblob(length(data)) WHERE level = 1", "edge"),
        ("UPDATE head SET size = 599", "signed tree"),
        ("UPDATE head SET checkpoint = CAST(replace(checkpoint, '600', '601') AS BLOB)", "signed tree has 601"),
        ("UPDATE head SET checkpoint = x'00'", "malformed"),
        ("DELETE FROM head", "head"),
    ],
)
def test_fsck_names_the_damage(sound: Path, damage: str, says: str) -> None:
    database = sqlite3.connect(sound)
    database.execute(damage)
    database.commit()
    database.close()
    report = fsck(sound, [KEY.verifier])
    assert not report.is_sound
    assert says in " ".join(problem.en for problem in report.problems), report.problems


def test_fsck_finds_any_bit_that_flips_in_what_the_ledger_stores(sound: Path) -> None:
    whole = sound.read_bytes()
    chance = random.Random(7)
    with Ledger.open(sound, KEY) as ledger:
        # Places in the file where stored bytes stand: entries, the tiles' hashes and the checkpoint.
        stored = [ledger.entry(i) for i in (0, 255, 256, 599)] + [ledger.checkpoint()]
        stored += [leaf_hash(ledger.entry(i)) for i in (3, 300, 598)]
    whole = sound.read_bytes()
    flipped = sound.with_name("flipped")
    for data in stored:
        start = whole.find(data)
        assert start > 0
        at = start + chance.randrange(len(data))
        bent = bytearray(whole)
        bent[at] ^= 1 << chance.randrange(8)
        flipped.write_bytes(bent)
        assert not fsck(flipped, [KEY.verifier]).is_sound, at


def test_fsck_survives_any_file(sound: Path, tmp_path: Path) -> None:
    whole = sound.read_bytes()
    chance = random.Random(11)
    broken = tmp_path / "broken"
    for data in (b"", b"x", os.urandom(5000), whole[:5000], whole[: len(whole) // 2]):
        broken.write_bytes(data)
        assert not fsck(broken, [KEY.verifier]).is_sound
    for _ in range(30):
        bent = bytearray(whole)
        for _ in range(50):
            bent[chance.randrange(100, len(bent))] = chance.randrange(256)
        broken.write_bytes(bent)
        assert not fsck(broken, [KEY.verifier]).is_sound
        with contextlib.suppress(EvidenceError), Ledger.open(broken, KEY) as ledger:
            ledger.append(b"more")
            ledger.prove(5)
            list(ledger.entries())
