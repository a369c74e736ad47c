"""Say later what became of a record: corrected, revoked, explained, superseded. A new entry linked to the first.

A record is never changed. The reason goes into a document of its own under a fresh salt; the ledger holds its digests.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import LedgerError, StorageError, UsageError
from evidencekit.hashing.canonical import canonical_bytes, format_time
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.entry import MAX_ENTRY_BYTES, Status, StatusEntry, format_status_entry
from evidencekit.ledger.proof import parse_proof
from evidencekit.office import open_office
from evidencekit.signing.identity import key_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.ledger.log import Ledger
    from evidencekit.signing.signer import Signer

MAX_REASON_CHARS = 10_000
_PROOF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A status that was entered: `index` in the ledger, and the two files that tell and prove it."""

    number: str
    status: Status
    index: int
    document: Path
    proof: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    number: str
    origin: str
    index: int
    entry: bytes


def amend(  # noqa: PLR0913 (the library's front door)
    bundle: Path,
    status: Status,
    reason: str,
    *,
    successor: Path | None = None,
    home: Home | None = None,
    signer: Signer | None = None,
    ledger: Ledger | None = None,
    clock: Callable[[], datetime] | None = None,
    output: Path | None = None,
) -> Amendment:
    """Enter what became of a record of this ledger.

    Args:
        bundle: the record's bundle.
        status: what became of it.
        reason: why, in the words of whoever decides; it stays out of the ledger.
        successor: the bundle that takes its place, for `superseded` and, if there is one, `corrected`.
        home: as for `preserve`.
        signer: as for `preserve`.
        ledger: as for `preserve`.
        clock: as for `preserve`.
        output: the folder of the two files; None for the home's `captures`.

    Raises:
        UsageError: a value cannot be used. FormatError: no bundle of ours.
        LedgerError: the record is not in this ledger. StorageError: the disk refuses.
    """
    if not reason.strip() or len(reason) > MAX_REASON_CHARS:
        raise UsageError(
            f"the reason must have 1 to {MAX_REASON_CHARS} characters", f"理由须为 1 至 {MAX_REASON_CHARS} 字"
        )
    if status is Status.SUPERSEDED and successor is None:
        raise UsageError("name the bundle that takes its place (--by)", "请指定替代它的证据包(--by)")
    record = _read(bundle)
    other = _read(successor) if successor is not None else None
    office = open_office(
        home=home, signer=signer, tsas=(), ledger=ledger, number=None, clock=clock, output=output, witnessing=None
    )
    with office:
        _check_held(office.ledger, record)
        if other is not None:
            _check_held(office.ledger, other)
        now = office.clock()
        document = _document(record, other, status, reason, now)
        entry = StatusEntry(
            document=digest_bytes(document),
            key_id=key_id(office.signer.certificate),
            of_index=record.index,
            of_leaf=leaf_hash(record.entry).hex(),
            status=status,
            successor=None if other is None else other.index,
            time=now,
        )
        folder = output if output is not None else office.captures_folder
        appended = office.ledger.append(format_status_entry(entry))
        stem = f"{record.number}.status-{appended.index}"
        proof = office.ledger.prove(appended.index)
    return Amendment(
        number=record.number,
        status=status,
        index=appended.index,
        document=_write(folder / f"{stem}.json", document),
        proof=_write(folder / f"{stem}.tlog-proof", proof),
    )


def _document(record: _Record, other: _Record | None, status: Status, reason: str, now: datetime) -> bytes:
    return canonical_bytes(
        {
            "format": "evidencekit/status",
            "number": record.number,
            "of": {"index": record.index, "leaf": leaf_hash(record.entry).hex()},
            "origin": record.origin,
            "reason": reason,
            "salt": secrets.token_hex(32),
            "status": status.value,
            "successor": None if other is None else {"index": other.index, "number": other.number},
            "time": format_time(now),
            "version": 1,
        }
    )


def _read(path: Path) -> _Record:
    with open_bundle(path) as bundle:
        manifest = parse_manifest(bundle.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES))
        return _Record(
            number=manifest.number,
            origin=manifest.ledger.origin,
            index=parse_proof(bundle.read(paths.ENTRY_PROOF, limit=_PROOF_BYTES)).index,
            entry=bundle.read(paths.ENTRY, limit=MAX_ENTRY_BYTES),
        )


def _check_held(ledger: Ledger, record: _Record) -> None:
    held = record.origin == ledger.origin and record.index < ledger.size
    if not held or ledger.entry(record.index) != record.entry:
        raise LedgerError(
            f"{record.number} is not in this ledger ({ledger.origin}); only the office that entered it can say what "
            "became of it",
            f"{record.number} 不在本账本({ledger.origin})中；只有登记它的机构才能登记其后续状态",
        )


def _write(path: Path, data: bytes) -> Path:
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(
            f"it was entered, but {path} cannot be written: {error.strerror or error}; make room and enter it again",
            f"已登记，但无法写入 {path}：{error.strerror or error}；请清理磁盘后重新登记",
        ) from error
    return path
