"""What the bundle withholds, kept whole for its holder: original blocks as a WARC, and the openings of their leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit.capture.archive import ArchiveInfo, write_warc
from evidencekit.capture.withholding import MaskedExchange
from evidencekit.hashing.digest import known_sm3
from evidencekit.hashing.records import format_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.publicview import PublicView
    from evidencekit.capture.staging import Staging

WARC_NAME = "withheld.warc.gz"
OPENINGS_NAME = "withheld-records.jsonl"


def keep_originals(staging: Staging, exchanges: Iterable[Exchange], view: PublicView, info: ArchiveInfo) -> None:
    """Write both files when anything was withheld; with them the holder can prove each original later.

    Raises:
        StorageError: the disk refuses.
    """
    ids = {masked.exchange.id for masked in view.exchanges if masked.reasons}
    if not ids:
        return
    originals = [MaskedExchange(exchange=each) for each in exchanges if each.id in ids]
    warc = staging.private / WARC_NAME
    known = known_sm3(record.digests for record in view.records)
    write_warc(warc, sorted(originals, key=lambda each: each.exchange.id), info, known)
    staging.keep_private_file(WARC_NAME, warc)
    withheld = [replace(record, withheld=()) for record in view.records if record.withheld]
    staging.keep_private(OPENINGS_NAME, format_records(info.capture_id, (), withheld))
