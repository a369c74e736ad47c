"""The full picture of a page, whatever scrolls in it: the window grown for an inner scroller, or its tiles (R01, R14).

A page whose content scrolls inside an element would give a "full page" of one screen. The window is then made as
tall as the content, which lays such pages out in full; where that does not help, the element is scrolled and what it
shows is joined into a picture of its own, each row as a viewer saw it. Elements that stick to the window are drawn
once, where they stand at the top of the page, and are counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.pagescripts import FLOATING, MAIN_LEFT, MAIN_SCROLLER, MAIN_TILE, SCROLL_WINDOW
from evidencekit.capture.rendering import (
    FullPicture,
    clip_screenshot,
    evaluate_isolated,
    full_page_screenshot,
    page_metrics,
    viewport_screenshot,
)
from evidencekit.capture.stitching import PngStitcher
from evidencekit.errors import BrowserError, StorageError
from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

_GROWTHS = 3
_ENOUGH_PX = 2
_MOST_TILES = 400
_PAINTED_S = 0.3
"""After the window became taller: until frames of other processes have painted what they now show."""
_SCROLLED = Text(
    en="what fixed elements cover in the full picture can be seen in screenshot-scrolled.png: the window half a window "
    "down",
    zh="整页截图中被固定元素遮挡的部分见 screenshot-scrolled.png：窗口向下滚动半屏时的画面",
)
_SCALE: JsonValue = 0  # the window's own device scale stays


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerPicture:
    """The joined picture of an inner scroller, in device pixels; `truncated` says that the limit ended it."""

    width_px: int
    height_px: int
    tiles: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePicture:
    """The full picture; `inner` when a scroller stands in a picture of its own; what was done, to know, and lacks."""

    full: FullPicture
    inner: InnerPicture | None
    transformations: tuple[Transformation, ...]
    lacking: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scroller:
    """The element in which most of the page scrolls; CSS pixels."""

    content_px: int
    window_px: int
    view_width_px: int
    view_height_px: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFiles:
    """Where the pictures go; `tiles` is an existing folder for those of a very tall one.

    `scrolled` is the window half a window down, where fixed elements cover something in the full picture.
    """

    full: Path
    inner: Path
    tiles: Path | None = None
    scrolled: Path | None = None


async def page_picture(
    cdp: Cdp, files: PictureFiles, quiet: Callable[[], Awaitable[bool]], *, max_height_px: int, page: str | None = None
) -> PagePicture:
    """Take the full picture; the window has its own size again afterwards.

    Args:
        cdp: the page's session.
        files: where to write.
        quiet: waits, bounded, until no request is under way.
        max_height_px: where pictures end, in CSS pixels.
        page: its id, for the transformations.

    Raises:
        BrowserError: the browser gives no picture.
        FormatError: what it gives does not fit together.
        StorageError: a file cannot be written.
    """
    notes: list[tuple[str, Text]] = []
    lacking: list[Text] = []
    around = await evaluate_isolated(cdp, FLOATING)
    floating = _floating(around)
    if floating is not None:
        notes.append(("picture.floating", floating))
    if floating is not None and files.scrolled is not None and await _uncover(cdp, files.scrolled):
        notes.append(("picture.scrolled", _SCROLLED))
    scroller = _scroller(await evaluate_isolated(cdp, MAIN_SCROLLER))
    grown = False
    unpainted = _unpainted(around) if scroller is None else 0
    try:
        if unpainted:
            tall = await _enlarge(cdp, max_height_px, quiet)
            notes += [] if tall is None else [("picture.window", _enlarged(tall, unpainted))]
            lacking += [_not_painted(unpainted)] if tall is None else []
        if scroller is not None:
            height = await _grow(cdp, scroller, max_height_px, quiet)
            grown = height is not None
            if height is not None:
                notes.append(("picture.window", _grown(scroller, height)))
        full = await full_page_screenshot(cdp, files.full, max_height_px=max_height_px, tiles=files.tiles)
    finally:
        if scroller is not None or unpainted:
            await cdp.call("Emulation.clearDeviceMetricsOverride")
    inner = None
    if scroller is not None and not grown:
        inner = await _tiled(cdp, files.inner, max_height_px, scroller)
        notes.append(("picture.tiles", _in_tiles(scroller, inner)))
    now = datetime.now(UTC)
    said = tuple(Transformation(time=now, kind=kind, detail=detail, page=page) for kind, detail in notes)
    return PagePicture(full=full, inner=inner, transformations=said, lacking=tuple(lacking))


async def _uncover(cdp: Cdp, out: Path) -> bool:
    """Picture the window half a window down, where what fixed elements cover at the top of the page can be seen."""
    metrics = await page_metrics(cdp)
    down = metrics.viewport_height_px // 2
    if metrics.height_px < metrics.viewport_height_px + down:
        return False
    try:
        await evaluate_isolated(cdp, SCROLL_WINDOW % down)
        png = await viewport_screenshot(cdp)
    finally:
        await evaluate_isolated(cdp, SCROLL_WINDOW % 0)
    await asyncio.to_thread(_write, out, png)
    return True


def _write(out: Path, data: bytes) -> None:
    try:
        out.write_bytes(data)
    except OSError as error:
        raise _cannot_write(out, error) from error


def _cannot_write(out: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{out.name} cannot be written ({error}); free disk space and capture again",
        f"无法写入 {out.name}({error})；请释放磁盘空间后重新取证",
    )


async def _grow(cdp: Cdp, scroller: _Scroller, most_px: int, quiet: Callable[[], Awaitable[bool]]) -> int | None:
    """Make the window so tall that the element need not scroll; None, and as it was, when that does not come about."""
    height = scroller.view_height_px + scroller.content_px - scroller.window_px
    for _ in range(_GROWTHS):
        if height > most_px:
            break
        await _resize(cdp, scroller.view_width_px, height)
        await quiet()
        left = await evaluate_isolated(cdp, MAIN_LEFT)
        if not isinstance(left, int | float) or left < 0:
            break
        if left <= _ENOUGH_PX:
            return height
        height += int(left)
    await cdp.call("Emulation.clearDeviceMetricsOverride")
    await quiet()
    return None


async def _resize(cdp: Cdp, width_px: int, height_px: int) -> None:
    size: dict[str, JsonValue] = {
        "width": width_px,
        "height": height_px,
        "deviceScaleFactor": _SCALE,
        "mobile": False,
    }
    await cdp.call("Emulation.setDeviceMetricsOverride", size)


async def _enlarge(cdp: Cdp, most_px: int, quiet: Callable[[], Awaitable[bool]]) -> int | None:
    """Make the window as tall as the page; None, and as it was, when the page does not keep one height then.

    A page that lays itself out by the height of its window (100vh) would grow with it: no viewer sees it like that.
    """
    metrics = await page_metrics(cdp)
    height = metrics.height_px
    for _ in range(_GROWTHS):
        if height > most_px or height <= metrics.viewport_height_px:
            break
        await _resize(cdp, metrics.viewport_width_px, height)
        await asyncio.sleep(_PAINTED_S)
        await quiet()
        now = (await page_metrics(cdp)).height_px
        if abs(now - height) <= _ENOUGH_PX:
            return height
        height = now
    await cdp.call("Emulation.clearDeviceMetricsOverride")
    await quiet()
    return None


async def _tiled(cdp: Cdp, out: Path, most_px: int, scroller: _Scroller) -> InnerPicture:
    """Scroll the element window by window and join what it shows; rows seen twice are taken once."""
    try:
        with out.open("wb") as file:
            stitcher = PngStitcher(file)
            wanted, tiles, left = 0, 0, 0
            while tiles < _MOST_TILES and wanted < most_px:
                x, y, width, height, at, most = _tile(await evaluate_isolated(cdp, MAIN_TILE % wanted))
                seen = wanted - at  # at the end the element cannot scroll as far as asked
                if seen >= height:
                    break
                beyond = x + width > scroller.view_width_px or y + height > scroller.view_height_px
                png = await clip_screenshot(cdp, (x, y + seen, width, height - seen), beyond=beyond)
                await asyncio.to_thread(stitcher.add, png)
                tiles += 1
                wanted = at + height
                left = max(most - at, 0)
                if left == 0:
                    break
            await asyncio.to_thread(stitcher.finish)
    except OSError as error:
        raise _cannot_write(out, error) from error
    return InnerPicture(width_px=stitcher.width, height_px=stitcher.height, tiles=tiles, truncated=left > 0)


def _tile(value: JsonValue) -> tuple[int, int, int, int, int, int]:
    numbers = [int(each) for each in value if isinstance(each, int | float)] if isinstance(value, list) else []
    if len(numbers) != 6 or numbers[2] < 1 or numbers[3] < 1:  # noqa: PLR2004 (place, size, scroll position, its end)
        raise BrowserError(
            "the inner scroller of the page vanished while it was pictured; capture again",
            "页面内的滚动区域在截图过程中消失；请重新取证",
        )
    return numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]


def _scroller(value: JsonValue) -> _Scroller | None:
    if not isinstance(value, list) or len(value) != 5:  # noqa: PLR2004 (four sizes and a name)
        return None
    sizes = [int(each) if isinstance(each, int | float) else 0 for each in value[:4]]
    return _Scroller(
        content_px=sizes[0],
        window_px=sizes[1],
        view_width_px=sizes[2],
        view_height_px=sizes[3],
        name=str(value[4]),
    )


def _floating(value: JsonValue) -> Text | None:
    if not isinstance(value, list) or len(value) != 5:  # noqa: PLR2004 (fixed, sticky, words, unpainted, gone)
        return None
    fixed, sticky = (int(each) if isinstance(each, int | float) else 0 for each in value[:2])
    if not fixed and not sticky:
        return None
    words = "; ".join(f"“{each}”" for each in value[2]) if isinstance(value[2], list) else ""
    named, named_zh = (f": {words}", f"：{words}") if words else ("", "")
    return Text(
        en=f"{fixed} fixed and {sticky} sticky elements are drawn once in the full picture, where they stand when the "
        f"page is at its top; while scrolling a viewer sees them move along{named}",
        zh=f"页面有 {fixed} 个固定、{sticky} 个粘性定位元素，整页截图中只画一次，位置为页面位于顶部时所见；"
        f"滚动浏览时它们会随窗口移动{named_zh}",
    )


def _unpainted(value: JsonValue) -> int:
    """How many parts of the page a picture beyond the window would lack."""
    numbers = value[3:5] if isinstance(value, list) else ()
    return sum(int(each) for each in numbers if isinstance(each, int | float))


def _enlarged(height_px: int, count: int) -> Text:
    return Text(
        en=f"{count} parts of the page (frames of other sites, lists that keep only what is in the window) are drawn "
        f"only inside the window: for the full picture it was made {height_px} px tall, the page keeping its height, "
        "then set back; what is fixed to the window's foot stands at the foot of the picture",
        zh=f"页面有 {count} 处内容(其他网站的框架、仅保留窗口内条目的列表)只在窗口范围内绘制：为截取整页，"
        f"窗口高度临时改为 {height_px} 像素(页面高度不变)，随后复原；固定在窗口底部的元素位于截图底部",
    )


def _not_painted(count: int) -> Text:
    return Text(
        en=f"the full picture may lack what {count} parts of the page show (frames of other sites, lists that keep "
        "only what is in the window): the page changes its height with the window's",
        zh=f"整页截图可能缺少页面 {count} 处内容(其他网站的框架、仅保留窗口内条目的列表)：该页面高度随窗口高度变化",
    )


def _grown(scroller: _Scroller, height_px: int) -> Text:
    return Text(
        en=f"most of the page scrolls inside <{scroller.name}> ({scroller.content_px} px shown through "
        f"{scroller.window_px} px): for the full picture the window was made {height_px} px tall instead of "
        f"{scroller.view_height_px} px, then set back",
        zh=f"页面主体在 <{scroller.name}> 内滚动(内容高 {scroller.content_px} 像素，可视 {scroller.window_px} 像素)："
        f"为截取整页，窗口高度由 {scroller.view_height_px} 像素临时改为 {height_px} 像素，随后复原",
    )


def _in_tiles(scroller: _Scroller, inner: InnerPicture) -> Text:
    return Text(
        en=f"most of the page scrolls inside <{scroller.name}>: it was scrolled in {inner.tiles} steps and what it "
        f"showed was joined into screenshot-inner.png ({inner.width_px} × {inner.height_px} px); screenshot.png shows "
        "the page around it",
        zh=f"页面主体在 <{scroller.name}> 内滚动：已分 {inner.tiles} 步滚动并将所见拼接为 screenshot-inner.png"
        f"({inner.width_px} × {inner.height_px} 像素)；screenshot.png 为其外围页面",
    )
