"""Witnesses: the published conversation, forks, restarts, several processes, and two offices cosigning each other."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.errors import FormatError, LedgerRollbackError, UsageError
from evidencekit.hashing.merkle import EMPTY_ROOT
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from evidencekit.ledger.cosignature import MlDsaSigner, format_mldsa_vkey, time_of
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.policy import check_policy, parse_policy
from evidencekit.ledger.witness import (
    AddCheckpoint,
    Witness,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from evidencekit.ledger.witness_server import WitnessServer
from evidencekit.ledger.witnessing import gather_cosignatures
from evidencekit.signing.note import VerifierKey, format_vkey, sign_note
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "ledger" / "c2sp_vectors.json"
KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
COSIGNER = CosignatureSigner("witness.example", b"w" * 32, clock=lambda: 1_800_000_000)
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    (tmp_path / "witness").mkdir()
    made = Witness(tmp_path / "witness", [KEY.verifier], [COSIGNER])
    yield made
    made.close()


def open_ledger(path: Path) -> Ledger:
    return Ledger.open(path, KEY, create=True, clock=lambda: NOW)


def request_of(ledger: Ledger, old_size: int) -> bytes:
    path, checkpoint = ledger.prove_consistency(old_size)
    return format_add_checkpoint(AddCheckpoint(old_size=old_size, proof=tuple(path), checkpoint=checkpoint))


def test_the_published_conversation(tmp_path: Path) -> None:
    if not VECTORS.exists():
        pytest.skip("shared/vectors/ledger is not beside the repository")
    case: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))["add_checkpoint_conversation"]
    log = VerifierKey(name=case["origin"], key_type=1, public_key=bytes.fromhex(case["log_pubkey_hex"]))
    witness = Witness(tmp_path, [log], [CosignatureSigner("example.com/witness", bytes(32))])
    for request in case["requests"]:
        reply = witness.add_checkpoint(request["body"].encode())
        # The recorded server of 2025 answers 403 to an unknown origin; C2SP tlog-witness says 404.
        expected = 404 if "unknown log" in request["assertion"] else request["status"]
        assert reply.status == expected, request
        if reply.status == 200:
            assert reply.body.decode().startswith("— example.com/witness ")
        if reply.status == 409:
            assert reply.content_type == "text/x.tlog.size"
            assert f"body == {json.dumps(reply.body.decode())}" == request["assertion"]
    witness.close()


def test_a_witness_follows_a_growing_log(tmp_path: Path, witness: Witness) -> None:
    size = 0
    with open_ledger(tmp_path / "ledger") as ledger:
        for count in (0, 1, 2, 250, 3, 300, 0):
            ledger.append_many([b"%d" % i for i in range(size, size + count)])
            reply = witness.add_checkpoint(request_of(ledger, size))
            assert reply.status == 200, reply.body
            size += count
            note = ledger.checkpoint() + reply.body
            signed = open_checkpoint(note, [KEY.verifier, COSIGNER.verifier])
            assert signed.is_log_signed
            assert signed.witnesses == ("witness.example",)
            assert time_of(signed.note.verified[1]) == 1_800_000_000
        last = witness.last(hashlib.sha256(KEY.name.encode()).hexdigest())
        assert last.status == 200
        assert open_checkpoint(last.body, [KEY.verifier, COSIGNER.verifier]).checkpoint.size == size
        assert witness.last("0" * 64).status == 404


def test_a_witness_never_vouches_for_two_histories(tmp_path: Path, witness: Witness) -> None:
    with open_ledger(tmp_path / "one") as one, open_ledger(tmp_path / "two") as two:
        one.append_many([b"a", b"b"])
        two.append_many([b"a", b"X"])
        assert witness.add_checkpoint(request_of(one, 0)).status == 200
        assert witness.add_checkpoint(request_of(two, 0)).status == 409
        assert witness.add_checkpoint(request_of(two, 2)).status == 422
        two.append_many([b"c", b"d"])
        assert witness.add_checkpoint(request_of(two, 2)).status == 422
        assert witness.add_checkpoint(request_of(two, 1)).body == b"2\n"
    again = Witness(tmp_path / "witness", [KEY.verifier], [COSIGNER])
    with open_ledger(tmp_path / "two") as two:
        assert again.add_checkpoint(request_of(two, 2)).status == 422, "a restart forgets nothing"
    again.close()


def test_what_a_witness_refuses(tmp_path: Path, witness: Witness) -> None:
    other = Ed25519NoteSigner(KEY.name, bytes(32))
    stranger = Ed25519NoteSigner("unknown.example", bytes(32))
    text = format_checkpoint(Checkpoint(origin=KEY.name, size=1, root=bytes(32)))
    unknown = format_checkpoint(Checkpoint(origin=stranger.name, size=1, root=bytes(32)))
    assert witness.add_checkpoint(b"old 0\n\n" + sign_note(text, other)).status == 403
    assert witness.add_checkpoint(b"old 0\n\n" + sign_note(unknown, stranger)).status == 404
    assert witness.add_checkpoint(b"old 2\n\n" + sign_note(text, KEY)).status == 400
    for body in (
        b"",
        b"old 0\n",
        b"old 00\n\n" + sign_note(text, KEY),
        b"old -1\n\n" + sign_note(text, KEY),
        b"new 0\n\n" + sign_note(text, KEY),
        b"old 0\nAAAA\n\n" + sign_note(text, KEY),
        b"old 0\n\xff\n\n" + sign_note(text, KEY),
        b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n" + sign_note(text, KEY),
        b"old 0\n\n" + text,
        b"old 0\n\n" + b"x" * (1 << 20),
    ):
        assert witness.add_checkpoint(body).status == 400, body[:80]
    assert list((tmp_path / "witness").iterdir()) == [tmp_path / "witness" / "witness.lock"]
    with pytest.raises(UsageError):
        Witness(tmp_path / "witness", [KEY.verifier, other.verifier], [COSIGNER])
    with pytest.raises(UsageError):
        Witness(tmp_path / "witness", [KEY.verifier], [])
    with pytest.raises(FormatError):
        parse_add_checkpoint(b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\nnote")


def test_racing_requests_get_one_history(tmp_path: Path, witness: Witness) -> None:
    requests = []
    for name in range(6):
        with open_ledger(tmp_path / f"fork{name}") as ledger:
            ledger.append_many([b"%d" % name, b"more"])
            requests.append(request_of(ledger, 0))
    statuses: list[int] = []

    def ask(body: bytes) -> None:
        statuses.append(witness.add_checkpoint(body).status)

    threads = [threading.Thread(target=ask, args=(body,)) for body in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]


def test_offices_cosign_each_other_over_http(tmp_path: Path) -> None:
    pq = MlDsaSigner("pq.example", bytes(32))
    witnesses = []
    for name, signer in (("w1", COSIGNER), ("w2", pq)):
        (tmp_path / name).mkdir()
        witnesses.append(Witness(tmp_path / name, [KEY.verifier], [signer]))
    with (
        WitnessServer(witnesses[0]) as one,
        WitnessServer(witnesses[1]) as two,
        open_ledger(tmp_path / "ledger") as ledger,
    ):
        policy = parse_policy(
            f"log {format_vkey(KEY.verifier)}\n"
            f"witness One {format_vkey(COSIGNER.verifier)} {one.url}\n"
            f"witness Two {format_mldsa_vkey(pq.verifier)} {two.url}/\n"
            f"witness Gone {format_vkey(CosignatureSigner('gone', b'g' * 32).verifier)} http://127.0.0.1:9/\n"
            "group Some 2 One Two Gone\nquorum Some\n".encode()
        )
        sizes: dict[str, int] = {}
        for count in (3, 300, 0):
            ledger.append_many([b"%d-%d" % (count, i) for i in range(count)])
            # Forgetting the sizes in between costs a 409 and a second try, no more.
            witnessed = gather_cosignatures(ledger, policy, sizes=sizes if count else None, timeout_s=5)
            assert witnessed.quorum_met
            assert witnessed.witnesses == ("One", "Two")
            assert set(witnessed.failures) == {"Gone"}
            sizes = dict(witnessed.sizes)
            assert sizes == {"One": ledger.size, "Two": ledger.size}
            assert check_policy(policy, witnessed.checkpoint).is_satisfied
        shutil.copy(tmp_path / "ledger", tmp_path / "backup")
        ledger.append(b"newest")
        gather_cosignatures(ledger, policy, timeout_s=5)
        with open_ledger(tmp_path / "backup") as old, pytest.raises(LedgerRollbackError, match="has seen 304"):
            gather_cosignatures(old, policy, timeout_s=5)
    for witness in witnesses:
        witness.close()


def test_the_server_refuses_what_is_not_the_protocol(witness: Witness) -> None:
    with WitnessServer(witness) as server:

        def ask(method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
            connection.request(method, path, body, headers or {})
            status = connection.getresponse().status
            connection.close()
            return status

        assert ask("GET", "/") == 404
        assert ask("GET", "/../../etc/passwd/checkpoint") == 404
        assert ask("GET", f"/{'0' * 64}/checkpoint") == 404
        assert ask("POST", "/other", b"x") == 404
        assert ask("POST", "/add-checkpoint", b"x") == 400
        assert ask("POST", "/add-checkpoint", None, {"Content-Length": "9999999"}) == 413
        assert ask("POST", "/add-checkpoint", None, {"Content-Length": "-1"}) == 411
        assert ask("PUT", "/add-checkpoint", b"x") == 501


def test_the_empty_tree_is_cosigned(witness: Witness) -> None:
    text = format_checkpoint(Checkpoint(origin=KEY.name, size=0, root=EMPTY_ROOT))
    assert witness.add_checkpoint(b"old 0\n\n" + sign_note(text, KEY)).status == 200
