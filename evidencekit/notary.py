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
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.bundle import paths
from evidencekit.bundle.privatearchive import write_private_archive
from evidencekit.capture.launcher import BrowserOptions, find_browser
from evidencekit.capture.request import CaptureRequest, check_request
from evidencekit.capture.session import capture_session
from evidencekit.capture.url_policy import check_url
from evidencekit.container import seal_container
from evidencekit.documents import Setting, write_documents
from evidencekit.errors import EvidenceError, StorageError
from evidencekit.hashing.assembly import Circumstances, build_manifest
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import CUSTODY, WORKLOG, ChainWriter
from evidencekit.hashing.digest import digest_bytes, digest_file
from evidencekit.hashing.manifest import (
    CaptureStamp,
    LedgerReference,
    OpenStamp,
    SealSigner,
    TokenReference,
    format_manifest,
)
from evidencekit.hashing.manifest import OpenEntry as ManifestOpen
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.hashing.records import artifact_descriptor, commit, format_records
from evidencekit.ledger.entry import CaptureEntry, format_capture_entry
from evidencekit.model import Artifact, Operator, Text
from evidencekit.office import Announcement, Office, abandon, announce, open_office
from evidencekit.recovery import write_state
from evidencekit.requestform import request_value
from evidencekit.signing.cades import sign_detached
from evidencekit.signing.identity import key_id
from evidencekit.verify.verifier import verify_bundle
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from pathlib import Path

    from evidencekit.hashing.chainlog import ChainHead
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.home import Home
    from evidencekit.ledger.log import Ledger
    from evidencekit.model import Capture, CaptureRoot, JsonValue, VerificationReport
    from evidencekit.signing.signer import Signer
    from evidencekit.stamping import Stamped
    from evidencekit.timestamp.client import StampReply, TimeStamper

    NumberStrategy = Callable[[str, int, int], str]
    EventHandler = Callable[[str, Mapping[str, JsonValue]], None]

_ROOM_BYTES = 200 << 20
"""Below this much free space a capture is not begun."""


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

    Returns:
        The evidence. No prompt, no print, no signal handler, no change of directory.

    Raises:
        UsageError: a value cannot be used. BlockedUrlError, NavigationError, BrowserError, MinimumError: no evidence.
        SigningError, TimestampError, LedgerError, StorageError: as their stages.
    """
    given = (urls,) if isinstance(urls, str) else tuple(urls)
    wanted = _request(request, given)
    office = open_office(home=home, signer=signer, tsas=tsas, ledger=ledger, number=number, clock=clock, output=output)
    order = _Order(
        request=wanted,
        operator=operator or Operator(),
        matter=matter,
        on_event=on_event,
        cancel=cancel,
        output=output,
        browser=browser or BrowserOptions(),
    )
    with office:
        return _outside_any_loop(lambda: _carry_out(order, office))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the caller wants."""

    request: CaptureRequest
    operator: Operator
    matter: str | None
    on_event: EventHandler | None
    cancel: threading.Event | None
    output: Path | None
    browser: BrowserOptions


