"""The embedded TSA against `openssl ts`, and what it refuses."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from evidencekit.errors import UsageError
from evidencekit.model import Outcome
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.check import check_token
from evidencekit.timestamp.query import build_query, parse_query, random_nonce
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.x509 import der, oids
from evidencekit.x509.digests import digest

CONTENT = b"what was seen"
Identities = Callable[[str], Any]


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=30)


@pytest.mark.parametrize("kind", ["p256", "p384", "brainpool", "rsa", "p256-self"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sm3"])
def test_openssl_accepts_its_tokens(tsa_identities: Identities, kind: str, algorithm: str, tmp_path: Path) -> None:
    identity = tsa_identities(kind)
    query = build_query(digest(algorithm, CONTENT), algorithm=algorithm, nonce=random_nonce())
    (tmp_path / "q.tsq").write_bytes(query)
    (tmp_path / "r.tsr").write_bytes(identity.authority().reply(query))
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "other").write_bytes(b"something else")
    verify = ("ts", "-verify", "-in", tmp_path / "r.tsr", "-CAfile", identity.anchor_file)
    by_query = openssl(*verify, "-queryfile", tmp_path / "q.tsq")
    assert b"Verification: OK" in by_query.stdout, by_query.stderr
    assert openssl(*verify, "-data", tmp_path / "content").returncode == 0
    assert openssl(*verify, "-data", tmp_path / "other").returncode != 0


@pytest.mark.parametrize("kind", ["p256", "p384", "brainpool", "rsa", "ed25519", "p256-self"])
@pytest.mark.parametrize("algorithm", sorted(oids.DIGEST_SIZES))
def test_its_tokens_check(tsa_identities: Identities, kind: str, algorithm: str) -> None:
    identity = tsa_identities(kind)
    nonce = random_nonce()
    stamped = digest(algorithm, CONTENT)
    reply = identity.authority().reply(build_query(stamped, algorithm=algorithm, nonce=nonce))
    found = check_token(
        reply, digest=stamped, algorithm=algorithm, anchors=[identity.anchor], at=datetime.now(UTC), nonce=nonce
    )
    assert found.intact, found.reason
    assert found.trusted is Outcome.PASSED
    assert found.self_issued
    assert found.unaccounted == ()
    assert found.accuracy == timedelta(seconds=1)


@pytest.mark.parametrize("kind", ["p256", "rsa"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sm3", "sha3-256"])
def test_tokens_of_openssl_check(tsa_identities: Identities, kind: str, algorithm: str, tmp_path: Path) -> None:
    identity = tsa_identities(kind)
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    (tmp_path / "key.pem").write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "tsa.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "ts.cnf").write_text(
        f"[t]\nserial={tmp_path}/serial\ncrypto_device=builtin\nsigner_cert={tmp_path}/tsa.pem\n"
        f"certs={identity.anchor_file}\nsigner_key={tmp_path}/key.pem\nsigner_digest=sha256\ndefault_policy=1.2.3.4\n"
        "digests=sha256,sha384,sha512,sm3,sha3-256\naccuracy=secs:1,millisecs:500,microsecs:100\n"
        "clock_precision_digits=6\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"
    )
    stamped, nonce = digest(algorithm, CONTENT), random_nonce()
    (tmp_path / "q.tsq").write_bytes(build_query(stamped, algorithm=algorithm, nonce=nonce))
    command = ("ts", "-reply", "-config", tmp_path / "ts.cnf", "-section", "t")
    made = openssl(*command, "-queryfile", tmp_path / "q.tsq", "-out", tmp_path / "r.tsr")
    assert made.returncode == 0, made.stderr
    found = check_token(
        (tmp_path / "r.tsr").read_bytes(),
        digest=stamped,
        algorithm=algorithm,
        anchors=[identity.anchor],
        at=datetime.now(UTC),
        nonce=nonce,
        policies=["1.2.3.4"],
    )
    assert found.intact, found.reason
    assert found.trusted is Outcome.PASSED
    assert found.accuracy == timedelta(seconds=1, milliseconds=500, microseconds=100)
    assert not found.self_issued
    assert found.token is not None
    assert found.token.ordering


def test_a_token_without_certificate_checks_with_the_certificate_given(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    reply = identity.authority().reply(build_query(digest("sha256", CONTENT), cert_req=False))
    token = parse_response(reply).token
    assert token is not None
    assert parse_token(token).certificates == ()
    stamped, now = digest("sha256", CONTENT), datetime.now(UTC)
    missing = check_token(token, digest=stamped, anchors=[identity.anchor], at=now)
    assert (missing.integrity, missing.trusted) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)
    given = check_token(token, digest=stamped, anchors=[identity.anchor], at=now, intermediates=[identity.certificate])
    assert (given.integrity, given.trusted) == (Outcome.PASSED, Outcome.PASSED)


@pytest.mark.parametrize(
    ("query", "failure"),
    [
        (b"", "badDataFormat"),
        (b"<html>", "badDataFormat"),
        (build_query(bytes(32)) + b"\0", "badDataFormat"),
        (build_query(bytes(32)).replace(b"\x02\x01\x01", b"\x02\x01\x02", 1), "badRequest"),
        (build_query(bytes(32), policy="1.2.3"), "unacceptedPolicy"),
        (build_query(bytes(32)).replace(b"\x04\x20", b"\x04\x1f", 1), "badDataFormat"),
    ],
)
def test_refusals_name_the_failure(tsa_identities: Identities, query: bytes, failure: str) -> None:
    response = parse_response(tsa_identities("p256").authority().reply(query))
    assert not response.granted
    assert response.token is None
    assert response.failure == (failure,)
    assert response.texts


@pytest.mark.parametrize("name", ["md5", "sha1", "sha224"])
def test_hash_functions_that_prove_nothing_are_refused(tsa_identities: Identities, name: str) -> None:
    size = {"md5": 16, "sha1": 20, "sha224": 28}[name]
    imprint = der.sequence(der.sequence(der.oid(oids.HASH_OIDS[name]), der.null()), der.octet_string(bytes(size)))
    query = der.sequence(der.integer(1), imprint)
    assert parse_response(tsa_identities("p256").authority().reply(query)).failure == ("badAlg",)


def test_extensions_are_refused(tsa_identities: Identities) -> None:
    plain = der.parse(build_query(bytes(32)))
    extension = der.encode(der.context(0), der.sequence(der.oid("1.2.3"), der.octet_string(b"")))
    query = der.sequence(plain.content, extension)
    assert parse_query(query).extensions
    assert parse_response(tsa_identities("p256").authority().reply(query)).failure == ("unacceptedExtension",)


def test_openssl_reads_a_refusal(tsa_identities: Identities, tmp_path: Path) -> None:
    (tmp_path / "r.tsr").write_bytes(tsa_identities("p256").authority().reply(b"nonsense"))
    shown = openssl("ts", "-reply", "-in", tmp_path / "r.tsr", "-text")
    assert b"Rejected" in shown.stdout
    assert b"bad data format" in shown.stdout.lower() or b"data submitted has the wrong format" in shown.stdout


def test_serial_numbers_do_not_repeat_when_the_clock_stands_still(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    still = datetime(2026, 1, 1, tzinfo=UTC)
    serials = set()
    for _ in range(50):  # each a fresh process' worth of state
        authority = Authority(identity.key, identity.certificate, clock=lambda: still)
        token = parse_response(authority.reply(build_query(bytes(32)))).token
        assert token is not None
        serials.add(parse_token(token).serial)
    assert len(serials) == 50
    assert max(serials).bit_length() <= 159  # at most 20 octets with the sign


def test_time_policy_and_nonce_are_what_was_asked(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    moment = datetime(2026, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)
    authority = Authority(identity.key, identity.certificate, policy="1.3.6.1.4.1.99999.1", clock=lambda: moment)
    token = parse_token(parse_response(authority.reply(build_query(bytes(32), nonce=7))).token or b"")
    assert (token.gen_time, token.policy, token.nonce) == (moment, "1.3.6.1.4.1.99999.1", 7)
    assert SELF_ISSUED_POLICY.startswith("2.25.")


def test_a_key_of_another_certificate_is_refused(tsa_identities: Identities) -> None:
    with pytest.raises(UsageError, match="does not belong"):
        Authority(ec.generate_private_key(ec.SECP256R1()), tsa_identities("p256").certificate)


def test_an_accuracy_of_nothing_is_refused(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    with pytest.raises(UsageError, match="accuracy"):
        Authority(identity.key, identity.certificate, accuracy=timedelta(0))


def test_weak_keys_are_refused() -> None:
    from datetime import timedelta as span

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    now = datetime.now(UTC)
    weak = x509.CertificateBuilder(
        issuer_name=x509.Name([]),
        subject_name=x509.Name([]),
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + span(days=1),
    ).sign(key, hashes.SHA256())
    with pytest.raises(UsageError, match="2048"):
        Authority(key, weak)


def test_a_token_that_names_another_tsa_is_refused_as_openssl_does(tsa_identities: Identities, tmp_path: Path) -> None:
    """The name is signed, so only the TSA itself can be wrong about it: one key, two certificates."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from evidencekit.x509 import cms
    from evidencekit.x509.certificate import encoded_parts

    identity = tsa_identities("p256")
    stamped = digest("sha256", CONTENT)
    own = encoded_parts(identity.certificate).subject
    token = parse_token(parse_response(identity.authority().reply(build_query(stamped))).token or b"")
    info = token.signed_data.content or b""
    changed = info.replace(own, own.replace(b"Test TSA", b"Best TSA"))
    assert changed != info
    key = identity.key
    assert isinstance(key, EllipticCurvePrivateKey)

    def sign(data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes

        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    def token_over(content: bytes) -> bytes:
        return cms.build_signed_data(
            cms.SignatureTemplate(
                content_type=oids.TST_INFO,
                content=content,
                content_digest=digest("sha256", content),
                scheme=cms.ECDSA_SHA256,
                certificate=identity.certificate,
                chain=(),
                at=datetime.now(UTC),
            ),
            sign,
        )

    (tmp_path / "content").write_bytes(CONTENT)
    for content, accepted in ((info, True), (changed, False)):
        (tmp_path / "t.tst").write_bytes(token_over(content))
        check = check_token(token_over(content), digest=stamped, anchors=[identity.anchor], at=datetime.now(UTC))
        assert check.intact == accepted
        assert accepted or "not the certificate's" in check.reason.en
        shown = openssl(
            *("ts", "-verify", "-token_in", "-in", tmp_path / "t.tst", "-data", tmp_path / "content"),
            *("-CAfile", identity.anchor_file),
        )
        assert (shown.returncode == 0) == accepted, shown.stderr


def test_without_time_or_key_it_says_so(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")

    def broken_clock() -> datetime:
        raise OSError("no clock")

    without_time = Authority(identity.key, identity.certificate, clock=broken_clock)
    assert parse_response(without_time.reply(build_query(bytes(32)))).failure == ("timeNotAvailable",)

    class LostKey:
        """A key in a token that was pulled out."""

        key_size = 256

        def public_key(self) -> Any:
            return identity.key.public_key()

        def sign(self, *_: Any) -> bytes:
            raise ValueError("the token is gone")

    ec.EllipticCurvePrivateKey.register(LostKey)
    lost = Authority(LostKey(), identity.certificate)  # type: ignore[arg-type]
    assert parse_response(lost.reply(build_query(bytes(32)))).failure == ("systemFailure",)
