"""From the options of `capture` to a sealed bundle, and what its user is told about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit import notary
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.errors import EvidenceError, UsageError
from evidencekit.home import Home
from evidencekit.model import EnvironmentControl, Operator, Relationship
from evidencekit.report.machine import report_json
from evidencekit.report.terminal import render_text
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.interruption import stop_requested
from evidencekit_cli.output import Sentence, Session, both, inert
from evidencekit_cli.progress import Progress
from evidencekit_cli.settings import Settings, read_settings
from evidencekit_cli.urls import gather_urls

if TYPE_CHECKING:
    from evidencekit.notary import Evidence
    from evidencekit_cli.commands.capture import CaptureOptions

_STOPPING = Sentence(
    "stopping; press Ctrl-C again to stop at once",
    "正在停止;再按一次 Ctrl-C 立即停止",
)


def preserve(session: Session, options: CaptureOptions) -> ExitCode:
    """Capture and seal what the options ask for, and tell its user; 3 when something is pending or partial."""
    with ExitStack() as stack:
        home = stack.enter_context(Home.open(None))
        for lost in home.recover():
            session.note(lost)
        settings = read_settings(home.path / "config.toml")
        urls = _urls(options, stack)
        request = _request(options, settings, urls)
        cancel = stack.enter_context(stop_requested(lambda: session.note(_STOPPING)))
        progress = stack.enter_context(Progress(session))
        try:
            evidence = notary.preserve(
                urls,
                home=home,
                request=request,
                tsas=_tsas(options, settings),
                operator=_operator(options, settings),
                matter=options["matter"],
                on_event=progress.on_event,
                cancel=cancel,
                output=options["output"],
            )
        except EvidenceError as error:
            if cancel.is_set():
                raise KeyboardInterrupt from error
            raise
    _tell(session, evidence)
    return ExitCode.UNDECIDED if evidence.pending or evidence.partial else ExitCode.OK


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


def _request(options: CaptureOptions, settings: Settings, urls: tuple[str, ...]) -> CaptureRequest:
    alone = options["demo"] or options["no_third_party"] or not settings.flag("capture.third_party")
    return CaptureRequest(
        urls=urls,
        mode=Mode(options["mode"] or settings.text("capture.mode")),
        allow_private=options["allow_private"] or options["demo"],
        allow_tls_errors=options["allow_tls_errors"],
        allow_http_errors=options["allow_http_errors"],
        third_party=not alone,
        include_secrets=options["include_secrets"],
    )


def _operator(options: CaptureOptions, settings: Settings) -> Operator:
    return Operator(
        name=options["operator"] or settings.text("operator.name"),
        role=settings.text("operator.role"),
        relationship=Relationship(options["relationship"] or settings.text("operator.relationship")),
        environment_control=EnvironmentControl(
            options["environment_control"] or settings.text("operator.environment_control")
        ),
        identity=settings.text("operator.identity"),
    )