@dataclass(slots=True, kw_only=True)
class _Session:
    """One session under way: what is known so far, and the files in `folder`, which mirrors the bundle."""

    order: _Order
    office: Office
    workspace: Path
    announced: Announcement
    capture_folder: Path
    pending: list[Text] = field(default_factory=list)
    captured: dict[str, tuple[bytes, Future[Stamped]]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.capture_folder / "bundle"

    @property
    def capture_id(self) -> str:
        return self.announced.capture_id

    def write(self, name: str, data: bytes) -> None:
        """Write a bundle file.

        Raises:
            StorageError: the disk refuses.
        """
        try:
            file = self.folder / name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise _no_room(self.workspace, error) from error

    def keep(self, stamped: Stamped, name: Callable[[int], str], moment: Text) -> None:
        """Write the replies for one document and note what is owed."""
        if stamped.owing:
            self.pending.append(_owed(moment, stamped))
        for n, reply in enumerate(stamped.replies, 1):
            self.write(name(n), reply.response)


def _carry_out(order: _Order, office: Office) -> Evidence:
    _preflight(order, office)
    capture_id = secrets.token_hex(16)
    with office.workspace(capture_id) as workspace:
        announced = announce(office, capture_id, order.matter)
        write_state(workspace, announced)
        try:
            session = _Session(
                order=order,
                office=office,
                workspace=workspace,
                announced=announced,
                capture_folder=workspace / "capture",
            )
            evidence = _run(session)
        except BaseException as error:
            reason = error.code if isinstance(error, EvidenceError) else "interrupted"
            abandon(office, announced, reason)
            shutil.rmtree(workspace, ignore_errors=True)
            raise
        shutil.rmtree(workspace, ignore_errors=True)
        return evidence


def _run(session: _Session) -> Evidence:
    t_open, opening = _stamp_opening(session)
    capture, worklog = _record(session)
    for name, data in opening.items():
        session.write(name, data)
    capture = _with_artifact(capture, _worklog_artifact(session))
    t_capture = _collect_capture_stamps(session)
    head = worklog.close()
    custody_path = session.folder / paths.CUSTODY
    custody_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ChainWriter(
        custody_path,
        format_name=CUSTODY,
        capture_id=session.capture_id,
        previous=head.head,
        first_n=head.n + 1,
    ) as custody:
        manifest = _write_manifest(session, capture, _Seals(head=head, t_open=t_open, t_capture=t_capture))
        custody.append("manifest", object=paths.MANIFEST)
        _seal(session, custody)
        _enter(session, manifest, custody)
        _write_trust(session)
        custody.append("documents", detail={"from": "findings of a stranger's verification"})
        custody.sync()
    return _finish(session, manifest, capture)


# --- 0, 1: before the browser ------------------------------------------------------------------


def _stamp_opening(session: _Session) -> tuple[OpenStamp, dict[str, bytes]]:
    """Stamp `seal/open.json`; its file and the replies are written when the capture has made its folder."""
    document = canonical_bytes(
        {
            "capture_id": session.capture_id,
            "format": "evidencekit/open",
            "request": request_value(session.order.request),
            "salt": secrets.token_hex(32),
            "version": 1,
        }
    )
    stamped = session.office.stamper.stamp(hashlib.sha256(document).digest())
    if stamped.owing:
        session.pending.append(_owed(Text(en="T_open", zh="T_open(开始)"), stamped))
    named = {paths.open_token(n): reply for n, reply in enumerate(stamped.replies, 1)}
    opened = OpenStamp(
        document=paths.OPEN_DOCUMENT,
        sha256=hashlib.sha256(document).hexdigest(),
        tokens=tuple(_reference(name, reply) for name, reply in named.items()),
        pending=stamped.owing,
    )
    return opened, {paths.OPEN_DOCUMENT: document, **{name: reply.response for name, reply in named.items()}}


# --- 2 to 5: the capture -----------------------------------------------------------------------


def _record(session: _Session) -> tuple[Capture, ChainWriter]:
    log_path = session.workspace / "worklog.jsonl"
    worklog = ChainWriter(log_path, format_name=WORKLOG, capture_id=session.capture_id)
    worklog.append(
        "open",
        object=session.announced.number,
        detail={"index": session.announced.index, "attempt": session.announced.attempt},
    )

    def take_root(root: CaptureRoot, document: bytes) -> None:
        session.captured[root.page] = (
            document,
            session.office.stamper.stamp_soon(hashlib.sha256(document).digest()),
        )

    capture = asyncio.run(
        capture_session(
            session.order.request,
            capture_id=session.capture_id,
            staging=session.capture_folder,
            worklog=worklog,
            on_root=take_root,
            options=session.order.browser,
            cancel=session.order.cancel,
            on_event=session.order.on_event,
        )
    )
    worklog.append("close", detail={"requests": capture.completeness.requests})
    worklog.sync()
    return capture, worklog


def _worklog_artifact(session: _Session) -> Artifact:
    source = session.workspace / "worklog.jsonl"
    session.write(paths.WORKLOG, source.read_bytes())
    file = session.folder / paths.WORKLOG
    size, digests = digest_file(file)
    salt, leaf = commit(artifact_descriptor(paths.WORKLOG, size, digests))
    return Artifact(
        path=paths.WORKLOG,
        file=file,
        media_type=paths.media_type(paths.WORKLOG),
        role="worklog",
        size=size,
        digests=digests,
        salt=salt,
        leaf=leaf,
        hashed_at=session.office.clock(),
    )


def _with_artifact(capture: Capture, artifact: Artifact) -> Capture:
    return replace(capture, artifacts=(*capture.artifacts, artifact))


def _collect_capture_stamps(session: _Session) -> tuple[CaptureStamp, ...]:
    stamps: list[CaptureStamp] = []
    for page, (document, waiting) in session.captured.items():
        name = paths.capture_document(page)
        session.write(name, document)
        moment = Text(en=f"T_capture of page {page}", zh=f"T_capture(第 {page} 页)")
        session.keep(waiting.result(), partial(paths.capture_token, page), moment)
        stamps.append(CaptureStamp(page=page, document=name, sha256=hashlib.sha256(document).hexdigest()))
    return tuple(stamps)


# --- 6 to 10: manifest, seal, ledger -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seals:
    head: ChainHead
    t_open: OpenStamp
    t_capture: tuple[CaptureStamp, ...]


def _write_manifest(session: _Session, capture: Capture, seals: _Seals) -> Manifest:
    office, announced = session.office, session.announced
    certificate = office.signer.certificate
    manifest = build_manifest(
        capture,
        Circumstances(
            number=announced.number,
            operator=session.order.operator,
            matter=session.order.matter,
            request=request_value(session.order.request),
            open=ManifestOpen(
                index=announced.index,
                entry=leaf_hash(announced.entry),
                salt=announced.salt,
                attempt=announced.attempt,
                attempts_note=announced.note,
            ),
            t_open=seals.t_open,
            t_capture=seals.t_capture,
            worklog=seals.head,
            signer=SealSigner(
                certificate_sha256=key_id(certificate), self_signed=certificate.subject == certificate.issuer
            ),
            ledger=LedgerReference(origin=office.ledger.origin, key=office.vkey),
            tool_version=__version__,
        ),
    )
    session.write(paths.RECORDS, format_records(capture.capture_id, capture.artifacts, capture.records))
    session.write(paths.MANIFEST, format_manifest(manifest))
    return manifest


def _seal(session: _Session, custody: ChainWriter) -> None:
    data = (session.folder / paths.MANIFEST).read_bytes()
    seal = sign_detached(hashlib.sha256(data).digest(), session.office.signer, at=session.office.clock())
    session.write(paths.SEAL, seal)
    custody.append("sealed", object=paths.SEAL, detail={"sha256": hashlib.sha256(seal).hexdigest()})
    stamped = session.office.stamper.stamp(hashlib.sha256(seal).digest())
    session.keep(stamped, paths.seal_token, Text(en="T_seal", zh="T_seal(封存)"))
    custody.append("stamped", object=paths.SEAL, detail={"tokens": len(stamped.replies), "owing": list(stamped.owing)})


def _enter(session: _Session, manifest: Manifest, custody: ChainWriter) -> None:
    office, folder = session.office, session.folder
    entry = format_capture_entry(
        CaptureEntry(
            key_id=key_id(office.signer.certificate),
            manifest=digest_bytes((folder / paths.MANIFEST).read_bytes()),
            number=manifest.number,
            open=session.announced.index,
            seal=digest_bytes((folder / paths.SEAL).read_bytes()),
            time=office.clock(),
            timestamp=hashlib.sha256((folder / paths.seal_token(1)).read_bytes()).hexdigest(),
        )
    )
    appended = office.ledger.append(entry)
    custody.append("entered", object=office.ledger.origin, detail={"index": appended.index})
    custody.sync()
    session.write(paths.ENTRY, entry)
    session.write(paths.ENTRY_PROOF, office.ledger.prove(appended.index))
    session.write(paths.OPEN_ENTRY, session.announced.entry)
    session.write(paths.OPEN_PROOF, office.ledger.prove(session.announced.index))
    session.write(paths.POLICY, f"log {office.vkey}\nquorum none\n".encode())


def _write_trust(session: _Session) -> None:
    office = session.office
    certificates = (office.signer.certificate, *office.signer.chain)
    session.write(paths.TRUST_SIGNER, b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    session.write(paths.TRUST_LEDGER, office.vkey.encode() + b"\n")
    session.write(paths.TRUST_TSA, office.tsa_certificates(session.folder / "seal"))


# --- 11 to 16: documents and container ---------------------------------------------------------


def _finish(session: _Session, manifest: Manifest, capture: Capture) -> Evidence:
    office, now = session.office, session.office.clock()
    setting = Setting(
        signer=office.signer.certificate,
        log=office.ledger.verifier,
        attempts=session.announced.attempt,
        browser=session.order.browser,
        workdir=session.workspace,
    )
    write_documents(session.folder, setting, at=now)
    out = _output(session.order.output, office, manifest.number)
    private = _write_private(session, capture, out)
    try:
        seal_container(session.folder, out, office.signer, office.stamper, at=office.clock())
    except BaseException:
        if private is not None:
            private.unlink(missing_ok=True)
        raise
    office.remember(manifest.number, out)
    return Evidence(
        number=manifest.number,
        bundle=out,
        private=private,
        report=verify_bundle(out, at=office.clock()),
        pending=tuple(session.pending),
        partial=capture.partial,
        manifest_sha256=hashlib.sha256((session.folder / paths.MANIFEST).read_bytes()).hexdigest(),
    )


def _write_private(session: _Session, capture: Capture, out: Path) -> Path | None:
    recipient = session.office.recipient()
    if not capture.private_files or recipient is None:
        return None
    private = out.with_name(f"{out.stem}.private.zip.age")
    write_private_archive(capture.private_files, private, recipient=recipient, workdir=session.workspace)
    return private


def _output(output: Path | None, office: Office, number: str) -> Path:
    folder = output if output is not None and output.is_dir() else None
    if output is not None and folder is None:
        return output
    return (folder or office.captures_folder) / f"{number}.zip"


# --- before anything is announced --------------------------------------------------------------


def _request(request: CaptureRequest | None, urls: tuple[str, ...]) -> CaptureRequest:
    wanted = replace(request, urls=urls) if request is not None else CaptureRequest(urls=urls)
    check_request(wanted)
    for url in wanted.urls:
        check_url(url, allow_private=wanted.allow_private)
    return wanted


def _preflight(order: _Order, office: Office) -> None:
    """Refuse what cannot end well before it is announced: no browser, no place for the result, no room."""
    if order.browser.binary is None:
        find_browser()
    out = _output(order.output, office, "0")
    if order.output is not None and not order.output.is_dir() and out.exists():
        raise StorageError(
            f"{out} exists and is not overwritten; choose another name with -o or move it away",
            f"{out} 已存在,不会被覆盖;请用 -o 另选名称,或先移走该文件",
        )
    for folder in {out.absolute().parent, office.work_folder}:
        _writable(folder)


def _writable(folder: Path) -> None:
    probe = folder / f".evidencekit-{secrets.token_hex(6)}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror or error}; choose another folder with -o, or correct it",
            f"无法写入 {folder}:{error.strerror or error};请用 -o 另选文件夹,或更正权限",
        ) from error
    if free < _ROOM_BYTES:
        raise StorageError(
            f"only {free >> 20} MiB are free in {folder}, a capture needs {_ROOM_BYTES >> 20} MiB; free space first",
            f"{folder} 仅剩 {free >> 20} MiB,取证至少需要 {_ROOM_BYTES >> 20} MiB;请先清理磁盘",
        )


def _outside_any_loop(work: Callable[[], Evidence]) -> Evidence:
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


def _reference(name: str, reply: StampReply) -> TokenReference:
    return TokenReference(
        path=name, sha256=hashlib.sha256(reply.response).hexdigest(), self_issued=reply.check.self_issued
    )


def _owed(moment: Text, stamped: Stamped) -> Text:
    reasons: Iterable[Text] = stamped.reasons
    return Text(
        en=f"{moment.en}: no third-party time-stamp yet, only our own, which is not independent "
        f"({'; '.join(each.en for each in reasons)})",
        zh=f"{moment.zh}:尚无第三方时间戳,仅有自行签发的时间戳,不具独立性({';'.join(each.zh for each in reasons)})",
    )


def _no_room(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write in {folder}: {error.strerror or error}; free space on the disk and capture again",
        f"无法写入 {folder}:{error.strerror or error};请清理磁盘后重新取证",
    )
