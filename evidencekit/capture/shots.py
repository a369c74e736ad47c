"""Numbered shots of a recorded process: each is a page of the manifest with its own T_capture.

A shot is what the tab shows at that moment, untouched, with its DOM and everything that arrived since the last shot:
the root over them is stamped at once, so each step of a process is dated by itself (docs/spec/process.md).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.captureroot import build_root
from evidencekit.capture.cdp import text_of
from evidencekit.capture.journal import bare_url
from evidencekit.capture.rendering import full_page_screenshot, inner_text, outer_html, viewport_screenshot
from evidencekit.capture.verdict import PageFacts, judge_page
from evidencekit.capture.visitnotes import VisitNotes
from evidencekit.errors import BrowserError, FormatError, MinimumError
from evidencekit.hashing.process import Marker, Shot
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.capture.cdp import CdpSession
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.studio import Studio
    from evidencekit.capture.targets import WatchedTarget
    from evidencekit.capture.visitnotes import Desk
    from evidencekit.model import CaptureRoot

MOST_SHOTS = 500
_TRIES = 2
_AGAIN_S = 0.5
"""A page that is just being left gives no source; a moment later the next one does."""
_JUDGED_BYTES = 4 << 20
_LOOK_S = 20.0
"""A tab whose dialog is open, or whose script does not yield, gives no picture: the operator is told, nothing hangs."""


class Shooter:
    """Takes the shots of one process.

    Attributes:
        visits: what the manifest says of each shot as a page.
        shots: the shots in order.
    """

    def __init__(
        self,
        studio: Studio,
        request: CaptureRequest,
        desk: Desk,
        take_root: Callable[[CaptureRoot], None],
        window_picture: Callable[[Path], bool] = lambda _path: False,
    ) -> None:
        """Begin after the pages of `request.urls`; `window_picture` writes a PNG of the whole window, if it can."""
        self.visits: list[VisitNotes] = []
        self.shots: list[Shot] = []
        self._studio = studio
        self._request = request
        self._desk = desk
        self._take_root = take_root
        self._window_picture = window_picture
        self._next = len(request.urls) + 1
        studio.recorder.begin_part(self._page)

    @property
    def _page(self) -> str:
        return f"{self._next:04d}"

    async def take(self, target: WatchedTarget, *, tab: int, marker: Marker | None = None) -> Shot | None:
        """Take a shot of a tab; None, with a warning in the log, when the tab gives no source or picture.

        Raises:
            StorageError: the disk refuses.
        """
        if len(self.shots) >= MOST_SHOTS:
            self._desk.journal.warn("process.shot_refused", self._page, reason=f"more than {MOST_SHOTS} shots")
            return None
        for _ in range(_TRIES - 1):
            notes = await self._try(target)
            if notes is not None:
                break
            await asyncio.sleep(_AGAIN_S)
        else:
            notes = await self._try(target)
        return None if notes is None else self._keep(notes, tab, marker)

    async def _try(self, target: WatchedTarget) -> VisitNotes | None:
        started = datetime.now(UTC)
        page, session = self._page, self._studio.session_of(target.session)
        try:
            notes = await self._look(session, target, page, started)
            await self._render(session, notes)
        except (BrowserError, FormatError, MinimumError, TimeoutError) as error:
            reason = error.en if isinstance(error, BrowserError | FormatError | MinimumError) else "it does not answer"
            self._desk.journal.warn("process.shot_failed", page, reason=reason)
            await asyncio.to_thread(self._desk.privacy.forget, page)
            await asyncio.to_thread(self._desk.staging.drop_page, page)
            if self._studio.recorder.is_rooted(page):
                self._go_on()  # its root was stamped; the number is not used again
            return None
        return notes

    def _go_on(self) -> None:
        self._next += 1
        self._studio.recorder.begin_part(self._page)

    def _keep(self, notes: VisitNotes, tab: int, marker: Marker | None) -> Shot:
        page = notes.page
        shot = Shot(n=len(self.shots) + 1, page=page, tab=tab, time=notes.initial_at, marker=marker)
        self.visits.append(notes)
        self.shots.append(shot)
        self._desk.journal.border(
            "process.shot",
            page,
            n=shot.n,
            tab=tab,
            marker=None if marker is None else marker.value,
            url=bare_url(notes.final_url),
        )
        self._go_on()
        return shot

    async def _look(self, session: CdpSession, target: WatchedTarget, page: str, started: datetime) -> VisitNotes:
        """The untouched view, and the root over it and all that has come since the last shot."""
        staging, recorder = self._desk.staging, self._studio.recorder
        picture = await asyncio.wait_for(viewport_screenshot(session), _LOOK_S)
        initial = datetime.now(UTC)
        source = await asyncio.wait_for(outer_html(session), _LOOK_S)
        own = self._studio.session_of(recorder.session)
        info = await own.call("Target.getTargetInfo", {"targetId": target.target_id})
        url = text_of(info, "targetInfo", "url")
        notes = VisitNotes(page=page, requested_url=url, started_at=started, initial_at=initial, finished_at=initial)
        notes.url_given = False
        notes.final_url, notes.title = url, text_of(info, "targetInfo", "title")[:1000]
        await self._desk.privacy.learn(session, self._studio)
        path = notes.path("screenshot-initial.png")
        screenshot = staging.write(path, picture, role="screenshot.initial", media_type="image/png", page=page)
        spec = notes.text_spec("dom-initial.html", "dom.initial", "text/html")
        dom = await self._desk.privacy.write(spec, source)
        await self._whole_window(notes)
        await recorder.settle()
        count = recorder.mark_rooted(page)
        notes.root = build_root(page, recorder.records[:count], screenshot, dom)
        self._desk.journal.border("page.root", page, root=notes.root.root.hex(), records=count)
        self._take_root(notes.root)
        return notes

    async def _whole_window(self, notes: VisitNotes) -> None:
        """The window with its address bar, where there is a screen to take it from."""
        path = notes.path("window.png")
        if await asyncio.to_thread(self._window_picture, self._desk.staging.place(path)):
            self._desk.staging.register(path, role="window", media_type="image/png", page=notes.page)

    async def _render(self, session: CdpSession, notes: VisitNotes) -> None:
        recorder = self._studio.recorder
        ids = tuple(each for each, _ in recorder.traffic.documents.get(self._target_of(session), ()))
        notes.document_ids = ids
        last = next((each for each in reversed(recorder.exchanges) if ids and each.id == ids[-1]), None)
        if last is not None and last.response is not None:
            notes.content_type, notes.status = last.response.mime_type, last.response.status
        privacy, staging = self._desk.privacy, self._desk.staging
        source = await outer_html(session)
        await privacy.write(notes.text_spec("dom.html", "dom", "text/html"), source)
        notes.text = await inner_text(session)
        await privacy.write(notes.text_spec("text.txt", "text", "text/plain"), notes.text.encode("utf-8", "replace"))
        _judge(notes, source)
        path, limit = notes.path("screenshot.png"), self._request.limits.page_height_px
        picture = await full_page_screenshot(session, staging.place(path), max_height_px=limit)
        staging.register(path, role="screenshot", media_type="image/png", page=notes.page)
        notes.width_px, notes.height_px = picture.width_px, picture.height_px
        if picture.truncated:
            en, zh = f"the picture ends at {limit} px", f"截图止于 {limit} 像素"
            self._desk.journal.warn("page.partial.height", notes.page, reason=en)
            notes.partial.append(Text(en=f"page {notes.page}: {en}", zh=f"第 {notes.page} 页：{zh}"))
        notes.finished_at = datetime.now(UTC)

    def _target_of(self, session: CdpSession) -> str:
        target = self._studio.recorder.targets.of_session(session.session_id)
        return "" if target is None else target.target_id


def _judge(notes: VisitNotes, source: bytes) -> None:
    facts = PageFacts(
        requested_url=notes.final_url,
        final_url=notes.final_url,
        status=notes.status,
        content_type=notes.content_type,
        title=notes.title,
        text=notes.text,
        html=source[:_JUDGED_BYTES].decode("utf-8", "replace"),
    )
    verdict = judge_page(facts)
    notes.verdict, notes.verdict_reason = verdict.id, verdict.reason
