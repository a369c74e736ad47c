"""Driving the browser with Playwright: open a page, go to a URL, wait, answer dialogs. Nothing is injected.

The only module that imports Playwright. It never evaluates script in a page and takes no pictures; reading and
rendering go through our own DevTools session.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from evidencekit.capture.neterrors import navigation_error, net_error
from evidencekit.errors import BrowserError, NavigationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

DIALOG_LIMIT = 20
"""After so many dialogs on one page its running script is ended; a page that alerts for ever would never load."""

POPUP_LIMIT = 20
CONSOLE_LINES = 10_000
CONSOLE_CHARS = 4000
_CONNECT_TIMEOUT_MS = 30_000
_CLOSE_TIMEOUT_S = 5.0
_DRIVER_ENDED = "Connection closed while reading from the driver"
"""A bare Exception of Playwright's transport when its program ends before it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEvent:
    """Something that happened to a page without the network: a dialog answered, a popup, a crash."""

    time: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleLine:
    """One line of the page's console: `kind` as the console names it, or `exception`; where it was written."""

    time: datetime
    kind: str
    text: str
    url: str
    line: int | None


@dataclass(slots=True)
class DrivenPage:
    """A page that Playwright drives.

    Attributes:
        events: dialogs, popups and crashes in order.
        console: what the page wrote to its console, the first `CONSOLE_LINES`; `console_lost` counts the others.
        crashed: set when the page's process died.
        stormed: set when the page opened more dialogs than `DIALOG_LIMIT`.
        by_hand: whether a person answers its dialogs.
    """

    page: Page
    events: list[PageEvent] = field(default_factory=list)
    crashed: asyncio.Event = field(default_factory=asyncio.Event)
    stormed: asyncio.Event = field(default_factory=asyncio.Event)
    console: list[ConsoleLine] = field(default_factory=list)
    console_lost: int = 0
    by_hand: bool = False

    def note(self, kind: str, detail: str) -> None:
        """Remember an event."""
        self.events.append(PageEvent(time=datetime.now(UTC), kind=kind, detail=detail[:500]))

    def log(self, kind: str, text: str, url: str = "", line: int | None = None) -> None:
        """Remember a line of the console."""
        if len(self.console) >= CONSOLE_LINES:
            self.console_lost += 1
            return
        now = datetime.now(UTC)
        self.console.append(ConsoleLine(time=now, kind=kind, text=text[:CONSOLE_CHARS], url=url[:2048], line=line))

    async def goto(self, url: str, *, timeout_s: float) -> None:
        """Navigate until the first byte of the answer is committed; what the answer is, the recorder knows.

        Raises:
            NavigationError: nothing was shown; the sentence says why.
        """
        try:
            await self.page.goto(url, timeout=timeout_s * 1000, wait_until="commit")
        except PlaywrightTimeoutError as error:
            raise NavigationError(
                f"{url[:200]}: the server did not answer within {timeout_s:g} s; try again",
                f"{url[:200]}：服务器在 {timeout_s:g} 秒内没有应答；请重试",
            ) from error
        except PlaywrightError as error:
            # Playwright has a sentence of its own where the browser says net::ERR_ABORTED.
            name = "ERR_ABORTED" if "Download is starting" in error.message else net_error(error.message)
            raise navigation_error(url, name) from error

    async def wait_loaded(self, *, timeout_s: float) -> bool:
        """Wait for the load event; False when it did not come in time."""
        try:
            await self.page.wait_for_load_state("load", timeout=max(timeout_s, 0.001) * 1000)
        except PlaywrightError:
            return False
        return True

    async def close(self) -> None:
        """Close the page without running its unload handlers."""
        with suppress(PlaywrightError):
            await self.page.close(run_before_unload=False)


class Driver:
    """Playwright connected to our browser; pages open in its default context (the fresh profile)."""

    def __init__(self, browser: Browser) -> None:
        self._context = browser.contexts[0]
        self.on_closed: Callable[[], None] | None = None
        """Called when Playwright has let go of the browser, while its own driver still ends."""

    async def open_page(self, on_popup: Callable[[str], None]) -> DrivenPage:
        """Open an empty tab.

        Raises:
            BrowserError: the browser does not open one.
        """
        try:
            driven = DrivenPage(await self._context.new_page())
        except PlaywrightError as error:
            raise BrowserError(
                "the browser does not open a tab; capture again", "浏览器无法打开标签页；请重新取证"
            ) from error
        page = driven.page
        page.on("dialog", lambda dialog: _answer(driven, dialog))
        page.on("crash", lambda _page: _crashed(driven))
        page.on("console", lambda message: _console(driven, message))
        page.on("pageerror", lambda error: driven.log("exception", f"{error.name}: {error.message}"))
        page.on("popup", lambda popup: _popup(driven, popup, on_popup))
        return driven

    def leave_to_person(self, driven: DrivenPage) -> None:
        """From now on dialogs of all tabs stay open until the person at the browser answers them."""
        driven.by_hand = True
        # Without a listener Playwright would dismiss the dialogs of other tabs by itself.
        self._context.on("dialog", lambda _dialog: None)

    async def close_others(self, kept: DrivenPage) -> None:
        """Close every tab but one: the empty first tab, earlier pages and popups."""
        for page in tuple(self._context.pages):
            if page is not kept.page:
                with suppress(PlaywrightError):
                    await page.close(run_before_unload=False)


