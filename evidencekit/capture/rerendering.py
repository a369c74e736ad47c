"""Show recorded pages once more, in a second browser that is thrown away: no network, only the record answers.

Here, and only here, requests are paused and answered (`Fetch`): nothing is recorded. Names resolve to nothing, so what
the record does not answer fails. The clock stands where it stood; frames of WebSockets come as they came.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.capture.behaviours import scroll_to_load
from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CdpSession, OwnClient, mapping_of, text_of, value_at
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.launcher import find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.painting import read_painted
from evidencekit.capture.rendering import full_page_screenshot, outer_html
from evidencekit.capture.request import Limits
from evidencekit.corroboration.domtext import read_dom, squeeze
from evidencekit.errors import BrowserError, FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.capture.cdp import Params
    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.model import JsonValue

_OFFLINE: Final = "--host-resolver-rules=MAP * ~NOTFOUND"
_START_S: Final = 30.0
_PAGE_S: Final = 30.0
_SESSION_S: Final = 150.0
_QUIET_S: Final = 5.0
_IDLE_S: Final = 0.5
_STEP_S: Final = 0.05
_SCROLL_S: Final = 8.0
_MAX_HEIGHT_PX: Final = 8_000
_ALL: Final[Params] = {"patterns": [{"urlPattern": "*"}]}
_ATTACH: Final[Params] = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
_DROPPED: Final = frozenset(
    {"content-encoding", "content-length", "transfer-encoding", "content-security-policy-report-only", "set-cookie"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A recorded response; `body` is decoded."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Answers:
    """Recorded responses by method and address, several in the order recorded; the last is given again."""

    by_request: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    _given: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, method: str, url: str, answer: Answer) -> None:
        """Add one."""
        self.by_request.setdefault((method, _bare(url)), []).append(answer)

    def begin(self) -> None:
        """Begin a page: answers are given from the first again."""
        self._given.clear()

    def answer(self, method: str, url: str) -> Answer | None:
        """Give the next answer; for an address with another query than any recorded, the only one of its path."""
        key = method, _bare(url)
        found = self.by_request.get(key)
        if found is None:
            path = key[1].partition("?")[0]
            like = [each for each in self.by_request if each[0] == method and each[1].partition("?")[0] == path]
            if len(like) != 1:
                return None
            key, found = like[0], self.by_request[like[0]]
        at = self._given.get(key, 0)
        self._given[key] = at + 1
        if at >= len(found) and found[-1].status == 200 and _is_stream(found[-1]):  # noqa: PLR2004
            return Answer(status=204, headers=(), body=b"")  # an event source that comes again is told to stop
        return found[min(at, len(found) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How the sealed pages were shown, and which; `frames` are what WebSockets received, by address."""

    urls: Sequence[tuple[str, str, datetime]]
    """Page id, address, and the time at which it was shown."""
    width_px: int
    height_px: int
    device_scale: float
    locale: str
    timezone: str
    frames: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page as the second browser showed it; `picture` is a PNG below the working folder."""

    page: str
    texts: frozenset[str]
    unanswered: int
    picture: Path | None
    trouble: BrowserError | None = None


async def rerender(
    scene: Scene, answers: Answers, *, workdir: Path, options: BrowserOptions
) -> tuple[str, list[Shown]]:
    """Show the pages one after the other.

    Args:
        scene: what to show, and how.
        answers: what the record answers.
        workdir: an existing folder for profile and pictures.
        options: how to start the browser; its trust store and resolver rules do not matter here.

    Returns:
        The browser's name and version, and the pages in order.

    Raises:
        BrowserError: there is no usable browser, or it does not start.
    """
    binary = options.binary if options.binary is not None else await asyncio.to_thread(find_browser)
    profile = workdir / "rerender-profile"
    plain = type(options)(binary=binary, home=options.home, sandbox=options.sandbox)
    launch = prepare_launch(plain, profile, _settings(scene), scene.timezone)
    process = await asyncio.to_thread(BrowserProcess.start, binary, launch, workdir)
    mux = PipeMultiplexer(MethodLog())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, mux, process, profile)
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        mux.root = client
        version = text_of(await client.call("Browser.getVersion", timeout_s=_START_S), "product")
        stage = _Stage(client, answers)
        client.on_event = stage.on_event
        shown = []
        clock = asyncio.get_running_loop().time
        end = clock() + _SESSION_S
        for page, url, at in scene.urls:
            if clock() > end:
                shown.append(_failed(page, 0, TimeoutError()))
                continue
            try:
                async with asyncio.timeout(_PAGE_S):
                    shown.append(await stage.show(scene, page, url, at, workdir))
            except (BrowserError, FormatError, TimeoutError) as error:
                shown.append(_failed(page, stage.unanswered, error))
        return version, shown


def _failed(page: str, unanswered: int, error: BrowserError | FormatError | TimeoutError) -> Shown:
    trouble = (
        BrowserError("it did not come to rest in time", "未能在规定时间内完成")
        if isinstance(error, TimeoutError)
        else BrowserError(error.en, error.zh)
    )
    return Shown(page=page, texts=frozenset(), unanswered=unanswered, picture=None, trouble=trouble)


def _settings(scene: Scene) -> tuple[str, ...]:
    primary = scene.locale.partition("-")[0]
    settings = [
        _OFFLINE,
        f"--window-size={scene.width_px},{scene.height_px}",
        f"--lang={scene.locale}",
        f"--accept-lang={scene.locale}" + ("" if primary == scene.locale else f",{primary}"),
    ]
    if scene.device_scale != 1:
        settings.append(f"--force-device-scale-factor={scene.device_scale:g}")
    return tuple(settings)


class _Stage:
    """One tab at a time, whose every request is answered from the record."""

    def __init__(self, client: OwnClient, answers: Answers) -> None:
        self._client = client
        self._answers = answers
        self._open = 0
        self._last = 0.0
        self._loaded = asyncio.Event()
        self._page = ""
        self.unanswered = 0

    def on_event(self, session: str, method: str, params: Params) -> None:
        """Answer a request; let a frame or worker begin under the same rule."""
        if method == "Fetch.requestPaused":
            self._answer(session, params)
        elif method == "Target.attachedToTarget":
            self._admit(text_of(params, "sessionId"))
        elif method == "Page.loadEventFired" and session == self._page:
            self._loaded.set()
        elif method == "Page.javascriptDialogOpening":
            self._client.post("Page.handleJavaScriptDialog", {"accept": True}, session)

    async def show(self, scene: Scene, page: str, url: str, at: datetime, workdir: Path) -> Shown:
        """Show one page, scroll it as the capture did, and take its texts and picture."""
        self._answers.begin()
        self.unanswered, self._open = 0, 0
        self._loaded.clear()
        target = text_of(await self._client.call("Target.createTarget", {"url": "about:blank"}), "targetId")
        attached = await self._client.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._page = text_of(attached, "sessionId")
        session = CdpSession(self._client, self._page)
        await self._prepare(session, scene, target, at)
        await session.call("Page.navigate", {"url": url})
        with suppress(TimeoutError):
            await asyncio.wait_for(self._loaded.wait(), _PAGE_S / 3)
        await self._quiet()
        await scroll_to_load(session, Limits(page_height_px=_MAX_HEIGHT_PX), self._quiet, within_s=_SCROLL_S)
        texts = await self._texts(session)
        picture = workdir / f"rerender-{page}.png"
        await full_page_screenshot(session, picture, max_height_px=_MAX_HEIGHT_PX)
        await self._client.call("Target.closeTarget", {"targetId": target})
        return Shown(page=page, texts=texts, unanswered=self.unanswered, picture=picture)

    async def _prepare(self, session: CdpSession, scene: Scene, target: str, at: datetime) -> None:
        window = value_at(await self._client.call("Browser.getWindowForTarget", {"targetId": target}), "windowId")
        size: Params = {"windowId": window, "width": scene.width_px, "height": scene.height_px}
        await self._client.call("Browser.setContentsSize", size)
        await session.call("Page.enable")
        await session.call("Network.enable")
        await session.call("Network.setBypassServiceWorker", {"bypass": True})
        await session.call("Fetch.enable", _ALL)
        await session.call("Target.setAutoAttach", _ATTACH)
        script = _CLOCK.replace("$TIME", str(round(at.timestamp() * 1000)))
        script += _SOCKETS.replace("$FRAMES", json.dumps({url: list(each) for url, each in scene.frames.items()}))
        await session.call("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    async def _texts(self, session: CdpSession) -> frozenset[str]:
        dom = read_dom((await outer_html(session)).decode("utf-8", "replace"))
        painted = await read_painted(session, ())
        return frozenset(squeeze(text) for text in (*(run.text for run in dom.runs), *painted.texts))

    async def _quiet(self) -> bool:
        clock = asyncio.get_running_loop().time
        end = clock() + _QUIET_S
        while clock() < end:
            if self._open == 0 and clock() - self._last > _IDLE_S:
                return True
            await asyncio.sleep(_STEP_S)
        return False

    def _admit(self, session: str) -> None:
        for method, params in (("Fetch.enable", _ALL), ("Target.setAutoAttach", _ATTACH)):
            self._client.post(method, params, session)
        self._client.post("Runtime.runIfWaitingForDebugger", {}, session)

    def _answer(self, session: str, params: Params) -> None:
        self._last = asyncio.get_running_loop().time()
        request, identifier = mapping_of(params, "request"), text_of(params, "requestId")
        found = self._answers.answer(text_of(request, "method"), text_of(request, "url"))
        if found is None:
            self.unanswered += 1
            fail: Params = {"requestId": identifier, "errorReason": "InternetDisconnected"}
            self._client.post("Fetch.failRequest", fail, session)
            return
        headers: list[JsonValue] = [{"name": name, "value": value} for name, value in found.headers]
        full: Params = {
            "requestId": identifier,
            "responseCode": found.status,
            "responseHeaders": headers,
            "body": base64.b64encode(found.body).decode("ascii"),
        }
        self._open += 1
        self._client.post("Fetch.fulfillRequest", full, session).add_done_callback(self._done)

    def _done(self, _future: object) -> None:
        self._open = max(self._open - 1, 0)


def lawful_headers(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers that an answer of the record keeps: lengths and codings are those of another body."""
    kept = [(name.removeprefix("x-orig-"), value) for name, value in headers]
    return tuple((name, value) for name, value in kept if name.lower() not in _DROPPED)


