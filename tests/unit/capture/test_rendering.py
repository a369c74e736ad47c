"""Pictures, DOM, text, MHTML and PDF of real pages in a real Chromium."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.capture.rendering import (
    full_page_screenshot,
    inner_text,
    mhtml,
    outer_html,
    page_metrics,
    pdf,
    viewport_screenshot,
)
from evidencekit.capture.stitching import SIGNATURE, picture_size
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser

_BAND_PX = 100


def _bands(count: int) -> str:
    """A page of plain bands, each of its own colour, so that any row of the picture can be told."""
    return "<!DOCTYPE html><title>带</title><style>body{margin:0}div{height:100px}</style>" + "".join(
        f'<div style="background:rgb({n % 256},{n // 256},77)"></div>' for n in range(count)
    )


def _row_colours(png: bytes) -> list[bytes]:
    """The colour of the first pixel of each row; rows of plain colour need no more than Up and Sub to be undone."""
    at, packed = len(SIGNATURE), b""
    width = height = 0
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        if name == b"IHDR":
            width, height = struct.unpack(">II", data[:8])
        packed += data if name == b"IDAT" else b""
        at += 12 + size
    plain = zlib.decompress(packed)
    stride = width * 3 + 1
    rows: list[bytes] = []
    above = bytes(3)
    for number in range(height):
        kind, pixel = plain[number * stride], plain[number * stride + 1 : number * stride + 4]
        base = above if kind in (2, 4) else bytes(b // 2 for b in above) if kind == 3 else bytes(3)
        above = bytes((a + b) & 255 for a, b in zip(pixel, base, strict=True))
        rows.append(above)
    return rows


def test_full_page_is_exact_to_the_last_row(
    open_page: Callable[..., Any], serve_pages: Callable[..., Any], tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_page() as page:
            await page.goto(f"{base}/")
            picture = await full_page_screenshot(page, tmp_path / "full.png")
            width = await page.evaluate("innerWidth")
            assert (picture.width_px, picture.height_px, picture.truncated) == (width, 20_500, False)
            assert picture.segments == 3
            cut = await full_page_screenshot(page, tmp_path / "cut.png", max_height_px=9_050)
            assert (cut.height_px, cut.page_height_px, cut.truncated) == (9_050, 20_500, True)
            with pytest.raises(StorageError):
                await full_page_screenshot(page, tmp_path / "absent" / "x.png")
            await page.goto(f"{base}/full.png")
            decoded = await page.evaluate("`${document.images[0].naturalWidth}x${document.images[0].naturalHeight}`")
            assert decoded == f"{width}x20500"

    def answer(path: str) -> tuple[int, str, bytes]:
        if path == "/full.png":
            return 200, "image/png", (tmp_path / "full.png").read_bytes()
        return 200, "text/html; charset=utf-8", _bands(205).encode()

    with serve_pages(answer) as base:
        asyncio.run(run())
    expected = [bytes((n // _BAND_PX % 256, n // _BAND_PX // 256, 77)) for n in range(20_500)]
    assert _row_colours((tmp_path / "full.png").read_bytes()) == expected
    assert _row_colours((tmp_path / "cut.png").read_bytes()) == expected[:9_050]


_HOSTILE = """<!DOCTYPE html><!-- first --><html><head><title>店铺</title></head><body><p id=a>可见 text</p>
<p hidden>hidden words</p><div id=h></div><script>
h.attachShadow({mode: 'open'}).innerHTML = '<b>in the shadow</b>';
window.seen = [];
const real = document.documentElement;
Object.defineProperty(Element.prototype, 'outerHTML', {get() { seen.push('outerHTML'); return 'forged'; }});
Object.defineProperty(HTMLElement.prototype, 'innerText', {get() { seen.push('innerText'); return 'forged'; }});
const whole = {subtree: true, childList: true, attributes: true};
new MutationObserver(() => seen.push('mutation')).observe(document, whole);
const style = getComputedStyle;
window.getComputedStyle = (...a) => { seen.push('style'); return style(...a); };
addEventListener('resize', () => seen.push('resize'));
addEventListener('scroll', () => seen.push('scroll'));
</script></body></html>"""


def test_the_first_look_is_not_seen_and_cannot_be_forged(
    open_page: Callable[..., Any], serve_pages: Callable[..., Any]
) -> None:
    async def run() -> tuple[bytes, bytes, str, object]:
        async with open_page() as page:
            await page.goto(f"{base}/")
            picture, source = await viewport_screenshot(page), await outer_html(page)
            seen = await page.evaluate("JSON.stringify(seen)")
            return picture, source, await inner_text(page), seen

    with serve_pages(lambda _: (200, "text/html; charset=utf-8", _HOSTILE.encode())) as base:
        picture, source, text, seen = asyncio.run(run())
    assert picture_size(picture)[0] == 1280
    assert source.startswith(b"<!DOCTYPE html><!-- first --><html>")
    assert "店铺".encode() in source
    assert b'<template shadowrootmode="open"><b>in the shadow</b></template>' in source
    assert source.count(b"forged") == _HOSTILE.count("forged")
    assert "可见 text" in text
    assert "hidden words" not in text
    assert seen == "[]"


def test_metrics_mhtml_and_pdf(open_page: Callable[..., Any], serve_pages: Callable[..., Any], tmp_path: Path) -> None:
    async def run() -> tuple[bytes, int]:
        async with open_page(("--force-device-scale-factor=2",)) as page:
            await page.goto(f"{base}/")
            metrics = await page_metrics(page)
            assert metrics.device_scale == 2
            picture = await full_page_screenshot(page, tmp_path / "scaled.png")
            assert picture.width_px == 2 * metrics.viewport_width_px
            assert picture.height_px == 2 * metrics.height_px
            return await mhtml(page), await pdf(page, tmp_path / "page.pdf")

    body = "<!DOCTYPE html><title>t</title><p>打印 printed words</p>".encode()
    with serve_pages(lambda _: (200, "text/html; charset=utf-8", body)) as base:
        archive, size = asyncio.run(run())
    assert re.search(rb"(?m)^Content-Type: multipart/related;", archive)
    data = (tmp_path / "page.pdf").read_bytes()
    assert len(data) == size
    assert data.startswith(b"%PDF-")
    if shutil.which("pdftotext"):
        done = subprocess.run(["pdftotext", str(tmp_path / "page.pdf"), "-"], capture_output=True, check=True)
        assert "打印 printed words" in done.stdout.decode()
