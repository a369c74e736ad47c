"""One page of a session: navigate, look untouched, fix T_capture, then scroll and render (design §3, steps 2 to 4)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.captureroot import build_root
from evidencekit.capture.cdp import CdpSession, text_of
from evidencekit.capture.downloads import ABORTED
from evidencekit.capture.exchanges import ExchangeOutcome
from evidencekit.capture.exploration import Explorer
from evidencekit.capture.journal import bare_url
from evidencekit.capture.pageviews import PageViews, Stage
from evidencekit.capture.rendering import outer_html, viewport_screenshot
from evidencekit.capture.request import Mode, ProcessKind
from evidencekit.capture.url_policy import check_url, resolve_and_check
from evidencekit.capture.visitnotes import VisitNotes
from evidencekit.errors import BrowserError, MinimumError, NavigationError, NoAnswerError
from evidencekit.model import CaptureRoot, Text, Transformation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from evidencekit.capture.browser import DrivenPage
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.studio import Studio
    from evidencekit.capture.targets import WatchedTarget
    from evidencekit.capture.visitnotes import Desk

_IDLE_S = 0.5
_STOP_S = 5.0
_TOLD_S = 0.5
_HUNG_S = 10.0
_HTTP_ERROR = 400
_CIRCLING_S = 0.25
_MOST_DOCUMENTS = 50
"""A page that has loaded so many before it came to rest would not let anybody take its picture."""


class Visit:
    """The visit of one page; `run` goes through the order, the notes say what came of it."""

    def __init__(self, studio: Studio, request: CaptureRequest, desk: Desk, number: int) -> None:
        """Prepare the visit of `request.urls[number]`."""
        self.page = f"{number + 1:04d}"
        self.url = request.urls[number]
        self._studio = studio
        self._request = request
        self._limits = request.limits
        self._desk = desk
        self._staging = desk.staging
        self._journal = desk.journal
        self._privacy = desk.privacy
        self._deadline = asyncio.get_running_loop().time() + request.limits.page_s
        self._driven: DrivenPage | None = None
        now = datetime.now(UTC)
        self.notes = VisitNotes(page=self.page, requested_url=self.url, started_at=now, initial_at=now, finished_at=now)

    async def run(self, take_root: Callable[[CaptureRoot], None]) -> None:
        """Visit the page; `take_root` is called at T_capture.

        Raises:
            BlockedUrlError: the URL or where it leads is refused.
            NavigationError: nothing was shown.
            MinimumError: the page's source or picture could not be had.
            BrowserError: the browser does not work.
        """
        await self._check_address()
        self._studio.recorder.begin_page(self.page)
        driven = self._driven = await self._studio.driver.open_page(self._note_popup)
        target = self._target()
        session = self._studio.session_of(target.session)
        await self._studio.driver.close_others(driven)
        await self._studio.set_size(target.target_id, self._request.width_px, self._request.height_px)
        await self._navigate(driven)
        await self._unless_crashed(driven, self._settle(driven, session))
        await self._unless_crashed(driven, self._look(session, target, take_root))
        if self._request.process is None:
            await self._unless_crashed(driven, self._explore(driven, session))
        await self._unless_crashed(driven, self._render(driven, session))
        if self._request.process is not None and self._request.process.kind is ProcessKind.RECORD:
            self._studio.driver.leave_to_person(driven)

    async def conclude(self) -> VisitNotes:
        """Put down what happened to the page; the visit is over, whether or not its browser still runs."""
        if self._driven is not None:
            await self._note_crash(self._driven)
            self._report_events(self._driven)
        self.notes.finished_at = datetime.now(UTC)
        return self.notes

    def _remaining_s(self, most: float) -> float:
        return max(min(self._deadline - asyncio.get_running_loop().time(), most), 0.1)

    def _target(self) -> WatchedTarget:
        pages = [target for target in self._studio.recorder.targets.pages() if target.opener is None]
        if not pages or pages[-1].page != self.page:
            raise BrowserError("the new tab is not being recorded; capture again", "新标签页未被记录；请重新取证")
        return pages[-1]

    def _note_popup(self, url: str) -> None:
        self._journal.step("page.popup", self.page, detail={"url": bare_url(url)})

    async def _check_address(self) -> None:
        check_url(self.url, allow_private=self._request.allow_private)
        parts = urlsplit(self.url)
        if self._request.allow_private:
            return
        port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
        addresses = await asyncio.to_thread(resolve_and_check, parts.hostname or "", port, allow_private=False)
        self._journal.step(
            "page.resolve", self.page, detail={"host": parts.hostname or "", "addresses": list(addresses)}
        )

    async def _navigate(self, driven: DrivenPage) -> None:
        self._journal.step("page.navigate", self.page, detail={"url": bare_url(self.url)})
        self.notes.started_at = datetime.now(UTC)
        self._studio.recorder.traffic.lull.begin()
        try:
            await driven.goto(self.url, timeout_s=self._remaining_s(self._limits.navigation_s))
        except NavigationError as error:
            self._refuse_private_hop()
            self._journal.warn("page.failed", self.page, reason=error.en)
            raise
        status = self.notes.status = self._studio.recorder.traffic.main_status.get(self.page)
        self._journal.border("page.committed", self.page, status=status)
        if status is not None and status >= _HTTP_ERROR and not self._request.allow_http_errors:
            raise NavigationError(
                f"{self.url[:200]}: the server answers {status}; check the URL, or use --allow-http-errors to capture "
                "the error page itself",
                f"{self.url[:200]}：服务器返回 {status}；请检查网址，或使用 --allow-http-errors 对错误页面本身取证",
            )

    def _refuse_private_hop(self) -> None:
        """A redirect to a private literal fails as unresolved under the resolver rules: say what it was."""
        for _, hop in self._studio.recorder.traffic.main_documents.get(self.page, ()):
            check_url(hop, allow_private=self._request.allow_private)

    async def _settle(self, driven: DrivenPage, session: CdpSession) -> None:
        """Wait for the load event and for the network to fall quiet, both bounded."""
        circling = asyncio.ensure_future(self._end_circling(session))
        loading = asyncio.ensure_future(driven.wait_loaded(timeout_s=self._remaining_s(self._limits.navigation_s)))
        storm = asyncio.ensure_future(driven.stormed.wait())
        try:
            await asyncio.wait((loading, storm, circling), return_when=asyncio.FIRST_COMPLETED)
            if driven.stormed.is_set():
                await self._stop_scripts(session, "too many dialogs", "对话框过多")
            # Where nothing more is loaded, no load event comes.
            loaded = not circling.done() and await loading
            self._studio.recorder.traffic.lull.end()
            if not loaded:
                self._partial("load", "the load event did not come in time", "页面未在规定时间内加载完成")
            quiet = await self._quiet()
        finally:
            for waiting in (circling, loading, storm):
                waiting.cancel()
            await asyncio.gather(circling, loading, storm, return_exceptions=True)
        self._journal.border("page.loaded", self.page, loaded=loaded, quiet=quiet)

    async def _end_circling(self, session: CdpSession) -> None:
        """Wait until the page has led elsewhere too often, then let it lead nowhere any more."""
        documents = self._studio.recorder.traffic.main_documents
        while len(documents.get(self.page, ())) <= _MOST_DOCUMENTS:  # noqa: ASYNC110 (nobody tells of each)
            await asyncio.sleep(_CIRCLING_S)
        await self._stop_scripts(session, "it led elsewhere again and again", "页面反复跳转")
        with suppress(BrowserError):
            await session.call("Page.stopLoading", timeout_s=_STOP_S)

    async def _wake(self, session: CdpSession) -> None:
        """Make sure that the page's main thread answers; a script that never yields is ended."""
        try:
            await session.call("Page.getLayoutMetrics", timeout_s=_HUNG_S)
        except BrowserError:
            await self._stop_scripts(session, "it did not yield", "脚本长时间不让出执行")

    async def _stop_scripts(self, session: CdpSession, why: str, why_zh: str) -> None:
        """End the running script, then forbid further ones.

        The first command is taken while the page is blocked and acts when its dialog is answered; the second needs
        the page's main thread and would wait for ever before.
        """
        self._partial("scripts", f"the page's running script was ended: {why}", f"已终止页面脚本：{why_zh}")
        for method, params in (
            ("Runtime.terminateExecution", {}),
            ("Emulation.setScriptExecutionDisabled", {"value": True}),
        ):
            with suppress(BrowserError):
                await session.call(method, params, timeout_s=_STOP_S)

    async def _quiet(self) -> bool:
        return await self._studio.recorder.quiet(idle_s=_IDLE_S, timeout_s=self._remaining_s(self._limits.quiet_s))

    def _partial(self, name: str, en: str, zh: str) -> None:
        self._journal.warn(f"page.partial.{name}", self.page, reason=en)
        self.notes.partial.append(Text(en=f"page {self.page}: {en}", zh=f"第 {self.page} 页：{zh}"))

    async def _look(self, session: CdpSession, target: WatchedTarget, take_root: Callable[[CaptureRoot], None]) -> None:
        """The untouched picture and DOM, and the root over everything so far."""
        await self._wake(session)
        picture = await viewport_screenshot(session)
        self.notes.initial_at = datetime.now(UTC)
        source = await outer_html(session)
        self.notes.first_picture, self.notes.first_source = picture, source
        await self._describe(target)
        await self._privacy.learn(session, self._studio)
        screenshot = self._staging.write(
            self.notes.path("screenshot-initial.png"),
            picture,
            role="screenshot.initial",
            media_type="image/png",
            page=self.page,
        )
        dom = await self._privacy.write(self.notes.text_spec("dom-initial.html", "dom.initial", "text/html"), source)
        await self._studio.recorder.settle()
        count = self._studio.recorder.mark_rooted(self.page)
        root = build_root(self.page, self._studio.recorder.records[:count], screenshot, dom)
        self.notes.root = root
        self._journal.border("page.root", self.page, root=root.root.hex(), records=count)
        take_root(root)

    async def _describe(self, target: WatchedTarget) -> None:
        """Title and address as the browser shows them; nothing is evaluated in the page."""
        own = self._studio.session_of(self._studio.recorder.session)
        info = await own.call("Target.getTargetInfo", {"targetId": target.target_id})
        self.notes.title = text_of(info, "targetInfo", "title")[:1000]
        self.notes.final_url = text_of(info, "targetInfo", "url") or self.url

    async def _explore(self, driven: DrivenPage, session: CdpSession) -> None:
        try:
            await self._go_on(driven, session)
        except NoAnswerError as error:
            en = f"the page stopped answering and may hold more than is shown ({error.en})"
            self._partial("behaviours", en, f"页面停止响应，可能仍有未展示的内容({error.zh})")

    async def _go_on(self, driven: DrivenPage, session: CdpSession) -> None:
        """Make the page show what it holds back, then wait for quiet again."""
        turned = self.notes.path("screenshot-inner.png")
        explorer = Explorer(
            session,
            self._limits,
            self._quiet,
            page=self.page,
            remaining=self._remaining_s,
            frames=self._frame_sessions,
            turned=self._staging.place(turned),
        )
        if self._request.dismiss_banners:
            await PageViews(self._stage(driven, session), self._desk, self.notes).take_before(
                self._limits.page_height_px
            )
            await explorer.dismiss_banners()
        found = await explorer.run()
        self.notes.transformations += found.transformations
        self.notes.pictures = found.pictures
        if found.turns:
            role = "screenshot.inner"
            await asyncio.to_thread(self._staging.register, turned, role=role, media_type="image/png", page=self.page)
        for text in found.partial:
            self._partial("behaviours", text.en, text.zh)
        quiet = await self._quiet()
        if not quiet and self._studio.recorder.restless:
            self._partial("quiet", "the page went on asking for more without end", "页面持续发出请求，没有尽头")
        self._journal.border("page.behaviours", self.page, quiet=quiet)

    async def _render(self, driven: DrivenPage, session: CdpSession) -> None:
        """Pictures and texts of the finished page."""
        await self._wake(session)
        await self._privacy.learn(session, self._studio)
        self._note_document()
        views = PageViews(self._stage(driven, session), self._desk, self.notes)
        await views.take(self._limits.page_height_px, copies=self._request.mode is not Mode.FAST)
        for name, text in views.missing:
            self._partial(name, text.en, text.zh)
        self._journal.border("page.rendered", self.page, width=self.notes.width_px, height=self.notes.height_px)

    def _frame_sessions(self) -> tuple[CdpSession, ...]:
        """Sessions of the page's frames that live in other processes."""
        targets = self._studio.recorder.targets.frames(self.page)
        return tuple(self._studio.session_of(each.session) for each in targets)

    def _stage(self, driven: DrivenPage, session: CdpSession) -> Stage:
        studio = self._studio
        recorder = studio.recorder
        return Stage(
            page=session,
            frames=self._frame_sessions(),
            browser=studio.session_of(recorder.session),
            driven=driven,
            headless=any(argument.startswith("--headless") for argument in studio.launch.arguments),
            quiet=self._quiet,
            exchange_of=lambda: {each.url: each.id for each in recorder.exchanges},
        )

    def _note_document(self) -> None:
        """Which exchanges brought the main document, and what the last of them is."""
        recorder = self._studio.recorder
        ids = tuple(exchange_id for exchange_id, _ in recorder.traffic.main_documents.get(self.page, ()))
        self.notes.document_ids = ids
        last = next((each for each in reversed(recorder.exchanges) if ids and each.id == ids[-1]), None)
        if last is not None and last.response is not None:
            self.notes.content_type = last.response.mime_type
            self.notes.status = last.response.status
        if last is not None and last.outcome is ExchangeOutcome.FAILED and last.reason != ABORTED:
            self._partial(
                "document",
                f"the page went on to an address that could not be reached ({last.reason}); what the pictures show is "
                "the browser's own message",
                f"页面转向了无法到达的地址({last.reason})；截图所示为浏览器自身的提示",
            )

    async def _unless_crashed(self, driven: DrivenPage, work: Coroutine[None, None, None]) -> None:
        """Do `work` unless the page's process dies meanwhile; after source and full picture that is only PARTIAL.

        Raises:
            MinimumError: it died before; a page without source and full picture is no evidence (R01).
        """
        task, crash = asyncio.ensure_future(work), asyncio.ensure_future(driven.crashed.wait())
        try:
            await asyncio.wait((task, crash), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return
            if self.notes.complete:
                return
            raise MinimumError(
                f"{self.url[:200]} crashed the browser tab before source and picture were complete; try again",
                f"网页 {self.url[:200]} 在源码和截图完成之前使浏览器标签页崩溃；请重试",
            )
        finally:
            crash.cancel()
            task.cancel()

    async def _note_crash(self, driven: DrivenPage) -> None:
        """A command that fails because the page's process died is answered before the crash itself is told."""
        if self.notes.partial:
            with suppress(TimeoutError):
                await asyncio.wait_for(driven.crashed.wait(), _TOLD_S)
        if driven.crashed.is_set():
            self.notes.crashed = True
            self._partial(
                "crash",
                "the browser tab crashed after source and full picture were kept; what was to follow is missing",
                "浏览器标签页在源码和整页截图保存之后崩溃；其后的内容缺失",
            )

    def _report_events(self, driven: DrivenPage) -> None:
        for event in driven.events:
            self._journal.step(f"page.{event.kind}", self.page, detail={"detail": event.detail})
            if event.kind == "dialog":
                self.notes.transformations.append(
                    Transformation(
                        time=event.time,
                        kind="dialog",
                        detail=Text(en=f"dialog answered: {event.detail}", zh=f"已回应对话框：{event.detail}"),
                        page=self.page,
                    )
                )
