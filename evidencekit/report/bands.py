"""A screenshot on paper: A4 pages with overlapping bands, each saying what it is a part of.

Every page carries the number of the evidence, the URL, the time, n/N and the digest of the picture file, so that a
sheet that was separated from the others can still be placed (domain.md §4: URL and viewing time must be visible).
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.model import Text
from evidencekit.report.elements import both, moment, template
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.model import Digests

WIDTH_MM: Final = 180.0
BAND_MM: Final = 226.0
OVERLAP_MM: Final = 12.0
MAX_BANDS: Final = 2000
_MAX_SIDE_PX: Final = 1 << 20
_URL_CHARS: Final = 300
_TITLE_CHARS: Final = 90
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One screenshot to print: the picture and what its pages say of it. Sizes are in pixels."""

    png: bytes
    width_px: int
    height_px: int
    exhibit: str
    name: Text
    title: str
    url: str
    taken_at: datetime
    path: str
    digests: Digests


def png_size(png: bytes) -> tuple[int, int]:
    """Read width and height in pixels (PNG third edition §11.2.2).

    Raises:
        FormatError: it is no PNG, or one that no screen ever showed.
    """
    if len(png) < _HEADER_BYTES or not png.startswith(_PNG) or png[12:16] != b"IHDR":
        raise FormatError("a screenshot is no PNG picture", "截图不是 PNG 图像")
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    if not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX):
        raise FormatError(f"a screenshot of {width} × {height} pixels", f"截图尺寸为 {width} × {height} 像素")
    return width, height


def band_count(width_px: int, height_px: int) -> int:
    """Tell on how many pages a picture is printed.

    Raises:
        FormatError: on more than anybody would read.
    """
    total = height_px * WIDTH_MM / width_px
    count = 1 + max(0, math.ceil((total - BAND_MM) / (BAND_MM - OVERLAP_MM)))
    if count > MAX_BANDS:
        raise FormatError(
            f"a screenshot would fill {count} pages, more than {MAX_BANDS}",
            f"截图需打印 {count} 页，超过上限 {MAX_BANDS} 页",
        )
    return count


def numbering_css(*, start: int, total: int, label: str, english: bool = False) -> str:
    """Style rules that number pages from `start` out of `total`; `label` is reduced to letters, digits, - and ."""
    before, after = ("Page ", f" of {total}") if english else ("第 ", f" 页 / 共 {total} 页")
    safe = "".join(char for char in label if char.isascii() and (char.isalnum() or char in "-. "))
    font = "7.5pt 'Noto Serif CJK SC','Songti SC',SimSun,serif"
    return (
        f"html {{ counter-reset: page {start - 1}; }}"
        f'@page {{ @bottom-left {{ content: "{safe}"; font: {font}; }}'
        f'@bottom-right {{ content: "{before}" counter(page) "{after}"; font: {font}; }} }}'
    )


def render_bands(shot: Shot, *, first: int, last: int, head: str) -> str:
    """Render bands `first` to `last` (from 0, inclusive) of a screenshot, one A4 page each.

    Args:
        shot: The picture.
        first: Of the bands to render.
        last: Likewise.
        head: Style rules for the page numbers.
    """
    count = band_count(shot.width_px, shot.height_px)
    picture = base64.b64encode(shot.png).decode("ascii")
    style = template("document.css").template + template("exports.css").template
    style += "@page { size: A4; margin: 12mm 15mm 15mm; } body { padding: 0; max-width: none; }"
    style += f".shot {{ background-image: url(data:image/png;base64,{picture}); }}"
    pages = [_page(shot, index, count) for index in range(first, last + 1)]
    return template("export.html").substitute(
        style=style + head, title=own(f"{shot.name.zh} {shot.name.en}"), css="export", body=join(pages, "\n")
    )


def _page(shot: Shot, index: int, count: int) -> Html:
    step = BAND_MM - OVERLAP_MM
    top = index * step
    height = min(BAND_MM, shot.height_px * WIDTH_MM / shot.width_px - top)
    marks = ""
    if index:
        marks += f'<div class="overlap" style="top:{OVERLAP_MM:.1f}mm"></div>'
    if index < count - 1:
        marks += f'<div class="overlap" style="top:{step:.1f}mm"></div>'
    part = Text(en=f"part {index + 1} of {count}", zh=f"第 {index + 1}/{count} 幅")
    return Html(
        '<section class="band"><div class="head">'
        f'<div class="row"><b>{escape(shot.exhibit)}　{both(shot.name)}</b><b>{both(part)}</b></div>'
        f'<div class="row"><span>{escape(shot.title, limit=_TITLE_CHARS)}</span>'
        f"<span>{moment(shot.taken_at)}</span></div>"
        f"<div>{escape_url(shot.url, limit=_URL_CHARS)}</div>"
        f"<div>{escape(shot.path)}　SHA-256 {digest(shot.digests.sha256)}</div></div>"
        f'<div class="shot" style="height:{height:.2f}mm;background-position:0 {-top:.2f}mm">{marks}</div></section>'
    )
