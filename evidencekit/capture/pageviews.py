"""The views of a finished page: DOM, text and the full picture first, which are the evidence, then copies and facts.

The picture makes the page resize and printing makes it print: what may disturb it comes after what counts most, and a
page that dies of a copy has not taken its evidence along. What cannot be had of the rest is missing by name.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.frames import MOST_FRAMES, frame_views
from evidencekit.capture.pagefacts import glyph_sentence, rendering_facts
from evidencekit.capture.pagepicture import PictureFiles, page_picture
from evidencekit.capture.painting import read_painted
from evidencekit.capture.rendering import PICTURE_S, full_page_screenshot, inner_text, mhtml, outer_html, pdf
from evidencekit.capture.snapshots import accessibility_tree, json_bytes, layout_snapshot, media_list
from evidencekit.capture.stitching import picture_size
from evidencekit.capture.stores import stored_by
from evidencekit.capture.tallpicture import TILES, keep_tall_picture
from evidencekit.capture.verdict import PageFacts, judge_page
from evidencekit.corroboration.painted import FILE_NAME, format_painted
from evidencekit.errors import BrowserError, FormatError, MinimumError, NoAnswerError
from evidencekit.hashing.canonical import format_time
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from evidencekit.capture.browser import DrivenPage
    from evidencekit.capture.cdp import CdpSession
    from evidencekit.capture.visitnotes import Desk, VisitNotes
    from evidencekit.model import Artifact, JsonValue

_JUDGED_BYTES = 4 << 20
_COPIES_S = 120.0
"""Seconds for all copies of a finished page together; a page whose layout takes minutes has them missing by name."""
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is looked at: the page's session, those of its frames in other processes, the browser's.

    `quiet` waits, bounded, until no request is under way; `exchange_of` gives the exchange that brought a URL.
    """

    page: CdpSession
    frames: Sequence[CdpSession]
    browser: CdpSession
    driven: DrivenPage
    headless: bool
    quiet: Callable[[], Awaitable[bool]]
    exchange_of: Callable[[], Mapping[str, str]]


