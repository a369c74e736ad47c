"""Join pictures of equal width into one PNG, exactly and in flat memory.

Filtered rows are carried over as they are (PNG third edition §9: a filter refers to the row above within the same
picture), so no pixel is computed anew. Only the first row of each later picture is filtered against a row of
zeros there and against a real row here; it is written with a filter that does not look up.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE_PX = 1 << 20

_HEADER = struct.Struct(">IIBBBBB")
_CHANNELS = {2: 3, 6: 4}  # truecolour, truecolour with alpha
_CHUNK_BYTES = 1 << 18
_STEP_BYTES = 1 << 20
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
_FORMAT_BYTES = 5


class PngStitcher:
    """Writes one PNG; `add` the pictures from top to bottom, then `finish`."""

    def __init__(self, out: BinaryIO) -> None:
        """Begin.

        Args:
            out: seekable; the height is written into it at the end.
        """
        self._out = out
        self._start = out.tell()
        self._packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._format: bytes = b""
        self.width = 0
        self.height = 0

    def add(self, png: bytes) -> None:
        """Append a picture at the bottom.

        Raises:
            FormatError: it is no picture of this form or of another width than those above it.
        """
        width, height, form = _read_header(png)
        if not self.width:
            self.width, self._format = width, form
            self._out.write(SIGNATURE + bytes(8 + _HEADER.size + 4))
        if (width, form) != (self.width, self._format):
            raise FormatError(
                f"a part of the screenshot is {width} px wide where {self.width} px were expected, or of another "
                "colour form; capture again",
                f"截图的一部分宽 {width} 像素(应为 {self.width} 像素)或颜色格式不同；请重新取证",
            )
        channels = _CHANNELS[form[1]]
        rows = _rows(png, height * (1 + width * channels))
        for piece in _with_free_first_row(rows, width * channels, channels):
            self._emit(self._packer.compress(piece))
        self.height += height

    def finish(self) -> None:
        """Close the picture: the rest of the data, the end mark and the height."""
        if not self.width:
            raise FormatError("no picture was taken; capture again", "没有取得任何图像；请重新取证")
        self._emit(self._packer.flush())
        self._flush()
        self._out.write(_chunk(b"IEND", b""))
        end = self._out.tell()
        self._out.seek(self._start + len(SIGNATURE))
        self._out.write(_chunk(b"IHDR", struct.pack(">II", self.width, self.height) + self._format))
        self._out.seek(end)

    def _emit(self, data: bytes) -> None:
        if data:
            self._pending.append(data)
            self._pending_bytes += len(data)
        if self._pending_bytes >= _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._out.write(_chunk(b"IDAT", b"".join(self._pending)))
        self._pending, self._pending_bytes = [], 0


def picture_size(png: bytes) -> tuple[int, int]:
    """Give width and height in pixels.

    Raises:
        FormatError: it is no 8-bit truecolour PNG without interlace.
    """
    width, height, _ = _read_header(png)
    return width, height


def _read_header(png: bytes) -> tuple[int, int, bytes]:
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 16 + _HEADER.size:
        raise FormatError(
            "the browser gave something that is no PNG; capture again", "浏览器返回的不是 PNG；请重新取证"
        )
    width, height, depth, colour, _, _, interlace = _HEADER.unpack_from(png, 16)
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX) or depth != 8 or interlace:  # noqa: PLR2004 - bits
        raise FormatError(
            f"the browser gave a PNG of an unexpected form ({width}x{height}, {depth} bit); capture again",
            f"浏览器返回的 PNG 形式异常({width}x{height},{depth} 位)；请重新取证",
        )
    if colour not in _CHANNELS:
        raise FormatError(
            f"the browser gave a PNG of colour type {colour}; capture again",
            f"浏览器返回的 PNG 颜色类型为 {colour}；请重新取证",
        )
    return width, height, png[24 : 24 + _FORMAT_BYTES]


def _chunks(png: bytes) -> Iterator[memoryview]:
    """Give the data of each IDAT chunk."""
    view = memoryview(png)
    at = len(SIGNATURE)
    while at + 12 <= len(view):
        (size,) = struct.unpack_from(">I", view, at)
        kind = bytes(view[at + 4 : at + 8])
        if at + 12 + size > len(view):
            break
        if kind == b"IDAT":
            yield view[at + 8 : at + 8 + size]
        if kind == b"IEND":
            return
        at += 12 + size
    raise FormatError("the browser gave a PNG that is cut off; capture again", "浏览器返回的 PNG 不完整；请重新取证")


def _rows(png: bytes, expected: int) -> Iterator[bytes]:
    """Give the filtered rows in pieces of any size, exactly `expected` bytes together."""
    unpacker = zlib.decompressobj()
    left = expected
    try:
        for chunk in _chunks(png):
            data: bytes | memoryview = chunk
            while data:
                plain = unpacker.decompress(data, _STEP_BYTES)
                data = unpacker.unconsumed_tail
                left -= len(plain)
                if left < 0:
                    break
                yield plain
    except zlib.error as error:
        raise FormatError(
            f"the browser gave a PNG that cannot be unpacked ({error}); capture again",
            f"浏览器返回的 PNG 无法解压({error})；请重新取证",
        ) from error
    if left != 0 or not unpacker.eof:
        raise FormatError(
            "the browser gave a PNG whose data do not fill it; capture again", "浏览器返回的 PNG 数据不足；请重新取证"
        )


def _with_free_first_row(pieces: Iterator[bytes], row_bytes: int, channels: int) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) > row_bytes:
            yield _free_row(head[: row_bytes + 1], channels)
            yield head[row_bytes + 1 :]
            break
    yield from pieces


def _free_row(row: bytes, channels: int) -> bytes:
    """Write a row that was filtered against zeros with a filter that ignores the row above."""
    kind, data = row[0], row[1:]
    if kind in {_NONE, _UP}:  # above is zero: Up subtracted nothing
        return bytes([_NONE]) + data
    if kind in {_SUB, _PAETH}:  # above is zero: the Paeth predictor is the left neighbour
        return bytes([_SUB]) + data
    if kind != _AVERAGE:
        raise FormatError(
            "the browser gave a PNG with an unknown filter; capture again", "PNG 含有未知的滤波类型；请重新取证"
        )
    plain = bytearray(data)
    for at in range(channels, len(plain)):
        plain[at] = (plain[at] + plain[at - channels] // 2) & 0xFF
    return bytes([_NONE]) + bytes(plain)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
