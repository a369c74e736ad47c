"""Committing to a finished exchange at once: its WARC blocks are hashed in one pass and sealed by salted leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.capture.httpmessage import archived_kinds, block_of
from evidencekit.hashing.digest import MultiHasher
from evidencekit.hashing.records import commit, record_descriptor
from evidencekit.model import Record

if TYPE_CHECKING:
    from evidencekit.capture.exchanges import Exchange


def commit_exchange(exchange: Exchange) -> tuple[Record, ...]:
    """Records of the blocks that the archive will hold for this exchange, request first.

    Raises:
        StorageError: a spooled body cannot be read.
    """
    records: list[Record] = []
    for kind in archived_kinds(exchange):
        hasher = MultiHasher()
        for piece in block_of(exchange, kind):
            hasher.update(piece)
        digests, record_id = hasher.digests(), f"{exchange.id}.{kind}"
        salt, leaf = commit(record_descriptor(record_id, hasher.size, digests))
        records.append(Record(id=record_id, size=hasher.size, digests=digests, salt=salt, leaf=leaf))
    return tuple(records)
