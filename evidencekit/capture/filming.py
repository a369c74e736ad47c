"""Filming the whole screen with sound: one MP4 that only grows, so a kill keeps all but its last moments.

ffmpeg writes fragments (ISO/IEC 14496-12 §8.8) one after the other and never goes back. Every so often the digest of
the file as far as it goes is written to the work log, put into a document of its own, and stamped: whoever has the
film can compute it again (`head -c SIZE session.mp4 | sha256sum`). A band under the screen shows the clock; it covers
nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.helpers import Helper, start_helper
from evidencekit.capture.screen import SINK
from evidencekit.errors import BrowserError, StorageError
from evidencekit.hashing.canonical import canonical_bytes, format_time
from evidencekit.hashing.process import VIDEO_ROLE, Segment, Video
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from evidencekit.capture.screen import Screen
    from evidencekit.capture.visitnotes import Desk

    OnSegment = Callable[[bytes], Future[Sequence[bytes]]]
    """Stamps the document of a segment beside other work; gives the replies."""

VIDEO_PATH = "capture/session.mp4"
FRAMES_PER_S = 10
_BAND_PX = 36
_READY_S = 60.0
_POLL_S = 0.1
_END_S = 20.0
_TOKEN_S = 30.0
_READ_BYTES = 1 << 20
_PROBE = ("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0")
_LOUDNESS = re.compile(r"max_volume: (-?[0-9.]+) dB")
_SILENCE_DB = -80.0
"""Louder is a sound: a 16-bit sample other than 0 is at least -90 dB, a whisper about -50 dB."""
_LISTEN_S = 120.0
SILENT = Text(
    en="the sound track of the film is silent: nothing that the browser played could be heard",
    zh="录像的声轨全程无声：浏览器未播放可听见的声音",
)
_CLOCK = (
    "drawtext=x=8:y=h-26:fontsize=18:fontcolor=white:"
    r"text='%{gmtime\:%Y-%m-%d %H\\\:%M\\\:%S} UTC  evidencekit recorder clock'"
)


class Film:
    """Films one screen from `start` to `stop`.

    Attributes:
        to_know: sentences for page 1, once it has stopped.
    """

    def __init__(self, screen: Screen, desk: Desk, *, segment_s: float, on_segment: OnSegment | None) -> None:
        """Prepare; `segment_s` is the time between two digests in seconds."""
        self.to_know: tuple[Text, ...] = ()
        self._screen = screen
        self._desk = desk
        self._segment_s = segment_s
        self._on_segment = on_segment
        self._file = desk.staging.place(VIDEO_PATH)
        self._camera: Helper | None = None
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._segments: list[Segment] = []
        self._tokens: list[Future[Sequence[bytes]] | None] = []
        self._timer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to film; returns when the first pictures are on disk.

        Raises:
            BrowserError: ffmpeg is not there or gives nothing.
        """
        self._camera = start_helper(
            ("ffmpeg", *_arguments(self._screen, self._file)),
            self._desk.staging.root,
            environment={"PATH": _path(), **self._screen.environment},
        )
        deadline = asyncio.get_running_loop().time() + _READY_S
        while not self._file.exists() or self._file.stat().st_size == 0:
            if not self._camera.running or asyncio.get_running_loop().time() > deadline:
                words = self._camera.words()
                await self._camera.end()
                raise BrowserError(
                    f"the screen cannot be filmed ({words or 'ffmpeg gives nothing'}); run `evidencekit doctor`, "
                    "or leave the film out with --no-video",
                    f"无法录制屏幕({words or 'ffmpeg 没有输出'})；请运行 `evidencekit doctor`，或用 --no-video 不录像",
                )
            await asyncio.sleep(_POLL_S)
        self._desk.journal.border("process.film_started", VIDEO_PATH, sound=self._screen.sound)
        self._timer = asyncio.create_task(self._close_segments())

    def picture(self, out: Path) -> bool:
        """Take the whole screen as PNG, address bar and all; False when that fails. Blocks: run it in a thread."""
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "x11grab", "-i", self._screen.display]
        try:
            done = subprocess.run(  # noqa: S603 (ffmpeg on our own display)
                [*command, "-frames:v", "1", str(out)],
                env={"PATH": _path(), **self._screen.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_END_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0 and out.exists()

    async def stop(self) -> Video:
        """End the film, close its last segment, and register everything.

        Raises:
            StorageError: the disk refuses.
        """
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
        lasted = self._camera is not None and self._camera.running
        if self._camera is not None:
            await self._camera.end(word=signal.SIGINT, patience_s=_END_S)
        if not lasted:
            self._desk.journal.warn("process.film_ended_early", VIDEO_PATH, reason=self._words())
        await self._close_segment()
        staging = self._desk.staging
        staging.register(VIDEO_PATH, role=VIDEO_ROLE, media_type="video/mp4")
        size = await asyncio.to_thread(_picture_size, self._file)
        if self._screen.sound:
            await self._listen()
        return Video(
            path=VIDEO_PATH,
            sound=self._screen.sound,
            width_px=size[0],
            height_px=size[1],
            segments=tuple([await self._with_tokens(n, each) for n, each in enumerate(self._segments)]),
        )

    async def _listen(self) -> None:
        """Log how loud the film is at its loudest: a track without sound is said, not left to be found in court."""
        loudest = await asyncio.to_thread(loudest_db, self._file)
        self._desk.journal.border(
            "process.film_sound", VIDEO_PATH, loudest_db=None if loudest is None else str(loudest)
        )
        if loudest is not None and loudest < _SILENCE_DB:
            self.to_know = (SILENT,)

    async def abandon(self) -> None:
        """End the camera when the process came to nothing; after `stop` this does nothing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._camera is not None and self._camera.running:
            await self._camera.end(word=signal.SIGINT)

    def _words(self) -> str:
        return "" if self._camera is None else self._camera.words()

    async def _close_segments(self) -> None:
        while True:
            await asyncio.sleep(self._segment_s)
            await self._close_segment()

    async def _close_segment(self) -> None:
        """Log and stamp the digest of the film as far as it goes."""
        number, now = len(self._segments) + 1, datetime.now(UTC)
        await asyncio.to_thread(self._read_on)
        digest = self._hash.copy().hexdigest()
        path = f"capture/film/{number:04d}.json"
        document = canonical_bytes(
            {
                "capture_id": self._desk.capture_id,
                "format": "evidencekit/film-segment",
                "n": number,
                "path": VIDEO_PATH,
                "sha256": digest,
                "size": self._hashed,
                "time": format_time(now),
                "version": 1,
            }
        )
        self._desk.staging.write(path, document, role="other", media_type="application/json")
        segment = Segment(n=number, time=now, size=self._hashed, sha256=digest, document=path)
        self._segments.append(segment)
        self._desk.journal.border("process.film", VIDEO_PATH, n=number, size=self._hashed, sha256=digest)
        waiting = None if self._on_segment is None else self._on_segment(document)
        if waiting is not None:
            waiting.add_done_callback(lambda done: self._keep_tokens(number, done))
        self._tokens.append(waiting)

    def _read_on(self) -> None:
        try:
            with self._file.open("rb") as film:
                film.seek(self._hashed)
                while data := film.read(_READ_BYTES):
                    self._hash.update(data)
                    self._hashed += len(data)
        except OSError as error:
            raise StorageError(
                f"the film {self._file} cannot be read: {error.strerror}",
                f"无法读取录像 {self._file}：{error.strerror}",
            ) from error

    def _keep_tokens(self, number: int, done: Future[Sequence[bytes]]) -> None:
        """Write tokens as they come, in the thread that brings them: a kill must not lose them."""
        if done.cancelled() or done.exception() is not None:
            return
        for place, token in enumerate(done.result(), 1):
            with suppress(OSError):
                self._desk.staging.place(_token_path(number, place)).write_bytes(token)

    async def _with_tokens(self, place: int, segment: Segment) -> Segment:
        waiting = self._tokens[place]
        if waiting is None:
            return segment
        try:
            replies = await asyncio.wait_for(asyncio.wrap_future(waiting), _TOKEN_S)
        except Exception as error:  # noqa: BLE001 (a stamp that could not be had leaves the digest as it is)
            self._desk.journal.warn("process.film_unstamped", segment.document, reason=str(error))
            return segment
        paths = tuple(_token_path(segment.n, each) for each in range(1, len(replies) + 1))
        kept: list[str] = []
        for path in paths:
            if self._desk.staging.place(path).exists():
                self._desk.staging.register(path, role="other", media_type="application/timestamp-reply")
                kept.append(path)
        return Segment(
            n=segment.n,
            time=segment.time,
            size=segment.size,
            sha256=segment.sha256,
            document=segment.document,
            tokens=tuple(kept),
        )


def _token_path(number: int, place: int) -> str:
    return f"capture/film/{number:04d}-{place}.tsr"


def _path() -> str:
    return (
        "/usr/local/bin:/usr/bin:/bin" if (found := shutil.which("ffmpeg")) is None else f"{found[:-7]}:/usr/bin:/bin"
    )


def _arguments(screen: Screen, out: Path) -> tuple[str, ...]:
    sound = ("-thread_queue_size", "512", "-f", "pulse", "-i", f"{SINK}.monitor") if screen.sound else ()
    band = f"[0:v]pad=ceil(iw/2)*2:ceil((ih+{_BAND_PX})/2)*2:0:0:black,{_CLOCK}[v]"
    return (
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
        *("-thread_queue_size", "512", "-f", "x11grab", "-framerate", str(FRAMES_PER_S), "-i", screen.display),
        *sound,
        *("-filter_complex", band, "-map", "[v]", *(("-map", "1:a") if screen.sound else ())),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p", "-g", str(2 * FRAMES_PER_S)),
        *(("-c:a", "aac", "-b:a", "96k") if screen.sound else ()),
        *("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-flush_packets", "1", "-f", "mp4", str(out)),
    )


def loudest_db(film: Path) -> float | None:
    """The loudest moment of a film's sound in dB of full scale, as ffmpeg measures it; None when it cannot."""
    measure = ("-map", "0:a:0", "-af", "volumedetect", "-f", "null", "-")
    heard = _told("ffmpeg", "-hide_banner", "-nostdin", "-i", str(film), *measure, within_s=_LISTEN_S)
    found = None if heard is None else _LOUDNESS.search(heard.stderr)
    return None if found is None else float(found[1])


def _picture_size(film: Path) -> tuple[int, int]:
    """Width and height in pixels as ffprobe reads them; zeros when it cannot."""
    shown = _told(*_PROBE, str(film), within_s=_END_S)
    try:
        width, height = (int(each) for each in shown.stdout.strip().split(",")[:2]) if shown else (0, 0)
    except ValueError:
        return 0, 0
    return width, height


def _told(*command: str, within_s: float) -> subprocess.CompletedProcess[str] | None:
    """What a program says of our own film; None when it is not there or takes longer."""
    try:
        return subprocess.run(  # noqa: S603 (fixed programs, no shell)
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
