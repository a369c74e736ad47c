"""`exchanges.jsonl`: written, read back, and refused when it is not itself."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.exchanges import (
    Body,
    Exchange,
    ExchangeOutcome,
    ResponseHead,
    format_exchanges,
    parse_exchanges,
)
from evidencekit.errors import FormatError, UnknownVersionError

CAPTURE_ID = "00112233445566778899aabbccddeeff"
EXCHANGE = Exchange(
    id="000001",
    page="0001",
    url="https://example.com/?a=$(id)&b='x#y",
    method="GET",
    resource_type="Document",
    initiator="other",
    target="page",
    outcome=ExchangeOutcome.RECORDED,
    reason=None,
    started=datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC),
    finished=datetime(2026, 11, 23, 3, 4, 6, tzinfo=UTC),
    after_t_capture=False,
    from_cache=False,
    from_service_worker=False,
    redirected_from=None,
    redirected_to=None,
    protocol="h2",
    remote_address="93.184.216.34:443",
    security={"protocol": "TLS 1.3", "san": ["example.com"]},
    request_headers=(("Accept", "*/*"), ("Accept", "text/html")),
    request_body=None,
    response=ResponseHead(status=200, status_text="OK", headers=(("X", "1"), ("x", "2")), mime_type="text/html"),
    response_body=Body(file=Path("body"), size=3, sha256="ab" * 32),
    encoded_size=100,
)


def test_a_line_says_what_the_exchange_was() -> None:
    data = format_exchanges(CAPTURE_ID, [EXCHANGE], withheld={"000001": ("cookie",)}, records={"000001": ("a", "b")})
    header, line = (json.loads(text) for text in data.splitlines())
    assert header == {"capture_id": CAPTURE_ID, "count": 1, "format": "evidencekit/exchanges", "version": 1}
    assert line["request"] == {
        "headers": [["Accept", "*/*"], ["Accept", "text/html"]],
        "body_size": None,
        "body_retained": False,
    }
    assert line["response"]["headers"] == [["X", "1"], ["x", "2"]]
    assert line["started"] == "2026-11-23T03:04:05.678901Z"
    capture_id, lines = parse_exchanges(data)
    assert capture_id == CAPTURE_ID
    assert lines[0].url == EXCHANGE.url
    assert (lines[0].withheld, lines[0].records) == (("cookie",), ("a", "b"))
    assert (lines[0].status, lines[0].body_size, lines[0].body_sha256) == (200, 3, "ab" * 32)


def test_lines_stand_in_order_of_ids_whatever_ended_first() -> None:
    data = format_exchanges(CAPTURE_ID, [replace(EXCHANGE, id="000003"), EXCHANGE, replace(EXCHANGE, id="000002")])
    assert [line.id for line in parse_exchanges(data)[1]] == ["000001", "000002", "000003"]


def test_a_request_without_answer_has_no_response() -> None:
    failed = replace(
        EXCHANGE, outcome=ExchangeOutcome.FAILED, reason="net::ERR_FAILED", response=None, response_body=None
    )
    line = parse_exchanges(format_exchanges(CAPTURE_ID, [failed]))[1][0]
    assert (line.status, line.body_size, line.reason) == (None, None, "net::ERR_FAILED")


@given(url=st.text(), header=st.text(), reason=st.none() | st.text())
def test_whatever_a_server_sends_is_written_and_read_back(url: str, header: str, reason: str | None) -> None:
    exchange = replace(EXCHANGE, url=url, reason=reason, request_headers=((header, url),))
    line = parse_exchanges(format_exchanges(CAPTURE_ID, [exchange]))[1][0]
    assert line.url == url.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def test_a_lone_surrogate_becomes_visible_instead_of_breaking_the_file() -> None:
    exchange = replace(EXCHANGE, url="https://example.com/\ud800", security={"subject": "\udfff", "san": ["\ud800"]})
    line = parse_exchanges(format_exchanges(CAPTURE_ID, [exchange]))[1][0]
    assert line.url.startswith("https://example.com/\ufffd")


def _header(**changed: object) -> bytes:
    header = {"capture_id": CAPTURE_ID, "count": 1, "format": "evidencekit/exchanges", "version": 1}
    return json.dumps(header | changed, sort_keys=True, separators=(",", ":")).encode() + b"\n"


LINE = format_exchanges(CAPTURE_ID, [EXCHANGE]).split(b"\n")[1] + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        _header(),
        _header(count=2) + LINE,
        _header(count=2) + LINE + LINE,
        _header() + LINE.rstrip(b"\n"),
        _header() + LINE.replace(b"recorded", b"perfect"),
        _header() + LINE.replace(b'"id":"000001"', b'"id":1'),
        _header() + b"[" * 100_000 + b"\n",
        _header() + b'{"a":"\xff"}\n',
        _header(format="evidencekit/records") + LINE,
        _header(capture_id="xyz") + LINE,
    ],
)
def test_what_is_not_the_format_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_exchanges(data)


def test_a_newer_version_is_never_guessed_at() -> None:
    with pytest.raises(UnknownVersionError):
        parse_exchanges(_header(version=2) + LINE)


@given(st.binary(max_size=300))
def test_no_bytes_leak_another_error(noise: bytes) -> None:
    for data in (noise, _header() + noise, _header() + noise + b"\n"):
        with suppress(FormatError):
            parse_exchanges(data)
