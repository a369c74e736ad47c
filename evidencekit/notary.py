"""The write path, in order: the only place where the stages meet (design §3).

0 announce · 1 T_open · 2 record · 3 T_capture · 4 render · 5 close · 6 manifest · 7 seal · 8 T_seal · 9–10 enter ·
11 verify · 12 documents · 13–16 container. A capture that ends early is closed in the ledger as abandoned.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.capture.environment.probe import ProbeSources
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.printing import printing_aside
from evidencekit.capture.profilecopy import check_profile
from evidencekit.capture.request import CaptureRequest, Mode, check_request
from evidencekit.capture.session import capture_session
from evidencekit.capture.url_policy import check_url
from evidencekit.casefile import CaseFile, Order
from evidencekit.corroborating import corroborate, format_corroboration, outcomes_of, record_of
from evidencekit.errors import CaptureError, EvidenceError
from evidencekit.finishing import Finishing, finish
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from evidencekit.hashing.digest import digest_file, known_sm3
from evidencekit.hashing.manifest import (
    CaptureStamp,
)
from evidencekit.hashing.records import artifact_descriptor, commit
from evidencekit.model import Artifact, Operator, Text
from evidencekit.office import Office, abandon, announce, open_office
from evidencekit.preflight import output_file, preflight
from evidencekit.recovery import write_intent, write_state
from evidencekit.requestform import request_value
from evidencekit.rerender import rerender_record
from evidencekit.sealing import Fixed, seal_record, stamp_opening
from evidencekit.timestamp.roles import Role
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.capture.control import Control
    from evidencekit.capture.printing import Printing
    from evidencekit.hashing.manifest import Manifest, OpenStamp
    from evidencekit.home import Home
    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.witnessing import Witnessing
    from evidencekit.model import Capture, CaptureRoot, JsonValue, VerificationReport
    from evidencekit.signing.signer import Signer
    from evidencekit.stamping import Stamped
    from evidencekit.timestamp.client import TimeStamper

    NumberStrategy = Callable[[str, int, int], str]
    EventHandler = Callable[[str, Mapping[str, JsonValue]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A sealed bundle and the verdict that a stranger without anchors gets.

    `pending` names time-stamps that are owed; `partial` says what of the page is missing. `private` is the encrypted
    archive of what the bundle withholds, None when nothing was withheld.
    """

    number: str
    bundle: Path
    private: Path | None
    report: VerificationReport
    pending: tuple[Text, ...]
    partial: tuple[Text, ...]
    manifest_sha256: str


