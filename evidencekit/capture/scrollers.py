"""Elements of a page that scroll by themselves: made to load what they hold, and put back where they stood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.pagescripts import FIND_SCROLLERS, RESTORE_INNER, SCROLL_INNER
from evidencekit.capture.rendering import evaluate_isolated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

MOST_SCROLLERS = 40
_STEP_S = 10.0
_END_PX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerScroll:
    """What was done: `count` elements in `steps` steps; `ended` is `end` or the limit that was reached."""

    count: int
    steps: int
    ended: str


async def scroll_inside(
    cdp: Cdp, *, most_steps: int, most_px: int, within_s: float, frame: str | None = None
) -> InnerScroll:
    """Scroll every element that scrolls by itself, down and sideways, and put all of them back.

    In a frame below the page its document is one of them.

    Args:
        cdp: the page's session.
        most_steps: of all elements together; a step is one height or width of the element.
        most_px: how far in one element, in CSS pixels.
        within_s: seconds for all of it.
        frame: id of a frame in the session's process; its main frame when None.

    Raises:
        BrowserError: the browser does not answer.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    found = await evaluate_isolated(cdp, FIND_SCROLLERS % MOST_SCROLLERS, frame=frame)
    budget = _Budget(steps=most_steps, px=most_px, deadline=deadline, frame=frame)
    for index, (height, window, width, window_width) in enumerate(_sizes(found)):
        if height or not width:
            await _run_through(cdp, budget, index, (window, 0))
        if width:
            await _run_through(cdp, budget, index, (window_width, 1))
    count = len(found) if isinstance(found, list) else 0
    if count:
        await evaluate_isolated(cdp, RESTORE_INNER, timeout_s=_STEP_S, frame=frame)
    return InnerScroll(count=count, steps=budget.taken, ended=budget.ended)


@dataclass(slots=True, kw_only=True)
class _Budget:
    steps: int
    px: int
    deadline: float
    frame: str | None = None
    taken: int = 0
    ended: str = "end"

    def allows(self, at: int) -> bool:
        """Whether one more step may be taken; remembers which limit said no."""
        if self.taken >= self.steps:
            self.ended = "steps"
        elif asyncio.get_running_loop().time() > self.deadline:
            self.ended = "time"
        elif at > self.px:
            self.ended = "height"
        else:
            self.taken += 1
            return True
        return False


async def _run_through(cdp: Cdp, budget: _Budget, index: int, way: tuple[int, int]) -> None:
    """Scroll one element along one axis (0 down, 1 sideways) in steps of its window, as long as it goes on."""
    step, axis = way
    at = 0
    while budget.allows(at):
        top, left = (at, 0) if axis == 0 else (0, at)
        script = SCROLL_INNER % (index, top, left)
        sizes = _pair(await evaluate_isolated(cdp, script, timeout_s=_STEP_S, frame=budget.frame))
        if at + step >= sizes[axis] - _END_PX:
            return
        at += step


def _sizes(found: JsonValue) -> Iterator[tuple[int, int, int, int]]:
    for each in found if isinstance(found, list) else ():
        if isinstance(each, list) and len(each) == 4:  # noqa: PLR2004 (height, window, width, window)
            height, window, width, window_width = (int(n) if isinstance(n, int | float) else 0 for n in each)
            yield height, max(window, 1), width, max(window_width, 1)


def _pair(value: JsonValue) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:  # noqa: PLR2004 (height and width)
        first, second = value
        if isinstance(first, int | float) and isinstance(second, int | float):
            return int(first), int(second)
    return 0, 0
