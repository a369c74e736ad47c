"""Deposit files that were made elsewhere: the same announcement, seal, receipt and bundle as a capture (design §3).

0 announce · 1 T_open · 2 hash and take the files · 6 manifest · 7 seal · 8 T_seal · 9–10 enter · 11–16 as a capture.
What the depositor says is recorded as said; the certificate calls the files "captured outside evidencekit".
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.casefile import CaseFile, Order
from evidencekit.errors import CaptureError, StorageError, UsageError
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from evidencekit.hashing.deposit import (
    ITEM_ROLE,
    ITEMS_ROLE,
    LIFECYCLE,
    MAX_FILES,
    OUTSIDE,
    WORKS,
    Deposit,
    DepositKind,
    Item,
    check_statement,
    deposit_value,
    format_items,
)
from evidencekit.hashing.digest import digest_file
from evidencekit.hashing.records import artifact_descriptor, commit
from evidencekit.linking import Linked, link_record
from evidencekit.model import Artifact, Capture, Completeness, Operator, Outcome
from evidencekit.notary import Evidence, finish_case, give_up, outside_any_loop
from evidencekit.office import announce, open_office
from evidencekit.preflight import output_file, preflight
from evidencekit.recovery import write_intent, write_state
from evidencekit.remains import is_killed_session, take_remains
from evidencekit.sealing import Fixed, seal_record, stamp_opening
from evidencekit.taking import Taken, take_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from evidencekit.home import Home
    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.witnessing import Witnessing
    from evidencekit.model import Digests, JsonValue, Text
    from evidencekit.notary import EventHandler, NumberStrategy
    from evidencekit.office import Office
    from evidencekit.signing.signer import Signer
    from evidencekit.timestamp.client import TimeStamper

_LOGGED_LINES = 1000
"""So many lines of the work log at most tell of the files: with more, a line tells of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRequest:
    """What is deposited and what its depositor says (`docs/spec/deposit.md`).

    `works` are bundles that this record rests on; `hash_only` keeps neither files nor their names.
    """

    kind: DepositKind = DepositKind.FILE
    hash_only: bool = False
    statement: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    works: tuple[Path, ...] = ()
    third_party: bool = True
    """Whether anybody but the authorities named may be asked, such as publishers of revocation lists."""


