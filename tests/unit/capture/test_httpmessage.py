"""The record blocks of an exchange: truth of start line, headers and framing."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, Headers, ResponseHead
from evidencekit.capture.httpmessage import PIECE_BYTES, archived_kinds, request_block, response_block
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_AT = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)


def spool(path: Path, data: bytes) -> Body:
    path.write_bytes(data)
    return Body(file=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def exchange_of(
    *,
    url: str = "https://www.shop.test/item?id=7#top",
    method: str = "GET",
    request_headers: Headers = (("Accept", "*/*"),),
    response_headers: Headers = (("Content-Type", "text/html"),),
    status: int = 200,
) -> Exchange:
    return Exchange(
        id="000001",
        page="0001",
        url=url,
        method=method,
        resource_type="Document",
        initiator="other",
        target="page",
        outcome=ExchangeOutcome.RECORDED,
        reason=None,
        started=_AT,
        finished=_AT,
        after_t_capture=False,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol="h2",
        remote_address="192.0.2.7:443",
        security=None,
        request_headers=request_headers,
        request_body=None,
        response=ResponseHead(status=status, status_text="OK", headers=response_headers, mime_type="text/html"),
        response_body=None,
        encoded_size=None,
    )


def test_decoded_body_has_a_true_length_and_keeps_the_original_framing_by_name(tmp_path: Path) -> None:
    headers = (("content-encoding", "br"), ("Content-Length", "41"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    exchange = dataclasses.replace(
        exchange_of(response_headers=headers), response_body=spool(tmp_path / "body", b"<p>decoded</p>")
    )
    assert b"".join(response_block(exchange)) == (
        b"HTTP/1.1 200 OK\r\nx-orig-content-encoding: br\r\nx-orig-Content-Length: 41\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 14\r\n\r\n<p>decoded</p>"
    )


def test_pseudo_headers_become_request_line_and_host() -> None:
    headers = ((":method", "GET"), (":authority", "www.shop.test"), (":path", "/item?id=7"), ("accept", "*/*"))
    block = b"".join(request_block(exchange_of(request_headers=headers)))
    assert block == b"GET /item?id=7 HTTP/1.1\r\nHost: www.shop.test\r\naccept: */*\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://a.test", b"GET / HTTP/1.1"),
        ("https://a.test?q=1", b"GET /?q=1 HTTP/1.1"),
        ("https://a.test/x y\r\nEvil: 1", b"GET /x%20y%0D%0AEvil:%201 HTTP/1.1"),
        ("https://a.test/%E4%B8%AD?b=%20#f", b"GET /%E4%B8%AD?b=%20 HTTP/1.1"),
    ],
)
def test_request_target_is_origin_form(url: str, line: bytes) -> None:
    assert b"".join(request_block(exchange_of(url=url))).split(b"\r\n")[0] == line


def test_credentials_in_the_url_do_not_reach_the_host_field() -> None:
    block = b"".join(request_block(exchange_of(url="https://user:pass@a.test:8443/x")))
    assert b"Host: a.test:8443\r\n" in block
    assert b"pass" not in block


def test_request_body_that_was_not_shown_is_not_promised() -> None:
    block = b"".join(request_block(exchange_of(method="POST", request_headers=(("Content-Length", "9"),))))
    assert b"x-orig-Content-Length: 9\r\nContent-Length: 0\r\n\r\n" in block


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 101)])
def test_answers_without_content_get_no_length(method: str, status: int) -> None:
    block = b"".join(response_block(exchange_of(method=method, status=status)))
    assert b"Content-Length" not in block


def test_large_bodies_come_in_pieces(tmp_path: Path) -> None:
    data = b"x" * (3 * PIECE_BYTES + 5)
    exchange = dataclasses.replace(exchange_of(), response_body=spool(tmp_path / "body", data))
    pieces = list(response_block(exchange))
    assert max(len(piece) for piece in pieces) <= PIECE_BYTES
    assert b"".join(pieces).endswith(b"\r\n\r\n" + data)


def test_a_body_that_changed_on_disk_is_an_error(tmp_path: Path) -> None:
    exchange = dataclasses.replace(exchange_of(), response_body=spool(tmp_path / "body", b"before"))
    (tmp_path / "body").write_bytes(b"afterwards")
    with pytest.raises(StorageError, match="10 bytes instead of 6"):
        list(response_block(exchange))
    (tmp_path / "body").unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        list(response_block(exchange))


def test_which_blocks_the_archive_holds() -> None:
    assert archived_kinds(exchange_of()) == ("request", "response")
    assert archived_kinds(dataclasses.replace(exchange_of(), response=None)) == ("request",)
    assert archived_kinds(exchange_of(url="data:text/plain,x")) == ()
    assert archived_kinds(dataclasses.replace(exchange_of(), outcome=ExchangeOutcome.WITHHELD)) == ()


@given(name=st.text(max_size=20), value=st.text(max_size=60), url=st.text(max_size=40))
def test_no_header_can_end_the_header_block(name: str, value: str, url: str) -> None:
    exchange = exchange_of(url=f"https://a.test/{url}", response_headers=((name, value),))
    exchange = dataclasses.replace(exchange, request_headers=((name, value),))
    for block in (b"".join(request_block(exchange)), b"".join(response_block(exchange))):
        head, end, rest = block.partition(b"\r\n\r\n")
        assert (end, rest) == (b"\r\n\r\n", b"")
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert b"\x00" not in head