def preserve(  # noqa: PLR0913 (the library's front door: each names one thing that a caller may own)
    urls: str | Sequence[str],
    *,
    home: Home | None = None,
    request: CaptureRequest | None = None,
    signer: Signer | None = None,
    tsas: Sequence[TimeStamper] | None = None,
    ledger: Ledger | None = None,
    number: NumberStrategy | None = None,
    clock: Callable[[], datetime] | None = None,
    operator: Operator | None = None,
    matter: str | None = None,
    on_event: EventHandler | None = None,
    cancel: threading.Event | None = None,
    output: Path | None = None,
    browser: BrowserOptions | None = None,
    seal_pdf: bool = False,
    post_quantum: Signer | None = None,
    witnessing: Witnessing | None = None,
    sources: ProbeSources | None = None,
    control: Control | None = None,
) -> Evidence:
    """Turn a URL, or several as one session, into a sealed bundle.

    Args:
        urls: one http or https URL, or several; kept exactly as given.
        home: keys, ledger and work under way; None opens the default home, unless `signer`, `tsas`, `ledger` and
            `output` are all given: then no home is touched and nothing withheld is archived.
        request: modes, permissions and limits; its `urls` are replaced by `urls`.
        signer: who seals; None for the home's self-signed identity.
        tsas: third-party TSAs to ask; empty for none, None for the known public ones.
        ledger: the log to enter; None for the home's.
        number: makes the certificate number of prefix, year and sequence (the open entry's index + 1).
        clock: gives aware times; None for the system clock.
        operator: who captures; the default is a party on its own machine, unverified.
        matter: the caller's id of the case, by which attempts are counted.
        on_event: called with each step; must not block.
        cancel: set it to end the capture.
        output: the bundle's file, or an existing folder for `<number>.zip`; None for the home's `captures`.
        browser: how to start the browser.
        seal_pdf: put a PAdES-LTA signature of the seal's signer into the certificate PDF (extra `[pades]`).
        post_quantum: who makes a second signature with ML-DSA-65, such as `home.post_quantum()`; None for none.
        witnessing: who is asked to cosign the checkpoint; None for what the home says.
        sources: resolvers, time and egress servers that the probes ask; None for the known public ones.
        control: in a recorded process (`request.process`), what the person asks for while it runs.

    Returns:
        The evidence. No prompt, no print, no signal handler, no change of directory.

    Raises:
        UsageError: a value cannot be used. BlockedUrlError, NavigationError, BrowserError, MinimumError: no evidence.
        EnvironmentFailedError: `request.strict`, and a probe saw a sign of forgery; nothing was navigated.
        SigningError, TimestampError, LedgerError, StorageError: as their stages.
    """
    given = (urls,) if isinstance(urls, str) else tuple(urls)
    wanted = _request(request, given)
    if browser is not None and browser.profile is not None:
        check_profile(browser.profile, wanted.profile_owner)
    office = open_office(
        home=home,
        signer=signer,
        tsas=tsas,
        ledger=ledger,
        number=number,
        clock=clock,
        output=output,
        witnessing=witnessing,
    )
    office.seal_pdf = seal_pdf
    office.post_quantum = post_quantum
    order = Order(
        request=wanted,
        operator=operator or Operator(),
        matter=matter,
        on_event=on_event,
        cancel=cancel,
        output=output,
        browser=browser or BrowserOptions(),
        sources=sources or ProbeSources(),
        control=control,
        third_party=wanted.third_party,
    )
    with office:
        return outside_any_loop(lambda: _carry_out(order, office))


def _carry_out(order: Order, office: Office) -> Evidence:
    preflight(order, office)
    capture_id = secrets.token_hex(16)
    with office.workspace(capture_id) as workspace:
        salt = secrets.token_bytes(32)
        write_intent(workspace, salt)
        announced = announce(office, capture_id, order.matter, salt=salt)
        case = CaseFile(
            order=order,
            office=office,
            workspace=workspace,
            announced=announced,
            capture_folder=workspace / "capture",
        )
        try:
            out = output_file(order.output, office, announced.number)
            write_state(workspace, announced, out, seal_pdf=office.seal_pdf)
            evidence = _run(case)
        except BaseException as error:
            give_up(case, error)
            raise
        shutil.rmtree(workspace, ignore_errors=True)
        return evidence


def give_up(case: CaseFile, error: BaseException) -> None:
    """Close the announced session; what is in the ledger already is kept, for nothing may call it abandoned."""
    if not case.sealed:
        # First make room: the disk may be full, and the ledger needs some. What it refuses, the next command enters.
        shutil.rmtree(case.capture_folder, ignore_errors=True)
        if abandon(case.office, case.announced, _reason(case.order, error)):
            shutil.rmtree(case.workspace, ignore_errors=True)
    elif case.office.home is not None:
        kept = case.office.home.set_aside(case.workspace)
        error.add_note(f"sealed as {case.announced.number}; its files are kept in {kept}")
        if isinstance(error, EvidenceError):
            error.en += f". It was sealed as {case.announced.number}; its files are kept in {kept}"
            error.zh += f"。本次已封存为 {case.announced.number}，文件保存在 {kept}"


def _reason(order: Order, error: BaseException) -> str:
    if isinstance(error, EvidenceError) and not (order.cancel is not None and order.cancel.is_set()):
        return error.code
    return "interrupted"


