"""Pages that answer the wheel themselves: nothing scrolls, yet each turn shows something else.

The wheel is turned as a visitor turns it (the browser's own input, the page sees it as trusted). What the window
shows after each turn is joined into one picture, turn below turn; then the wheel is turned back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.rendering import evaluate_isolated, page_metrics, viewport_screenshot
from evidencekit.capture.stitching import PngStitcher
from evidencekit.capture.waitingscripts import HIDDEN_BELOW
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

_STILL_S = 0.8
_IDLE = 2
_PART = 0.9
"""A turn asks for so much of the window, so that pages that move smoothly leave nothing out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """How many turns showed something new; `ended` is `end` or the limit that was reached."""

    turns: int
    ended: str


async def turn_wheel(
    cdp: Cdp, out: Path, quiet: Callable[[], Awaitable[bool]], *, most_turns: int, within_s: float
) -> Turned:
    """Turn the wheel as long as the window shows something new; write what it showed to `out`.

    Pages that scroll, or hide nothing below the window, are left alone and no file is written.

    Args:
        cdp: the page's session.
        out: the file to write.
        quiet: waits, bounded, until no request is under way.
        most_turns: so many at the most.
        within_s: seconds for all of it.

    Raises:
        BrowserError: the browser does not answer.
        FormatError: its pictures do not fit together.
        StorageError: the file cannot be written.
    """
    hidden = await evaluate_isolated(cdp, HIDDEN_BELOW)
    if not isinstance(hidden, int | float) or hidden <= 0:
        return Turned(turns=0, ended="end")
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    metrics = await page_metrics(cdp)
    middle = (metrics.viewport_width_px / 2, metrics.viewport_height_px / 2)
    down = metrics.viewport_height_px * _PART
    seen = [await viewport_screenshot(cdp)]
    idle, ended = 0, "end"
    while idle < _IDLE:
        if len(seen) > most_turns or clock() > deadline:
            ended = "time" if clock() > deadline else "steps"
            break
        await _turn(cdp, middle, down)
        await asyncio.sleep(_STILL_S)
        await quiet()
        picture = await viewport_screenshot(cdp)
        idle = idle + 1 if picture == seen[-1] else 0
        if not idle:
            seen.append(picture)
    turns = len(seen) - 1
    for _ in range(turns + 1 if turns else 0):
        await _turn(cdp, middle, -down)
        await asyncio.sleep(_STILL_S)
    if turns:
        await asyncio.to_thread(_join, out, seen)
    return Turned(turns=turns, ended=ended)


async def _turn(cdp: Cdp, middle: tuple[float, float], delta: float) -> None:
    where: dict[str, JsonValue] = {"x": middle[0], "y": middle[1]}
    await cdp.call("Input.dispatchMouseEvent", {**where, "type": "mouseWheel", "deltaX": 0, "deltaY": delta})


def _join(out: Path, pictures: list[bytes]) -> None:
    try:
        with out.open("wb") as file:
            stitcher = PngStitcher(file)
            for picture in pictures:
                stitcher.add(picture)
            stitcher.finish()
    except OSError as error:
        raise StorageError(
            f"{out.name} cannot be written ({error}); free disk space and capture again",
            f"无法写入 {out.name}({error})；请释放磁盘空间后重新取证",
        ) from error
