"""Published is more than appended: tiles out, quorum met. Also what a published log says of an old ledger."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import LedgerCorruptError, LedgerError, LedgerRollbackError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.ledger.monitor import audit
from evidencekit.ledger.policy import Policy, check_policy, parse_policy
from evidencekit.ledger.publication import Publication
from evidencekit.ledger.publishers.directory import DirectoryTarget, publish_directory
from evidencekit.ledger.source import directory_source
from evidencekit.ledger.witness import Witness
from evidencekit.ledger.witness_server import WitnessServer
from evidencekit.ledger.witnessing import Witnessing, gather_cosignatures
from evidencekit.signing.note import VerifierKey, format_vkey
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner, format_skey
from tests.unit.ledger.test_publish import build_go

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
SEED = b"w" * 32
COSIGNER = CosignatureSigner("witness.example", SEED)
JUDGE = Path(__file__).parents[2] / "judges" / "witness"


def policy_of(url: str) -> Policy:
    assert isinstance(KEY.verifier, VerifierKey)
    assert isinstance(COSIGNER.verifier, VerifierKey)
    lines = f"log {format_vkey(KEY.verifier)}\nwitness One {format_vkey(COSIGNER.verifier)} {url}\nquorum One\n"
    return parse_policy(lines.encode())


@contextmanager
def witness_server(tmp_path: Path) -> Iterator[WitnessServer]:
    (tmp_path / "witness").mkdir(exist_ok=True)
    witness = Witness(tmp_path / "witness", [KEY.verifier], [COSIGNER])
    with WitnessServer(witness) as server:
        yield server
    witness.close()


def test_what_is_awaited_is_out_and_witnessed(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with witness_server(tmp_path) as server, Ledger.open(tmp_path / "l", KEY, create=True) as ledger:
        policy = policy_of(server.url)
        targets = [DirectoryTarget(one), DirectoryTarget(two)]
        with Publication(ledger, targets, witnessing=Witnessing(policy=policy), interval_s=0.05) as publication:
            seen: list[int] = []

            def work(name: int) -> None:
                for i in range(5):
                    appended = ledger.append(b"%d-%d" % (name, i))
                    tree = publication.await_published(appended.index, timeout_s=30)
                    assert tree.quorum_met
                    assert tree.size > appended.index
                    for directory in (one, two):
                        data = (directory / "checkpoint").read_bytes()
                        assert check_policy(policy, data).is_satisfied
                        assert open_checkpoint(data, [KEY.verifier]).checkpoint.size > appended.index
                    seen.append(appended.index)

            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(seen) == list(range(20))

            async def work_async(name: int) -> int:
                appended = await ledger.append_async(b"async %d" % name)
                return (await publication.await_published_async(appended.index, timeout_s=30)).size

            async def crowd() -> list[int]:
                return await asyncio.gather(*(work_async(n) for n in range(50)))

            assert max(asyncio.run(crowd())) == 70
            ledger.append(b"last")
        assert audit(directory_source(one), [KEY.verifier]).size == 71, "closing publishes what there is"


def test_an_unmet_policy_holds_everything_back_unless_told_otherwise(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l", KEY, create=True) as ledger:
        policy = policy_of("http://127.0.0.1:9/")
        index = ledger.append(b"a").index
        target = DirectoryTarget(tmp_path / "log")
        with Publication(ledger, [target], witnessing=Witnessing(policy=policy), interval_s=0.05) as publication:
            with pytest.raises(LedgerError, match="policy was not met"):
                publication.await_published(index, timeout_s=0.5)
            with pytest.raises(LedgerError, match="policy was not met"):
                asyncio.run(publication.await_published_async(index, timeout_s=0.3))
        assert target.read("checkpoint") is None
        open_to_all = Witnessing(policy=policy, fail_open=True)
        with Publication(ledger, [target], witnessing=open_to_all, interval_s=0.05) as publication:
            assert not publication.await_published(index, timeout_s=30).quorum_met
            # The witness answers at last: the same tree gets its cosignature, and the waiters' word is true.
            assert target.read("checkpoint") == target.read("checkpoints/1")
    with witness_server(tmp_path) as server, Ledger.open(tmp_path / "l", KEY) as ledger:
        witnessing = Witnessing(policy=policy_of(server.url))
        with Publication(ledger, [target], witnessing=witnessing, interval_s=0.05) as publication:
            assert publication.await_published(index, timeout_s=30).quorum_met
        assert check_policy(witnessing.policy, target.read("checkpoint") or b"").is_satisfied


def test_a_published_log_refuses_an_old_or_empty_ledger(tmp_path: Path) -> None:
    path, directory = tmp_path / "l", tmp_path / "log"
    options = LedgerOptions(published=(directory_source(directory),))
    with Ledger.open(path, KEY, create=True, options=options) as ledger:
        ledger.append_many([b"a", b"b"])
    shutil.copy(path, tmp_path / "backup")
    with Ledger.open(path, KEY, options=options) as ledger:
        ledger.append(b"c")
        publish_directory(ledger, directory)
    with pytest.raises(LedgerRollbackError, match="restored from an old copy"):
        Ledger.open(tmp_path / "backup", KEY, options=options)
    with pytest.raises(LedgerRollbackError, match="are published"):
        Ledger.open(tmp_path / "new", KEY, create=True, options=options)
    assert not (tmp_path / "new").exists()
    with Ledger.open(tmp_path / "backup", KEY) as ledger:
        with pytest.raises(LedgerRollbackError):
            Publication(ledger, [DirectoryTarget(directory)])
        ledger.append_many([b"x", b"y"])
    with pytest.raises(LedgerRollbackError, match="two histories"):
        Ledger.open(tmp_path / "backup", KEY, options=options)
    with pytest.raises(LedgerCorruptError, match="not signed by the ledger's key"):
        Ledger.open(tmp_path / "n", Ed25519NoteSigner(KEY.name, bytes(32)), create=True, options=options)


def test_a_log_set_back_while_publishing_stops_it(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    with (
        Ledger.open(tmp_path / "one", KEY, create=True) as one,
        Ledger.open(tmp_path / "two", KEY, create=True) as two,
        Publication(one, [DirectoryTarget(directory)], interval_s=0.05) as publication,
    ):
        assert publication.await_published(one.append(b"a").index).size == 1
        two.append_many([b"other", b"still other"])
        (directory / "checkpoint").write_bytes(two.checkpoint())
        with pytest.raises(LedgerRollbackError):
            publication.await_published(one.append(b"b").index, timeout_s=30)
        with pytest.raises(LedgerRollbackError):
            publication.await_published(one.append(b"c").index, timeout_s=30)


@contextmanager
def go_witness(tmp_path: Path) -> Iterator[str]:
    binary = build_go(JUDGE, ".", tmp_path / "go-witness")
    assert isinstance(KEY.verifier, VerifierKey)
    (tmp_path / "key").write_text(format_skey(COSIGNER.name, SEED))
    (tmp_path / "logs.yaml").write_text(
        f"Logs:\n  - Origin: {KEY.name}\n    URL: http://127.0.0.1:9/\n    PublicKey: {format_vkey(KEY.verifier)}\n"
    )
    command = [str(binary), str(tmp_path / "key"), str(tmp_path / "logs.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.slow
def test_transparency_devs_witness_cosigns_our_log_and_no_second_history(tmp_path: Path) -> None:
    with go_witness(tmp_path) as url, Ledger.open(tmp_path / "l", KEY, create=True) as ledger:
        policy = policy_of(url)
        deadline = time.monotonic() + 30
        while not gather_cosignatures(ledger, policy, timeout_s=5).quorum_met:
            assert time.monotonic() < deadline, gather_cosignatures(ledger, policy, timeout_s=5).failures
        sizes: dict[str, int] = {}
        for count in (1, 2, 300, 1, 700):
            ledger.append_many([b"%d-%d" % (ledger.size, i) for i in range(count)])
            witnessed = gather_cosignatures(ledger, policy, sizes=sizes, timeout_s=5)
            assert witnessed.quorum_met, witnessed.failures
            assert check_policy(policy, witnessed.checkpoint).is_satisfied
            # Every other time it must be told by a 409 where the witness stands.
            sizes = dict(witnessed.sizes) if count != 300 else {}
        size = ledger.size
        with Ledger.open(tmp_path / "fork", KEY, create=True) as fork:
            fork.append_many([b"other %d" % i for i in range(size)])
            assert "One" in gather_cosignatures(fork, policy, sizes={"One": size}, timeout_s=5).failures
            fork.append_many([b"more %d" % i for i in range(5)])
            assert "One" in gather_cosignatures(fork, policy, timeout_s=5).failures
        with Ledger.open(tmp_path / "old", KEY, create=True) as old:
            old.append(b"a")
            with pytest.raises(LedgerRollbackError):
                gather_cosignatures(old, policy, timeout_s=5)
