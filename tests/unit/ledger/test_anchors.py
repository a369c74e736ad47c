"""Anchors of checkpoints, against real servers on loopback: deposit APIs that confirm, lie, stall and break; TSAs."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidencekit.errors import FormatError
from evidencekit.ledger.anchors.anchor import (
    Anchor,
    AnchorState,
    Receipt,
    anchored_digests,
    format_receipt,
    keep_receipt,
    parse_receipt,
)
from evidencekit.ledger.anchors.depositapi import ApiFields, DepositApi
from evidencekit.ledger.anchors.rfc3161 import Rfc3161Anchor
from evidencekit.ledger.log import Ledger
from evidencekit.model import Outcome
from evidencekit.signing.identity import create_tsa_identity
from evidencekit.signing.note import signature_line
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa, TsaConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
TOKEN = "token-5566778899"  # noqa: S105 (seeded)
GZC = ApiFields(
    hash="fileHash",
    number="data.ano",
    transaction="data.blockchainHash",
    state="data.status",
    echo="data.fileHash",
    time="data.createTime",
    states={"1": AnchorState.PENDING, "2": AnchorState.FAILED, "3": AnchorState.CONFIRMED},
    constants={"attestationType": 8},
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> bytes:
    with Ledger.open(tmp_path / "ledger", KEY, create=True, clock=lambda: NOW) as ledger:
        ledger.append_many([b"one", b"two", b"three"])
        return ledger.checkpoint()


class Office:
    """A notary office's deposit API: `answer` makes each reply; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, Any]], tuple[int, bytes]] = self.honest
        self.held: dict[str, str] = {}
        self.state = "1"
        office = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                office.asked.append((self.path, body, dict(self.headers)))
                status, data = office.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def honest(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        if path == "/submit":
            number = f"ANO-{len(self.held) + 1}"
            self.held[number] = body["fileHash"]
        else:
            number = body["ano"]
        return 200, self.reply(number, self.held[number], self.state)

    def reply(self, number: str, held: str, state: str) -> bytes:
        chain = f"0x{number}-tx" if state == "3" else ""
        data = {"ano": number, "fileHash": held, "status": int(state), "blockchainHash": chain, "createTime": "2026"}
        return json.dumps({"code": 0, "data": data}).encode()

    def anchor(self, fields: ApiFields = GZC) -> DepositApi:
        url = f"http://127.0.0.1:{self.server.server_port}"
        return DepositApi(
            label="office",
            submit_url=f"{url}/submit",
            query_url=f"{url}/query",
            fields=fields,
            headers={"Authorization": TOKEN},
            timeout_s=3.0,
        )


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_deposit_is_pending_until_it_is_confirmed(office: Office, checkpoint: bytes, tmp_path: Path) -> None:
    anchor: Anchor = office.anchor()
    pending = anchor.submit(checkpoint)
    assert (pending.state, pending.number, pending.transaction) == (AnchorState.PENDING, "ANO-1", None)
    assert anchor.verify(pending, checkpoint).outcome is Outcome.FAILED
    assert anchor.poll(pending).state is AnchorState.PENDING
    office.state = "3"
    confirmed = anchor.poll(pending)
    assert (confirmed.state, confirmed.transaction) == (AnchorState.CONFIRMED, "0xANO-1-tx")
    assert anchor.verify(confirmed, checkpoint).outcome is Outcome.PASSED
    path = keep_receipt(tmp_path / "anchors", pending)
    assert keep_receipt(tmp_path / "anchors", confirmed) == path
    assert parse_receipt(path.read_bytes()) == confirmed
    assert TOKEN not in path.read_text()
    assert TOKEN not in repr(anchor)


def test_nothing_but_the_digest_leaves(office: Office, checkpoint: bytes) -> None:
    for fields in (GZC, replace(GZC, algorithm="sm3")):
        office.anchor(fields).submit(checkpoint)
    _, _, digests = anchored_digests(checkpoint)
    bodies = [body for _, body, _ in office.asked]
    assert bodies == [
        {"attestationType": 8, "fileHash": digests.sha256},
        {"attestationType": 8, "fileHash": digests.sm3},
    ]
    assert office.asked[0][2]["Authorization"] == TOKEN


def test_cosignatures_do_not_change_what_is_anchored(checkpoint: bytes) -> None:
    signer = CosignatureSigner("w.example", bytes(32))
    text = checkpoint.partition(b"\n\n")[0] + b"\n"
    cosigned = checkpoint + signature_line(signer, signer.sign(text))
    assert anchored_digests(cosigned) == anchored_digests(checkpoint)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b'{"data":{"ano":"A","status":2,"fileHash":"%s","blockchainHash":""}}'), "failed"),
        ((200, b'{"data":{"ano":"A","status":99,"fileHash":"%s","blockchainHash":"x"}}'), "failed"),
        ((200, b'{"data":{"ano":"A","status":true,"fileHash":"%s"}}'), "failed"),
        (
            (200, b'{"data":{"ano":"A","status":3,"fileHash":"' + b"0" * 64 + b'","blockchainHash":"x"}}'),
            "another hash",
        ),
        ((200, b'{"data":{"status":3,"fileHash":"%s","blockchainHash":"x"}}'), "no deposit number"),
        ((200, b"<html>gateway</html>"), "no JSON"),
        ((200, b"[" * 100_000), "no JSON"),
        ((200, b"[]"), "failed"),
        ((200, b" " * (300 << 10)), ""),
        ((503, b"{}"), "answers 503"),
        ((302, b"{}"), "answers 302"),
    ],
)
def test_what_is_not_a_deposit_is_failed(
    office: Office, checkpoint: bytes, answer: tuple[int, bytes], why: str
) -> None:
    held = anchored_digests(checkpoint)[2].sha256.encode()
    office.answer = lambda _path, _body: (answer[0], answer[1].replace(b"%s", held))
    receipt = office.anchor().submit(checkpoint)
    assert receipt.state is AnchorState.FAILED
    assert receipt.reason is not None
    assert why in receipt.reason.en
    assert parse_receipt(format_receipt(receipt)) == receipt


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"ano":"ANO-1","status":3,"fileHash":"%s","blockchainHash":""}}',
        b'{"data":{"ano":"ANO-1","status":3,"blockchainHash":"0x1"}}',
        b'{"data":{"ano":"ANO-1","status":3,"fileHash":"%s","blockchainHash":"' + b"x" * 600 + b'"}}',
    ],
)
def test_confirmed_without_transaction_or_hash_is_still_pending(office: Office, checkpoint: bytes, body: bytes) -> None:
    pending = office.anchor().submit(checkpoint)
    held = anchored_digests(checkpoint)[2].sha256.encode()
    office.answer = lambda _path, _body: (200, body.replace(b"%s", held))
    found = office.anchor().poll(pending)
    assert found.state is AnchorState.PENDING
    assert found.reason is not None


