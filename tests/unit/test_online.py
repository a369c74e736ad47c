"""`verify --online`: lists and the log are fetched first, and count for their signatures alone; hostile replies end."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit import online
from evidencekit.bundle import paths
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.entry import Status, StatusEntry, format_status_entry
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.policy import parse_policy
from evidencekit.ledger.publishers.directory import publish_directory
from evidencekit.model import Outcome
from evidencekit.signing.identity import key_id
from evidencekit.signing.note import format_vkey
from evidencekit.verify.verifier import verify_bundle
from evidencekit_cli.main import main
from tests.support.assembly import AT, NOW, Keys, Members, Plan, make_keys, make_members, pack, reseal
from tests.support.issued import TestCa
from tests.unit.test_revocations import ROOT_KEY, TSA_KEY, certificate, responder, revocation_list, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import Finding, VerificationReport
    from evidencekit.verify.trust import Trust


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def members(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Members:
    return make_members(Plan(keys=keys), tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bundle(members: Members, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(members))
    return path


def finding(report: VerificationReport, identifier: str) -> Finding:
    return next(found for found in report.findings if found.id == identifier)


def stamped_by(url: str, keys: Keys, folder: Path) -> tuple[Path, Trust]:
    """A bundle whose TSA's certificate names a revocation list at `url`."""
    tsa = certificate("TSA", TSA_KEY, url)
    own = replace(keys, tsa_certificate=tsa, tsa_key=TSA_KEY)
    path = folder / "stamped.zip"
    path.write_bytes(pack(make_members(Plan(keys=own), folder)))
    return path, replace(keys.trust, tsas=(certificate("Root", ROOT_KEY, None),))


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler] | partial[Files]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def published(keys: Keys, members: Members, folder: Path, *more: bytes) -> Iterator[str]:
    """The very log that the bundle's proof is of, with what was entered since."""
    entries = [b"older", members[paths.OPEN_ENTRY], b"other", members[paths.ENTRY], *more]
    with Ledger.open(folder / "ledger.sqlite", keys.log, create=True) as ledger:
        ledger.append_many(entries)
        publish_directory(ledger, folder / "log")
    with listening(partial(Files, directory=str(folder / "log"))) as url:
        yield url


def knowing(keys: Keys, url: str) -> Trust:
    """The caller's trust, with a witness policy that says where the log is published."""
    policy = parse_policy(f"log {format_vkey(keys.log.verifier)} {url}\nquorum none\n".encode())
    return replace(keys.trust, policies=(policy,))


def revocation(keys: Keys, members: Members) -> bytes:
    return format_status_entry(
        StatusEntry(
            document=digest_bytes(b"why"),
            key_id=key_id(keys.signer.certificate),
            of_index=3,
            of_leaf=leaf_hash(members[paths.ENTRY]).hex(),
            status=Status.REVOKED,
            successor=None,
            time=NOW,
        )
    )


@pytest.mark.parametrize("revoked", [False, True])
def test_a_list_published_since_decides(keys: Keys, tmp_path: Path, revoked: bool) -> None:
    with served(revocation_list(revoked=revoked)) as url:
        path, trust = stamped_by(url, keys, tmp_path)
        fetched = online.fetch_for(path, trust, standing=False, allow_private=True)
    assert len(fetched.crls) == 1
    assert not fetched.missed
    assert finding(verify_bundle(path, trust=trust, at=AT), "time.seal").outcome is Outcome.PASSED
    found = finding(verify_bundle(path, trust=fetched.added_to(trust), at=AT), "time.seal")
    assert found.outcome is (Outcome.FAILED if revoked else Outcome.PASSED), found.reason.en


@pytest.mark.parametrize("revoked", [False, True])
def test_a_responder_that_is_asked_today_decides(keys: Keys, tmp_path: Path, revoked: bool) -> None:
    ca = TestCa(at=NOW - timedelta(hours=1))
    with responder(ca, tmp_path, revoked=revoked) as url:
        tsa = ca.issue("TSA", TSA_KEY, purpose=ExtendedKeyUsageOID.TIME_STAMPING, responder=url)
        own = replace(keys, tsa_certificate=tsa, tsa_key=TSA_KEY)
        path = tmp_path / "stamped.zip"
        path.write_bytes(pack(make_members(Plan(keys=own), tmp_path)))
        trust = replace(keys.trust, tsas=(ca.certificate,))
        fetched = online.fetch_for(path, trust, standing=False, allow_private=True)
    assert (len(fetched.crls), len(fetched.ocsp), fetched.missed) == (0, 1, ())
    assert finding(verify_bundle(path, trust=trust, at=AT), "time.seal").outcome is Outcome.PASSED
    found = finding(verify_bundle(path, trust=fetched.added_to(trust), at=AT), "time.seal")
    assert found.outcome is (Outcome.FAILED if revoked else Outcome.PASSED), found.reason.en


