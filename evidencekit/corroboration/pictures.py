"""`corroboration.pictures` and the measure of the re-render: how far two pictures of a page agree.

The measure: both pictures are cut into squares of 16 pixels; a square differs when the mean brightness of a colour
channel differs by more than `TOLERANCE` of 255. The share of squares that differ is the figure printed. Only 8-bit
truecolour PNG is read (PNG third edition), as Chromium writes it, and only as many rows as are compared.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.record import Judgement
from evidencekit.errors import FormatError
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidencekit.corroboration.record import Record
    from evidencekit.model import JsonValue, PageResult

TILE_PX: Final = 16
TOLERANCE: Final = 10
MOST_ROWS: Final = 1_600
LIMIT_SHARE: Final = 0.5
MAX_PNG_BYTES: Final = 512 << 20
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {2: 3, 6: 4}
_MAX_WIDTH: Final = 16_384
_STEP: Final = 1 << 18
_SLOW_BYTES: Final = 8 << 20
"""Rows filtered as Chromium does not are read one byte after the other: so many, then no more."""
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
_AGREED = Text(
    en="the untouched and the final picture of every page agree within the stated measure",
    zh="各网页的初始截图与最终截图在所述度量之内一致",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How many squares were compared and how many differ; `rows` and `columns` in pixels."""

    squares: int
    different: int
    columns: int
    rows: int
    regions: tuple[tuple[int, int, int, int], ...] = ()
    """Up to 20 bands of squares that differ: left, top, right, bottom in pixels."""

    @property
    def share(self) -> float:
        """The part of the squares that differ, 0 to 1."""
        return self.different / self.squares if self.squares else 0.0


