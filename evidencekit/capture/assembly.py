"""After the browser has closed: the recording becomes archive, logs and the `Capture` value."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.archive import ArchiveInfo
from evidencekit.capture.favicon import find_icon
from evidencekit.capture.har import HAR_PATH, har_pieces
from evidencekit.capture.networkreport import NETWORK_PATH
from evidencekit.capture.originals import keep_originals
from evidencekit.capture.pageresult import page_result
from evidencekit.capture.playable import keep_playable
from evidencekit.capture.publicview import PublicView, build_public_view, count_outcomes
from evidencekit.capture.wacz import WaczInfo, write_wacz
from evidencekit.capture.withholding import mask_text, shown_sentence
from evidencekit.errors import MinimumError, StorageError
from evidencekit.model import NOTHING_WITHHELD, Capture, CaptureRoot, PageResult, Text
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.staging import Staging
    from evidencekit.capture.visitnotes import Desk, VisitNotes
    from evidencekit.model import Record, Transformation

WACZ_PATH = "capture/page.wacz"
EXCHANGES_PATH = "capture/exchanges.jsonl"
ENVIRONMENT_PATH = "capture/environment.json"
WEBSOCKETS_PATH = "capture/websockets.jsonl"
_SOFTWARE = f"evidencekit {__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is known when the browser has closed; `chains` holds what goes to `capture/tls/` by bundle path."""

    visits: Sequence[VisitNotes]
    exchanges: Sequence[Exchange]
    records: Sequence[Record]
    chains: Mapping[str, bytes]
    environment: bytes
    not_performed: Sequence[Text]
    network: bytes | None
    websockets: Path | None
    transformations: Sequence[Transformation]
    partial: Sequence[Text]


async def assemble(desk: Desk, recording: Recording, *, capture_id: str, started_at: datetime) -> Capture:
    """Write archive and logs and put the `Capture` together.

    Raises:
        StorageError: the disk refuses.
    """
    staging, secrets = desk.staging, desk.privacy.secrets
    info = ArchiveInfo(capture_id=capture_id, software=_SOFTWARE, created=recording.visits[0].started_at)
    warc = staging.work / "data.warc.gz"
    view = await asyncio.to_thread(
        build_public_view, warc, recording.exchanges, recording.records, secrets, info, staging.work
    )
    await asyncio.to_thread(desk.privacy.recheck)
    pages = tuple(page_result(notes, recording.exchanges, secrets) for notes in recording.visits)
    await asyncio.to_thread(_write_files, desk, recording, view, pages)
    bodies = {each.exchange.id: each.exchange.response_body for each in view.exchanges}
    held = {name: body for name, body in bodies.items() if body is not None}
    unplayable = await asyncio.to_thread(keep_playable, staging, recording.exchanges, held, capture_id)
    await asyncio.to_thread(keep_originals, staging, recording.exchanges, view, info)
    transformations = [
        *recording.transformations,
        *(each for notes in recording.visits for each in notes.transformations),
    ]
    return Capture(
        capture_id=capture_id,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        pages=pages,
        artifacts=tuple(staging.artifacts),
        records=view.records,
        roots=tuple(_root(notes) for notes in recording.visits),
        transformations=tuple(sorted(transformations, key=lambda each: each.time)),
        completeness=count_outcomes(recording.exchanges),
        partial=(*recording.partial, *(text for notes in recording.visits for text in notes.partial)),
        withheld=_sum(view.withheld, desk.privacy.reasons),
        private_files=dict(staging.private_files),
        not_performed=(
            *_unmasked(desk, recording.visits),
            *recording.not_performed,
            *unplayable,
            *(text for notes in recording.visits for text in notes.not_performed),
        ),
    )


def _unmasked(desk: Desk, visits: Sequence[VisitNotes]) -> Iterable[Text]:
    """Sentences about what masking could not or was not asked to do."""
    if desk.privacy.secrets.include:
        yield NOTHING_WITHHELD
    for notes in visits:
        printed = desk.staging.bundle / notes.path("page.pdf")
        data = printed.read_bytes() if printed.exists() else b""
        sentence = shown_sentence(notes.text, data, desk.privacy.secrets)
        if sentence is not None:
            yield Text(en=f"page {notes.page}: {sentence.en}", zh=f"第 {notes.page} 页：{sentence.zh}")


def _sum(*counts: Mapping[str, int]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for reason, count in (pair for each in counts for pair in each.items()):
        total[reason] = total.get(reason, 0) + count
    return total


def _root(notes: VisitNotes) -> CaptureRoot:
    if notes.root is None:
        raise MinimumError(
            "a page has no capture root; this is a defect, report it", "有页面缺少取证根哈希；请报告此缺陷"
        )
    return notes.root


def _write_apart(staging: Staging, exchange: Exchange) -> None:
    """Wire bytes that the archive does not hold."""
    wire = exchange.wire_body
    if wire is not None and exchange.wire_is_apart:
        path = f"capture/wire/{exchange.id}.zst"
        _copy(wire.file, path, staging)
        staging.register(path, role="other", media_type="application/zstd")


def _write_icon(staging: Staging, notes: VisitNotes, exchanges: Sequence[Exchange]) -> None:
    found = find_icon(notes.icons, exchanges)
    if found is None or found[0].response_body is None or found[0].response is None:
        return
    path = notes.path(f"favicon.{found[1]}")
    _copy(found[0].response_body.file, path, staging)
    staging.register(
        path, role="favicon", media_type=found[0].response.mime_type, page=notes.page, derived_from=(WACZ_PATH,)
    )


def _copy(source: Path, path: str, staging: Staging) -> None:
    try:
        shutil.copyfile(source, staging.place(path))
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error}; free space on the disk and capture again",
            f"无法写入 {path}:{error}；请释放磁盘空间后重新取证",
        ) from error


def _write_files(desk: Desk, recording: Recording, view: PublicView, pages: Sequence[PageResult]) -> None:
    staging, secrets = desk.staging, desk.privacy.secrets
    title = pages[0].title or pages[0].final_url
    info = WaczInfo(title=title, software=_SOFTWARE, created=pages[0].started_at)
    write_wacz(staging.place(WACZ_PATH), view.archive, pages, info)
    staging.register(WACZ_PATH, role="archive", media_type="application/wacz")
    staging.write(EXCHANGES_PATH, view.log, role="exchanges", media_type="application/x-ndjson")
    public = [masked.exchange for masked in view.exchanges]
    staging.write_pieces(HAR_PATH, har_pieces(public, pages, ("evidencekit", __version__)))
    staging.register(HAR_PATH, role="har", media_type="application/json")
    for notes in recording.visits:
        _write_icon(staging, notes, public)
    staging.write(ENVIRONMENT_PATH, recording.environment, role="environment", media_type="application/json")
    if recording.websockets is not None:
        frames, _ = mask_text(recording.websockets.read_bytes(), secrets)
        staging.write(WEBSOCKETS_PATH, frames, role="other", media_type="application/x-ndjson")
    if recording.network is not None:
        staging.write(NETWORK_PATH, recording.network, role="other", media_type="application/json")
    for path, data in recording.chains.items():
        kind = "application/json" if path.endswith(".json") else "application/x-pem-file"
        staging.write(path, data, role="tls", media_type=kind)
    for masked in view.exchanges:
        _write_apart(staging, masked.exchange)
    desk.journal.border(
        "session.archive", blocks=len(view.archive.blocks), bytes=view.archive.size, exchanges=len(view.exchanges)
    )
