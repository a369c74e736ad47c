"""Stitching keeps every pixel, whatever filters the parts use."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest

from evidencekit.capture.stitching import SIGNATURE, PngStitcher, picture_size
from evidencekit.errors import FormatError


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def _predict(kind: int, a: int, b: int, c: int) -> int:
    return (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]


def _encode(rows: list[bytes], channels: int, filters: list[int], *, colour: int | None = None) -> bytes:
    """PNG third edition, §9, by the book."""
    data = bytearray()
    above = bytes(len(rows[0]))
    for row, kind in zip(rows, filters, strict=True):
        data.append(kind)
        for at, value in enumerate(row):
            left, corner = (row[at - channels], above[at - channels]) if at >= channels else (0, 0)
            data.append((value - _predict(kind, left, above[at], corner)) & 0xFF)
        above = row
    width = len(rows[0]) // channels
    header = struct.pack(">IIBBBBB", width, len(rows), 8, colour or {3: 2, 4: 6}[channels], 0, 0, 0)
    packed = zlib.compress(bytes(data))
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"tEXt", b"a\x00b")
        + b"".join(_chunk(b"IDAT", packed[at : at + 40]) for at in range(0, len(packed), 40))
        + _chunk(b"IEND", b"")
    )


def _decode(png: bytes) -> list[bytes]:
    at, packed = len(SIGNATURE), b""
    width = height = channels = 0
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(name + data)
        if name == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[:10])
            channels = {2: 3, 6: 4}[colour]
        if name == b"IDAT":
            packed += data
        at += 12 + size
    plain = zlib.decompress(packed)
    stride = width * channels
    assert len(plain) == height * (stride + 1)
    rows: list[bytes] = []
    above = bytes(stride)
    for number in range(height):
        kind, row = (
            plain[number * (stride + 1)],
            bytearray(plain[number * (stride + 1) + 1 : (number + 1) * (stride + 1)]),
        )
        for index in range(stride):
            left, corner = (row[index - channels], above[index - channels]) if index >= channels else (0, 0)
            row[index] = (row[index] + _predict(kind, left, above[index], corner)) & 0xFF
        above = bytes(row)
        rows.append(above)
    return rows


def _stitch(*parts: bytes) -> bytes:
    out = io.BytesIO(b"before")
    out.seek(6)
    stitcher = PngStitcher(out)
    for part in parts:
        stitcher.add(part)
    stitcher.finish()
    assert out.getvalue().startswith(b"before")
    return out.getvalue()[6:]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("first", range(5))
def test_every_filter_survives(channels: int, first: int) -> None:
    chance = random.Random(channels * 10 + first)
    parts = [[chance.randbytes(7 * channels) for _ in range(5)] for _ in range(3)]
    encoded = [_encode(rows, channels, [first, *(chance.randrange(5) for _ in range(4))]) for rows in parts]
    stitched = _stitch(*encoded)
    assert _decode(stitched) == [row for rows in parts for row in rows]
    assert picture_size(stitched) == (7, 15)


_ROWS = [bytes(9)] * 2


@pytest.mark.parametrize(
    "png",
    [
        b"",
        b"\xff\xd8\xff JPEG",
        _encode(_ROWS, 3, [0, 0])[:-30],
        _encode(_ROWS, 3, [0, 0], colour=3),
        _encode([bytes(12)] * 2, 4, [0, 0]),
        _encode([bytes(6)], 3, [0]),
        SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 0, 8, 2, 0, 0, 0)),
        SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)),
        SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 1)),
        SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)) + _chunk(b"IDAT", b"no zlib"),
        SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(bytes(100_000_000)))
        + _chunk(b"IEND", b""),
    ],
)
def test_what_does_not_fit_is_refused(png: bytes) -> None:
    good = _encode(_ROWS, 3, [0, 0])
    with pytest.raises(FormatError):
        _stitch(good, png)


def test_no_picture_at_all() -> None:
    with pytest.raises(FormatError):
        _stitch()
