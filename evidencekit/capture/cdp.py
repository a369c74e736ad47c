"""Our own DevTools client: typed commands and events on flattened sessions of the shared pipe."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evidencekit.errors import BrowserError, NoAnswerError
from evidencekit.model import JsonValue

if TYPE_CHECKING:
    from evidencekit.capture.devtools import PipeMultiplexer

Params = Mapping[str, JsonValue]
EventHandler = Callable[[str, str, Params], None]
"""Called with (session id, method, params) for each event, in order; must not block."""

_EMPTY: Params = {}


class CommandError(BrowserError):
    """The browser refused a command; `en` ends with its own words."""


_HUNG_S = 10.0


class OwnClient:
    """The recorder's side of the pipe."""

    name = "recorder"

    def __init__(self, mux: PipeMultiplexer) -> None:
        self._mux = mux
        self._waiting: dict[int, asyncio.Future[Params]] = {}
        self._last_id = 0
        self.on_event: EventHandler | None = None
        self.on_disconnect: Callable[[], None] | None = None

    def post(self, method: str, params: Params = _EMPTY, session: str | None = None) -> asyncio.Future[Params]:
        """Send a command without waiting; the future holds the result, or `CommandError`."""
        self._last_id += 1
        future: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        # A command whose answer nobody awaits may fail when its target closes: that is not an unhandled error.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        message: dict[str, JsonValue] = {"id": self._last_id, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        self._waiting[self._last_id] = future
        try:
            self._mux.send(self, message)
        except BrowserError as error:
            del self._waiting[self._last_id]
            future.set_exception(error)
        return future

    async def call(
        self, method: str, params: Params = _EMPTY, session: str | None = None, *, timeout_s: float = 60.0
    ) -> Params:
        """Send a command and wait for its result.

        Raises:
            CommandError: the browser refused it.
            BrowserError: the browser is gone.
            NoAnswerError: it did not answer in `timeout_s` seconds.
        """
        try:
            return await asyncio.wait_for(self.post(method, params, session), timeout_s)
        except TimeoutError as error:
            raise NoAnswerError(
                f"the browser did not answer {method} within {timeout_s:g} s; the page may be hung, capture again",
                f"浏览器在 {timeout_s:g} 秒内没有回应 {method}；页面可能卡死，请重新取证",
            ) from error

    def deliver(self, message: Mapping[str, JsonValue]) -> None:
        """Take a reply or an event from the multiplexer."""
        number = message.get("id")
        if isinstance(number, int):
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                self._settle(future, message)
            return
        method, params, session = message.get("method"), message.get("params"), message.get("sessionId")
        if self.on_event is not None and isinstance(method, str) and isinstance(params, Mapping):
            self.on_event(session if isinstance(session, str) else "", method, params)

    @staticmethod
    def _settle(future: asyncio.Future[Params], message: Mapping[str, JsonValue]) -> None:
        result = message.get("result")
        if isinstance(result, Mapping):
            future.set_result(result)
            return
        words = text_of(message.get("error"), "message") or "no reason given"
        future.set_exception(
            CommandError(f"the browser refused a DevTools command: {words}", f"浏览器拒绝了 DevTools 命令：{words}")
        )

    def disconnected(self) -> None:
        """The browser is gone."""
        if self.on_disconnect is not None:
            self.on_disconnect()


class CdpSession:
    """One of our flattened sessions: what rendering and behaviours use."""

    def __init__(self, client: OwnClient, session_id: str) -> None:
        self._client = client
        self._patience_s = math.inf
        self.session_id = session_id

    async def call(self, method: str, params: Params = _EMPTY, *, timeout_s: float = 60.0) -> Params:
        """Send a command on this session; errors as `OwnClient.call`.

        A target that did not answer once is waited for less long from then on, until it answers.
        """
        try:
            patience = min(timeout_s, self._patience_s)
            result = await self._client.call(method, params, self.session_id, timeout_s=patience)
        except NoAnswerError:
            self._patience_s = _HUNG_S
            raise
        self._patience_s = math.inf
        return result


def value_at(value: JsonValue, *path: str) -> JsonValue:
    """The value under nested keys, or None where a key is missing or a level is no object."""
    for key in path:
        # What json makes is a dict; asking that first spares the slow question to the abstract class.
        if not isinstance(value, (dict, Mapping)):
            return None
        value = value.get(key)
    return value


def mapping_of(value: JsonValue, *path: str) -> Params:
    """The object under nested keys, or an empty one."""
    found = value_at(value, *path)
    return found if isinstance(found, (dict, Mapping)) else _EMPTY


def text_of(value: JsonValue, *path: str) -> str:
    """The text under nested keys, or the empty string."""
    found = value_at(value, *path)
    return found if isinstance(found, str) else ""


def number_of(value: JsonValue, *path: str) -> float | None:
    """The number under nested keys, or None."""
    found = value_at(value, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def integer_of(value: JsonValue, *path: str) -> int | None:
    """The number under nested keys rounded down, or None."""
    found = number_of(value, *path)
    return None if found is None or found != found or abs(found) > 2**53 else int(found)  # noqa: PLR0124 (NaN)


def flag_of(value: JsonValue, *path: str) -> bool:
    """Whether true stands under nested keys."""
    return value_at(value, *path) is True
