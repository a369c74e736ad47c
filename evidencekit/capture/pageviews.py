"""The views of a finished page: DOM, text, MHTML, PDF, and the full picture, taken last (it makes the page resize)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from evidencekit.capture.painting import read_painted
from evidencekit.capture.rendering import full_page_screenshot, inner_text, mhtml, outer_html, pdf
from evidencekit.capture.verdict import PageFacts, judge_page
from evidencekit.corroboration.painted import FILE_NAME, format_painted
from evidencekit.errors import BrowserError, FormatError, MinimumError
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from evidencekit.capture.cdp import CdpSession
    from evidencekit.capture.visitnotes import Desk, VisitNotes

_JUDGED_BYTES = 4 << 20


class PageViews:
    """Takes the views of one page.

    Attributes:
        missing: name and sentence of each view that is missing or cut.
    """

    def __init__(
        self, session: CdpSession, desk: Desk, notes: VisitNotes, *, frames: Sequence[CdpSession] = ()
    ) -> None:
        self._frames = frames
        self.missing: list[tuple[str, Text]] = []
        self._session = session
        self._desk = desk
        self._notes = notes

    async def take(self, max_height_px: int, *, copies: bool) -> None:
        """Take all views; DOM and picture are the evidential minimum (R01), the others may be missing by name.

        Args:
            max_height_px: where the picture ends.
            copies: whether MHTML and PDF are made.

        Raises:
            MinimumError: DOM or picture could not be had.
            StorageError: the disk refuses.
        """
        try:
            source = await outer_html(self._session)
            await self._desk.privacy.write(self._notes.text_spec("dom.html", "dom", "text/html"), source)
        except (BrowserError, FormatError) as error:
            raise self._minimum("source", "源码", error) from error
        await self._optional("text", self._text())
        await self._optional("painted", self._painted())
        self._judge(source)
        if copies:
            await self._optional("mhtml", self._mhtml())
            await self._optional("pdf", self._pdf())
        try:
            await self._picture(max_height_px)
        except (BrowserError, FormatError) as error:
            raise self._minimum("full-page picture", "整页截图", error) from error

    def _judge(self, source: bytes) -> None:
        notes = self._notes
        facts = PageFacts(
            requested_url=notes.requested_url,
            final_url=notes.final_url,
            status=notes.status,
            content_type=notes.content_type,
            title=notes.title,
            text=notes.text,
            html=source[:_JUDGED_BYTES].decode("utf-8", "replace"),
        )
        verdict = judge_page(facts)
        notes.verdict, notes.verdict_reason = verdict.id, verdict.reason

    def _minimum(self, what: str, what_zh: str, error: BrowserError | FormatError) -> MinimumError:
        url = self._notes.requested_url[:200]
        return MinimumError(
            f"{url}: the page's {what} could not be had ({error.en}); capture again",
            f"{url}：无法取得页面的{what_zh}({error.zh})；请重新取证",
        )

    async def _picture(self, limit_px: int) -> None:
        path = self._notes.path("screenshot.png")
        picture = await full_page_screenshot(self._session, self._desk.staging.place(path), max_height_px=limit_px)
        self._desk.staging.register(path, role="screenshot", media_type="image/png", page=self._notes.page)
        self._notes.width_px, self._notes.height_px = picture.width_px, picture.height_px
        if picture.truncated:
            en = f"the picture ends at {limit_px} px of {picture.page_height_px} px"
            zh = f"截图止于 {limit_px} 像素，页面高 {picture.page_height_px} 像素"
            self.missing.append(("height", Text(en=en, zh=zh)))

    async def _text(self) -> None:
        self._notes.text = await inner_text(self._session)
        data = self._notes.text.encode("utf-8", "replace")
        await self._desk.privacy.write(self._notes.text_spec("text.txt", "text", "text/plain"), data)

    async def _painted(self) -> None:
        painted = await read_painted(self._session, self._frames)
        spec = self._notes.text_spec(FILE_NAME, "other", "application/json")
        await self._desk.privacy.write(spec, format_painted(painted, self._notes.page))

    async def _mhtml(self) -> None:
        spec = self._notes.text_spec("page.mhtml", "mhtml", "multipart/related")
        await self._desk.privacy.write(spec, await mhtml(self._session))

    async def _pdf(self) -> None:
        file = self._desk.staging.work / f"{self._notes.page}.pdf"
        await pdf(self._session, file)
        data = await asyncio.to_thread(file.read_bytes)
        await self._desk.privacy.write(self._notes.text_spec("page.pdf", "pdf", "application/pdf"), data)

    async def _optional(self, name: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except (BrowserError, FormatError) as error:
            self.missing.append((name, Text(en=f"{name} is missing: {error.en}", zh=f"缺少 {name}:{error.zh}")))
