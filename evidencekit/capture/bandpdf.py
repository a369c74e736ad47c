"""A very tall screenshot as a PDF of A4 pages with overlapping bands, written directly: no browser, no pixel touched.

The rows of a PNG are already what a PDF image stream holds (ISO 32000-1 §7.4.4.4: `FlateDecode` with predictor 15 is
PNG's own filtering), so the tiles are carried over as they are. Each page says what it is a part of, in plain ASCII
with one of the fonts that every reader has: URL, time, n/N, digest of the whole picture.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from evidencekit.capture.stitching import SIGNATURE, picture_size
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MM: Final = 72 / 25.4
PAGE_MM: Final = (210.0, 297.0)
WIDTH_MM: Final = 180.0
BAND_MM: Final = 252.0
OVERLAP_MM: Final = 12.0
MOST_PAGES: Final = 2000
_LEFT_MM: Final = 15.0
_TOP_MM: Final = 28.0
_FONT_PT: Final = 6.5
_URL_CHARS: Final = 165
_TRUECOLOUR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of the picture: its file and the row at which it begins, in device pixels."""

    file: Path
    top_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What every page says; `taken` is a time in UTC as text, `sha256` that of the whole picture."""

    url: str
    taken: str
    path: str
    sha256: str


def band_pages(width_px: int, height_px: int) -> int:
    """Tell on how many pages a picture is printed.

    Raises:
        FormatError: on more than `MOST_PAGES`.
    """
    total = height_px * WIDTH_MM / width_px
    count = 1 + max(0, math.ceil((total - BAND_MM) / (BAND_MM - OVERLAP_MM)))
    if count > MOST_PAGES:
        raise FormatError(
            f"the screenshot would fill {count} pages, more than {MOST_PAGES}",
            f"截图需打印 {count} 页，超过上限 {MOST_PAGES} 页",
        )
    return count


def write_band_pdf(out: BinaryIO, tiles: Sequence[Tile], size_px: tuple[int, int], caption: Caption) -> int:
    """Write the document and give the number of its pages; one tile is in memory at a time.

    Args:
        out: where it goes.
        tiles: PNG pictures of equal width, from top to bottom.
        size_px: width and height of the whole picture.
        caption: for the pages.

    Raises:
        FormatError: a tile is no picture of this form, or there would be too many pages.
        OSError: a tile cannot be read, or `out` not written.
    """
    width, height = size_px
    count = band_pages(width, height)
    writer = _Writer(out)
    heights: list[int] = []
    for number, tile in enumerate(tiles):
        png = tile.file.read_bytes()
        rows = picture_size(png)[1]
        heights.append(rows)
        writer.stream(_image(number), _image_dictionary(png, width, rows), _idat(png))
    ends = [tile.top_px + rows for tile, rows in zip(tiles, heights, strict=True)]
    scale = WIDTH_MM * MM / width  # points a pixel
    for page in range(count):
        top = page * (BAND_MM - OVERLAP_MM) * MM / scale
        bottom = min(top + BAND_MM * MM / scale, height)
        shown = [n for n, tile in enumerate(tiles) if tile.top_px < bottom and ends[n] > top]
        band = _Band(top_px=top, bottom_px=bottom, scale=scale)
        content = _captions(caption, page + 1, count) + _pictures(band, tiles, heights, shown)
        writer.stream(_content(len(tiles), page), b"", content)
        writer.page(_content(len(tiles), page) + 1, _content(len(tiles), page), {n: _image(n) for n in shown})
    writer.finish([_content(len(tiles), page) + 1 for page in range(count)])
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    top_px: float
    bottom_px: float
    scale: float


_CATALOGUE, _PAGES, _FONT, _FIRST = 1, 2, 3, 4


def _image(number: int) -> int:
    return _FIRST + number


def _content(tiles: int, page: int) -> int:
    return _FIRST + tiles + 2 * page


def _pictures(band: _Band, tiles: Sequence[Tile], heights: Sequence[int], shown: Sequence[int]) -> bytes:
    """Drawing operators: clip to the band, then each tile that reaches into it."""
    left, top = _LEFT_MM * MM, (PAGE_MM[1] - _TOP_MM) * MM
    tall = (band.bottom_px - band.top_px) * band.scale
    lines = [f"q {left:.3f} {top - tall:.3f} {WIDTH_MM * MM:.3f} {tall:.3f} re W n"]
    for number in shown:
        rows = heights[number] * band.scale
        y = top - (tiles[number].top_px - band.top_px) * band.scale - rows
        lines.append(f"q {WIDTH_MM * MM:.3f} 0 0 {rows:.4f} {left:.3f} {y:.4f} cm /I{number} Do Q")
    lines.append("Q")
    return "\n".join(lines).encode() + b"\n"


def _captions(caption: Caption, page: int, count: int) -> bytes:
    url = _ascii(caption.url)
    lines = [
        f"{page}/{count}    {_ascii(caption.taken)}    {_ascii(caption.path)}",
        url[:_URL_CHARS] + ("..." if len(url) > _URL_CHARS else ""),
        f"SHA-256 {_ascii(caption.sha256)}",
        f"bands overlap by {OVERLAP_MM:g} mm",
    ]
    y = (PAGE_MM[1] - 12.0) * MM
    shown = "".join(f"({_escaped(line)}) Tj 0 -{_FONT_PT * 1.4:.2f} Td " for line in lines)
    return f"BT /F1 {_FONT_PT} Tf {_LEFT_MM * MM:.3f} {y:.3f} Td {shown}ET\n".encode()


def _ascii(text: str) -> str:
    return "".join(each if " " <= each <= "~" else "?" for each in text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _image_dictionary(png: bytes, width: int, rows: int) -> bytes:
    if png[25] != _TRUECOLOUR or picture_size(png)[0] != width:
        raise FormatError(
            "a part of the screenshot is of another form or width; the PDF of the picture was left out",
            "截图的一部分格式或宽度不同，未生成图像 PDF",
        )
    return (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {rows} /ColorSpace /DeviceRGB /BitsPerComponent 8 "
        f"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 3 /BitsPerComponent 8 /Columns {width} >> "
    ).encode()


def _idat(png: bytes) -> bytes:
    """The compressed rows: what stands in the IDAT chunks, joined (PNG third edition §11.2.3)."""
    at, parts = len(SIGNATURE), []
    view = memoryview(png)
    while at + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, at)
        if png[at + 4 : at + 8] == b"IDAT":
            parts.append(view[at + 8 : at + 8 + size])
        at += 12 + size
    return b"".join(parts)


class _Writer:
    """Objects of a PDF 1.5 file, each written once, and the cross-reference table at the end."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._start = out.tell()
        self._places: dict[int, int] = {}
        out.write(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")

    def _object(self, number: int, *parts: bytes) -> None:
        self._places[number] = self._out.tell() - self._start
        self._out.write(f"{number} 0 obj\n".encode())
        for part in parts:
            self._out.write(part)
        self._out.write(b"\nendobj\n")

    def stream(self, number: int, dictionary: bytes, data: bytes) -> None:
        """Write a stream object."""
        head = b"<< " + dictionary + f"/Length {len(data)} >>\nstream\n".encode()
        self._object(number, head, data, b"\nendstream")

    def page(self, number: int, content: int, images: dict[int, int]) -> None:
        """Write a page that shows `content` with the images named `/I<key>`."""
        named = " ".join(f"/I{key} {image} 0 R" for key, image in images.items())
        box = f"[0 0 {PAGE_MM[0] * MM:.3f} {PAGE_MM[1] * MM:.3f}]"
        text = (
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox {box} /Contents {content} 0 R "
            f"/Resources << /Font << /F1 {_FONT} 0 R >> /XObject << {named} >> >> >>"
        )
        self._object(number, text.encode())

    def finish(self, pages: Sequence[int]) -> None:
        """Write the catalogue, the page tree, the font and the table of objects."""
        kids = " ".join(f"{page} 0 R" for page in pages)
        self._object(_CATALOGUE, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>".encode())
        self._object(_PAGES, f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode())
        self._object(_FONT, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        at = self._out.tell() - self._start
        size = max(self._places) + 1
        rows = "".join(f"{self._places[number]:010d} 00000 n \n" for number in range(1, size))
        tail = f"trailer\n<< /Size {size} /Root {_CATALOGUE} 0 R >>\nstartxref\n{at}\n%%EOF\n"
        self._out.write(f"xref\n0 {size}\n0000000000 65535 f \n{rows}{tail}".encode())
