"""Bytes of a connection read again: HTTP/1.x answers and HTTP/2 frames, in any pieces, lawful or not."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.capture.http1wire import Http1Wire
from evidencekit.capture.http2wire import Http2Wire
from evidencekit.capture.wirebodies import decode
from tests.support.oracle.answers import whole

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.exchanges import Headers

ANSWERS = (
    (1, "GET", b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved", b"moved"),
    (2, "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b""),
    (3, "GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b""),
    (
        4,
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
        b"abcde",
    ),
    (5, "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    (6, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    (7, "GET", b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
)


def read_http1(pieces: list[bytes]) -> tuple[dict[int, bytes], Http1Wire]:
    found: dict[int, bytes] = defaultdict(bytes)

    def content(tag: int, piece: bytes) -> None:
        found[tag] += piece

    wire = Http1Wire(content)
    for tag, method, _, _ in ANSWERS:
        wire.expect(tag, method)
    for piece in pieces:
        wire.feed(piece)
    return found, wire


@settings(deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=40), max_size=60))
def test_http1_answers_in_any_pieces(cuts: list[int]) -> None:
    data, pieces = b"".join(answer for _, _, answer, _ in ANSWERS), []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    found, wire = read_http1([*pieces, data])
    assert found == {tag: body for tag, _, _, body in ANSWERS if body}
    assert not wire.broken


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching\r\n\r\n\x81\x05hello",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * (2 << 20),
    ],
)
def test_what_is_no_http1_ends_the_reading(data: bytes) -> None:
    found, wire = read_http1([data, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
    assert wire.broken
    assert found == {}


def h2_bytes() -> bytes:
    """What a server sends: two streams interleaved, duplicates, a big header block, trailers."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, normalize_outbound_headers=False))
    client.initiate_connection()
    server.initiate_connection()
    for stream in (1, 3):
        client.send_headers(
            stream, [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")], end_stream=True
        )
    server.receive_data(client.data_to_send())
    fields = [(":status", "200"), ("x-dup", "1"), ("a-first", "2"), ("x-dup", "3"), ("big", "v" * 30_000)]
    server.send_headers(1, fields)
    server.send_headers(3, [(":status", "302"), ("location", "/b"), ("x-dup", "1")])
    server.send_data(1, b"one ")
    server.send_data(3, b"moved", end_stream=True, pad_length=9)
    server.send_data(1, b"two")
    server.send_headers(1, [("x-checksum", "abc")], end_stream=True)
    return server.data_to_send()


SERVED = h2_bytes()


def read_http2(pieces: list[bytes]) -> tuple[dict[int, Headers], dict[int, bytes], Http2Wire]:
    heads: dict[int, Headers] = {}
    bodies: dict[int, bytes] = defaultdict(bytes)

    def content(stream: int, piece: bytes) -> None:
        bodies[stream] += piece

    wire = Http2Wire(heads.__setitem__, content)
    for piece in pieces:
        wire.feed(piece)
    return heads, bodies, wire


def test_http2_data_behind_the_end_of_a_stream_is_nobodys() -> None:
    more = b"\x00\x00\x04\x00\x01\x00\x00\x00\x03more"
    _, bodies, wire = read_http2([SERVED, more])
    assert not wire.broken
    assert bodies == {1: b"one two", 3: b"moved"}


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_http2_frames_keep_duplicates_where_they_stood(size: int) -> None:
    data = SERVED
    heads, bodies, wire = read_http2([data[at : at + size] for at in range(0, len(data), size)])
    assert not wire.broken
    assert heads[1][:4] == ((":status", "200"), ("x-dup", "1"), ("a-first", "2"), ("x-dup", "3"))
    assert heads[3] == ((":status", "302"), ("location", "/b"), ("x-dup", "1"))
    assert bodies == {1: b"one two", 3: b"moved"}


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_hostile_frames_end_the_reading_and_nothing_else(data: bytes) -> None:
    heads, bodies, _ = read_http2([SERVED, data, data])
    assert heads[3][0] == (":status", "302")
    assert bodies[3].startswith(b"moved")


def test_a_header_block_that_does_not_decode_ends_the_reading() -> None:
    _, _, wire = read_http2([b"\0\0\2\1\4\0\0\0\1\xff\xff"])
    assert wire.broken


def test_small_gzip_bodies_are_decoded_and_others_are_not(tmp_path: Path) -> None:
    import hashlib

    from evidencekit.capture.exchanges import Body

    def body(data: bytes) -> Body:
        file = tmp_path / hashlib.sha256(data).hexdigest()
        file.write_bytes(data)
        return Body(file=file, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    packed = whole(200, "text/plain", b"hello", coding="gzip").wire
    found = decode(body(packed), "gzip", tmp_path / "out")
    assert found is not None
    assert found.file.read_bytes() == b"hello"
    assert decode(body(packed), "br", tmp_path / "out2") is None
    assert decode(body(b"not gzip"), "gzip", tmp_path / "out3") is None
