"""Everything that is done to a page between the untouched view and the pictures, in order, each step bounded and said.

The order: a banner if that was asked for; folded parts opened; the window scrolled to the end; "more" pressed and
scrolled again; inner scrollers run through; pictures that still wait shown; media started. A script that leaves the
page is brought back, and nothing more is pressed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.actions import (
    DISMISS_BANNERS,
    LOAD_MORE,
    OPEN_DETAILS,
    PLAY_MEDIA,
    Action,
    act,
    transformation_of,
)
from evidencekit.capture.behaviours import SCROLL_S, scroll_to_load
from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.capture.pagescripts import PICTURES_WAITING, RESTORE_INNER, SHOW_WAITING
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.capture.scrollers import scroll_inside
from evidencekit.errors import BrowserError
from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evidencekit.capture.rendering import Cdp
    from evidencekit.capture.request import Limits

_INNER_S = 30.0
_MOST_WAITING = 200
_SHOW_S = 15.0
_SCROLL_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCount:
    """Pictures of a page that take up room: all, broken, still loading; and those whose source was never put in."""

    shown: int
    broken: int
    loading: int
    waiting: int


@dataclass(slots=True, kw_only=True)
class Exploration:
    """What was done to the page and what it left open. `left_page` says that a script went elsewhere."""

    transformations: list[Transformation] = field(default_factory=list)
    partial: list[Text] = field(default_factory=list)
    pictures: PictureCount | None = None
    left_page: bool = False


class Explorer:
    """Explores one page; `quiet` waits, bounded, until no request is under way."""

    def __init__(
        self,
        cdp: Cdp,
        limits: Limits,
        quiet: Callable[[], Awaitable[bool]],
        *,
        page: str,
        remaining: Callable[[float], float],
    ) -> None:
        """Prepare.

        Args:
            cdp: the page's session.
            limits: bounds of steps and heights.
            quiet: see the class.
            page: its id, for the transformations.
            remaining: gives the seconds left for the page, at most its argument.
        """
        self._cdp = cdp
        self._limits = limits
        self._quiet = quiet
        self._page = page
        self._remaining = remaining
        self.found = Exploration()

    async def dismiss_banners(self) -> None:
        """Answer cookie banners; only when the operator asks.

        Raises:
            BrowserError: the browser does not answer.
        """
        await self._repeat(DISMISS_BANNERS)

    async def run(self) -> Exploration:
        """Do all of it.

        Raises:
            BrowserError: the browser does not answer.
        """
        await self._repeat(OPEN_DETAILS)
        await self._scroll()
        if await self._repeat(LOAD_MORE):
            await self._scroll()
        await self._scroll_inside()
        await self._repeat(PLAY_MEDIA)
        await self._look_at_pictures()
        return self.found

    async def _scroll(self) -> None:
        outcome = await scroll_to_load(
            self._cdp, self._limits, self._quiet, page=self._page, within_s=self._remaining(SCROLL_S)
        )
        self.found.transformations += outcome.transformations
        self.found.partial += [text for text in outcome.partial if text not in self.found.partial]

    async def _repeat(self, action: Action) -> bool:
        """Run an action until it finds nothing more; True when it did anything."""
        labels: list[str] = []
        left = 0
        for _ in range(action.rounds):
            if self.found.left_page:
                break
            before = await self._document()
            deed = await act(self._cdp, action)
            left = deed.left
            if not deed.labels:
                break
            labels += deed.labels
            await self._quiet()
            await self._come_back(before)
        if left > 0:
            self.found.partial.append(action.stopped)
        if labels:
            self.found.transformations.append(transformation_of(action, tuple(labels), self._page))
        return bool(labels)

    async def _document(self) -> tuple[str, int]:
        """The document that is shown and its place in the tab's history."""
        tree = await self._cdp.call("Page.getFrameTree")
        history = await self._cdp.call("Page.getNavigationHistory")
        return text_of(tree, "frameTree", "frame", "loaderId"), integer_of(history, "currentIndex") or 0

    async def _come_back(self, before: tuple[str, int]) -> None:
        """Where a script went to another document, go back, say so and press nothing more."""
        now = await self._document()
        if now[0] == before[0]:
            return
        self.found.left_page = True
        self.found.partial.append(
            Text(
                en="an action led to another page; it was left again and nothing more was pressed",
                zh="某一操作使页面跳转；已返回原页，其后未再点击",
            )
        )
        entries = value_at(await self._cdp.call("Page.getNavigationHistory"), "entries")
        entry = entries[before[1]] if isinstance(entries, list) and before[1] < len(entries) else None
        number = integer_of(mapping_of(entry), "id")
        if number is not None:
            await self._cdp.call("Page.navigateToHistoryEntry", {"entryId": number})
            await asyncio.sleep(_SCROLL_MARGIN_S)
            await self._quiet()
        self.found.transformations.append(
            Transformation(
                time=datetime.now(UTC),
                kind="history.back",
                detail=Text(en="went back to the page after an action had left it", zh="操作导致跳转后返回原页"),
                page=self._page,
            )
        )

    async def _scroll_inside(self) -> None:
        inner = await scroll_inside(
            self._cdp,
            most_steps=self._limits.scroll_steps,
            most_px=self._limits.page_height_px,
            within_s=self._remaining(_INNER_S),
        )
        if not inner.count:
            return
        await self._quiet()
        en = f"{inner.count} elements that scroll by themselves were run through in {inner.steps} steps and put back"
        zh = f"{inner.count} 个自带滚动条的区域已逐屏滚动 {inner.steps} 步并复位"
        if inner.ended != "end":
            reason = {"steps": ("the limit of steps", "步数上限"), "time": ("the time limit", "时间上限")}
            why_en, why_zh = reason.get(inner.ended, ("the limit of height", "高度上限"))
            text = Text(
                en=f"scrolling inside elements ended at {why_en}; they may hold more",
                zh=f"区域内滚动因达到{why_zh}而停止，可能仍有后续内容",
            )
            self.found.partial.append(text)
        self._say("scroll.inner", en, zh)

    async def _look_at_pictures(self) -> None:
        """Show pictures that still wait for their source one by one, then count what is missing."""
        count = await self._count_pictures()
        if count.waiting or count.loading:
            shown = await evaluate_isolated(self._cdp, SHOW_WAITING % _MOST_WAITING, timeout_s=_SHOW_S)
            await self._quiet()
            await evaluate_isolated(self._cdp, RESTORE_INNER)
            number = int(shown) if isinstance(shown, int | float) else 0
            if number:
                self._say(
                    "scroll.pictures",
                    f"{number} pictures that were still waiting were scrolled into view",
                    f"将 {number} 个尚未加载的图片滚动到可见位置",
                )
            count = await self._count_pictures()
        self.found.pictures = count
        left = count.loading + count.waiting
        if left:
            text = Text(
                en=f"{left} of {count.shown} pictures had not loaded when the page was rendered",
                zh=f"截图时 {count.shown} 幅图片中有 {left} 幅尚未加载",
            )
            self.found.partial.append(text)

    async def _count_pictures(self) -> PictureCount:
        value = await evaluate_isolated(self._cdp, PICTURES_WAITING)
        numbers = [int(n) if isinstance(n, int | float) else 0 for n in value] if isinstance(value, list) else []
        if len(numbers) != 4:  # noqa: PLR2004 (shown, broken, loading, waiting)
            raise BrowserError(
                "the page's pictures could not be counted; capture again", "无法统计页面图片；请重新取证"
            )
        return PictureCount(shown=numbers[0], broken=numbers[1], loading=numbers[2], waiting=numbers[3])

    def _say(self, kind: str, en: str, zh: str) -> None:
        self.found.transformations.append(
            Transformation(time=datetime.now(UTC), kind=kind, detail=Text(en=en, zh=zh), page=self._page)
        )
