"""What the page looks like and says, as the browser itself gives it (design §3 steps 2 and 4, §4.4).

The untouched view comes first: `viewport_screenshot` and `outer_html` run no script in the page. `inner_text` reads
in an isolated world that the page's scripts cannot reach. All sizes are bounded; pictures and PDF go to files.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evidencekit.capture.stitching import PngStitcher, picture_size
from evidencekit.errors import BrowserError, PageScriptError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import JsonValue

SEGMENT_PX = 8000
"""Height of one clip in CSS pixels: the fastest exact way measured (study of capture, §10)."""

_SLOW_CLIP_S = 3.0
"""Where a clip takes longer, laying out the page is the cost, not drawing: the next ones are twice as high."""

PICTURE_S = 150.0
"""Seconds for a full picture; a page that needs more is cut and said to be."""

TALL_PX = 16_384
"""Pictures taller than this, in device pixels, are kept in tiles too: many programs open no taller one."""

WIDEST_PX = 8192
"""Pages wider than the window are taken to this width, in CSS pixels."""

TEXT_CHARS = 16 << 20
DOCUMENT_BYTES = 256 << 20

_SLOW_S = 120.0
_STREAM_BYTES = 1 << 20
_WORLD = "evidencekit"


class Cdp(Protocol):
    """A DevTools session of the page."""

    async def call(
        self, method: str, params: Mapping[str, JsonValue] = ..., *, timeout_s: float = ...
    ) -> Mapping[str, JsonValue]:
        """Send a command and give its result; raise `BrowserError` when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMetrics:
    """Sizes in CSS pixels; `device_scale` is device pixels a CSS pixel."""

    width_px: int
    height_px: int
    viewport_width_px: int
    viewport_height_px: int
    device_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPicture:
    """The full-page screenshot. Sizes in device pixels; `page_height_px` in CSS pixels is what the page claimed.

    `truncated` says that the page was larger than the limits and the picture ends there, at `end_px` in CSS pixels;
    `late`, that the limit was time. `segments` counts clips. `tiles` holds the heights of the clips that were kept as
    files, in device pixels.
    """

    width_px: int
    height_px: int
    page_height_px: int
    end_px: int
    truncated: bool
    late: bool
    segments: int
    tiles: tuple[int, ...] = ()


async def page_metrics(cdp: Cdp) -> PageMetrics:
    """Measure the page.

    Raises:
        BrowserError: the browser gives no sizes.
    """
    result = await cdp.call("Page.getLayoutMetrics")
    content, viewport = result.get("cssContentSize"), result.get("cssVisualViewport")
    width = _number(viewport, "clientWidth")
    device = _number(result.get("visualViewport"), "clientWidth")
    return PageMetrics(
        width_px=math.ceil(_number(content, "width")),
        height_px=math.ceil(_number(content, "height")),
        viewport_width_px=round(width),
        viewport_height_px=round(_number(viewport, "clientHeight")),
        device_scale=device / width if width else 1.0,
    )


async def viewport_screenshot(cdp: Cdp) -> bytes:
    """Take what the window shows, as PNG; the page is neither scrolled nor resized.

    Raises:
        BrowserError: the browser gives no picture.
    """
    return await _picture(cdp, {"format": "png", "optimizeForSpeed": True})


