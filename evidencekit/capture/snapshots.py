"""Structured views of a finished page, as DevTools gives them: layout snapshot, accessibility tree, fonts.

Nothing of this runs a script in the page, but for the lists of its media and fonts, which an isolated world reads.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import integer_of
from evidencekit.capture.pagescripts import FONTS, MEDIA
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

STYLES = (
    "display",
    "visibility",
    "opacity",
    "position",
    "overflow",
    "color",
    "background-color",
    "background-image",
    "font-family",
    "font-size",
    "font-weight",
    "text-decoration",
    "z-index",
)
"""Computed styles in the layout snapshot: what decides whether and how a text can be seen."""

MOST_BYTES = 192 << 20
MOST_NODES = 200_000
"""Beyond that many nodes no accessibility tree is asked for: the page would be busy with it for minutes."""

_SLOW_S = 60.0


def json_bytes(value: JsonValue) -> bytes:
    """Give compact JSON in UTF-8; a lone surrogate of a page becomes U+FFFD.

    Raises:
        BrowserError: it is larger than `MOST_BYTES`.
    """
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(data) > MOST_BYTES:
        raise BrowserError(
            f"it is larger than {MOST_BYTES >> 20} MiB and was left out", f"超过 {MOST_BYTES >> 20} MiB，未保存"
        )
    return data


async def layout_snapshot(cdp: Cdp) -> bytes:
    """Give `DOMSnapshot.captureSnapshot` of all frames of the page's process: nodes, layout boxes, text, styles.

    Raises:
        BrowserError: the browser does not give it, or it is too large.
    """
    params: Mapping[str, JsonValue] = {
        "computedStyles": list(STYLES),
        "includeDOMRects": True,
        "includePaintOrder": True,
    }
    answer = dict(await cdp.call("DOMSnapshot.captureSnapshot", params, timeout_s=_SLOW_S))
    return await asyncio.to_thread(json_bytes, {"computedStyles": list(STYLES), **answer})


async def accessibility_tree(cdp: Cdp) -> bytes:
    """Give the accessibility tree of the main frame: what a screen reader is told.

    Raises:
        BrowserError: the browser does not give it, or it is too large.
    """
    nodes = integer_of(await cdp.call("Memory.getDOMCounters"), "nodes") or 0
    if nodes > MOST_NODES:
        raise BrowserError(
            f"the page has {nodes} nodes, more than {MOST_NODES}; its layout snapshot and source hold them",
            f"网页有 {nodes} 个节点，超过 {MOST_NODES} 个；其内容见布局快照和源码",
        )
    try:
        answer = await cdp.call("Accessibility.getFullAXTree", timeout_s=_SLOW_S)
    finally:  # else the browser keeps the tree up to date while it lays the page out for print
        await cdp.call("Accessibility.disable")
    return await asyncio.to_thread(json_bytes, dict(answer))


async def media_list(cdp: Cdp) -> list[JsonValue]:
    """List pictures, backgrounds, media, embedded things and icons with their addresses and sizes.

    Raises:
        BrowserError: the browser does not answer.
    """
    value = await evaluate_isolated(cdp, MEDIA)
    return value if isinstance(value, list) else []


async def fonts_asked_for(cdp: Cdp) -> dict[str, JsonValue]:
    """List the font families that the styles of the first texts ask for, and the fonts that the page brought.

    DevTools could say which font drew each text, but switching its CSS domain on makes the browser fetch style
    sheets again that its cache did not keep: a request that the page never made.

    Raises:
        BrowserError: the browser does not answer.
    """
    value = await evaluate_isolated(cdp, FONTS)
    return dict(value) if isinstance(value, dict) else {}
