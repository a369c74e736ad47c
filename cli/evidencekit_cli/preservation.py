"""From the options of `capture` to a sealed bundle, and what its user is told about it."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit import notary
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Mode, ProcessKind, ProcessRequest
from evidencekit.capture.steps import Step, Verb, read_script
from evidencekit.errors import EvidenceError, UsageError
from evidencekit.owed import owed_in
from evidencekit.recovery import recover
from evidencekit.report.machine import report_json
from evidencekit.report.terminal import render_text
from evidencekit.requestform import request_value
from evidencekit.upkeep import settle_owed
from evidencekit_cli.authorities import authorities_named
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.interruption import stop_requested
from evidencekit_cli.output import Sentence, Session, both, inert
from evidencekit_cli.progress import Progress
from evidencekit_cli.signers import second_signer, signer_chosen
from evidencekit_cli.surroundings import sources_of
from evidencekit_cli.urls import gather_urls
from evidencekit_cli.who import ask_once, operator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.notary import Evidence
    from evidencekit.timestamp.client import TimeStamper
    from evidencekit_cli.capture_options import CaptureOptions
    from evidencekit_cli.settings import Settings

STOPPING = Sentence(
    "stopping; press Ctrl-C again to stop at once",
    "正在停止;再按一次 Ctrl-C 立即停止",
)


def preserve(session: Session, options: CaptureOptions) -> ExitCode:
    """Capture and seal what the options ask for, and tell its user; 3 when something is pending or partial."""
    with ExitStack() as stack:
        # First what needs no home: a mistyped command makes no keys.
        steps = read_script(options["script"]) if options["script"] is not None else ()
        urls, steps = _begin(options, stack, steps)
        process = _process(options, steps)
        _check_batch(options)
        home, settings = open_home()
        for lost in recover(home):
            session.note(lost)
        if not options["demo"]:
            settings = ask_once(session, home.path, settings, options)
        announce_keys(session, home, stack)
        request = replace(_request(options, settings, urls), process=process)
        cancel = stack.enter_context(stop_requested(lambda: session.note(STOPPING)))
        tsas = authorities_of(options["tsas"], settings, alone=_alone(options, settings))

        def capture(wanted: Sequence[str], output: Path | None, progress: Progress | None) -> Evidence:
            return notary.preserve(
                wanted,
                home=home,
                request=request,
                signer=signer_chosen(settings),
                seal_pdf=settings.flag("pades.seal"),
                post_quantum=second_signer(home, settings, asked=options["post_quantum"]),
                tsas=tsas,
                operator=operator_of(settings, options),
                matter=options["matter"],
                on_event=progress.on_event if progress is not None else None,
                cancel=cancel,
                output=output,
                browser=BrowserOptions(profile=options["browser_profile"]),
                sources=sources_of(settings),
            )

        if options["each"]:
            from evidencekit_cli.batch import Batch, capture_each

            return capture_each(
                session,
                urls,
                lambda url, output: capture((url,), output, None),
                batch=Batch(
                    home=home,
                    request=request_value(request),
                    output=options["output"],
                    jobs=options["jobs"],
                    resume=options["resume"],
                    cancel=cancel,
                ),
            )
        progress = stack.enter_context(Progress(session))
        try:
            evidence = capture(urls, options["output"], progress)
        except EvidenceError as error:
            if cancel.is_set():
                raise KeyboardInterrupt from error
            raise
    tell(session, evidence)
    if not evidence.pending:  # somebody stamps now, so ask for what is still owed, too
        settle_others(session, home, tsas)
    return ExitCode.UNDECIDED if evidence.pending or evidence.partial else ExitCode.OK


def settle_others(session: Session, home: Home, tsas: tuple[TimeStamper, ...]) -> None:
    """Fetch the time-stamps that earlier bundles are owed."""
    if not tsas or not owed_in(home.path):
        return
    from evidencekit_cli.timestamping import pending_lines

    for line in pending_lines(settle_owed(home, tsas)):
        session.note(line)


def announce_keys(session: Session, home: Home, stack: ExitStack) -> None:
    """Say, when the work is over, that it made this home's keys, if it did."""
    keys = home.path / "keys"
    if (keys / "ledger.key").exists():
        return

    def tell() -> None:
        if (keys / "ledger.key").exists():
            session.note(
                Sentence(
                    f"first use: three self-signed keys (seal, time-stamps, ledger) were made in {keys}, "
                    "readable by you alone; keep a copy",
                    f"首次使用:已在 {keys} 创建三个自签密钥(封存、时间戳、账本),仅您可读;请备份",
                )
            )

    stack.callback(tell)


def _urls(options: CaptureOptions, stack: ExitStack) -> tuple[str, ...]:
    if not options["demo"]:
        return gather_urls(options["urls"], options["list_file"])
    if options["urls"] or options["list_file"] is not None:
        raise UsageError(
            "--demo captures its own page; leave out the other URLs, or leave out --demo",
            "--demo 固定其自带的页面;请去掉其他网址,或去掉 --demo",
        )
    from evidencekit_cli.demo.server import serve_shop

    return (stack.enter_context(serve_shop()),)


def _begin(
    options: CaptureOptions, stack: ExitStack, steps: tuple[Step, ...]
) -> tuple[tuple[str, ...], tuple[Step, ...]]:
    """Give the URLs, and the steps after them: a script that begins with `goto` says itself where."""
    if steps and steps[0].verb is Verb.GOTO and not (options["urls"] or options["list_file"] or options["demo"]):
        return (steps[0].arguments[0],), steps[1:]
    return _urls(options, stack), steps


