"""`evidencekit record`: a person at a headed browser, keys at the terminal, one sealed bundle."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from evidencekit import notary
from evidencekit.capture.control import Control, EndProcess
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Mode, ProcessKind, ProcessRequest
from evidencekit.recovery import recover
from evidencekit_cli.capture_options import WhoOptions
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.interruption import stop_requested
from evidencekit_cli.keyboard import HELP, reading_keys
from evidencekit_cli.output import Sentence, Session, inert
from evidencekit_cli.preservation import announce_keys, authorities_of, settle_others, tell
from evidencekit_cli.signers import signer_chosen
from evidencekit_cli.surroundings import sources_of
from evidencekit_cli.who import ask_once, operator_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evidencekit_cli.settings import Settings

_ENDING = Sentence(
    "ending and sealing; press Ctrl-C again to give up everything",
    "正在结束并封存;再按一次 Ctrl-C 则全部放弃",
)
_READY = Sentence("recording; the browser is yours. ", "正在录制,浏览器交由您操作。")
_SHOWN: Mapping[str, Sentence] = {
    "process.shot": Sentence("shot", "截图"),
    "process.shot_failed": Sentence("no shot: the tab gave none", "未能截图:标签页没有回应"),
    "process.login": Sentence("logged: a person signed in", "已记录:本人登录"),
    "process.challenge": Sentence("logged: a person solved a challenge", "已记录:本人完成验证"),
    "process.note": Sentence("note kept", "已保存备注"),
    "process.film_sound": Sentence("loudest sound of the film in dB:", "录像最大音量(dB):"),
    "process.end": Sentence("ended; sealing", "已结束,正在封存"),
}


class RecordOptions(WhoOptions):
    """The options of `record` as click hands them over; None where one was not given."""

    url: str
    account_owner: str | None
    browser_profile: Path | None
    rights: str | None
    duration: float | None
    video: bool
    segment: float
    output: Path | None
    mode: str | None
    tsas: tuple[str, ...]
    matter: str | None
    allow_private: bool
    allow_tls_errors: bool
    allow_http_errors: bool
    no_third_party: bool
    include_secrets: bool
    strict: bool


def record(session: Session, options: RecordOptions) -> ExitCode:
    """Record a process and seal it; 3 when something is pending or partial."""
    control = Control()
    with ExitStack() as stack:
        home, settings = open_home()
        for lost in recover(home):
            session.note(lost)
        settings = ask_once(session, home.path, settings, options)
        announce_keys(session, home, stack)
        alone = options["no_third_party"] or not settings.flag("capture.third_party")
        tsas = authorities_of(options["tsas"], settings, alone=alone)

        def end() -> None:
            session.note(_ENDING)
            control.send(EndProcess())

        stack.enter_context(stop_requested(end))
        stack.enter_context(reading_keys(control, lambda: session.note(HELP)))
        evidence = notary.preserve(
            options["url"],
            home=home,
            request=_request(options, settings, alone=alone),
            signer=signer_chosen(settings),
            seal_pdf=settings.flag("pades.seal"),
            tsas=tsas,
            operator=operator_of(settings, options),
            matter=options["matter"],
            on_event=lambda step, detail: _show(session, step, detail),
            output=options["output"],
            browser=BrowserOptions(profile=options["browser_profile"]),
            sources=sources_of(settings),
            control=control,
        )
    tell(session, evidence)
    if not evidence.pending:
        settle_others(session, home, tsas)
    return ExitCode.UNDECIDED if evidence.pending or evidence.partial else ExitCode.OK


def _request(options: RecordOptions, settings: Settings, *, alone: bool) -> CaptureRequest:
    defaults = ProcessRequest(kind=ProcessKind.RECORD)
    return CaptureRequest(
        urls=(options["url"],),
        mode=Mode(options["mode"] or settings.text("capture.mode")),
        allow_private=options["allow_private"],
        allow_tls_errors=options["allow_tls_errors"],
        allow_http_errors=options["allow_http_errors"],
        third_party=not alone,
        include_secrets=options["include_secrets"],
        strict=options["strict"],
        profile_owner=(options["account_owner"] or "") if options["browser_profile"] is not None else "",
        process=ProcessRequest(
            kind=ProcessKind.RECORD,
            account_owner=options["account_owner"] or "",
            rights=options["rights"],
            video=options["video"],
            timeout_s=options["duration"] or defaults.timeout_s,
            segment_s=options["segment"],
        ),
    )


def _show(session: Session, step: str, detail: Mapping[str, object]) -> None:
    if step == "process.start":
        session.note(Sentence(_READY.en + HELP.en, _READY.zh + HELP.zh))
        return
    sentence = _SHOWN.get(step)
    if sentence is None:
        return
    facts = [str(detail[name]) for name in ("n", "marker", "url", "loudest_db") if detail.get(name) is not None]
    more = inert(" ".join(facts), 200)
    session.note(Sentence(f"{sentence.en} {more}".rstrip(), f"{sentence.zh} {more}".rstrip()))
