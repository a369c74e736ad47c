"""Doing a script's steps in a page with the browser's own input: mouse, keys, wheel. Nothing is injected.

Elements are found through the DOM domain and pressed where they are drawn, so the page sees what it would see of a
person at the machine. All waits are bounded.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import CdpSession, CommandError, integer_of, text_of, value_at
from evidencekit.capture.rendering import page_metrics
from evidencekit.capture.steps import KEYS, Step, Verb, seconds_of, text_to_type
from evidencekit.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from evidencekit.capture.cdp import Params
    from evidencekit.model import JsonValue

_POLL_S = 0.1
_CORNERS = 8


class Hand:
    """Acts in one tab."""

    def __init__(self, cdp: CdpSession, *, timeout_s: float, on_secret: Callable[[str], None]) -> None:
        """Bind to a tab.

        Args:
            cdp: the tab's session.
            timeout_s: seconds that a step may take.
            on_secret: told each secret before it is typed, so that it is masked; it is never logged.
        """
        self._cdp = cdp
        self._on_secret = on_secret
        self._timeout_s = timeout_s

    async def act(self, step: Step) -> None:
        """Do one step of the verbs that act in a page.

        Raises:
            CaptureError: the element did not appear, or cannot be pressed.
            BrowserError: the browser does not answer.
            UsageError: a secret's variable or file is not there.
        """
        acts: Mapping[Verb, Callable[[Step], Awaitable[None]]] = {
            Verb.GOTO: self._goto,
            Verb.CLICK: self._click,
            Verb.TYPE: self._type,
            Verb.PRESS: self._press_key,
            Verb.SCROLL: self._scroll,
            Verb.WAIT: self._wait,
        }
        await acts[step.verb](step)

    async def _click(self, step: Step) -> None:
        await self._press_mouse(await self._point_of(step.arguments[0]))

    async def _type(self, step: Step) -> None:
        text, secret = text_to_type(step)
        if secret:
            self._on_secret(text)
        await self._click(step)
        await self._cdp.call("Input.insertText", {"text": text})

    async def _wait(self, step: Step) -> None:
        seconds = seconds_of(step)
        if seconds is not None:
            await asyncio.sleep(seconds)
        else:
            await self._point_of(step.arguments[0])

    async def _goto(self, step: Step) -> None:
        url = step.arguments[0]
        answer = await self._cdp.call("Page.navigate", {"url": url}, timeout_s=self._timeout_s)
        error = text_of(answer, "errorText")
        if error:
            raise CaptureError(f"{url[:200]} was not reached: {error}", f"未能打开 {url[:200]}：{error}")

    async def _point_of(self, selector: str) -> tuple[float, float]:
        """Wait until the element is drawn, bring it into view, and give the middle of its first box."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        while asyncio.get_running_loop().time() < deadline:
            with suppress(CommandError):
                point = await self._drawn(selector)
                if point is not None:
                    return point
            await asyncio.sleep(_POLL_S)
        raise CaptureError(
            f"no element {selector[:100]!r} was drawn within {self._timeout_s:g} s; correct the selector",
            f"在 {self._timeout_s:g} 秒内没有出现元素 {selector[:100]!r}；请更正选择器",
        )

    async def _drawn(self, selector: str) -> tuple[float, float] | None:
        root = integer_of(await self._cdp.call("DOM.getDocument", {"depth": 0}), "root", "nodeId")
        found = await self._cdp.call("DOM.querySelector", {"nodeId": root, "selector": selector})
        node = integer_of(found, "nodeId")
        if not node:
            return None
        await self._cdp.call("DOM.scrollIntoViewIfNeeded", {"nodeId": node})
        quads = value_at(await self._cdp.call("DOM.getContentQuads", {"nodeId": node}), "quads")
        quad = quads[0] if isinstance(quads, list) and quads else None
        return _middle(quad)

    async def _press_mouse(self, point: tuple[float, float]) -> None:
        where: Params = {"x": point[0], "y": point[1]}
        await self._cdp.call("Input.dispatchMouseEvent", {**where, "type": "mouseMoved"})
        for kind in ("mousePressed", "mouseReleased"):
            press: Params = {**where, "type": kind, "button": "left", "clickCount": 1}
            await self._cdp.call("Input.dispatchMouseEvent", press)

    async def _press_key(self, step: Step) -> None:
        name = step.arguments[0]
        text, code = KEYS[name]
        key: dict[str, JsonValue] = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        await self._cdp.call("Input.dispatchKeyEvent", {**key, "type": "keyDown", **({"text": text} if text else {})})
        await self._cdp.call("Input.dispatchKeyEvent", {**key, "type": "keyUp"})

    async def _scroll(self, step: Step) -> None:
        metrics = await page_metrics(self._cdp)
        middle: Params = {"x": metrics.viewport_width_px / 2, "y": metrics.viewport_height_px / 2}
        for _ in range(int(step.arguments[0])):
            wheel: Params = {**middle, "type": "mouseWheel", "deltaX": 0, "deltaY": metrics.viewport_height_px}
            await self._cdp.call("Input.dispatchMouseEvent", wheel)
            await asyncio.sleep(_POLL_S)


def _middle(quad: JsonValue) -> tuple[float, float] | None:
    """The middle of a quadrilateral given as eight numbers."""
    if not isinstance(quad, list) or len(quad) != _CORNERS:
        return None
    numbers = [float(each) for each in quad if isinstance(each, int | float)]
    if len(numbers) != _CORNERS:
        return None
    return sum(numbers[0::2]) / 4, sum(numbers[1::2]) / 4