class PlaywrightStart:
    """Playwright's own driver, a program that takes as long to start as the browser and so starts beside it."""

    def __init__(self) -> None:
        """Start it."""
        self._task = asyncio.create_task(_start())
        self._stopped = False

    async def ready(self) -> Playwright:
        """Wait until it runs.

        Raises:
            BrowserError: it does not start.
        """
        return await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End it; once is enough, and one that never started needs none."""
        if self._stopped:
            return
        self._stopped = True
        asyncio.get_running_loop().set_exception_handler(_unheard)
        with suppress(PlaywrightError, BrowserError):
            await (await self.ready()).stop()


@asynccontextmanager
async def starting_playwright() -> AsyncGenerator[PlaywrightStart]:
    """Start Playwright's driver; it has ended when the context is left."""
    start = PlaywrightStart()
    try:
        yield start
    finally:
        await start.stop()


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Drop what Playwright still wanted to say when its driver ended: nobody waits for those answers any more.

    Whoever did wait has got the same exception from Playwright.
    """
    error = context.get("exception")
    if not isinstance(error, PlaywrightError) and str(error) != _DRIVER_ENDED:
        loop.default_exception_handler(context)


async def _start() -> Playwright:
    try:
        return await async_playwright().start()
    except Exception as error:  # its driver that dies at the start is a bare Exception to Playwright
        raise BrowserError(
            "Playwright's driver does not start; `python -m playwright --version` says why (a bare Debian lacks a "
            "library: apt-get install libatomic1), or reinstall playwright with pip",
            "Playwright 的驱动程序无法启动；`python -m playwright --version` 会给出原因（精简的 Debian 缺少库："
            "apt-get install libatomic1），或用 pip 重新安装 playwright",
        ) from error


@asynccontextmanager
async def drive(endpoint: str, start: PlaywrightStart) -> AsyncGenerator[Driver]:
    """Connect Playwright to the browser at a DevTools WebSocket address.

    Raises:
        BrowserError: Playwright does not start or connect.
    """
    playwright = await start.ready()
    try:
        browser = await playwright.chromium.connect_over_cdp(endpoint, timeout=_CONNECT_TIMEOUT_MS)
        if not browser.contexts:
            raise BrowserError(
                "the browser has no profile to open pages in; capture again", "浏览器没有可用的配置；请重新取证"
            )
        driver = Driver(browser)
        try:
            yield driver
        finally:
            # Closing also removes the folder that Playwright keeps for downloads.
            with suppress(PlaywrightError, TimeoutError):
                await asyncio.wait_for(browser.close(), _CLOSE_TIMEOUT_S)
            if driver.on_closed is not None:
                driver.on_closed()
    except PlaywrightError as error:
        words = error.message.partition("\n")[0][:200]
        raise BrowserError(
            f"the connection between Playwright and the browser failed: {words}; capture again",
            f"Playwright 与浏览器的连接失败：{words}；请重新取证",
        ) from error
    finally:
        await start.stop()


async def _answer(driven: DrivenPage, dialog: Dialog) -> None:
    """Answer a dialog as a reader would get past it: OK to alerts and leaving, Cancel to questions."""
    if driven.by_hand:
        return
    accept = dialog.type in {"alert", "beforeunload"}
    driven.note("dialog", f"{dialog.type} {'accepted' if accept else 'dismissed'}: {dialog.message}")
    if sum(event.kind == "dialog" for event in driven.events) >= DIALOG_LIMIT:
        driven.stormed.set()
    with suppress(PlaywrightError):
        await (dialog.accept() if accept else dialog.dismiss())


async def _popup(driven: DrivenPage, popup: Page, on_popup: Callable[[str], None]) -> None:
    driven.note("popup", popup.url)
    on_popup(popup.url)
    if sum(event.kind == "popup" for event in driven.events) > POPUP_LIMIT:
        with suppress(PlaywrightError):
            await popup.close(run_before_unload=False)


def _console(driven: DrivenPage, message: ConsoleMessage) -> None:
    place = message.location
    driven.log(message.type, message.text, place.get("url", ""), place.get("lineNumber"))


def _crashed(driven: DrivenPage) -> None:
    driven.note("crash", "the page's process died")
    driven.crashed.set()
