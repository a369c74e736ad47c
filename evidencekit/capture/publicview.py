"""The public view of a recording: secrets masked, originals private, records for both (design §4.7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evidencekit.capture.archive import ArchiveInfo, ArchiveResult, write_warc
from evidencekit.capture.exchanges import ExchangeOutcome, format_exchanges
from evidencekit.capture.withholding import MaskedExchange, Secrets, mask_exchange
from evidencekit.hashing.digest import known_sm3
from evidencekit.hashing.records import commit, record_descriptor
from evidencekit.model import Completeness, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicView:
    """What goes into the bundle of all exchanges, in order of ids.

    `records` are in order of completion; the `.public` ones follow them.
    """

    exchanges: tuple[MaskedExchange, ...]
    archive: ArchiveResult
    records: tuple[Record, ...]
    withheld: dict[str, int]
    log: bytes


def build_public_view(
    warc: Path,
    exchanges: Sequence[Exchange],
    records: Sequence[Record],
    secrets: Secrets,
    info: ArchiveInfo,
    work: Path,
) -> PublicView:
    """Mask every exchange, write the archive and commit to the masked blocks. Blocks; run it in a thread.

    Raises:
        StorageError: a file cannot be read or written.
    """
    for exchange in exchanges:
        secrets.observe(exchange)
    masked = tuple(mask_exchange(exchange, secrets, work) for exchange in sorted(exchanges, key=lambda each: each.id))
    archive = write_warc(warc, masked, info, known_sm3(record.digests for record in records))
    all_records = (*_withheld_originals(records, masked), *_public_records(archive))
    withheld: dict[str, int] = {}
    for reason in (reason for each in masked for reason in each.reasons):
        withheld[reason] = withheld.get(reason, 0) + 1
    by_exchange: dict[str, list[str]] = {}
    for record in all_records:
        by_exchange.setdefault(record.id.partition(".")[0], []).append(record.id)
    log = format_exchanges(
        info.capture_id,
        [each.exchange for each in masked],
        withheld={each.exchange.id: each.reasons for each in masked},
        records=by_exchange,
    )
    return PublicView(exchanges=masked, archive=archive, records=all_records, withheld=withheld, log=log)


def _withheld_originals(records: Iterable[Record], masked: Iterable[MaskedExchange]) -> tuple[Record, ...]:
    reasons: dict[str, tuple[str, ...]] = {}
    for each in masked:
        reasons[f"{each.exchange.id}.request"] = each.request_reasons
        reasons[f"{each.exchange.id}.response"] = each.response_reasons
    return tuple(
        replace(record, withheld=reasons[record.id]) if reasons.get(record.id) else record for record in records
    )


def _public_records(archive: ArchiveResult) -> Iterable[Record]:
    for block in archive.blocks:
        if block.record_id.endswith(".public"):
            salt, leaf = commit(record_descriptor(block.record_id, block.size, block.digests))
            yield Record(id=block.record_id, size=block.size, digests=block.digests, salt=salt, leaf=leaf)


def count_outcomes(exchanges: Iterable[Exchange]) -> Completeness:
    """How every request ended."""
    counts = dict.fromkeys(ExchangeOutcome, 0)
    reasons: dict[str, int] = {}
    late = body_bytes = total = 0
    for exchange in exchanges:
        total += 1
        counts[exchange.outcome] += 1
        late += exchange.after_t_capture
        body_bytes += exchange.response_body.size if exchange.response_body is not None else 0
        if exchange.reason is not None:
            reasons[exchange.reason] = reasons.get(exchange.reason, 0) + 1
    return Completeness(
        requests=total,
        recorded=counts[ExchangeOutcome.RECORDED],
        partial=counts[ExchangeOutcome.PARTIAL],
        failed=counts[ExchangeOutcome.FAILED],
        withheld=counts[ExchangeOutcome.WITHHELD],
        not_retrievable=counts[ExchangeOutcome.NOT_RETRIEVABLE],
        after_t_capture=late,
        body_bytes=body_bytes,
        reasons=reasons,
    )