async def full_page_screenshot(
    cdp: Cdp,
    out: Path,
    *,
    max_height_px: int = 100_000,
    tiles: Path | None = None,
    within_s: float = PICTURE_S,
) -> FullPicture:
    """Take the whole page in clips and stitch them exactly into one PNG at `out`.

    While the browser draws a clip, the one before is written in a thread. The page sees resize events. The
    browser must run without scroll bars: it drops them while it draws beyond the window, and the page would move.

    Args:
        cdp: the page's session.
        out: the file to write.
        max_height_px: where the picture ends, in CSS pixels.
        tiles: an existing folder for the clips of a picture taller than `TALL_PX`, as `0001.png` and so on.
        within_s: seconds after which no further clip is taken; the first always is.

    Raises:
        BrowserError: the browser gives no picture.
        FormatError: what it gives does not fit together.
        StorageError: the file cannot be written.
    """
    metrics = await page_metrics(cdp)
    width = max(metrics.viewport_width_px, min(metrics.width_px, WIDEST_PX), 1)
    height = max(metrics.height_px, metrics.viewport_height_px, 1)
    end = min(height, max_height_px)
    kept = tiles if tiles is not None and end * metrics.device_scale > TALL_PX else None
    heights: list[int] = []
    clock = asyncio.get_running_loop().time
    began, top, step, late = clock(), 0, SEGMENT_PX, False
    try:
        with out.open("wb") as file:
            stitcher = PngStitcher(file)
            writing: asyncio.Task[None] | None = None
            try:
                while top < end and not late:
                    at, part = clock(), min(step, end - top)
                    png = await clip_screenshot(cdp, (0, top, width, part), beyond=True)
                    if writing is not None:
                        await writing
                    heights.append(picture_size(png)[1])
                    tile = None if kept is None else kept / f"{len(heights):04d}.png"
                    writing = asyncio.create_task(asyncio.to_thread(_add, stitcher, png, tile))
                    top += part
                    step = SEGMENT_PX * 2 if clock() - at > _SLOW_CLIP_S else step
                    late = top < end and clock() - began > within_s
            finally:
                if writing is not None:  # the thread must not outlive the file
                    await writing
            await asyncio.to_thread(stitcher.finish)
    except OSError as error:
        raise _cannot_write(out, error) from error
    return FullPicture(
        width_px=stitcher.width,
        height_px=stitcher.height,
        page_height_px=height,
        end_px=top,
        truncated=height > top or metrics.width_px > WIDEST_PX,
        late=late,
        segments=len(heights),
        tiles=() if kept is None else tuple(heights),
    )


def _add(stitcher: PngStitcher, png: bytes, tile: Path | None) -> None:
    if tile is not None:
        tile.write_bytes(png)
    stitcher.add(png)


async def outer_html(cdp: Cdp) -> bytes:
    """Serialise the DOM, doctype and open shadow roots included, without running a script in the page.

    Shadow roots are written as `<template shadowrootmode>` (HTML Living Standard §13.2.6.4.4), which parses back.

    Raises:
        BrowserError: the browser does not give it.
    """
    root = (await cdp.call("DOM.getDocument", {"depth": 0})).get("root")
    node = int(_number(root, "nodeId"))
    try:
        result = await cdp.call("DOM.getOuterHTML", {"nodeId": node, "includeShadowDOM": True}, timeout_s=_SLOW_S)
    finally:
        await cdp.call("DOM.disable")
    return _text(result, "outerHTML").encode("utf-8", "replace")


async def inner_text(cdp: Cdp) -> str:
    """Give the text that the page shows, at most `TEXT_CHARS` characters, read in an isolated world.

    Raises:
        BrowserError: the browser does not give it.
    """
    value = await evaluate_isolated(cdp, f"(document.body?.innerText ?? '').slice(0, {TEXT_CHARS})")
    return value if isinstance(value, str) else ""


async def mhtml(cdp: Cdp) -> bytes:
    """Give the page with its resources as MHTML (RFC 2557), as Chromium writes it.

    Raises:
        BrowserError: the browser does not give it.
    """
    result = await cdp.call("Page.captureSnapshot", {"format": "mhtml"}, timeout_s=_SLOW_S)
    return _text(result, "data").encode("utf-8", "replace")