class PageViews:
    """Takes the views of one page.

    Attributes:
        missing: name and sentence of each view that is missing or cut.
    """

    def __init__(self, stage: Stage, desk: Desk, notes: VisitNotes) -> None:
        self.missing: list[tuple[str, Text]] = []
        self._answers = True
        self._stage = stage
        self._session = stage.page
        self._desk = desk
        self._notes = notes

    async def take(self, max_height_px: int, *, copies: bool) -> None:
        """Take all views; DOM and picture are the evidential minimum (R01), the others may be missing by name.

        Args:
            max_height_px: where the picture ends.
            copies: whether MHTML, PDF, layout snapshot and accessibility tree are made.

        Raises:
            MinimumError: DOM or picture could not be had.
            StorageError: the disk refuses.
        """
        source = await self._source()
        await self._optional("text", self._text)
        await self._optional("painted", self._painted)
        await self._optional("frames", self._frames)
        await self._optional("media list", self._media)
        self._judge(source)
        try:
            await self._picture(max_height_px)
        except NoAnswerError as error:
            await self._first_picture(error)
        except (BrowserError, FormatError) as error:
            raise self._minimum("full-page picture", "整页截图", error) from error
        self._notes.complete = True
        await self._optional("storage", self._storage)
        await self._optional("rendering facts", self._facts)
        if copies:
            await self._copies()
        await self._console()

    async def _source(self) -> bytes:
        """The source of the finished page; of one that answers no more, the source as first shown."""
        try:
            source = await outer_html(self._session)
        except NoAnswerError as error:
            source = self._notes.first_source
            if not source:
                raise self._minimum("source", "源码", error) from error
            self._answers = False
            en = f"the page answered no more: dom.html is the source as first shown ({error.en})"
            self.missing.append(("source", Text(en=en, zh=f"页面不再响应：dom.html 为最初显示时的源码({error.zh})")))
        except (BrowserError, FormatError) as error:
            raise self._minimum("source", "源码", error) from error
        await self._desk.privacy.write(self._notes.text_spec("dom.html", "dom", "text/html"), source)
        return source

    async def _first_picture(self, error: NoAnswerError) -> None:
        """Let the untouched picture of the window stand for the full one that the page no longer gives."""
        notes, first = self._notes, self._notes.first_picture
        if not first:
            raise self._minimum("full-page picture", "整页截图", error) from error
        self._answers = False
        path = notes.path("screenshot.png")
        await asyncio.to_thread(_remove, self._desk.staging.place(path).parent)
        self._desk.staging.write(path, first, role="screenshot", media_type="image/png", page=notes.page)
        notes.width_px, notes.height_px = picture_size(first)
        en = f"the page answered no more: screenshot.png is the window as first shown ({error.en})"
        zh = f"页面不再响应：screenshot.png 为最初显示时的窗口画面({error.zh})"
        self.missing.append(("picture", Text(en=en, zh=zh)))

    async def _copies(self) -> None:
        """What is made of the page beside source and picture, all within `_COPIES_S`."""
        end = asyncio.get_running_loop().time() + _COPIES_S
        for name, make in (
            ("layout snapshot", self._snapshot),
            ("mhtml", self._mhtml),
            ("accessibility tree", self._accessibility),
            ("pdf", self._pdf),
        ):
            await self._optional(name, make, until=end)

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
            pictures=notes.pictures,
        )
        verdict = judge_page(facts)
        notes.verdict, notes.verdict_reason = verdict.id, verdict.reason

    def _minimum(self, what: str, what_zh: str, error: BrowserError | FormatError) -> MinimumError:
        url = self._notes.requested_url[:200]
        return MinimumError(
            f"{url}: the page's {what} could not be had ({error.en}); capture again",
            f"{url}：无法取得页面的{what_zh}({error.zh})；请重新取证",
        )

    async def take_before(self, max_height_px: int) -> None:
        """Take the full picture of the state before something that the operator asked for changes it.

        Raises:
            MinimumError: it could not be had.
            StorageError: the disk refuses.
        """
        path = self._notes.path("screenshot-before.png")
        try:
            await full_page_screenshot(self._session, self._desk.staging.place(path), max_height_px=max_height_px)
        except (BrowserError, FormatError) as error:
            raise self._minimum("picture before the banner was answered", "处理提示前的截图", error) from error
        await asyncio.to_thread(self._register, path, "screenshot.before")

    async def _picture(self, limit_px: int) -> None:
        staging = self._desk.staging
        path, inner_path = self._notes.path("screenshot.png"), self._notes.path("screenshot-inner.png")
        full = staging.place(path)
        tiles = full.parent / TILES
        await asyncio.to_thread(tiles.mkdir, mode=0o700, exist_ok=True)
        scrolled = self._notes.path("screenshot-scrolled.png")
        files = PictureFiles(full=full, inner=staging.place(inner_path), tiles=tiles, scrolled=staging.place(scrolled))
        taken = await page_picture(
            self._session, files, self._stage.quiet, max_height_px=limit_px, page=self._notes.page
        )
        artifact = await asyncio.to_thread(self._register, path, "screenshot")
        if taken.full.tiles:
            cut = await asyncio.to_thread(keep_tall_picture, staging, self._notes, artifact, taken.full)
            self.missing += [] if cut is None else [("picture PDF", cut)]
        else:
            await asyncio.to_thread(tiles.rmdir)
        if any(each.kind == "picture.scrolled" for each in taken.transformations):
            await asyncio.to_thread(self._register, scrolled, "screenshot.scrolled")
        if taken.inner is not None:
            await asyncio.to_thread(self._register, inner_path, "screenshot.inner")
        self._notes.transformations += taken.transformations
        self.missing += [("picture", text) for text in taken.lacking]
        picture = taken.full
        self._notes.width_px, self._notes.height_px = picture.width_px, picture.height_px
        if picture.truncated or (taken.inner is not None and taken.inner.truncated):
            end = picture.end_px if picture.late else limit_px
            en = f"the picture ends at {end} px of {picture.page_height_px} px"
            zh = f"截图止于 {end} 像素，页面高 {picture.page_height_px} 像素"
            if picture.late:
                en, zh = f"{en}: taking it took longer than {PICTURE_S:g} s", f"{zh}：截图超过 {PICTURE_S:g} 秒"
            self.missing.append(("height", Text(en=en, zh=zh)))

    def _register(self, path: str, role: str) -> Artifact:
        return self._desk.staging.register(path, role=role, media_type="image/png", page=self._notes.page)

    async def _text(self) -> None:
        self._notes.text = await inner_text(self._session)
        data = self._notes.text.encode("utf-8", "replace")
        await self._desk.privacy.write(self._notes.text_spec("text.txt", "text", "text/plain"), data)

    async def _painted(self) -> None:
        painted = await read_painted(self._session, self._stage.frames)
        spec = self._notes.text_spec(FILE_NAME, "other", "application/json")
        await self._desk.privacy.write(spec, format_painted(painted, self._notes.page))

    async def _write_json(self, name: str, role: str, data: bytes) -> None:
        await self._desk.privacy.write(self._notes.text_spec(name, role, _JSON), data)

    async def _frames(self) -> None:
        views = await frame_views(self._session, self._stage.frames)
        listed: list[JsonValue] = []
        for number, view in enumerate(views, 1):
            name = None if view.source is None else f"frames/{number:03d}.html"
            if name is not None and view.source is not None:
                await self._desk.privacy.write(self._notes.text_spec(name, "frame", "text/html"), view.source)
            listed.append({"url": view.url, "name": view.name, "file": name})
        if len(views) >= MOST_FRAMES:
            en, zh = f"only {MOST_FRAMES} frames were kept", f"仅保存了 {MOST_FRAMES} 个框架"
            self.missing.append(("frames", Text(en=en, zh=zh)))
        if listed:
            data = json_bytes({"format": "evidencekit/frames", "version": 1, "frames": listed})
            await self._write_json("frames.json", "frames", data)

    async def _media(self) -> None:
        listed = await media_list(self._session)
        exchange_of = self._stage.exchange_of()
        rows: list[JsonValue] = []
        for each in listed:
            if isinstance(each, dict):
                url = str(each.get("url", ""))
                rows.append({**each, "exchange": exchange_of.get(url)})
                if each.get("kind") == "icon":
                    self._notes.icons = (*self._notes.icons, url)
        await self._write_json(
            "media.json", "media", json_bytes({"format": "evidencekit/media", "version": 1, "media": rows})
        )

    async def _snapshot(self) -> None:
        await self._write_json("dom-snapshot.json", "dom.snapshot", await layout_snapshot(self._session))

    async def _accessibility(self) -> None:
        await self._write_json("accessibility.json", "accessibility", await accessibility_tree(self._session))

    async def _storage(self) -> None:
        data = await stored_by(self._session, self._stage.browser)
        if self._desk.privacy.secrets.include:
            await self._write_json("storage.json", "storage", data)
        else:
            self._desk.staging.keep_private(f"storage/{self._notes.page}.json", data)

    async def _facts(self) -> None:
        facts = await rendering_facts(self._session, self._notes, headless=self._stage.headless)
        await self._write_json("rendering.json", "rendering", facts)
        boxes = glyph_sentence(self._notes.text)
        if boxes is not None:
            self.missing.append(("glyphs", boxes))

    async def _console(self) -> None:
        driven = self._stage.driven
        if driven.console_lost:
            en = f"{driven.console_lost} lines of the console beyond the first {len(driven.console)} were not kept"
            zh = f"控制台输出超过 {len(driven.console)} 行，其余 {driven.console_lost} 行未保存"
            self.missing.append(("console", Text(en=en, zh=zh)))
        lines = [
            json_bytes(
                {
                    "time": format_time(line.time),
                    "kind": line.kind,
                    "text": line.text,
                    "url": line.url,
                    "line": line.line,
                }
            )
            for line in driven.console
        ]
        if lines:
            spec = self._notes.text_spec("console.jsonl", "console", "application/x-ndjson")
            await self._desk.privacy.write(spec, b"\n".join(lines) + b"\n")

    async def _mhtml(self) -> None:
        spec = self._notes.text_spec("page.mhtml", "mhtml", "multipart/related")
        await self._desk.privacy.write(spec, await mhtml(self._session))

    async def _pdf(self) -> None:
        file = self._desk.staging.work / f"{self._notes.page}.pdf"
        await pdf(self._session, file)
        data = await asyncio.to_thread(file.read_bytes)
        await self._desk.privacy.write(self._notes.text_spec("page.pdf", "pdf", "application/pdf"), data)

    async def _optional(
        self, name: str, make: Callable[[], Coroutine[None, None, None]], *, until: float | None = None
    ) -> None:
        """Take a view, by a time of the running loop if one is given; without it the view is missing by name."""
        if not self._answers:
            en, zh = f"{name} is missing: the page answered no more", f"缺少 {name}:页面不再响应"
            self.missing.append((name, Text(en=en, zh=zh)))
            return
        try:
            async with asyncio.timeout_at(until):
                await make()
        except TimeoutError:
            en = f"{name} is missing: the copies of the page took longer than {_COPIES_S:g} s"
            self.missing.append((name, Text(en=en, zh=f"缺少 {name}:网页各副本的生成超过 {_COPIES_S:g} 秒")))
        except (BrowserError, FormatError) as error:
            self.missing.append((name, Text(en=f"{name} is missing: {error.en}", zh=f"缺少 {name}:{error.zh}")))


def _remove(folder: Path) -> None:
    """Remove the pictures that were begun."""
    for name in ("screenshot.png", "screenshot-inner.png", "screenshot-scrolled.png"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TILES, ignore_errors=True)