def _run(case: CaseFile) -> Evidence:
    """The normative order; every step leaves its files on disk before the next begins."""
    wanted = case.order.request
    if wanted is None:
        raise AssertionError("a capture has a request")  # a defect: exit 70
    request = request_value(wanted)
    t_open, opening = stamp_opening(case, request)
    with printing_aside(workdir=case.workspace, options=case.order.browser) as printing:
        capture, worklog = _record(case, wanted, printing)
        printing.begin()  # where no last page had begun it: while the record is compared, sealed and entered
        capture = _corroborated(case, wanted, capture, worklog)
        return _seal_and_finish(case, capture, _Opened(worklog, t_open, opening, request), printing)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What began before the page was opened and is closed now."""

    worklog: ChainWriter
    t_open: OpenStamp
    opening: Mapping[str, bytes]
    request: Mapping[str, JsonValue]


def _seal_and_finish(case: CaseFile, capture: Capture, opened: _Opened, printing: Printing) -> Evidence:
    for name, data in opened.opening.items():
        case.write(name, data)
    capture = _with_artifact(capture, _worklog_artifact(case))
    t_capture = _collect_capture_stamps(case, {page.id for page in capture.pages})
    _check_cancel(case.order)
    fixed = Fixed(worklog=opened.worklog.close(), t_open=opened.t_open, t_capture=t_capture, request=opened.request)
    manifest = seal_record(case, capture, fixed)
    return finish_case(case, manifest, capture, printing)


def _check_cancel(order: Order) -> None:
    """The last moment to stop: what is sealed is entered in the ledger, and then finished."""
    if order.cancel is not None and order.cancel.is_set():
        raise CaptureError("the capture was cancelled; nothing was sealed", "取证已取消；未封存任何内容")


# --- 2 to 5: the capture -----------------------------------------------------------------------


def _record(case: CaseFile, request: CaptureRequest, printing: Printing) -> tuple[Capture, ChainWriter]:
    log_path = case.workspace / "worklog.jsonl"
    worklog = ChainWriter(log_path, format_name=WORKLOG, capture_id=case.capture_id)
    worklog.append(
        "open",
        object=case.announced.number,
        detail={"index": case.announced.index, "attempt": case.announced.attempt},
    )

    def take_root(root: CaptureRoot, document: bytes) -> None:
        case.captured[root.page] = (
            document,
            case.office.stamper.stamp_soon(hashlib.sha256(document).digest(), Role.CAPTURE),
        )
        # The last page has been seen untouched: the browser that will print the certificate, a program of its own
        # without network, starts while this one makes pictures and copies.
        if request.process is None and len(case.captured) == len(request.urls):
            printing.begin()

    def stamp_segment(document: bytes) -> Future[Sequence[bytes]]:
        """Stamp the digest of a film; the first moment that is owed is said once."""
        waiting = case.office.stamper.stamp_soon(hashlib.sha256(document).digest(), Role.CAPTURE)
        case.segments.append(waiting)
        replies: Future[Sequence[bytes]] = Future()
        waiting.add_done_callback(lambda done: _hand_on(done, replies))
        return replies

    capture = asyncio.run(
        capture_session(
            request,
            capture_id=case.capture_id,
            staging=case.capture_folder,
            worklog=worklog,
            on_root=take_root,
            options=case.order.browser,
            sources=case.order.sources,
            cancel=case.order.cancel,
            on_event=case.order.on_event,
            on_segment=stamp_segment,
            control=case.order.control,
        )
    )
    return capture, worklog


def _corroborated(case: CaseFile, request: CaptureRequest, capture: Capture, worklog: ChainWriter) -> Capture:
    """Compare the record with itself, put what that says beside it, and close the work log."""
    record = record_of(case.folder, capture)
    again = None
    if request.mode is Mode.FORENSIC:
        again = rerender_record(record, request_value(request), options=case.order.browser)
    said = corroborate(record, again)
    case.write(paths.CORROBORATION, format_corroboration(said))
    worklog.append("corroboration", detail={"outcomes": outcomes_of(said)})
    worklog.append("close", detail={"requests": capture.completeness.requests})
    worklog.sync()
    return _with_artifact(capture, _artifact(case, paths.CORROBORATION, "other"))


def _hand_on(done: Future[Stamped], replies: Future[Sequence[bytes]]) -> None:
    error = done.exception()
    if error is not None:
        replies.set_exception(error)
    else:
        replies.set_result([reply.response for reply in done.result().replies])


def _worklog_artifact(case: CaseFile) -> Artifact:
    source = case.workspace / "worklog.jsonl"
    case.write(paths.WORKLOG, source.read_bytes())
    return _artifact(case, paths.WORKLOG, "worklog")


def _artifact(case: CaseFile, path: str, role: str) -> Artifact:
    file = case.folder / path
    size, digests = digest_file(file)
    salt, leaf = commit(artifact_descriptor(path, size, digests))
    return Artifact(
        path=path,
        file=file,
        media_type=paths.media_type(path),
        role=role,
        size=size,
        digests=digests,
        salt=salt,
        leaf=leaf,
        hashed_at=case.office.clock(),
    )


def _with_artifact(capture: Capture, artifact: Artifact) -> Capture:
    return replace(capture, artifacts=(*capture.artifacts, artifact))


def _collect_capture_stamps(case: CaseFile, pages: Collection[str]) -> tuple[CaptureStamp, ...]:
    """Take the T_capture of each page; one whose page failed afterwards belongs to nothing."""
    stamps: list[CaptureStamp] = []
    for page, (document, waiting) in case.captured.items():
        if page not in pages:
            continue
        name = paths.capture_document(page)
        case.write(name, document)
        moment = Text(en=f"T_capture of page {page}", zh=f"T_capture(第 {page} 页)")
        case.keep(waiting.result(), partial(paths.capture_token, page), moment)
        stamps.append(CaptureStamp(page=page, document=name, sha256=hashlib.sha256(document).hexdigest()))
    owing = [each.result() for each in case.segments if each.done() and each.exception() is None]
    for stamped in [each for each in owing if each.owing][:1]:
        case.note_owed(stamped, Text(en="the film's digests", zh="录像的分段摘要"))
    return tuple(stamps)


# --- 11 to 16: documents and container ---------------------------------------------------------


def finish_case(case: CaseFile, manifest: Manifest, capture: Capture, printing: Printing | None = None) -> Evidence:
    """Steps 11 to 16, and the verdict that a stranger gets; `printing` when a browser for it was started ahead.

    Raises:
        BrowserError, SigningError, TimestampError, StorageError: as their stages.
    """
    office = case.office
    out = output_file(case.order.output, office, manifest.number)
    hashed = [*(each.digests for each in capture.artifacts), *(each.digests for each in capture.records)]
    known = known_sm3(hashed)
    private = finish(
        Finishing(
            office=office,
            workspace=case.workspace,
            folder=case.folder,
            number=manifest.number,
            attempts=case.announced.attempt,
            out=out,
            private=capture.private_files,
            browser=case.order.browser,
            known=known,
            printing=printing,
            pending=case.pending,
            owed=case.owed,
        )
    )
    return Evidence(
        number=manifest.number,
        bundle=out,
        private=private,
        report=verify_bundle(out, at=office.clock(), known=known),
        pending=tuple(case.pending),
        partial=capture.partial,
        manifest_sha256=hashlib.sha256((case.folder / paths.MANIFEST).read_bytes()).hexdigest(),
    )


def _request(request: CaptureRequest | None, urls: tuple[str, ...]) -> CaptureRequest:
    wanted = replace(request, urls=urls) if request is not None else CaptureRequest(urls=urls)
    check_request(wanted)
    for url in wanted.urls:
        check_url(url, allow_private=wanted.allow_private)
    return wanted


def outside_any_loop(work: Callable[[], Evidence]) -> Evidence:
    """Run `work` where no event loop runs, so that it may be called from inside one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    done: list[Evidence] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 (handed to the caller's thread)
            failed.append(error)

    thread = threading.Thread(target=run, name="evidencekit-preserve")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
