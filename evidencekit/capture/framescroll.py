"""Frames of a page and what they hold back: brought into view and scrolled through, whatever process they live in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.capture.pagescripts import RESTORE_INNER, SHOW_WAITING
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.capture.scrollers import scroll_inside
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

MOST_FRAMES = 20
_MOST_WAITING = 100
_SHOW_S = 15.0
_FRAME_S = 10.0
_SMALLEST_PX = 40
_ROUNDS = 3
_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A frame below the page: the session that reaches it, its id, and `inner`, its id unless it is the root there."""

    session: Cdp
    frame_id: str
    inner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameScroll:
    """What was done: `count` frames in `steps` steps; `ended` is `end` or the limit that was reached."""

    places: tuple[Place, ...]
    steps: int
    ended: str


async def scroll_frames(
    page: Cdp,
    others: Callable[[], Sequence[Cdp]],
    quiet: Callable[[], Awaitable[bool]],
    *,
    most_steps: int,
    most_px: int,
    within_s: float,
) -> FrameScroll:
    """Scroll through every frame that takes up room; frames that only then appear are scrolled too.

    Args:
        page: the page's session.
        others: gives the sessions of its frames that live in other processes.
        quiet: waits, bounded, until no request is under way.
        most_steps: of all frames together.
        most_px: how far in one frame, in CSS pixels.
        within_s: seconds for all of it.

    Raises:
        BrowserError: the browser does not tell the frames of the page.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    seen: set[str] = set()
    done: list[Place] = []
    steps, ended = 0, "end"
    for _ in range(_ROUNDS):
        fresh = [each for each in await places_of(page, others()) if each.frame_id not in seen]
        for place in fresh:
            if len(done) >= MOST_FRAMES or clock() > deadline or steps >= most_steps:
                return FrameScroll(places=tuple(done), steps=steps, ended="time" if clock() > deadline else "steps")
            seen.add(place.frame_id)
            if not await bring_into_view(page, others(), place.frame_id):
                continue
            left = min(max(deadline - clock(), 0.1), _FRAME_S)
            with suppress(BrowserError):  # the frame may go while it is looked at
                inner = await scroll_inside(
                    place.session, most_steps=most_steps - steps, most_px=most_px, within_s=left, frame=place.inner
                )
                steps += inner.steps
                ended = inner.ended if inner.ended != "end" else ended
                show = SHOW_WAITING % _MOST_WAITING
                await evaluate_isolated(place.session, show, timeout_s=_SHOW_S, frame=place.inner)
                await evaluate_isolated(place.session, RESTORE_INNER, frame=place.inner)
                done.append(place)
        if not fresh:
            break
        await quiet()
    return FrameScroll(places=tuple(done), steps=steps, ended=ended)


async def places_of(page: Cdp, others: Sequence[Cdp]) -> list[Place]:
    """The frames below the page.

    Raises:
        BrowserError: the browser does not tell them.
    """
    found = [Place(session=page, frame_id=each, inner=each) for each in await _frames_of(page, own=False)]
    for session in others:
        with suppress(BrowserError):  # the frame has gone
            root, *below = await _frames_of(session, own=True)
            found.append(Place(session=session, frame_id=root, inner=None))
            found += [Place(session=session, frame_id=each, inner=each) for each in below]
    return found


async def bring_into_view(page: Cdp, others: Sequence[Cdp], frame_id: str) -> bool:
    """Scroll until the frame is in the window, the frames around it first; False when it takes up no room."""
    for session in (page, *others):
        with suppress(BrowserError):
            await session.call("DOM.getDocument", {"depth": 0})
            owner = await session.call("DOM.getFrameOwner", {"frameId": frame_id})
            node: JsonValue = integer_of(owner, "backendNodeId")
            box = await session.call("DOM.getBoxModel", {"backendNodeId": node})
            sizes = [integer_of(box, "model", name) or 0 for name in ("width", "height")]
            if min(sizes) < _SMALLEST_PX:
                return False
            await session.call("DOM.scrollIntoViewIfNeeded", {"backendNodeId": node})
            return True
    return False


async def _frames_of(session: Cdp, *, own: bool) -> list[str]:
    tree = mapping_of(await session.call("Page.getFrameTree"), "frameTree")
    ids: list[str] = []
    level: list[JsonValue] = [tree]
    for _ in range(_DEPTH):
        ids += [text_of(node, "frame", "id") for node in level]
        below: list[JsonValue] = []
        for node in level:
            children = value_at(node, "childFrames")
            below += children if isinstance(children, list) else []
        level = below[: MOST_FRAMES * 2]
    return ids if own else ids[1:]
