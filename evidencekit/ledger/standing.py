"""What a newer copy of the log says of an entry: is the log the same, and was the entry corrected or revoked since?

The whole log is rebuilt from its entries, so that nothing is believed but the key's signature; memory stays flat.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, LedgerCorruptError
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.amendment import Amended, Pin, Standing
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.entry import StatusEntry, parse_entry
from evidencekit.ledger.monitor import read_checkpoint
from evidencekit.ledger.source import TlogReader
from evidencekit.ledger.tiles import WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evidencekit.ledger.source import Fetch
    from evidencekit.signing.note import NoteVerifier

_STATUS = b'"kind":"status"'


def read_standing(fetch: Fetch, verifiers: Sequence[NoteVerifier], pin: Pin) -> Standing:
    """Rebuild a published log and see how an entry stands in it.

    Raises:
        LedgerCorruptError: the log is not signed by a given key, or its entries do not hash to what is signed.
        LedgerError: it does not serve what it must.
        FormatError: something it serves is malformed.
        TransportError: it cannot be reached.
    """
    signed = read_checkpoint(fetch, verifiers).checkpoint
    reader = TlogReader(fetch, signed.size)
    edge = Edge()
    then = None
    amendments: list[Amended] = []
    last = b""
    for place in range(-(-signed.size // WIDTH)):
        entries = reader.bundle(place)
        last = entries[-1]
        amendments += _amended(entries, place * WIDTH, pin)
        for part in _cut(entries, pin.size - edge.size):
            edge.extend([leaf_hash(entry) for entry in part])
            if edge.size == pin.size:
                then = edge.root()
    if edge.root() != signed.root:
        raise LedgerCorruptError(
            f"The {signed.size} entries of {signed.origin!r} do not hash to the signed root.",
            f"{signed.origin!r} 的 {signed.size} 条条目与所签署的根不符。",
        )
    return Standing(
        origin=signed.origin,
        size=signed.size,
        newest=_time_of(last),
        extends=None if then is None else then == pin.root,
        amendments=tuple(amendments),
    )


def _cut(entries: list[bytes], at: int) -> tuple[list[bytes], ...]:
    return (entries[:at], entries[at:]) if 0 < at < len(entries) else (entries,)


def _amended(entries: list[bytes], start: int, pin: Pin) -> list[Amended]:
    found: list[Amended] = []
    for index, data in enumerate(entries, start):
        if index <= pin.index or _STATUS not in data:
            continue
        with suppress(FormatError):
            entry = parse_entry(data)
            if isinstance(entry, StatusEntry) and (entry.of_index, entry.of_leaf) == (pin.index, pin.leaf.hex()):
                found.append(
                    Amended(
                        index=index,
                        status=entry.status.value,
                        time=entry.time,
                        key_id=entry.key_id,
                        document_sha256=entry.document.sha256,
                    )
                )
    return found


def _time_of(entry: bytes) -> datetime | None:
    with suppress(FormatError):
        return parse_entry(entry).time
    return None