def test_an_office_out_of_reach_leaves_it_pending(office: Office, checkpoint: bytes) -> None:
    anchor = office.anchor()
    pending = anchor.submit(checkpoint)
    office.answer = lambda _path, _body: (500, b"")
    assert anchor.poll(pending).state is AnchorState.PENDING
    silent = replace(anchor, query_url="http://127.0.0.1:9/query", timeout_s=1.0)
    polled = silent.poll(pending)
    assert polled.state is AnchorState.PENDING
    assert polled.reason is not None
    assert replace(anchor, submit_url="http://127.0.0.1:9/").submit(checkpoint).state is AnchorState.FAILED


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda office: office.held.update({"ANO-1": "0" * 64}), Outcome.FAILED),
        (lambda office: setattr(office, "state", "2"), Outcome.FAILED),
        (lambda office: setattr(office, "state", "1"), Outcome.INDETERMINATE),
        (lambda office: setattr(office, "answer", lambda _p, _b: (503, b"")), Outcome.INDETERMINATE),
    ],
)
def test_an_office_that_changes_its_word_is_found(
    office: Office, checkpoint: bytes, change: Callable[[Office], None], outcome: Outcome
) -> None:
    office.state = "3"
    anchor = office.anchor()
    confirmed = anchor.submit(checkpoint)
    assert confirmed.state is AnchorState.CONFIRMED
    change(office)
    assert anchor.verify(confirmed, checkpoint).outcome is outcome


def test_another_number_or_another_checkpoint_is_not_this_one(
    office: Office, checkpoint: bytes, tmp_path: Path
) -> None:
    office.state = "3"
    anchor = office.anchor()
    confirmed = anchor.submit(checkpoint)
    held = anchored_digests(checkpoint)[2].sha256
    office.answer = lambda _path, _body: (200, office.reply("ANO-7", held, "3"))
    assert anchor.verify(confirmed, checkpoint).outcome is Outcome.FAILED
    with Ledger.open(tmp_path / "ledger", KEY, clock=lambda: NOW) as ledger:
        ledger.append(b"four")
        assert anchor.verify(confirmed, ledger.checkpoint()).outcome is Outcome.FAILED


