"""Structured views of a finished page, as DevTools gives them: layout snapshot, accessibility tree, fonts, stores.

Nothing of this runs a script in the page, but for the list of its media, which an isolated world reads.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.capture.pagescripts import MEDIA
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_SLOW_S = 60.0
_FONT_NODES = 240
_FONT_SELECTOR = "body,h1,h2,h3,p,li,td,th,a,button,label,span,div,strong,em,pre,code"


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
    answer = await cdp.call("Accessibility.getFullAXTree", timeout_s=_SLOW_S)
    return await asyncio.to_thread(json_bytes, dict(answer))


async def media_list(cdp: Cdp) -> list[JsonValue]:
    """List pictures, backgrounds, media, embedded things and icons with their addresses and sizes.

    Raises:
        BrowserError: the browser does not answer.
    """
    value = await evaluate_isolated(cdp, MEDIA)
    return value if isinstance(value, list) else []


async def used_fonts(cdp: Cdp) -> tuple[list[JsonValue], int]:
    """Ask which fonts really drew the first texts of the page.

    Returns:
        Families with the number of glyphs, whether the page brought them, most used first; and how many elements
        were asked about.

    Raises:
        BrowserError: the browser does not answer.
    """
    counts: Counter[tuple[str, str, bool]] = Counter()
    try:
        await cdp.call("DOM.enable")
        await cdp.call("CSS.enable")
        root = integer_of(mapping_of(await cdp.call("DOM.getDocument", {"depth": 0}), "root"), "nodeId")
        listed = await cdp.call("DOM.querySelectorAll", {"nodeId": root, "selector": _FONT_SELECTOR})
        ids = value_at(listed, "nodeIds")
        nodes = ids if isinstance(ids, list) else []
        step = max(len(nodes) // _FONT_NODES, 1)
        asked = nodes[::step][:_FONT_NODES]
        answers = await asyncio.gather(*(_fonts_of(cdp, node) for node in asked))
        for font in (font for answer in answers for font in answer):
            key = (text_of(font, "familyName"), text_of(font, "postScriptName"), value_at(font, "isCustomFont") is True)
            counts[key] += integer_of(font, "glyphCount") or 0
    finally:
        for domain in ("CSS.disable", "DOM.disable"):
            with suppress(BrowserError):
                await cdp.call(domain)
    fonts: list[JsonValue] = [
        {"family": family, "postscript": name, "from_page": custom, "glyphs": count}
        for (family, name, custom), count in counts.most_common(100)
    ]
    return fonts, len(asked)


async def _fonts_of(cdp: Cdp, node: JsonValue) -> Sequence[JsonValue]:
    try:
        answer = value_at(await cdp.call("CSS.getPlatformFontsForNode", {"nodeId": node}), "fonts")
    except BrowserError:
        return ()  # the node has gone
    return answer if isinstance(answer, list) else ()