def deposit(  # noqa: PLR0913 (the library's front door: each names one thing that a caller may own)
    files: Sequence[Path | str],
    *,
    request: DepositRequest | None = None,
    home: Home | None = None,
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
) -> Evidence:
    """Turn files into a sealed bundle; memory stays flat whatever their size.

    Args:
        files: regular files, in the order in which they are listed; or the folder that a killed session left, alone.
        request: kind, statement, links; the default deposits plain files.
        home: as for `preserve`.
        signer: as for `preserve`.
        tsas: as for `preserve`.
        ledger: as for `preserve`.
        number: as for `preserve`.
        clock: as for `preserve`.
        operator: as for `preserve`.
        matter: as for `preserve`.
        on_event: as for `preserve`.
        cancel: as for `preserve`.
        output: as for `preserve`.
        browser: prints the certificate.
        seal_pdf: as for `preserve`.
        post_quantum: as for `preserve`.
        witnessing: as for `preserve`.

    Returns:
        The evidence. No prompt, no print, no signal handler, no change of directory.

    Raises:
        UsageError: a value cannot be used, or a file is none. CaptureError: a file changed meanwhile, or cancelled.
        FormatError: a linked bundle does not verify.
        SigningError, TimestampError, LedgerError, StorageError: as their stages.
    """
    wanted = request or DepositRequest()
    sources, partial = _sources(files)
    _check(sources, wanted)
    linked = tuple(link_record(path) for path in wanted.works)
    if wanted.kind in LIFECYCLE and linked[0].link.kind not in {*WORKS}:
        raise UsageError(
            f"{linked[0].link.number} is no work, licence, transfer or pledge; name the work's bundle first (--work)",
            f"{linked[0].link.number} 不是作品或其许可、转让、质押记录；请先指定作品的证据包(--work)",
        )
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
        request=None,
        operator=operator or Operator(),
        matter=matter,
        on_event=on_event,
        cancel=cancel,
        output=output,
        browser=browser or BrowserOptions(),
        third_party=wanted.third_party,
    )
    with office:
        return outside_any_loop(
            lambda: _carry_out(_Work(sources=sources, request=wanted, linked=linked, partial=partial), order, office)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    sources: tuple[Path, ...]
    request: DepositRequest
    linked: tuple[Linked, ...]
    partial: tuple[Text, ...] = ()


def _sources(files: Sequence[Path | str]) -> tuple[tuple[Path, ...], tuple[Text, ...]]:
    """The files, and why they are not whole; a session that was killed is deposited by the folder it left."""
    sources = tuple(Path(file) for file in files)
    if len(sources) == 1 and is_killed_session(sources[0]):
        remains = take_remains(sources[0])
        return remains.files, (remains.cut_short,)
    return sources, ()


def _check(sources: tuple[Path, ...], request: DepositRequest) -> None:
    if not 1 <= len(sources) <= MAX_FILES:
        raise UsageError(
            f"{len(sources)} files were given; a deposit takes 1 to {MAX_FILES}",
            f"给出了 {len(sources)} 个文件；一次存证可含 1 至 {MAX_FILES} 个",
        )
    for source in sources:
        if not source.is_file():
            raise UsageError(
                f"{source} is no file that can be read; name regular files",
                f"{source} 不是可读取的文件；请指定普通文件",
            )
    check_statement(request.kind, request.statement)
    if request.kind in LIFECYCLE and not request.works:
        raise UsageError(
            f"a deposit of kind {request.kind.value} rests on a work; name its bundle (--work)",
            f"{request.kind.value} 类存证须关联作品；请指定其证据包(--work)",
        )


def _carry_out(work: _Work, order: Order, office: Office) -> Evidence:
    preflight(order, office)
    capture_id = secrets.token_hex(16)
    with office.workspace(capture_id) as workspace:
        salt = secrets.token_bytes(32)
        write_intent(workspace, salt)
        announced = announce(office, capture_id, order.matter, salt=salt)
        case = CaseFile(
            order=order, office=office, workspace=workspace, announced=announced, capture_folder=workspace / "capture"
        )
        try:
            out = output_file(order.output, office, announced.number)
            write_state(workspace, announced, out, seal_pdf=office.seal_pdf)
            evidence = _run(case, work)
        except BaseException as error:
            give_up(case, error)
            raise
        shutil.rmtree(workspace, ignore_errors=True)
    if evidence.report.overall is Outcome.FAILED:
        raise StorageError(
            f"{evidence.bundle} was written but does not verify: a file changed meanwhile; deposit it again",
            f"{evidence.bundle} 已写入但未通过核验：文件在存证过程中发生变化；请重新存证",
        )
    return evidence


def _run(case: CaseFile, work: _Work) -> Evidence:
    started = case.office.clock()
    request = _request_value(work)
    t_open, opening = stamp_opening(case, request)
    for name, data in opening.items():
        case.write(name, data)
    with ChainWriter(case.workspace / "worklog.jsonl", format_name=WORKLOG, capture_id=case.capture_id) as worklog:
        worklog.append(
            "open",
            object=case.announced.number,
            detail={"index": case.announced.index, "attempt": case.announced.attempt},
        )
        taken = _take_all(case, work, worklog)
        items = _write_items(case, work, taken)
        for place, linked in enumerate(work.linked, 1):
            linked.write(case.write, case.office.ledger, place)
            worklog.append("linked", object=linked.link.number, detail={"index": linked.link.index})
        _check_cancel(case)
        worklog.append("close", detail={"files": len(taken)})
        worklog.sync()
        head = worklog.close()
    artifacts = [items, *(_artifact(case, each) for each in taken if each.path is not None), _worklog_artifact(case)]
    for each in taken:
        each.check_unchanged()
    capture = _as_capture(case, tuple(artifacts), started, sum(each.size for each in taken), work.partial)
    fixed = Fixed(
        worklog=head,
        t_open=t_open,
        t_capture=(),
        request=request,
        deposit=Deposit(
            kind=work.request.kind,
            hash_only=work.request.hash_only,
            files=len(taken),
            size=sum(each.size for each in taken),
            statement=work.request.statement,
            links=tuple(linked.link for linked in work.linked),
        ),
    )
    manifest = seal_record(case, capture, fixed)
    return finish_case(case, manifest, capture)


def _request_value(work: _Work) -> Mapping[str, JsonValue]:
    """What T_open stamps: no name of a file, no digest, for they are not known to be true yet."""
    empty = Deposit(
        kind=work.request.kind,
        hash_only=work.request.hash_only,
        files=len(work.sources),
        size=0,
        statement=work.request.statement,
        links=tuple(linked.link for linked in work.linked),
    )
    return {name: each for name, each in deposit_value(empty).items() if name != "bytes"}


def _take_all(case: CaseFile, work: _Work, worklog: ChainWriter) -> list[Taken]:
    taken: list[Taken] = []
    step = -(-len(work.sources) // _LOGGED_LINES)
    for n, source in enumerate(work.sources, 1):
        _check_cancel(case)
        path = None if work.request.hash_only else paths.deposited(n, source.name)
        one = take_file(n, source, path, case)
        taken.append(one)
        if case.order.on_event is not None:
            case.order.on_event("hashed", {"n": n, "of": len(work.sources), "bytes": one.size})
        if n % step == 0 or n == len(work.sources):
            detail: dict[str, JsonValue] = {"n": n, "of": len(work.sources)}
            if step == 1:
                detail |= {"sha256": one.digests.sha256, "size": one.size}
            worklog.append("hashed", object=path or f"item {n}", detail=detail)
    return taken


def _check_cancel(case: CaseFile) -> None:
    if case.order.cancel is not None and case.order.cancel.is_set():
        raise CaptureError("the deposit was cancelled; nothing was sealed", "存证已取消；未封存任何内容")


def _write_items(case: CaseFile, work: _Work, taken: list[Taken]) -> Artifact:
    hidden = work.request.hash_only
    items = (
        Item(
            n=each.n,
            name=None if hidden else source.name.encode("utf-8", "replace").decode("utf-8"),
            path=each.path,
            size=each.size,
            digests=each.digests,
        )
        for each, source in zip(taken, work.sources, strict=True)
    )
    case.write(paths.ITEMS, b"".join(format_items(case.capture_id, items, len(taken))))
    size, digests = digest_file(case.folder / paths.ITEMS)
    return _committed(case, paths.ITEMS, ITEMS_ROLE, size, digests)


def _artifact(case: CaseFile, taken: Taken) -> Artifact:
    return _committed(case, str(taken.path), ITEM_ROLE, taken.size, taken.digests, taken.hashed_at)


def _worklog_artifact(case: CaseFile) -> Artifact:
    case.write(paths.WORKLOG, (case.workspace / "worklog.jsonl").read_bytes())
    size, digests = digest_file(case.folder / paths.WORKLOG)
    return _committed(case, paths.WORKLOG, "worklog", size, digests)


def _committed(
    case: CaseFile, path: str, role: str, size: int, digests: Digests, hashed_at: datetime | None = None
) -> Artifact:
    salt, leaf = commit(artifact_descriptor(path, size, digests))
    return Artifact(
        path=path,
        file=case.folder / path,
        media_type=paths.media_type(path),
        role=role,
        size=size,
        digests=digests,
        salt=salt,
        leaf=leaf,
        hashed_at=hashed_at or case.office.clock(),
    )


def _as_capture(
    case: CaseFile, artifacts: tuple[Artifact, ...], started: datetime, size: int, partial: tuple[Text, ...]
) -> Capture:
    """A deposit is a session without pages and requests."""
    nothing = Completeness(
        requests=0,
        recorded=0,
        partial=0,
        failed=0,
        withheld=0,
        not_retrievable=0,
        after_t_capture=0,
        body_bytes=size,
        reasons=MappingProxyType({}),
    )
    return Capture(
        capture_id=case.capture_id,
        started_at=started,
        finished_at=case.office.clock(),
        pages=(),
        artifacts=artifacts,
        records=(),
        roots=(),
        transformations=(),
        completeness=nothing,
        partial=partial,
        withheld=MappingProxyType({}),
        private_files=MappingProxyType({}),
        not_performed=(OUTSIDE,),
    )