def compare(one: bytes, other: bytes, *, most_rows: int = MOST_ROWS) -> Measure:
    """Compare two PNGs from their upper left corners on, as far as both reach.

    Raises:
        FormatError: one of them is no such PNG.
    """
    first, second = _Picture(one), _Picture(other)
    columns = min(first.width, second.width)
    bands = min(first.height, second.height, most_rows) // TILE_PX
    if (first.width, first.channels) == (second.width, second.channels):
        band_bytes = TILE_PX * (1 + columns * first.channels)
        if _same_bands(one, other, bands, band_bytes):
            squares = bands * (columns // TILE_PX)
            return Measure(squares=squares, different=0, columns=columns, rows=bands * TILE_PX)
    squares = different = 0
    regions: list[tuple[int, int, int, int]] = []
    for band in range(bands):
        ours = [next(first.rows) for _ in range(TILE_PX)]
        theirs = [next(second.rows) for _ in range(TILE_PX)]
        count = columns // TILE_PX
        squares += count
        if first.channels == second.channels and first.width == second.width and ours == theirs:
            continue
        wrong = [n for n in range(count) if _differs(ours, theirs, n, first.channels, second.channels)]
        different += len(wrong)
        if wrong and len(regions) < 20:  # noqa: PLR2004 (a picture of where, not a list)
            top = band * TILE_PX
            regions.append((wrong[0] * TILE_PX, top, (wrong[-1] + 1) * TILE_PX, top + TILE_PX))
    return Measure(squares=squares, different=different, columns=columns, rows=bands * TILE_PX, regions=tuple(regions))


def _same_bands(one: bytes, other: bytes, bands: int, band_bytes: int) -> bool:
    """Say whether the filtered rows of two pictures of one form are equal: then so are the rows themselves.

    That is the common case, of a page that does not move, and costs unpacking alone. Only filters that are read row by
    row count, so that a picture which is not compared otherwise is not compared here.
    """
    row_bytes = band_bytes // TILE_PX
    for mine, yours in islice(zip(_bands(one, band_bytes), _bands(other, band_bytes), strict=False), bands):
        bands -= 1
        if mine != yours or max(mine[::row_bytes]) > _UP:
            return False
    return bands == 0


def _bands(png: bytes, band_bytes: int) -> Iterator[bytes]:
    """Give the filtered rows in whole bands; above the first row is nothing, so Up says the same there as None."""
    held, begun = bytearray(), False
    for data in _unpacked(png):
        held += data
        if held and not begun:
            begun, held[0] = True, _NONE if held[0] == _UP else held[0]
        while len(held) >= band_bytes:
            yield bytes(held[:band_bytes])
            del held[:band_bytes]


def _differs(ours: list[bytes], theirs: list[bytes], n: int, channels: int, other_channels: int) -> bool:
    left, right = n * TILE_PX, (n + 1) * TILE_PX
    mine = [row[left * channels : right * channels] for row in ours]
    yours = [row[left * other_channels : right * other_channels] for row in theirs]
    if channels == other_channels and mine == yours:
        return False
    for channel in range(3):
        a = sum(sum(row[channel::channels]) for row in mine)
        b = sum(sum(row[channel::other_channels]) for row in yours)
        if abs(a - b) > TOLERANCE * TILE_PX * TILE_PX:
            return True
    return False


class _Picture:
    """A PNG whose rows are unpacked as they are asked for."""

    def __init__(self, png: bytes) -> None:
        if not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 33:  # noqa: PLR2004 (mark and IHDR)
            raise FormatError("a picture is no PNG", "图像不是 PNG")
        self.width, self.height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", png, 16)
        if depth != 8 or interlace or colour not in _CHANNELS or not 0 < self.width <= _MAX_WIDTH:  # noqa: PLR2004
            raise FormatError("a picture is no 8-bit truecolour PNG", "图像不是 8 位真彩 PNG")
        self.channels = _CHANNELS[colour]
        self._slow_left = _SLOW_BYTES
        self.rows = self._rows(png)

    def _rows(self, png: bytes) -> Iterator[bytes]:
        size = self.width * self.channels
        above, held = bytes(size), bytearray()
        count = 0
        for data in _unpacked(png):
            held += data
            at = 0
            while len(held) - at > size:
                if held[at] in {_AVERAGE, _PAETH}:
                    self._slow_left -= size
                    if self._slow_left < 0:
                        raise FormatError("a picture is packed in a way that is not compared", "图像的压缩方式不作比对")
                above = _unfiltered(held[at], bytes(held[at + 1 : at + 1 + size]), above, self.channels)
                at += size + 1
                count += 1
                yield above
                if count == self.height:
                    return
            del held[:at]
        raise FormatError("a picture is cut off", "图像不完整")


def _unpacked(png: bytes) -> Iterator[bytes]:
    unpacker, at = zlib.decompressobj(), 8
    view = memoryview(png)
    try:
        while at + 12 <= len(png):
            (size,) = struct.unpack_from(">I", png, at)
            if png[at + 4 : at + 8] == b"IDAT":
                data: bytes | memoryview = view[at + 8 : at + 8 + size]
                while data:
                    yield unpacker.decompress(data, _STEP)
                    data = unpacker.unconsumed_tail
            at += 12 + size
    except zlib.error as error:
        raise FormatError(f"a picture cannot be unpacked: {error}", f"图像无法解压：{error}") from error


def _unfiltered(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    """Undo a row's filter (PNG third edition §9.2)."""
    if kind == _NONE:
        return row
    if kind == _UP:
        return _added(row, above)
    if kind == _SUB:
        return _summed(row, channels)
    if kind == _PAETH and not any(above):
        return _summed(row, channels)
    if kind not in {_AVERAGE, _PAETH}:
        raise FormatError("a picture has an unknown filter", "图像含有未知的滤波类型")
    return _slow(kind, row, above, channels)


_LOW: Final = 0x7F
_HIGH: Final = 0x80


def _added(row: bytes, above: bytes) -> bytes:
    """Add two rows byte by byte, modulo 256, as two large numbers (Warren, Hacker's Delight §2-18)."""
    size = len(row)
    low = int.from_bytes(bytes([_LOW]) * size, "big")
    high = int.from_bytes(bytes([_HIGH]) * size, "big")
    a, b = int.from_bytes(row, "big"), int.from_bytes(above, "big")
    return (((a & low) + (b & low)) ^ ((a ^ b) & high)).to_bytes(size, "big")


def _summed(row: bytes, channels: int) -> bytes:
    plain = bytearray(len(row))
    for channel in range(channels):
        plain[channel::channels] = bytes(total & 255 for total in accumulate(row[channel::channels]))
    return bytes(plain)


def _slow(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    plain = bytearray(row)
    for at in range(len(plain)):
        left = plain[at - channels] if at >= channels else 0
        up = above[at]
        if kind == _AVERAGE:
            plain[at] = (plain[at] + (left + up) // 2) & 255
            continue
        corner = above[at - channels] if at >= channels else 0
        by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
        best = left if by_left <= by_up and by_left <= by_corner else up if by_up <= by_corner else corner
        plain[at] = (plain[at] + best) & 255
    return bytes(plain)


def judge_pictures(record: Record) -> Judgement:
    """Compare the untouched picture of each page with the top of its final one."""
    judged = Judgement("corroboration.pictures", "capture", _AGREED)
    rows: list[JsonValue] = []
    for page in record.pages:
        measure = _measure(judged, record, page)
        if measure is None:
            continue
        rows.append(row_of(page.id, measure))
        if measure.share > LIMIT_SHARE:
            judged.open(
                f"page {page.id}: {measure.share:.0%} of {measure.squares} squares of the untouched picture differ "
                f"from the final one (limit {LIMIT_SHARE:.0%}); a page that moves does this, and so does one that was "
                "changed",
                f"第 {page.id} 页：初始截图的 {measure.squares} 个方格中有 {measure.share:.0%} 与最终截图不同"
                f"(上限 {LIMIT_SHARE:.0%})；动态网页会如此，被改动的网页亦会如此",
            )
    judged.details["pages"] = rows
    judged.details["measure"] = {
        "square_px": TILE_PX,
        "tolerance": TOLERANCE,
        "limit_percent": round(100 * LIMIT_SHARE),
        "rows_compared": MOST_ROWS,
    }
    return judged


def row_of(page: str, measure: Measure) -> dict[str, JsonValue]:
    """What a file says of a measure; the share in hundredths of a percent, for canonical JSON has no fractions here."""
    return {
        "page": page,
        "squares": measure.squares,
        "different": measure.different,
        "columns_px": measure.columns,
        "rows_px": measure.rows,
        "regions_px": [list(region) for region in measure.regions],
    }


def _measure(judged: Judgement, record: Record, page: PageResult) -> Measure | None:
    pair: list[bytes] = []
    for name in ("screenshot-initial.png", "screenshot.png"):
        path = f"capture/pages/{page.id}/{name}"
        data = record.read(path) if path in record.names else None
        if data is None:
            judged.skip(f"{path} is not there", f"缺少 {path}")
            return None
        pair.append(data)
    try:
        return compare(pair[0], pair[1])
    except FormatError as error:
        judged.open(f"page {page.id}: {error.en}", f"第 {page.id} 页：{error.zh}")
        return None
