"""The measure between two pictures: what differs, by how much, whatever the filters; bad pictures are refused."""

from __future__ import annotations

import struct
import zlib

import pytest

from evidencekit.corroboration.pictures import compare
from evidencekit.errors import FormatError
from tests.support.assembly import make_png

WIDTH, HEIGHT = 64, 48


def png(rows: list[bytes], kinds: bytes, *, width: int = WIDTH, colour: int = 2) -> bytes:
    """Pack rows, each with the filter of the same place (PNG third edition §9)."""
    channels = {2: 3, 6: 4}[colour]
    packed, above = bytearray(), bytes(width * channels)
    for number, row in enumerate(rows):
        kind = kinds[number % len(kinds)]
        packed += bytes([kind]) + _filtered(kind, row, above, channels)
        above = row
    head = struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(packed))), (b"IEND", b""))
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _filtered(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    out = bytearray()
    for at, value in enumerate(row):
        left = row[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        up = above[at]
        near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))
        out.append((value - (0, left, up, (left + up) // 2, near[2])[kind]) & 255)
    return bytes(out)


def noise(seed: int, channels: int = 3) -> list[bytes]:
    return [bytes((seed + x * 7 + y * 13 + x * y) % 256 for x in range(WIDTH * channels)) for y in range(HEIGHT)]


@pytest.mark.parametrize("kinds", [b"\0", b"\1", b"\2", b"\3", b"\4", b"\0\1\2\3\4"])
@pytest.mark.parametrize("colour", [2, 6])
def test_filters_do_not_count(kinds: bytes, colour: int) -> None:
    rows = noise(5, {2: 3, 6: 4}[colour])
    measure = compare(png(rows, b"\0", colour=colour), png(rows, kinds, colour=colour))
    assert (measure.squares, measure.different) == (12, 0)


def test_what_differs_is_counted_and_placed() -> None:
    rows = [bytes([200]) * (3 * WIDTH)] * HEIGHT
    edited = [bytearray(row) for row in rows]
    for y in range(20, 30):
        edited[y][3 * 17 : 3 * 31] = bytes(3 * 14)
    measure = compare(png(rows, b"\2"), png([bytes(row) for row in edited], b"\2"))
    assert (measure.different, measure.regions) == (1, ((16, 16, 32, 32),))
    assert measure.share == pytest.approx(1 / 12)


def test_only_what_both_show_is_compared() -> None:
    measure = compare(make_png(64, 48), make_png(80, 900))
    assert (measure.columns, measure.rows, measure.different) == (64, 48, 0)
    assert compare(make_png(64, 4000), make_png(64, 4000), most_rows=160).rows == 160


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        make_png(40, 40)[:60],
        make_png(40, 40).replace(b"IDAT", b"IDOT"),
        png(noise(1), b"\0")[:-3000],
    ],
)
def test_what_is_no_picture_is_refused(bad: bytes) -> None:
    with pytest.raises(FormatError):
        compare(bad, make_png(40, 40))


def test_a_picture_that_unpacks_slowly_is_given_up() -> None:
    width = 16_384
    rows = b"".join(b"\4" + bytes(range(256)) * (3 * width // 256) for _ in range(1_600))
    head = struct.pack(">IIBBBBB", width, 1_600, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    slow = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    with pytest.raises(FormatError, match="not compared"):
        compare(slow, slow)