def test_an_office_that_shows_no_hash_proves_little(office: Office, checkpoint: bytes) -> None:
    office.state = "3"
    anchor = office.anchor(replace(GZC, echo=None))
    assert anchor.verify(anchor.submit(checkpoint), checkpoint).outcome is Outcome.INDETERMINATE


def test_a_receipt_says_nothing_between(office: Office, checkpoint: bytes) -> None:
    office.state = "3"
    good = json.loads(format_receipt(office.anchor().submit(checkpoint)))
    for change in ({"transaction": None}, {"evidence": ""}, {"state": "maybe"}, {"anchor": "../x"}, {"sha256": "00"}):
        with pytest.raises(FormatError):
            parse_receipt(json.dumps(good | change, separators=(",", ":"), sort_keys=True).encode())


def test_the_command_keeps_receipts_and_polls_them(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import jsonschema

    from evidencekit.home import Home
    from evidencekit_cli.main import main
    from tests.unit.cli.test_docs import ROOT

    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    home = Home.open()
    with home.ledger(home.keys().ledger) as ledger:
        ledger.append(b"one")
    url = f"http://127.0.0.1:{office.server.server_port}"
    api = tmp_path / "office.toml"
    api.write_text(
        f'name = "office"\nsubmit_url = "{url}/submit"\nquery_url = "{url}/query"\nheaders_file = "secret"\n'
        '[fields]\nhash = "fileHash"\nnumber = "data.ano"\ntransaction = "data.blockchainHash"\n'
        'state = "data.status"\necho = "data.fileHash"\n[states]\n1 = "pending"\n3 = "confirmed"\n'
    )
    (tmp_path / "secret").write_text(f"Authorization: {TOKEN}\n")
    (tmp_path / "secret").chmod(0o644)
    arguments = ["ledger", "anchor", "--api", str(api), "--json"]
    assert main(arguments) == 2
    assert TOKEN not in "".join(capsys.readouterr())
    (tmp_path / "secret").chmod(0o600)
    schema = json.loads((ROOT / "docs" / "spec" / "command-output.schema.json").read_text(encoding="utf-8"))
    for state, status, word in (("1", 3, "pending"), ("3", 0, "confirmed"), ("3", 0, "confirmed")):
        office.state = state
        assert main(arguments) == status
        value = json.loads(capsys.readouterr().out)
        jsonschema.validate(value, {**schema, "oneOf": [{"$ref": "#/$defs/ledger-anchors"}]})
        assert [(one["anchor"], one["size"], one["state"]) for one in value["receipts"]] == [("office", 1, word)]
    assert len(office.held) == 1
    assert main([*arguments[:2], "--tsa", "http://127.0.0.1:9/", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["receipts"][1]["state"] == "failed"


# --- RFC 3161 ----------------------------------------------------------------------------------


def test_a_time_stamp_is_confirmed_at_once(checkpoint: bytes, tmp_path: Path) -> None:
    identity = create_tsa_identity(tmp_path / "tsa", now=datetime.now(UTC))
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = EmbeddedTsa(authority=Authority(key, identity.signer.certificate))
    anchor = Rfc3161Anchor(tsa=own, anchors=(identity.signer.certificate,))
    receipt: Receipt = anchor.submit(checkpoint)
    assert receipt.state is AnchorState.CONFIRMED
    assert anchor.poll(receipt) == receipt
    assert parse_receipt(format_receipt(receipt)) == receipt
    # Intact and anchored, but by ourselves: no third party.
    assert anchor.verify(receipt, checkpoint).outcome is Outcome.INDETERMINATE
    assert "self-issued" in anchor.verify(receipt, checkpoint).reason.en
    damaged = replace(receipt, evidence=receipt.evidence[:-1] + bytes([receipt.evidence[-1] ^ 1]))
    assert anchor.verify(damaged, checkpoint).outcome is Outcome.FAILED


def test_a_silent_tsa_is_failed_and_never_pending(checkpoint: bytes) -> None:
    anchor = Rfc3161Anchor(tsa=TsaConfig(url="http://127.0.0.1:9/", name="silent"))
    receipt = anchor.submit(checkpoint)
    assert receipt.state is AnchorState.FAILED
    assert receipt.reason is not None
    assert anchor.verify(receipt, checkpoint).outcome is Outcome.FAILED