async def pdf(
    cdp: Cdp, out: Path, *, max_bytes: int = DOCUMENT_BYTES, header: str | None = None, footer: str | None = None
) -> int:
    """Print the page to `out` on A4 with backgrounds and give the size in bytes; print styles apply.

    A `footer` (HTML of `Page.printToPDF`) is for documents of our own: their style sheet then sets the paper.

    Raises:
        BrowserError: the browser does not print it, or it is larger than `max_bytes`.
        StorageError: the file cannot be written.
    """
    params: dict[str, JsonValue] = {
        "printBackground": True,
        "paperWidth": 210 / 25.4,
        "paperHeight": 297 / 25.4,
        "transferMode": "ReturnAsStream",
    }
    if footer is not None:
        params |= {
            "displayHeaderFooter": True,
            "headerTemplate": header or "<span></span>",
            "footerTemplate": footer,
            "preferCSSPageSize": True,
        }
    result = await cdp.call("Page.printToPDF", params, timeout_s=_SLOW_S)
    handle = _text(result, "stream")
    size = 0
    try:
        with out.open("wb") as file:
            while True:
                part = await cdp.call("IO.read", {"handle": handle, "size": _STREAM_BYTES})
                data = _text(part, "data")
                size += file.write(_decoded(data) if part.get("base64Encoded") is True else data.encode())
                if size > max_bytes:
                    raise BrowserError(
                        f"the PDF of the page is larger than {max_bytes} bytes; it was left out",
                        f"网页 PDF 超过 {max_bytes} 字节，未保存",
                    )
                if part.get("eof") is True:
                    return size
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        await cdp.call("IO.close", {"handle": handle})


async def evaluate_isolated(
    cdp: Cdp, expression: str, *, timeout_s: float = 30.0, frame: str | None = None
) -> JsonValue:
    """Evaluate in a world of our own: it sees the page, the page's scripts do not see it.

    Args:
        cdp: the session.
        expression: gives a JSON value, or a promise of one.
        timeout_s: seconds to wait for it.
        frame: id of a frame in the session's process; its main frame when None.

    Raises:
        BrowserError: the browser does not, or the expression throws.
    """
    if frame is None:
        tree = (await cdp.call("Page.getFrameTree")).get("frameTree")
        frame = _text(tree.get("frame") if isinstance(tree, Mapping) else None, "id")
    world = await cdp.call("Page.createIsolatedWorld", {"frameId": frame, "worldName": _WORLD})
    params: Mapping[str, JsonValue] = {
        "expression": expression,
        "contextId": int(_number(world, "executionContextId")),
        "returnByValue": True,
        "awaitPromise": True,
    }
    result = await cdp.call("Runtime.evaluate", params, timeout_s=timeout_s)
    if "exceptionDetails" in result:
        raise PageScriptError(
            "the page could not be read: the reading script failed; capture again", "读取网页的脚本执行失败；请重新取证"
        )
    value = result.get("result")
    return value.get("value") if isinstance(value, Mapping) else None


async def clip_screenshot(cdp: Cdp, clip: tuple[int, int, int, int], *, beyond: bool) -> bytes:
    """Take a part of the page as PNG.

    Args:
        cdp: the page's session.
        clip: left, top, width and height in CSS pixels of the page.
        beyond: whether it may lie outside the window; the page then sees resize events.

    Raises:
        BrowserError: the browser gives no picture.
    """
    x, y, width, height = clip
    area: Mapping[str, JsonValue] = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
    params: Mapping[str, JsonValue] = {"captureBeyondViewport": beyond, "clip": area}
    return await _picture(cdp, {"format": "png", "optimizeForSpeed": True, **params})


async def _picture(cdp: Cdp, params: Mapping[str, JsonValue]) -> bytes:
    png = _decoded(_text(await cdp.call("Page.captureScreenshot", params, timeout_s=_SLOW_S), "data"))
    picture_size(png)
    return png


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BrowserError(
            "the browser answered with broken base64; capture again", "浏览器返回的 base64 数据损坏；请重新取证"
        ) from error


def _text(value: JsonValue, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise BrowserError(
            f"the browser's answer lacks {key!r}; use a supported version of Chromium",
            f"浏览器的应答缺少 {key!r}；请使用受支持的 Chromium 版本",
        )
    return found


def _number(value: JsonValue, key: str) -> float:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
        raise BrowserError(
            f"the browser's answer lacks the number {key!r}; use a supported version of Chromium",
            f"浏览器的应答缺少数值 {key!r}；请使用受支持的 Chromium 版本",
        )
    return float(found)


def _cannot_write(out: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{out.name} cannot be written ({error}); free disk space and capture again",
        f"无法写入 {out.name}({error})；请释放磁盘空间后重新取证",
    )
