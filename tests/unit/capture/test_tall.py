"""A page of 60,000 px: every window of it is in the picture to the pixel; tiles and the PDF of bands show the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.capture.bandpdf import MOST_PAGES, band_pages
from evidencekit.capture.pagescripts import SCROLL_WINDOW
from evidencekit.capture.rendering import (
    FullPicture,
    evaluate_isolated,
    full_page_screenshot,
    page_metrics,
    viewport_screenshot,
)
from evidencekit.capture.staging import Staging
from evidencekit.capture.tallpicture import keep_tall_picture
from evidencekit.capture.visitnotes import VisitNotes
from evidencekit.errors import FormatError
from tests.support.pictures import rows_of
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The picture is taken once: one worker runs this whole.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("tall")]

HEIGHT = 60_000
URL = "http://127.0.0.1/long?(一)\\"
_PAGE = (
    "<!DOCTYPE html><meta charset=utf-8><style>body{margin:0}section{height:300px;overflow:hidden;position:relative;"
    "font:18px 'Noto Sans CJK SC',sans-serif}b{position:absolute;right:9px;border-radius:50%;width:120px;height:120px;"
    "background:radial-gradient(#fff,#06c);box-shadow:2px 3px 9px #0008}</style>"
    + "".join(
        f'<section style="background:linear-gradient(90deg,hsl({n * 7},60%,80%),hsl({n * 13},50%,60%))"><b></b>'
        f"第 {n} 段 section {n} ✓ “侵权商品” <p style='width:60%'>{'行文 lorem ipsum ' * (n % 9 + 3)}</p>"
        f"<svg width=300 height=80><path d='M0 {n % 70} Q150 {80 - n % 60} 300 {n % 80}' fill=none stroke=#303 "
        "stroke-width=3 /></svg></section>"
        for n in range(HEIGHT // 300)
    )
)


@dataclass(frozen=True)
class Tall:
    staging: Staging
    notes: VisitNotes
    picture: FullPicture
    bands: dict[int, bytes]
    folder: Path
    rows: list[bytes]


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Tall:
    return _tall(tmp_path_factory.mktemp("tall"))


def _tall(folder: Path) -> Tall:
    # The fixtures of this folder are for one test each; the tall page is taken once for all.
    from tests.unit.capture.conftest import _open_page

    page = folder / "page.html"
    page.write_text(_PAGE, encoding="utf-8")
    staging = Staging(folder / "staging")
    now = datetime.now(UTC)
    notes = VisitNotes(page="0001", requested_url=URL, started_at=now, initial_at=now, finished_at=now)

    async def take() -> tuple[FullPicture, dict[int, bytes]]:
        async with _open_page() as tab:
            await tab.goto(page.as_uri())
            window = (await page_metrics(tab)).viewport_height_px
            bands: dict[int, bytes] = {}
            for top in (*range(0, HEIGHT - window, window), HEIGHT - window):
                await evaluate_isolated(tab, SCROLL_WINDOW % top)
                bands[top] = await viewport_screenshot(tab)
            await evaluate_isolated(tab, SCROLL_WINDOW % 0)
            file = staging.place(notes.path("screenshot.png"))
            tiles = file.parent / "screenshot-tiles"
            tiles.mkdir()
            return await full_page_screenshot(tab, file, tiles=tiles), bands

    picture, bands = asyncio.run(take())
    whole = staging.register(notes.path("screenshot.png"), role="screenshot", media_type="image/png", page="0001")
    assert keep_tall_picture(staging, notes, whole, picture) is None
    place = staging.bundle / "capture/pages/0001"
    return Tall(staging, notes, picture, bands, place, rows_of((place / "screenshot.png").read_bytes()))


def test_every_window_is_in_the_picture_to_the_pixel(tall: Tall) -> None:
    rows = tall.rows
    assert len(rows) == tall.picture.height_px == HEIGHT
    different = []
    for top, png in tall.bands.items():
        window = rows_of(png)
        different += [top] if rows[top : top + len(window)] != window else []
    assert different == []
    assert len(tall.bands) > 90


def test_tiles_are_the_picture_and_their_index_says_where(tall: Tall) -> None:
    index = json.loads((tall.folder / "screenshot-tiles/index.json").read_bytes())
    rows = tall.rows
    assert index["sha256"] == hashlib.sha256((tall.folder / "screenshot.png").read_bytes()).hexdigest()
    assert sum(tile["height"] for tile in index["tiles"]) == index["height"] == HEIGHT
    for tile in index["tiles"]:
        png = (tall.folder / tile["file"]).read_bytes()
        assert hashlib.sha256(png).hexdigest() == tile["sha256"]
        if tile["top"] in {0, 8_000, 56_000}:
            assert rows_of(png) == rows[tile["top"] : tile["top"] + tile["height"]]
    roles = [each.role for each in tall.staging.artifacts]
    assert roles.count("screenshot.tile") == len(index["tiles"]) == 8
    assert {"screenshot.tiles", "screenshot.pdf"} < set(roles)


def test_the_pdf_is_lawful_and_each_page_says_what_it_is(tall: Tall, tmp_path: Path) -> None:
    pdf = tall.folder / "screenshot.pdf"
    checked = subprocess.run([program("qpdf"), "--check", str(pdf)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    count = band_pages(tall.picture.width_px, tall.picture.height_px)
    text = subprocess.run([program("pdftotext"), "-layout", str(pdf), "-"], capture_output=True, text=True, check=True)
    pages = text.stdout.split("\f")[:-1]
    assert len(pages) == count
    digest = hashlib.sha256((tall.folder / "screenshot.png").read_bytes()).hexdigest()
    for number, page in enumerate(pages, 1):
        assert f"{number}/{count}" in page
        assert digest in page
        assert "http://127.0.0.1/long?(?)\\" in page
        assert datetime.now(UTC).strftime("%Y-%m-%dT") in page
    shown = tmp_path / "page"
    # The second page from one pixel a pixel: its first rows are 240 mm of the picture down.
    dpi = f"{tall.picture.width_px / 180 * 25.4:.4f}"
    subprocess.run(
        [program("pdftoppm"), "-r", dpi, "-f", "2", "-l", "2", "-aa", "no", "-aaVector", "no", str(pdf), str(shown)],
        check=True,
    )
    (ppm,) = tmp_path.glob("page*.ppm")
    head, pixels = ppm.read_bytes().split(b"\n", 3)[:3], ppm.read_bytes().split(b"\n", 3)[3]
    width = int(head[1].split()[0])
    rows = tall.rows
    scale = tall.picture.width_px / 180
    left, top = round(15 * scale), round(28 * scale)
    for down in (10, 400, 1500):  # mid-gradient pixels; the resampling may shift a row
        at = ((top + down) * width + left + 500) * 3
        source = rows[round(240 * scale) + down][1500:1503]
        assert all(abs(a - b) < 40 for a, b in zip(pixels[at : at + 3], source, strict=True)), down


def test_a_picture_of_endless_pages_is_refused() -> None:
    assert band_pages(1280, 800) == 1
    with pytest.raises(FormatError, match=f"more than {MOST_PAGES}"):
        band_pages(10, 1_000_000)


def test_a_short_picture_has_no_tiles(
    open_page: Callable[..., Any], serve_pages: Callable[..., Any], tmp_path: Path
) -> None:
    async def run() -> FullPicture:
        async with open_page() as tab:
            await tab.goto(f"{base}/")
            return await full_page_screenshot(tab, tmp_path / "full.png", tiles=tmp_path)

    with serve_pages(lambda _: (200, "text/html", b"<!doctype html><div style=height:9000px>")) as base:
        picture = asyncio.run(run())
    assert picture.tiles == ()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["full.png"]
