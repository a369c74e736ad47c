"""Lists and OCSP responses are fetched when we sign and stamp, kept, and believed for their signatures alone."""

from __future__ import annotations

import re
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.errors import SigningError
from evidencekit.model import Outcome
from evidencekit.revocations import Vetting, check_signer_now, fetch_tsa_revocations
from evidencekit.signing.identity import create_sealing_identity
from evidencekit.signing.signer import KeySigner
from evidencekit.stamping import Stamper
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.check import check_token
from evidencekit.timestamp.client import EmbeddedTsa
from evidencekit.timestamp.query import build_query
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import AT, FOREIGN_POLICY, NOW, Plan, make_keys, make_members, pack, reseal
from tests.support.issued import SERIAL, TestCa
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT_KEY, TSA_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def certificate(name: str, key: ec.EllipticCurvePrivateKey, url: str | None) -> x509.Certificate:
    """The root, or with a URL the TSA below it that names its revocation list there."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=5))
        .not_valid_after(NOW + timedelta(days=7000))
        .add_extension(x509.BasicConstraints(ca=url is None, path_length=None), critical=True)
    )
    if url is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(ROOT_KEY, hashes.SHA256())


def revocation_list(*, revoked: bool, by: ec.EllipticCurvePrivateKey = ROOT_KEY, name: str = "Root") -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(days=9))
    )
    if revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(now)
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        builder = builder.add_revoked_certificate(entry.add_extension(reason, critical=False).build())
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.DER)


@contextmanager
def served(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa.crl"
    finally:
        server.shutdown()
        server.server_close()


def stamped(folder: Path, url: str, policy: str = FOREIGN_POLICY) -> Path:
    authority = Authority(TSA_KEY, certificate("TSA", TSA_KEY, url), policy=policy)
    file = folder / "seal-1.tsr"
    file.write_bytes(authority.reply(build_query(bytes(32))))
    return file


@pytest.mark.parametrize("revoked", [False, True])
def test_a_list_is_kept_and_decides(tmp_path: Path, revoked: bool) -> None:
    body = revocation_list(revoked=revoked)
    with served(body) as url:
        reply = stamped(tmp_path, url)
        found = fetch_tsa_revocations([reply], allow_private=True)
    assert list(found.values()) == [body]
    assert all(name.startswith("proof/tsa/") and name.endswith(".crl") for name in found)
    root = certificate("Root", ROOT_KEY, None)
    check = check_token(
        reply.read_bytes(), digest=bytes(32), anchors=[root], at=datetime.now(UTC), crls=tuple(found.values())
    )
    assert check.trusted is (Outcome.FAILED if revoked else Outcome.PASSED), check.reason


def test_what_is_no_list_or_stands_on_a_private_host_is_left_out(tmp_path: Path) -> None:
    with served(b"<html>") as url:
        assert fetch_tsa_revocations([stamped(tmp_path, url)], allow_private=True) == {}
    with served(revocation_list(revoked=False)) as url:
        assert fetch_tsa_revocations([stamped(tmp_path, url)]) == {}, "sent into our own network"
        own = stamped(tmp_path, url, SELF_ISSUED_POLICY)
        assert fetch_tsa_revocations([own], allow_private=True) == {}
    (tmp_path / "broken.tsr").write_bytes(b"nonsense")
    assert fetch_tsa_revocations([tmp_path / "broken.tsr"]) == {}


@pytest.mark.parametrize(("signer", "expected"), [(ROOT_KEY, Outcome.FAILED), (TSA_KEY, Outcome.PASSED)])
def test_a_list_in_a_bundle_is_believed_for_its_signature_alone(
    tmp_path: Path, signer: ec.EllipticCurvePrivateKey, expected: Outcome
) -> None:
    tsa = certificate("TSA", TSA_KEY, "http://tsa.test/tsa.crl")
    keys = replace(make_keys(tmp_path / "keys"), tsa_certificate=tsa, tsa_key=TSA_KEY)
    trust = replace(keys.trust, tsas=(certificate("Root", ROOT_KEY, None),))
    members = make_members(Plan(keys=keys), tmp_path)
    path = tmp_path / "bundle.zip"
    crl = revocation_list(revoked=True, by=signer)
    path.write_bytes(pack(reseal(members | {"proof/tsa/1.crl": crl}, keys)))
    report = verify_bundle(path, trust=trust, at=AT)
    found = {finding.id: finding for finding in report.findings}
    assert found["container.members"].outcome is Outcome.PASSED
    assert found["time.seal"].outcome is expected, found["time.seal"].reason.en
    assert expected is Outcome.PASSED or "revoked" in found["time.seal"].reason.en


def test_a_tsa_that_was_revoked_counts_as_silent(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "keys")
    own = EmbeddedTsa(authority=Authority(made.tsa_key, made.tsa_certificate))
    fit = EmbeddedTsa(authority=Authority(made.tsa_key, made.tsa_certificate, policy=FOREIGN_POLICY), name="fit")
    with served(revocation_list(revoked=True)) as url:
        tsa = Authority(
            TSA_KEY, certificate("TSA", TSA_KEY, url), (certificate("Root", ROOT_KEY, None),), policy=FOREIGN_POLICY
        )
        revoked = EmbeddedTsa(authority=tsa, name="revoked", url="http://revoked.test/")
        with Stamper(others=(revoked, fit), own=own, vet=Vetting(allow_private=True)) as stamper:
            assert [reply.tsa for reply in stamper.stamp(bytes(32)).replies] == ["fit"]
        with Stamper(others=(revoked,), own=own, vet=Vetting(allow_private=True)) as stamper:
            stamped = stamper.stamp(bytes(32))
        with Stamper(others=(revoked,), own=own) as stamper:
            assert [reply.tsa for reply in stamper.stamp(bytes(32)).replies] == ["revoked"], "nobody was to be asked"
    assert (stamped.owing, [reply.tsa for reply in stamped.replies]) == (("http://revoked.test/",), ["embedded"])
    (reason,) = stamped.reasons
    assert "TSA revoked" in reason.en
    assert "keyCompromise" in reason.en
    assert "已于" in reason.zh


# --- OCSP: the responder is OpenSSL's -------------------------------------------------------------


@contextmanager
def responder(ca: TestCa, folder: Path, *, revoked: bool) -> Iterator[str]:
    """Let `openssl ocsp` answer for one certificate of the authority; gives its address."""
    key = ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    state = f"R\t400101000000Z\t{ca.at:%y%m%d%H%M%SZ},keyCompromise" if revoked else "V\t400101000000Z\t"
    (folder / "index").write_text(f"{state}\t{SERIAL:02X}\tunknown\t/CN=about\n")
    command = [program("openssl"), "ocsp", "-port", "0", "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem"]
    with subprocess.Popen(
        [*command, "-rkey", "ca.key", "-ndays", "3"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            ports = (re.search(rb"ACCEPT .*:([0-9]+)", line) for line in process.stdout)
            port = int(next(found for found in ports if found)[1])
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@pytest.mark.parametrize("revoked", [False, True])
def test_a_responder_is_asked_and_its_answer_is_kept_and_decides(tmp_path: Path, revoked: bool) -> None:
    ca = TestCa()
    with responder(ca, tmp_path, revoked=revoked) as url:
        tsa = ca.issue("TSA", TSA_KEY, purpose=ExtendedKeyUsageOID.TIME_STAMPING, responder=url)
        reply = tmp_path / "seal-1.tsr"
        authority = Authority(TSA_KEY, tsa, (ca.certificate,), policy=FOREIGN_POLICY)
        reply.write_bytes(authority.reply(build_query(bytes(32))))
        found = fetch_tsa_revocations([reply], allow_private=True)
        assert fetch_tsa_revocations([reply]) == {}, "sent into our own network"
    assert [name.rpartition(".")[2] for name in found] == ["ocsp"]
    now = datetime.now(UTC)
    check = check_token(
        reply.read_bytes(), digest=bytes(32), anchors=[ca.certificate], at=now, ocsp=tuple(found.values())
    )
    assert check.trusted is (Outcome.FAILED if revoked else Outcome.PASSED), check.reason
    (step,) = (step for step in check.checks if step.id == "revocation")
    assert step.outcome is check.trusted


def issued_signer(ca: TestCa, *, crl: str = "", responder: str = "") -> KeySigner:
    certificate = ca.issue("Office", TSA_KEY, crl=crl, responder=responder)
    return KeySigner(TSA_KEY, certificate, (ca.certificate,))


def test_a_revoked_signer_is_refused_and_a_good_one_proved(tmp_path: Path) -> None:
    ca, now = TestCa(), datetime.now(UTC)
    with responder(ca, tmp_path, revoked=True) as url, pytest.raises(SigningError, match="was revoked") as caught:
        check_signer_now(issued_signer(ca, responder=url), at=now, ask=True)
    assert "吊销" in caught.value.zh
    with served(ca.crl(revoked=True)) as url, pytest.raises(SigningError, match="was revoked"):
        check_signer_now(issued_signer(ca, crl=url), at=now, ask=True)
    with responder(ca, tmp_path, revoked=False) as url:
        status = check_signer_now(issued_signer(ca, responder=url), at=now, ask=True)
    assert status.open is None
    assert [name.startswith("proof/seal/") and name.endswith(".ocsp") for name in status.files] == [True]


def test_what_is_not_known_of_a_signer_is_said(tmp_path: Path) -> None:
    ca, now = TestCa(), datetime.now(UTC)
    silent = issued_signer(ca, responder="http://127.0.0.1:1/")
    status = check_signer_now(silent, at=now, ask=True)
    assert status.files == {}
    assert status.open is not None
    assert "127.0.0.1 gave no answer" in status.open.en
    unasked = check_signer_now(silent, at=now, ask=False).open
    assert unasked is not None
    assert "was not asked" in unasked.en
    own = create_sealing_identity(tmp_path / "own", now=now).signer
    assert check_signer_now(own, at=now, ask=True).open is None, "a self-signed certificate names nobody"
