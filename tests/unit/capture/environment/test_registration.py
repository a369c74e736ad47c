"""Who registered a domain: real WHOIS and RDAP servers on loopback, honest, silent and hostile."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.environment import registration
from evidencekit.capture.environment.probe import ProbeContext, ProbeOptions, ProbeResult
from tests.support.site import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

_CNNIC = """Domain Name: example.com.cn
Registrant: 北京某网络技术有限公司
Registrant Contact Email: x@example.com.cn
Sponsoring Registrar: 阿里云计算有限公司
Registration Time: 2003-03-17 12:20:05
Expiration Time: 2027-03-17 12:48:36
"""
_RDAP = {
    "objectClassName": "domain",
    "events": [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"}],
    "entities": [
        {"roles": ["registrar"], "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "IANA"]]]}
    ],
}


@contextmanager
def _whois(answer: bytes, *, asked: list[bytes], endless: bool = False) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            asked.append(connection.recv(1000))
            try:
                connection.sendall(answer)
                while endless:
                    connection.sendall(answer)
                    time.sleep(0.01)
            except OSError:
                return

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def _context(host: str, server: str, *, third_party: bool = True) -> ProbeContext:
    options = ProbeOptions(registries={"cn": server, "com": server}, within_s=1.0)
    return ProbeContext(options=options, hosts=(host,), allow_private=False, third_party=third_party)


def test_whois_of_a_registry() -> None:
    asked: list[bytes] = []
    with _whois(_CNNIC.encode(), asked=asked) as server:
        seen = registration.probe_registration(_context("shop.example.com.cn", server))
    assert asked == [b"example.com.cn\r\n"]
    assert seen.result is ProbeResult.PASS
    assert seen.observed["registrant"] == "北京某网络技术有限公司"
    assert seen.observed["created"] == "2003-03-17 12:20:05"
    assert "不证明网页发布者身份" in seen.reason.zh


def test_rdap_of_a_registry() -> None:
    paths: list[str] = []

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        paths.append(path)
        return 200, {"Content-Type": "application/rdap+json"}, json.dumps(_RDAP).encode()

    with serve(answer) as url:
        seen = registration.probe_registration(_context("www.example.com", url))
    assert paths == ["/domain/example.com"]
    assert (seen.result, seen.observed["registrar"]) == (ProbeResult.PASS, "IANA")


def test_no_registry_is_asked_without_third_parties_and_a_silent_or_endless_one_is_not_waited_for() -> None:
    asked: list[bytes] = []
    with _whois(b"", asked=asked) as server:
        alone = registration.probe_registration(_context("a.example.cn", server, third_party=False))
        assert (alone.result, asked) == (ProbeResult.NOT_PERFORMED, [])
        assert registration.probe_registration(_context("a.example.cn", server)).result is ProbeResult.NOT_PERFORMED
    with _whois(b"x: y\n" * 50, asked=asked, endless=True) as server:
        assert registration.probe_registration(_context("a.example.cn", server)).result is ProbeResult.NOT_PERFORMED
    for host in ("127.0.0.1", "localhost", "a.example.unknown", "x..y"):
        assert registration.probe_registration(_context(host, "127.0.0.1:9")).result is ProbeResult.NOT_PERFORMED


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.com.cn", "example.com.cn"),
        ("example.co.uk", "example.co.uk"),
        ("tj.gov.cn", "tj.gov.cn"),
        ("例子.中国", "xn--fsqu00a.xn--fiqs8s"),
        ("localhost", ""),
        ("a b.com", ""),
    ],
)
def test_the_registered_name_of_a_host(host: str, domain: str) -> None:
    assert registration.registered_domain(host) == domain


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"entities":[1],"events":{}}', '{"entities":[{"roles":["registrar"]}]}']
)
def test_what_is_no_rdap_answer_gives_nothing(text: str) -> None:
    assert registration.read_rdap(text) == {}
