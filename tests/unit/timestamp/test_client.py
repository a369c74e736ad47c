"""The client against TSAs on loopback that are honest, lie, refuse or break."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evidencekit.errors import TimestampError, TsaRejectedError, TsaResponseError, TsaUnreachableError, UsageError
from evidencekit.model import Outcome
from evidencekit.timestamp.authorities import AUTO_ORDER, KNOWN, auto_tsas
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.check import check_token
from evidencekit.timestamp.client import EmbeddedTsa, StampReply, TsaConfig, request_stamp, stamp
from evidencekit.timestamp.query import build_query, parse_query
from evidencekit.x509.digests import digest

STAMPED = digest("sha256", b"what was seen")
Answer = Callable[[bytes], tuple[int, str, bytes]]
Identities = Callable[[str], Any]


class Tsa(ThreadingHTTPServer):
    """Answers every POST with what `answer` returns for its body."""

    answer: Answer
    asked: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Tsa)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        status, kind, data = self.server.answer(body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        del code, size  # the base class would write them to stderr


@pytest.fixture
def tsa(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], tuple[TsaConfig, Tsa]]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[Tsa] = []

    def start(answer: Answer) -> tuple[TsaConfig, Tsa]:
        server = Tsa(("127.0.0.1", 0), Handler)
        server.answer = answer
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return TsaConfig(url=f"http://127.0.0.1:{server.server_port}/tsr", name=f"tsa{len(servers)}"), server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def granting(authority: Authority) -> Answer:
    return lambda query: (200, "application/timestamp-reply", authority.reply(query))


def test_an_honest_tsa(tsa_identities: Identities, tsa: Any) -> None:
    identity = tsa_identities("p256")
    config, _ = tsa(granting(identity.authority()))
    found = request_stamp(STAMPED, config, timeout_s=5)
    assert (found.tsa, found.url) == ("tsa1", config.url)
    query = parse_query(found.request)
    assert query.imprint.digest == STAMPED
    assert query.cert_req
    assert query.nonce is not None
    assert query.nonce.bit_length() == 64
    assert found.check.intact
    later = check_token(
        found.response, digest=STAMPED, anchors=[identity.anchor], at=datetime.now(UTC), nonce=query.nonce
    )
    assert later.trusted is Outcome.PASSED


def test_no_two_queries_are_alike(tsa_identities: Identities, tsa: Any) -> None:
    config, _ = tsa(granting(tsa_identities("p256").authority()))
    nonces = {parse_query(request_stamp(STAMPED, config, timeout_s=5).request).nonce for _ in range(5)}
    assert len(nonces) == 5


def other_nonce(authority: Authority) -> Answer:
    return lambda _: (200, "application/timestamp-reply", authority.reply(build_query(STAMPED, nonce=1)))


def other_imprint(authority: Authority) -> Answer:
    def answer(query: bytes) -> tuple[int, str, bytes]:
        asked = parse_query(query)
        return 200, "application/timestamp-reply", authority.reply(build_query(bytes(32), nonce=asked.nonce))

    return answer


def other_type(authority: Authority) -> Answer:
    return lambda query: (200, "text/html", authority.reply(query))


def web_page(_: Authority) -> Answer:
    return lambda _: (200, "text/html", b"<html>Please log in</html>")


def changed_signature(authority: Authority) -> Answer:
    def answer(query: bytes) -> tuple[int, str, bytes]:
        reply = bytearray(authority.reply(query))
        reply[-3] ^= 4
        return 200, "application/timestamp-reply", bytes(reply)

    return answer


def nonsense(_: Authority) -> Answer:
    return lambda _: (200, "application/timestamp-reply", b"\x30\x80" * 1000)


def no_token(_: Authority) -> Answer:
    return lambda _: (200, "application/timestamp-reply", bytes.fromhex("30053003020100"))


def missing(_: Authority) -> Answer:
    return lambda _: (404, "text/plain", b"gone")


def moved(_: Authority) -> Answer:
    return lambda _: (302, "text/plain", b"")


LIARS = (other_nonce, other_imprint, other_type, web_page, changed_signature, nonsense, no_token, missing, moved)


@pytest.mark.parametrize("liar", LIARS)
def test_what_proves_nothing_is_not_kept(
    tsa_identities: Identities, tsa: Any, liar: Callable[[Authority], Answer]
) -> None:
    config, server = tsa(liar(tsa_identities("p256").authority()))
    with pytest.raises(TsaResponseError) as caught:
        config.stamp(STAMPED, timeout_s=5)
    assert caught.value.zh
    assert server.asked == 1  # asking again would not help


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_is_refused(tsa_identities: Identities, tsa: Any, hours: int) -> None:
    identity = tsa_identities("p256")
    wrong = Authority(identity.key, identity.certificate, clock=lambda: datetime.now(UTC) + timedelta(hours=hours))
    config, _ = tsa(granting(wrong))
    with pytest.raises(TsaResponseError):
        request_stamp(STAMPED, config, timeout_s=5)
    shifted = request_stamp(STAMPED, config, timeout_s=5, now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    assert shifted.check.intact


def test_a_refusal_is_told_in_the_tsa_s_words(tsa_identities: Identities, tsa: Any) -> None:
    config, server = tsa(granting(tsa_identities("p256").authority()))
    picky = TsaConfig(url=config.url, name="picky", policy="1.2.3.4")
    with pytest.raises(TsaRejectedError, match="unacceptedPolicy"):
        picky.stamp(STAMPED, timeout_s=5)
    assert server.asked == 1


def test_a_huge_reply_is_not_read(tsa: Any) -> None:
    config, _ = tsa(lambda _: (200, "application/timestamp-reply", bytes(1 << 20)))
    with pytest.raises(TsaUnreachableError, match="over 65536 bytes"):
        request_stamp(STAMPED, config, timeout_s=5)


def test_a_busy_tsa_is_asked_again(tsa_identities: Identities, tsa: Any) -> None:
    authority = tsa_identities("p256").authority()
    calls: list[float] = []

    def answer(query: bytes) -> tuple[int, str, bytes]:
        calls.append(time.monotonic())
        if len(calls) == 1:
            return 503, "text/plain", b"busy"
        return 200, "application/timestamp-reply", authority.reply(query)

    config, _ = tsa(answer)
    assert config.stamp(STAMPED, timeout_s=10).check.intact
    assert len(calls) == 2
    assert calls[1] - calls[0] >= 0.5  # it was left alone in between


def test_asking_again_ends_with_the_time(tsa: Any) -> None:
    config, server = tsa(lambda _: (503, "text/plain", b"busy"))
    started = time.monotonic()
    with pytest.raises(TsaUnreachableError, match="503"):
        config.stamp(STAMPED, timeout_s=0.8)
    assert time.monotonic() - started < 1.5
    assert server.asked <= 2


def test_several_at_once_good_and_bad(tsa_identities: Identities, tsa: Any) -> None:
    good = [tsa(granting(tsa_identities(kind).authority()))[0] for kind in ("p256", "rsa")]
    bad, _ = tsa(web_page(tsa_identities("p256").authority()))
    found = stamp(STAMPED, [good[0], bad, good[1]], quorum=2, timeout_s=10)
    assert found.complete
    assert [reply.tsa for reply in found.replies] == ["tsa1", "tsa2"]
    assert [(failure.tsa, type(failure.error)) for failure in found.failures] == [("tsa3", TsaResponseError)]


def test_a_slow_one_does_not_hold_the_others_up(tsa_identities: Identities, tsa: Any) -> None:
    authority = tsa_identities("p256").authority()

    def slow(query: bytes) -> tuple[int, str, bytes]:
        time.sleep(6)
        return granting(authority)(query)

    quick, _ = tsa(granting(authority))
    late, _ = tsa(slow)
    started = time.monotonic()
    found = stamp(STAMPED, [late, quick], timeout_s=20)
    assert time.monotonic() - started < 5
    assert [reply.tsa for reply in found.replies] == [quick.name]
    assert isinstance(found.failures[0].error, TsaUnreachableError)


def test_too_few_is_told_and_not_raised(tsa_identities: Identities, tsa: Any) -> None:
    good, _ = tsa(granting(tsa_identities("p256").authority()))
    bad, _ = tsa(missing(tsa_identities("p256").authority()))
    found = stamp(STAMPED, [good, bad], quorum=2, timeout_s=5)
    assert not found.complete
    assert len(found.replies) == len(found.failures) == 1


@pytest.mark.parametrize("quorum", [0, 2])
def test_a_quorum_out_of_reach_is_a_usage_error(tsa_identities: Identities, quorum: int) -> None:
    with pytest.raises(UsageError):
        stamp(STAMPED, [EmbeddedTsa(authority=tsa_identities("p256").authority())], quorum=quorum)


def test_the_embedded_tsa_has_the_same_interface(tsa_identities: Identities) -> None:
    embedded = EmbeddedTsa(authority=tsa_identities("p256-self").authority())
    found = stamp(STAMPED, [embedded])
    assert found.complete
    assert found.replies[0].check.self_issued
    assert found.replies[0].check.trusted is Outcome.INDETERMINATE
    assert found.replies[0].url == "embedded:"


def test_a_caller_s_own_stamper_that_breaks_is_a_failure_not_a_silence(tsa_identities: Identities) -> None:
    class Broken:
        name = "own"
        url = "hsm:1"

        def stamp(self, digest: bytes, *, timeout_s: float = 1.0) -> StampReply:
            raise KeyError(digest, timeout_s)

    found = stamp(STAMPED, [Broken(), EmbeddedTsa(authority=tsa_identities("p256").authority())])
    assert [failure.tsa for failure in found.failures] == ["own"]
    assert isinstance(found.failures[0].error, TimestampError)
    assert "KeyError" in found.failures[0].error.en


def test_credentials_do_not_reach_the_record(tsa_identities: Identities, tsa: Any) -> None:
    config, _ = tsa(granting(tsa_identities("p256").authority()))
    secret = TsaConfig(url=config.url.replace("//", "//me:word@"), name="paid")
    assert request_stamp(STAMPED, secret, timeout_s=5).url == config.url


def test_known_tsas_are_well_formed() -> None:
    assert set(AUTO_ORDER) <= set(KNOWN)
    assert [config.name for config in auto_tsas(2)] == list(AUTO_ORDER[:2])
    for known in KNOWN.values():
        assert known.url.startswith(("http://", "https://"))
        assert known.root_sha256 == "" or len(bytes.fromhex(known.root_sha256)) == 32
        assert known.over_http == (known.url[:5] == "http:")


def test_known_roots_have_the_fingerprints_they_claim() -> None:
    certifi = pytest.importorskip("certifi")
    import warnings
    from pathlib import Path

    from cryptography import x509

    from evidencekit.x509.certificate import fingerprint, name_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roots = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        held = {fingerprint(root): name_of(root) for root in roots}
    for known in KNOWN.values():
        if known.root_sha256 in held:
            assert held[known.root_sha256] == known.root_subject
    assert any(known.root_sha256 in held for known in KNOWN.values())