def test_a_list_by_somebody_else_is_not_believed(keys: Keys, tmp_path: Path) -> None:
    with served(revocation_list(revoked=True, by=TSA_KEY)) as url:
        path, trust = stamped_by(url, keys, tmp_path)
        fetched = online.fetch_for(path, trust, standing=False, allow_private=True)
    report = verify_bundle(path, trust=fetched.added_to(trust), at=AT)
    assert finding(report, "time.seal").outcome is Outcome.PASSED


def test_a_bundle_sends_nobody_into_a_private_network(keys: Keys, tmp_path: Path) -> None:
    with served(revocation_list(revoked=True)) as url:
        path, trust = stamped_by(url, keys, tmp_path)
        fetched = online.fetch_for(path, trust, standing=False)
    assert not fetched.crls
    assert [text.en for text in fetched.missed] == [f"no revocation list or OCSP response from {url}"]
    assert url in fetched.missed[0].zh


def test_a_bundle_does_not_choose_a_private_log(keys: Keys, members: Members, tmp_path: Path) -> None:
    with published(keys, members, tmp_path) as url:
        policy = f"log {format_vkey(keys.log.verifier)} {url}\nquorum none\n".encode()
        path = tmp_path / "own.zip"
        path.write_bytes(pack(reseal(members | {paths.POLICY: policy}, keys)))
        fetched = online.fetch_for(path, keys.trust)
        allowed = online.fetch_for(path, keys.trust, allow_private=True)
    assert fetched.standing is None
    assert "the log was not asked" in fetched.missed[0].en
    assert allowed.standing is not None
    assert not allowed.missed


def test_the_log_as_it_is_now_tells_the_status(keys: Keys, members: Members, bundle: Path, tmp_path: Path) -> None:
    with published(keys, members, tmp_path) as url:
        fetched = online.fetch_for(bundle, knowing(keys, url))
    assert not fetched.missed
    report = verify_bundle(bundle, trust=keys.trust, at=AT, standing=fetched.standing)
    assert finding(report, "status.current").outcome is Outcome.PASSED
    (tmp_path / "later").mkdir()
    with published(keys, members, tmp_path / "later", revocation(keys, members)) as url:
        fetched = online.fetch_for(bundle, knowing(keys, url))
    report = verify_bundle(bundle, trust=keys.trust, at=AT, standing=fetched.standing)
    assert finding(report, "status.current").outcome is Outcome.INDETERMINATE
    assert "REVOKED" in report.headline.en
    assert report.overall is Outcome.INDETERMINATE


def test_without_an_address_the_status_stays_open(keys: Keys, bundle: Path) -> None:
    fetched = online.fetch_for(bundle, keys.trust)
    assert fetched.standing is None
    assert "--ledger URL" in fetched.missed[0].en
    assert "--ledger" in fetched.missed[0].zh


class Endless(BaseHTTPRequestHandler):
    """Begins an answer of any length."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


class Elsewhere(Endless):
    """Redirects."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()


class Garbage(Endless):
    """Answers everything with what is no checkpoint."""

    def do_GET(self) -> None:
        body = b"<html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("handler", [Endless, Elsewhere, Garbage])
def test_hostile_servers_end_as_something_missed(
    handler: type[BaseHTTPRequestHandler], keys: Keys, tmp_path: Path
) -> None:
    with listening(handler) as url:
        path, trust = stamped_by(f"{url}/tsa.crl", keys, tmp_path)
        policies = knowing(keys, url).policies
        fetched = online.fetch_for(path, replace(trust, policies=policies), allow_private=True)
    assert not fetched.crls
    assert fetched.standing is None
    assert len(fetched.missed) == 2
    report = verify_bundle(path, trust=fetched.added_to(trust), at=AT, standing=fetched.standing)
    assert finding(report, "status.current").outcome is Outcome.NOT_PERFORMED
    assert report.overall is Outcome.PASSED


def test_a_log_that_serves_too_much_is_not_read_further(
    keys: Keys, members: Members, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "MAX_LOG_BYTES", 1 << 16)
    with published(keys, members, tmp_path, *[bytes((n,)) * 60_000 for n in range(3)]) as url:
        fetched = online.fetch_for(bundle, knowing(keys, url))
    assert fetched.standing is None
    assert "MiB" in fetched.missed[0].en


def test_the_command_says_what_it_could_not_have(
    keys: Keys, members: Members, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    for name in (paths.TRUST_SIGNER, paths.TRUST_TSA, paths.TRUST_LEDGER):
        (anchors / name.rpartition("/")[2]).write_bytes(members[name])
    arguments = ["verify", str(bundle), "--online", "--trust", str(anchors), "--at", AT.isoformat(), "--lang", "en"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "--ledger URL" in shown.err
    with published(keys, members, tmp_path) as url:
        policy = tmp_path / "witness.policy"
        policy.write_text(f"log {format_vkey(keys.log.verifier)} {url}\nquorum none\n", "utf-8")
        assert main([*arguments, "--trust", f"policy={policy}", "-v"]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    assert "no correction or revocation is entered" in shown.out
