"""The DOM of every frame of a page, of the page's own process and of others, with shadow roots (open and closed)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidencekit.capture.cdp import Params
    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

MOST_FRAMES = 100
_TOTAL_BYTES = 64 << 20
_FRAME_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameView:
    """One frame below the page: its address, its name, its DOM, None when it could not be had."""

    url: str
    name: str
    source: bytes | None


async def frame_views(page: Cdp, others: Sequence[Cdp]) -> tuple[FrameView, ...]:
    """Give the frames below the page, at most `MOST_FRAMES` and 64 MiB of source together.

    Args:
        page: the page's session.
        others: sessions of its frames that live in other processes.

    Raises:
        BrowserError: the browser does not tell the frames of the page.
    """
    views: list[FrameView] = []
    size = 0
    for session in (page, *others):
        try:
            tree = mapping_of(await session.call("Page.getFrameTree"), "frameTree")
        except BrowserError:
            if session is page:
                raise
            continue  # the frame has gone
        found = list(_frames(tree))
        for frame in found if session is not page else found[1:]:
            if len(views) >= MOST_FRAMES:
                return tuple(views)
            is_root = frame is found[0]
            source = await _source(session, None if is_root else text_of(frame, "id")) if size < _TOTAL_BYTES else None
            size += len(source or b"")
            views.append(FrameView(url=text_of(frame, "url"), name=text_of(frame, "name"), source=source))
    return tuple(views)


def _frames(tree: Params) -> Iterator[Params]:
    """Frames of a frame tree, itself first, without recursion."""
    waiting: list[JsonValue] = [tree]
    while waiting:
        node = waiting.pop(0)
        yield mapping_of(node, "frame")
        children = value_at(node, "childFrames")
        waiting += children if isinstance(children, list) else []


async def _source(session: Cdp, frame: str | None) -> bytes | None:
    """The DOM of a frame; of the session's own document when `frame` is None."""
    with suppress(BrowserError):
        if frame is None:
            document: JsonValue = mapping_of(await session.call("DOM.getDocument", {"depth": 0}), "root")
        else:
            owner = await session.call("DOM.getFrameOwner", {"frameId": frame})
            node = integer_of(owner, "backendNodeId")
            described = await session.call("DOM.describeNode", {"backendNodeId": node, "depth": 1, "pierce": True})
            document = value_at(described, "node", "contentDocument")
        number = integer_of(document, "backendNodeId")
        if number is None:
            return None
        params: Params = {"backendNodeId": number, "includeShadowDOM": True}
        html = text_of(await session.call("DOM.getOuterHTML", params, timeout_s=_FRAME_S), "outerHTML")
        return html.encode("utf-8", "replace")
    return None