def _process(options: CaptureOptions, steps: tuple[Step, ...]) -> ProcessRequest | None:
    """Say what goes on after the pages, None without a script.

    Raises:
        UsageError: options of a script without one, or a script that is `goto` alone.
    """
    if options["script"] is not None and steps:
        return ProcessRequest(
            kind=ProcessKind.SCRIPT,
            account_owner=options["account_owner"] or "",
            rights=options["rights"],
            steps=steps,
            video=options["video"],
        )
    if options["script"] is not None:
        raise UsageError(
            "the script only opens a page; capture the page without --script, or add steps such as shot",
            "脚本只打开了一个网页；请不用 --script 直接取证，或加入 shot 等步骤",
        )
    owner = options["account_owner"] if options["browser_profile"] is None else None
    if owner or options["rights"] or options["video"]:
        raise UsageError(
            "--rights and --video belong to --script or `evidencekit record`, --account-owner to --browser-profile too",
            "--rights、--video 仅用于 --script 或 `evidencekit record`,--account-owner 另可用于 --browser-profile",
        )
    return None


def _check_batch(options: CaptureOptions) -> None:
    """Refuse options of a batch where there is none.

    Raises:
        UsageError: `--resume` or `--jobs` without `--each`.
    """
    if not options["each"] and (options["resume"] or options["jobs"] is not None):
        raise UsageError(
            "--resume and --jobs belong to --each, which makes one bundle of each URL; add it, or leave them out",
            "--resume 与 --jobs 仅用于 --each(每个网址一个证据包);请加上 --each,或去掉它们",
        )


def _request(options: CaptureOptions, settings: Settings, urls: tuple[str, ...]) -> CaptureRequest:
    return CaptureRequest(
        urls=urls,
        mode=Mode(options["mode"] or settings.text("capture.mode")),
        allow_private=options["allow_private"] or options["demo"],
        allow_tls_errors=options["allow_tls_errors"],
        allow_http_errors=options["allow_http_errors"],
        third_party=not _alone(options, settings),
        include_secrets=options["include_secrets"],
        strict=options["strict"],
        profile_owner=(options["account_owner"] or "") if options["browser_profile"] is not None else "",
        dismiss_banners=options["dismiss_banners"],
        headed=options["headed"],
        isolate=options["isolate"],
        packets=options["pcap"],
    )


def _alone(options: CaptureOptions, settings: Settings) -> bool:
    return options["demo"] or options["no_third_party"] or not settings.flag("capture.third_party")


def authorities_of(given: tuple[str, ...], settings: Settings, *, alone: bool) -> tuple[TimeStamper, ...]:
    """Return the authorities to ask, in order; empty for none.

    Raises:
        UsageError: `auto` was named although no third party may be asked.
    """
    if alone and given == ("auto",):
        raise UsageError(
            "--tsa auto asks third parties, which --no-third-party and --demo exclude; "
            "name a TSA by its URL, or leave one of them out",
            "--tsa auto 会联系第三方,与 --no-third-party、--demo 相矛盾;请给出时间戳机构网址,或去掉其一",
        )
    return authorities_named(given or (() if alone else settings.texts("capture.tsa")), settings.tsas)


def tell(session: Session, evidence: Evidence) -> None:
    """Tell the user what was sealed and what a stranger makes of it."""
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/capture-result",
                "version": 1,
                "number": evidence.number,
                "bundle": str(evidence.bundle),
                "private": None if evidence.private is None else str(evidence.private),
                "manifest_sha256": evidence.manifest_sha256,
                "pending": [both(reason) for reason in evidence.pending],
                "partial": [both(reason) for reason in evidence.partial],
                "stranger": report_json(evidence.report),
            }
        )
        return
    for line in _lines(evidence):
        session.say(line)
    session.print("")
    session.say(Sentence("What a stranger gets who checks it now:", "陌生人此刻核验得到的结论:"))
    session.print("")
    session.print(render_text(evidence.report, session.language.value).rstrip("\n"))
    session.print("")
    session.say(
        Sentence(
            f"Check it again at any time:  evidencekit verify {shlex.quote(str(evidence.bundle))}\n"
            "Without this program: unzip it and follow VERIFY.md.",
            f"随时再次核验:evidencekit verify {shlex.quote(str(evidence.bundle))}\n"
            "不用本程序:解压后按 VERIFY.zh-CN.md 操作。",
        )
    )


def _lines(evidence: Evidence) -> Iterable[Sentence]:
    digest = evidence.manifest_sha256
    yield Sentence(f"Sealed: {evidence.number}", f"已封存:{evidence.number}")
    yield Sentence(f"  bundle         {evidence.bundle}", f"  证据包          {evidence.bundle}")
    if evidence.private is not None:
        yield Sentence(
            f"  private        {evidence.private}  (cookies and other secrets, encrypted; keep it to yourself)",
            f"  私有存档        {evidence.private}(Cookie 等敏感内容,已加密;自行保管,勿外传)",
        )
    yield Sentence(f"  manifest       SHA-256 {digest}", f"  清单摘要        SHA-256 {digest}")
    for reason in evidence.pending:
        yield Sentence(f"  PENDING        {inert(reason.en)}", f"  待补 PENDING    {inert(reason.zh)}")
    for reason in evidence.partial:
        yield Sentence(f"  PARTIAL        {inert(reason.en)}", f"  不完整 PARTIAL  {inert(reason.zh)}")
