"""What is done to a page after the untouched view, as data: bounded, each named in `transformations[]` (R14).

Scrolling is what a reader does; it makes lazy pictures and further items load. Every step goes down by one window
and waits until the network is quiet. The end is the page's own end, or a limit, which is then a reason for PARTIAL.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.pagescripts import SCROLL_WINDOW
from evidencekit.capture.rendering import evaluate_isolated, page_metrics
from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evidencekit.capture.rendering import Cdp
    from evidencekit.capture.request import Limits

SCROLL_S = 60.0
_STEP_S = 10.0
_BOTTOM_PX = 2
_SETTLED_ROUNDS = 2
_STAND_S = 0.5
"""At the bottom: pages act some time after the last scroll event (250 ms and less in the usual libraries)."""
_GROWING_S = 1.0
"""A page that has grown before is waited for longer."""

_REASONS = {
    "steps": ("the limit of {steps} scroll steps was reached", "滚动达到 {steps} 步上限"),
    "height": ("the page grew past {height} px", "页面高度超过 {height} 像素"),
    "time": ("scrolling took longer than {time:g} s", "滚动超过 {time:g} 秒"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourOutcome:
    """What was done. `ended` is `end` or the limit that was reached; heights in CSS pixels."""

    transformations: tuple[Transformation, ...]
    partial: tuple[Text, ...]
    ended: str
    steps: int
    height_before_px: int
    height_after_px: int


async def scroll_to_load(
    cdp: Cdp,
    limits: Limits,
    quiet: Callable[[], Awaitable[bool]],
    *,
    page: str | None = None,
    within_s: float = SCROLL_S,
) -> BehaviourOutcome:
    """Scroll from top to bottom window by window, waiting for quiet at the bottom, and back to the top.

    Args:
        cdp: the page's session.
        limits: `scroll_steps` and `page_height_px` bound it.
        quiet: waits until no request is under way, itself bounded; awaited where the page may grow.
        page: its id, for the transformation.
        within_s: seconds for all of it.

    Raises:
        BrowserError: the browser does not answer.
    """
    started = datetime.now(UTC)
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    metrics = await page_metrics(cdp)
    before = height = metrics.height_px
    window = max(metrics.viewport_height_px, 1)
    top, steps, settled = 0, 0, 0
    ended = "end"
    while settled < _SETTLED_ROUNDS:
        ended = _limit_reached(limits, steps, height, clock() > deadline)
        if ended != "end":
            break
        if top + window >= height - _BOTTOM_PX:
            # At the bottom: what is still loading may make the page grow.
            if not settled and steps:
                await asyncio.sleep(_GROWING_S if height > before else _STAND_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(quiet(), max(deadline - clock(), 0.1))
            grown = (await page_metrics(cdp)).height_px
            settled = settled + 1 if grown <= height else 0
            height = grown
            if settled:
                continue
        top += window
        steps += 1
        await evaluate_isolated(cdp, SCROLL_WINDOW % top, timeout_s=_STEP_S)
    if steps:
        await evaluate_isolated(cdp, SCROLL_WINDOW % 0, timeout_s=_STEP_S)
    return _outcome(started, page, limits, within_s, (ended, steps, before, height))


def _limit_reached(limits: Limits, steps: int, height_px: int, late: bool) -> str:
    if steps >= limits.scroll_steps:
        return "steps"
    if height_px > limits.page_height_px:
        return "height"
    return "time" if late else "end"


def _outcome(
    started: datetime, page: str | None, limits: Limits, within_s: float, facts: tuple[str, int, int, int]
) -> BehaviourOutcome:
    ended, steps, before, after = facts
    partial: tuple[Text, ...] = ()
    en = (
        f"scrolled down in {steps} steps of one window and back to the top; height {before} px before, {after} px after"
    )
    zh = f"逐屏向下滚动 {steps} 步后回到顶部；滚动前高 {before} 像素，滚动后高 {after} 像素"
    if ended != "end":
        numbers = {"steps": limits.scroll_steps, "height": limits.page_height_px, "time": within_s}
        why_en, why_zh = (text.format(**numbers) for text in _REASONS[ended])
        en, zh = f"{en}; ended because {why_en}", f"{zh}；停止原因：{why_zh}"
        partial = (
            Text(
                en=f"scrolling ended early: {why_en}; the page may go on",
                zh=f"滚动提前结束：{why_zh}；页面可能仍有后续内容",
            ),
        )
    return BehaviourOutcome(
        transformations=(Transformation(time=started, kind="scroll", detail=Text(en=en, zh=zh), page=page),)
        if steps
        else (),
        partial=partial,
        ended=ended,
        steps=steps,
        height_before_px=before,
        height_after_px=after,
    )