def _bare(url: str) -> str:
    return url.partition("#")[0]


def _is_stream(answer: Answer) -> bool:
    return any(name.lower() == "content-type" and "event-stream" in value for name, value in answer.headers)


async def _end(mux: PipeMultiplexer, process: BrowserProcess, profile: Path) -> None:
    mux.close()
    await process.end()
    await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


_CLOCK: Final = (
    "(() => { const D = Date, now = D.now.bind(D), off = $TIME - now();"
    " globalThis.Date = new Proxy(D, { construct: (t, a, n) => Reflect.construct(t, a.length ? a : [now() + off], n),"
    " apply: () => new D(now() + off).toString(),"
    " get: (t, k) => k === 'now' ? () => now() + off : Reflect.get(t, k) });"
    " D.prototype.constructor = globalThis.Date; })();"
)
_SOCKETS: Final = (
    "(() => { const all = $FRAMES; class S extends EventTarget { constructor(u) { super(); this.url = String(u);"
    " this.readyState = 0; this.bufferedAmount = 0; this.protocol = ''; setTimeout(() => { this.readyState = 1;"
    " this._e(new Event('open')); for (const data of all[this.url] || []) this._e(new MessageEvent('message', {data}));"
    " }, 10); } _e(e) { const h = this['on' + e.type]; if (h) h.call(this, e); this.dispatchEvent(e); } send() {}"
    " close() { this.readyState = 3; } } S.CONNECTING = 0; S.OPEN = 1; S.CLOSING = 2; S.CLOSED = 3;"
    " globalThis.WebSocket = S; })();"
)
