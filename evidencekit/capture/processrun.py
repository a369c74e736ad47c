"""A recorded process: a person at a headed browser, or a script, from the first page to the closing shot.

Whatever happens is in the work log when it happens, each line synced to disk, so a kill keeps what was done so far.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.control import NOTE_CHARS, Control, EndProcess, LogDeed, TakeNote, TakeShot
from evidencekit.capture.hand import Hand
from evidencekit.capture.happenings import Happenings
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.capture.request import ProcessKind
from evidencekit.capture.shots import Shooter
from evidencekit.capture.steps import Verb
from evidencekit.errors import BrowserError, CaptureError, StorageError, UsageError
from evidencekit.hashing.canonical import format_time
from evidencekit.hashing.process import NOTES_ROLE, PROCESS_ROLE, Deed, HumanDeed, Process, format_process
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.capture.filming import Film
    from evidencekit.capture.request import CaptureRequest, ProcessRequest
    from evidencekit.capture.steps import Step
    from evidencekit.capture.studio import Studio
    from evidencekit.capture.targets import WatchedTarget
    from evidencekit.capture.visitnotes import Desk, VisitNotes
    from evidencekit.hashing.process import Video
    from evidencekit.model import CaptureRoot

PROCESS_PATH = "capture/process.json"
NOTES_PATH = "capture/notes.jsonl"
_POLL_S = 0.05
_FRONT_S = 2.0
_QUIET_IDLE_S = 0.5
_BEGIN_S = 0.25
"""After a click: how long until the browser has told us what it set off."""
_IN_FRONT = "document.visibilityState === 'visible' ? (document.hasFocus() ? 2 : 1) : 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """What a process leaves beside its files: the shots as pages, and sentences for page 1."""

    visits: tuple[VisitNotes, ...]
    partial: tuple[Text, ...]


class ProcessRun:
    """Runs one process in an open studio."""

    def __init__(
        self,
        studio: Studio,
        request: CaptureRequest,
        desk: Desk,
        take_root: Callable[[CaptureRoot], None],
        *,
        film: Film | None,
        control: Control | None,
    ) -> None:
        """Prepare a process; `control` is the person's side, None when nobody is there (it then ends by timeout)."""
        if request.process is None:
            raise AssertionError("a process was asked for")  # a defect: exit 70
        self._wanted: ProcessRequest = request.process
        self._request = request
        self._studio = studio
        self._desk = desk
        self._journal = desk.journal
        self._control = control or Control()
        self._film = film
        self._happenings = Happenings(studio.client, desk.journal)
        picture = film.picture if film is not None else (_no_picture)
        self._shooter = Shooter(studio, request, desk, take_root, picture)
        self._started = datetime.now(UTC)
        self._deeds: list[HumanDeed] = []
        self._notes = 0
        self._partial: list[Text] = []
        self._chosen: str | None = None
        self._gone = asyncio.Event()

    async def run(self) -> ProcessOutcome:
        """Run it to its end and write `capture/process.json`.

        Raises:
            StorageError: the disk refuses.
        """
        wanted, recorder = self._wanted, self._studio.recorder
        self._studio.client.on_disconnect = self._gone.set
        for target in recorder.targets.pages():
            self._happenings.attached(target)
        recorder.observer = self._happenings
        self._journal.border("process.start", wanted.kind.value, account_owner=wanted.account_owner or "not named")
        ended_by = await (self._follow_person() if wanted.kind is ProcessKind.RECORD else self._follow_script())
        if not self._gone.is_set():
            await self._shot(None)
        recorder.observer = None
        self._journal.border("process.end", ended_by, shots=len(self._shooter.shots), notes=self._notes)
        video = None if self._film is None else await self._film.stop()
        self._write(ended_by, video)
        return ProcessOutcome(visits=tuple(self._shooter.visits), partial=tuple(self._partial_of(ended_by)))

    # --- a person ------------------------------------------------------------------------------

    async def _follow_person(self) -> str:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wanted.timeout_s
        while True:
            if self._gone.is_set() or not self._studio.recorder.targets.pages():
                return "browser closed"
            command = self._control.poll()
            if isinstance(command, EndProcess):
                return "operator"
            if command is not None:
                await self._obey(command)
            elif loop.time() > deadline:
                return "timeout"
            else:
                await asyncio.sleep(_POLL_S)

    async def _obey(self, command: TakeShot | LogDeed | TakeNote) -> None:
        if isinstance(command, TakeShot):
            target = await self._in_front()
            if target is not None:
                tab = self._happenings.tab_of(target)
                await self._shooter.take(target, tab=tab, marker=command.marker)
        elif isinstance(command, LogDeed):
            self._log_deed(command.deed)
        else:
            self._note(command.text)

    def _log_deed(self, deed: Deed) -> None:
        self._deeds.append(HumanDeed(time=datetime.now(UTC), deed=deed))
        by = "a person, as the operator says" if self._wanted.kind is ProcessKind.RECORD else "the script, as it says"
        self._journal.border(f"process.{deed.value}", by, account_owner=self._wanted.account_owner or "not named")

    def _note(self, text: str) -> None:
        """A note is the operator's word: its own file, and only its number in the work log."""
        self._notes += 1
        shots = len(self._shooter.shots)
        line = {
            "after_shot": shots,
            "n": self._notes,
            "text": text[:NOTE_CHARS],
            "time": format_time(datetime.now(UTC)),
        }
        file = self._desk.staging.place(NOTES_PATH)
        try:
            with file.open("ab") as out:
                out.write(json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise StorageError(
                f"cannot write {file}: {error.strerror}; free space on the disk",
                f"无法写入 {file}：{error.strerror}；请清理磁盘",
            ) from error
        self._journal.border("process.note", "", n=self._notes, after_shot=shots)

    async def _in_front(self) -> WatchedTarget | None:
        """The tab that the person sees: the visible one with the focus; asked in a world that no page reaches."""
        pages = self._studio.recorder.targets.pages()
        best, target = 0, next((each for each in pages if each.session == self._happenings.last_tab), None)
        for each in pages if len(pages) > 1 else ():
            try:
                session = self._studio.session_of(each.session)
                seen = await asyncio.wait_for(evaluate_isolated(session, _IN_FRONT), _FRONT_S)
            except (BrowserError, TimeoutError):
                continue
            if isinstance(seen, int | float) and seen > best:
                best, target = int(seen), each
        return target or (pages[-1] if pages else None)

    # --- a script ------------------------------------------------------------------------------

    async def _follow_script(self) -> str:
        for number, step in enumerate(self._wanted.steps, 1):
            facts = {"line": step.line, "n": number}
            try:
                await self._do(step)
            except (CaptureError, UsageError) as error:
                self._journal.warn("process.step_failed", step.shown, **facts, reason=error.en)
                rest = len(self._wanted.steps) - number
                self._partial.append(_step_failed(step, rest, error))
                return "step failed"
            self._journal.border("process.step", step.shown, **facts)
        return "script"

    async def _do(self, step: Step) -> None:
        if step.verb is Verb.TAB:
            await self._choose_tab(step)
        elif step.verb is Verb.DEED:
            self._log_deed(Deed(step.arguments[0]))
        elif step.verb in {Verb.SHOT, Verb.MARKER}:
            await self._settle()
            if not await self._shot(step):
                raise CaptureError("the tab gives no picture", "标签页无法截图")
        else:
            target = self._script_tab()
            hand = Hand(
                self._studio.session_of(target.session),
                timeout_s=self._request.limits.navigation_s,
                on_secret=lambda secret: self._desk.privacy.secrets.add(secret, "password"),
            )
            await hand.act(step)
            if step.verb in {Verb.GOTO, Verb.CLICK, Verb.PRESS}:
                await self._settle()

    async def _settle(self) -> None:
        """Let what was set off begin, then wait until the tab has loaded and the network is quiet; bounded."""
        loop, limits = asyncio.get_running_loop(), self._request.limits
        await asyncio.sleep(_BEGIN_S)
        deadline = loop.time() + limits.navigation_s
        while self._script_tab().session in self._happenings.loading and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        await self._studio.recorder.quiet(idle_s=_QUIET_IDLE_S, timeout_s=limits.quiet_s)

    def _script_tab(self) -> WatchedTarget:
        pages = self._studio.recorder.targets.pages()
        wanted = self._chosen or self._happenings.last_tab
        found = next((each for each in pages if each.session == wanted), pages[-1] if pages else None)
        if found is None:
            raise CaptureError("no tab is open any more", "已没有打开的标签页")
        return found

    async def _choose_tab(self, step: Step) -> None:
        """Work in another tab from now on, in front: one that is hidden is neither drawn nor takes input in time."""
        wanted = int(step.arguments[0])
        for target in self._studio.recorder.targets.pages():
            if self._happenings.tab_of(target) == wanted:
                await self._studio.session_of(target.session).call("Page.bringToFront")
                self._chosen = target.session
                return
        raise CaptureError(f"there is no tab {wanted}", f"没有第 {wanted} 个标签页")

    # --- both ----------------------------------------------------------------------------------

    async def _shot(self, step: Step | None) -> bool:
        """A shot of the tab that is worked in; without a step it is the closing one."""
        try:
            in_front = await self._in_front() if self._wanted.kind is ProcessKind.RECORD else self._script_tab()
        except CaptureError:
            return False
        if in_front is None:
            return False
        tab = self._happenings.tab_of(in_front)
        marker = None if step is None else step.marker
        return await self._shooter.take(in_front, tab=tab, marker=marker) is not None

    def _write(self, ended_by: str, video: Video | None) -> None:
        staging = self._desk.staging
        if self._notes:
            staging.register(NOTES_PATH, role=NOTES_ROLE, media_type="application/x-ndjson")
        process = Process(
            capture_id=self._desk.capture_id,
            kind=self._wanted.kind.value,
            account_owner=self._wanted.account_owner,
            rights=self._wanted.rights,
            started_at=self._started,
            ended_at=datetime.now(UTC),
            ended_by=ended_by,
            shots=tuple(self._shooter.shots),
            deeds=tuple(self._deeds),
            steps=tuple(step.shown for step in self._wanted.steps),
            notes=self._notes,
            video=video,
        )
        staging.write(PROCESS_PATH, format_process(process), role=PROCESS_ROLE, media_type="application/json")

    def _partial_of(self, ended_by: str) -> list[Text]:
        sentences = list(self._partial)
        if ended_by == "browser closed":
            en = "the browser was closed before the process was ended: there is no closing shot"
            sentences.append(Text(en=en, zh="过程结束之前浏览器已被关闭：没有结束画面"))
        if self._happenings.unlogged:
            count = self._happenings.unlogged
            en = f"{count} further events of the tabs were counted but not logged"
            sentences.append(Text(en=en, zh=f"另有 {count} 个标签页事件仅计数、未逐条记录"))
        return sentences


def _step_failed(step: Step, rest: int, error: CaptureError | UsageError) -> Text:
    return Text(
        en=f"line {step.line} of the script ({step.shown[:120]}) failed: {error.en}; {rest} later steps were not done",
        zh=f"脚本第 {step.line} 行({step.shown[:120]})失败：{error.zh}；其后 {rest} 个步骤未执行",
    )


def _no_picture(_path: Path) -> bool:
    """Stand in for a film where none is made: there is no picture of the window."""
    return False
