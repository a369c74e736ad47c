"""Everything that is done to a page between the untouched view and the pictures, in order, each step bounded and said.

The order: a banner if that was asked for; folded parts opened; the window scrolled to the end; "more" pressed and
scrolled again; inner scrollers and frames run through; carousels turned; empty places stood before; media started;
pictures that still wait shown. A script that leaves the page is brought back, and nothing more is pressed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.actions import (
    DISMISS_BANNERS,
    LOAD_MORE,
    OPEN_DETAILS,
    PLAY_MEDIA,
    TURN_CAROUSELS,
    Action,
    act,
    transformation_of,
)
from evidencekit.capture.behaviours import SCROLL_S, scroll_to_load
from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.capture.framescroll import Place, scroll_frames
from evidencekit.capture.pagescripts import PICTURES_WAITING, RESTORE_INNER, SHOW_WAITING
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.capture.scrollers import scroll_inside
from evidencekit.capture.turning import turn_wheel
from evidencekit.capture.waitingscripts import FIND_BLANKS, STAND_BEFORE
from evidencekit.errors import BrowserError, PageScriptError
from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from evidencekit.capture.rendering import Cdp
    from evidencekit.capture.request import Limits
    from evidencekit.model import JsonValue

_INNER_S = 30.0
_FRAMES_S = 30.0
_BLANKS_S = 30.0
_WHEEL_S = 60.0
_MOST_BLANKS = 60
_FILLED, _EMPTY = 1, 0
_PATIENCE = 2
"""So many places of a kind that had been filling and stay empty one after the other end the standing."""
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
    """What was done to the page and what it left open.

    `turns` of the wheel showed something new; `left_page` says that a script went elsewhere.
    """

    transformations: list[Transformation] = field(default_factory=list)
    partial: list[Text] = field(default_factory=list)
    pictures: PictureCount | None = None
    turns: int = 0
    left_page: bool = False


class Explorer:
    """Explores one page; `quiet` waits, bounded, until no request is under way."""

    def __init__(  # noqa: PLR0913 (each names one thing that the page's visit owns)
        self,
        cdp: Cdp,
        limits: Limits,
        quiet: Callable[[], Awaitable[bool]],
        *,
        page: str,
        remaining: Callable[[float], float],
        frames: Callable[[], Sequence[Cdp]] = tuple,
        turned: Path | None = None,
    ) -> None:
        """Prepare.

        Args:
            cdp: the page's session.
            limits: bounds of steps and heights.
            quiet: see the class.
            page: its id, for the transformations.
            remaining: gives the seconds left for the page, at most its argument.
            frames: gives the sessions of the page's frames that live in other processes.
            turned: where the picture of what the wheel shows goes; None to leave the wheel alone.
        """
        self._cdp = cdp
        self._limits = limits
        self._quiet = quiet
        self._page = page
        self._remaining = remaining
        self._frames = frames
        self._turned = turned
        self._places: tuple[Place, ...] = ()
        self.found = Exploration()

    async def dismiss_banners(self) -> None:
        """Answer cookie banners; only when the operator asks.

        Raises:
            BrowserError: the browser does not answer.
        """
        await self._repeat(DISMISS_BANNERS)

    async def run(self) -> Exploration:
        """Do all of it; a step that the page is not made for is left out, and said.

        Raises:
            BrowserError: the browser does not answer.
        """
        steps: tuple[tuple[str, str, Callable[[], Awaitable[None]]], ...] = (
            ("opening what is folded", "展开折叠内容", self._open_details),
            ("scrolling", "滚动页面", self._scroll),
            ("loading more", "加载更多", self._load_more),
            ("scrolling inside", "滚动内层区域", self._scroll_inside),
            ("scrolling frames", "滚动框架", self._scroll_frames),
            ("turning carousels", "翻动轮播", self._turn_carousels),
            ("standing before empty places", "停留于空白处", self._stand_before_blanks),
            ("turning the wheel", "滚轮翻动", self._turn_wheel),
            ("starting media", "播放媒体", self._play_media),
            ("looking at the pictures", "检查图片", self._look_at_pictures),
        )
        for en, zh, step in steps:
            try:
                await step()
            except PageScriptError:
                text = Text(
                    en=f"{en} failed on this page, which may hold more than is shown",
                    zh=f"{zh}在此页面上未能完成，可能仍有未展示的内容",
                )
                self.found.partial.append(text)
        return self.found

    async def _open_details(self) -> None:
        await self._repeat(OPEN_DETAILS)

    async def _load_more(self) -> None:
        if await self._repeat(LOAD_MORE):
            await self._scroll()

    async def _turn_carousels(self) -> None:
        if await self._repeat(TURN_CAROUSELS):
            await evaluate_isolated(self._cdp, RESTORE_INNER)

    async def _play_media(self) -> None:
        await self._repeat(PLAY_MEDIA)

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
        self._note_end(inner.ended, "elements", "区域")
        en = f"{inner.count} elements that scroll by themselves were run through in {inner.steps} steps and put back"
        zh = f"{inner.count} 个自带滚动条的区域已逐屏滚动 {inner.steps} 步并复位"
        self._say("scroll.inner", en, zh)

    def _note_end(self, ended: str, what: str, what_zh: str) -> None:
        if ended == "end":
            return
        reason = {"steps": ("the limit of steps", "步数上限"), "time": ("the time limit", "时间上限")}
        why_en, why_zh = reason.get(ended, ("the limit of height", "高度上限"))
        self.found.partial.append(
            Text(
                en=f"scrolling inside {what} ended at {why_en}; they may hold more",
                zh=f"{what_zh}内滚动因达到{why_zh}而停止，可能仍有后续内容",
            )
        )

    async def _scroll_frames(self) -> None:
        done = await scroll_frames(
            self._cdp,
            self._frames,
            self._quiet,
            most_steps=self._limits.scroll_steps,
            most_px=self._limits.page_height_px,
            within_s=self._remaining(_FRAMES_S),
        )
        self._places = done.places
        if not done.places:
            return
        self._note_end(done.ended, "frames", "框架")
        await evaluate_isolated(self._cdp, RESTORE_INNER)
        if done.steps:
            self._say(
                "scroll.frames",
                f"{len(done.places)} frames were brought into view and scrolled in {done.steps} steps, then put back",
                f"将 {len(done.places)} 个框架移入视野并逐屏滚动 {done.steps} 步，随后复位",
            )

    async def _turn_wheel(self) -> None:
        if self._turned is None:
            return
        most = self._limits.scroll_steps
        done = await turn_wheel(
            self._cdp, self._turned, self._quiet, most_turns=most, within_s=self._remaining(_WHEEL_S)
        )
        self.found.turns = done.turns
        if not done.turns:
            return
        if done.ended != "end":
            why, why_zh = ("the time limit", "时间上限") if done.ended == "time" else ("the limit of steps", "步数上限")
            en, zh = f"turning the wheel ended at {why}; the page may show more", f"滚轮操作因{why_zh}而停止"
            self.found.partial.append(Text(en=en, zh=zh))
        self._say(
            "scroll.wheel",
            f"nothing on the page scrolls, but it answers the wheel: it was turned {done.turns} times, what the window "
            f"showed before and after each turn was joined into {self._turned.name}, and it was turned back",
            f"页面不滚动但响应滚轮：滚动滚轮 {done.turns} 次，将每次前后窗口所示拼接为 {self._turned.name}，随后滚回",
        )

    async def _stand_before_blanks(self) -> None:
        """Stand before empty boxes of a kind, as a reader does, until they fill; one that stays empty ends its kind."""
        found = await evaluate_isolated(self._cdp, FIND_BLANKS % _MOST_BLANKS)
        groups = [int(n) for n in found if isinstance(n, int | float)] if isinstance(found, list) else []
        deadline = asyncio.get_running_loop().time() + self._remaining(_BLANKS_S)
        filled = left = 0
        for group, count in enumerate(groups):
            results = await self._stand_before(group, count, deadline)
            filled += results.count(_FILLED)
            left += results.count(_EMPTY) if _FILLED in results else 0
        if not groups:
            return
        await evaluate_isolated(self._cdp, RESTORE_INNER)
        if filled:
            await self._quiet()
            self._say(
                "scroll.stand",
                f"{filled} empty places were brought into the middle of the window until they were filled",
                f"将 {filled} 处空白移至窗口中央停留，直至内容出现",
            )
        if left:
            self.found.partial.append(
                Text(
                    en=f"{left} places of a kind that fills when it is looked at stayed empty",
                    zh=f"同类区域在停留后会出现内容，但仍有 {left} 处空白",
                )
            )

    async def _stand_before(self, group: int, count: int, deadline: float) -> list[int]:
        """What became of the boxes of one kind, in order; ends after some that stay empty, or at the deadline."""
        results: list[int] = []
        for n in range(count):
            if asyncio.get_running_loop().time() > deadline:
                return [*results, _EMPTY]
            value = await evaluate_isolated(self._cdp, STAND_BEFORE % (group, n))
            results.append(int(value) if isinstance(value, int | float) else _EMPTY)
            worked = _FILLED in results
            if results[-1] == _EMPTY and (not worked or results[-_PATIENCE:] == [_EMPTY] * _PATIENCE):
                break
        return results

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
        numbers = _four(await evaluate_isolated(self._cdp, PICTURES_WAITING))
        if numbers is None:
            raise BrowserError(
                "the page's pictures could not be counted; capture again", "无法统计页面图片；请重新取证"
            )
        for place in self._places:
            with suppress(BrowserError):  # a frame may have gone
                more = _four(await evaluate_isolated(place.session, PICTURES_WAITING, frame=place.inner))
                numbers = [a + b for a, b in zip(numbers, more or [0, 0, 0, 0], strict=True)]
        return PictureCount(shown=numbers[0], broken=numbers[1], loading=numbers[2], waiting=numbers[3])

    def _say(self, kind: str, en: str, zh: str) -> None:
        self.found.transformations.append(
            Transformation(time=datetime.now(UTC), kind=kind, detail=Text(en=en, zh=zh), page=self._page)
        )


def _four(value: JsonValue) -> list[int] | None:
    """Shown, broken, loading, waiting."""
    numbers = [int(n) if isinstance(n, int | float) else 0 for n in value] if isinstance(value, list) else []
    return numbers if len(numbers) == 4 else None  # noqa: PLR2004 (see above)
