"""Recorded connections against DNS answers."""

from __future__ import annotations

import pytest

from evidencekit.capture.environment.connection import add_connections
from evidencekit.capture.environment.probe import Check, ProbeResult, passed
from evidencekit.capture.environment.run import EnvironmentReport
from evidencekit.model import JsonValue, Text
from tests.support.exchanges import AT, exchange_with


def _report(answers: dict[str, JsonValue]) -> EnvironmentReport:
    text = Text(en="x", zh="x")
    check = Check(
        id="network.dns", name=text, method=text, started=AT, finished=AT, observation=passed("x", "x", answers)
    )
    return EnvironmentReport(checks=(check,))


_ANSWERS: dict[str, JsonValue] = {
    "shop.example": {"system": ["93.184.216.34"], "223.5.5.5": ["93.184.216.35", "2606:2800::1"]}
}


@pytest.mark.parametrize(
    ("peer", "state", "result"),
    [
        ("93.184.216.99:443", "secure", ProbeResult.WARN),
        ("93.184.216.99:443", "insecure", ProbeResult.FAIL),
        ("93.184.216.34:443", "insecure", ProbeResult.PASS),
    ],
)
def test_an_address_nobody_answered_with_and_no_lawful_certificate_is_a_sign_of_forgery(
    peer: str, state: str, result: ProbeResult
) -> None:
    report = add_connections(_report(_ANSWERS), [exchange_with("https://shop.example/a", peer, state=state)], {})
    assert report.checks[-1].observation.result is result


@pytest.mark.parametrize(
    ("peer", "result"),
    [
        ("93.184.216.34:443", ProbeResult.PASS),
        ("[2606:2800::1]:443", ProbeResult.PASS),
        ("93.184.216.99:443", ProbeResult.WARN),
        ("10.0.0.1:443", ProbeResult.FAIL),
        (None, ProbeResult.NOT_PERFORMED),
    ],
)
def test_peer_against_answers(peer: str | None, result: ProbeResult) -> None:
    report = add_connections(_report(_ANSWERS), [exchange_with("https://shop.example/a", peer)], {})
    assert report.checks[-1].id == "connection.peer"
    assert report.checks[-1].observation.result is result


def test_private_peers_by_request() -> None:
    exchange = exchange_with("http://127.0.0.1:8080/", "127.0.0.1:8080")
    report = add_connections(_report({}), [exchange], {}, allow_private=True)
    assert report.checks[-1].observation.result is ProbeResult.NOT_PERFORMED


def test_facts_by_origin() -> None:
    exchanges = [
        exchange_with("https://shop.example/a", "93.184.216.34:443"),
        exchange_with("https://shop.example/b", "93.184.216.35:443"),
        exchange_with("data:text/plain,x", None),
        exchange_with("https://[::bad", "1.2.3.4:1"),
    ]
    report = add_connections(_report(_ANSWERS), exchanges, {"https://shop.example": "capture/tls/shop.example.pem"})
    assert report.connection == {
        "https://shop.example": {
            "dns": ["2606:2800::1", "93.184.216.34", "93.184.216.35"],
            "peer": "93.184.216.34:443",
            "protocol": "h2",
            "tls": "TLS 1.3",
            "cipher": "AES_128_GCM",
            "verified": True,
            "chain": "capture/tls/shop.example.pem",
        }
    }
