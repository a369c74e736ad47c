"""What stands around a recorded process: a display for the person, and the film; nothing of it for a plain capture."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evidencekit.capture.filming import Film
from evidencekit.capture.request import ProcessKind
from evidencekit.capture.screen import open_screen
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from evidencekit.capture.filming import OnSegment
    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.visitnotes import Desk

_NO_FILM = Text(
    en="the screen was not filmed: of the process there are the shots and the work log",
    zh="未录制屏幕：过程仅有分步截图与工作日志",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the browser is to be started, and the film, None when nothing is filmed."""

    options: BrowserOptions
    film: Film | None = None
    not_performed: tuple[Text, ...] = ()

    @property
    def to_know(self) -> tuple[Text, ...]:
        """What the film itself turned out to lack; asked when it has stopped."""
        return () if self.film is None else self.film.to_know


@asynccontextmanager
async def open_stage(
    request: CaptureRequest, options: BrowserOptions, desk: Desk, on_segment: OnSegment | None
) -> AsyncGenerator[Stage]:
    """Open the screen and start the film, where the request asks for a window or a process that needs them.

    Raises:
        BrowserError: there is no display, or the film does not start.
    """
    process = request.process
    alone = process is None or (process.kind is ProcessKind.SCRIPT and not process.video)
    if alone and not request.headed:
        yield Stage(options=options)
        return
    video = process is not None and process.video
    async with AsyncExitStack() as stack:
        screen = await stack.enter_async_context(
            open_screen(desk.staging.root, width_px=request.width_px, height_px=request.height_px, sound=video)
        )
        desk.journal.border("process.screen", screen.display, virtual=screen.virtual, sound=screen.sound)
        headed = replace(options, headed=True, environment={**options.environment, **screen.environment})
        if process is None or not process.video:
            yield Stage(options=headed, not_performed=() if alone else (_NO_FILM,))
            return
        film = Film(screen, desk, segment_s=process.segment_s, on_segment=on_segment)
        await film.start()
        stack.push_async_callback(film.abandon)
        yield Stage(options=headed, film=film)
