"""Ledger entries: small RFC 8785 documents of digests, docs/spec/entry.md (version 1).

An append-only log cannot delete, so an entry never holds content, URLs or personal data.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.merkle import salted_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from evidencekit.model import Digests, JsonValue

MAX_ENTRY_BYTES: Final = 4096
PENDING: Final = "pending"
NONE: Final = "none"
CAPTURE: Final = "capture"
DEPOSIT: Final = "deposit"
_ROLES: Final = ("seal", "tsa", "ledger")
_WHAT: Final = "ledger entry"
_NUMBER_CHARS: Final = 64
_NUMBER: Final = re.compile(r"[A-Za-z0-9._/-]{1,64}")
_REASON: Final = re.compile(r"[a-z][a-z0-9._]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEntry:
    """An attempt is announced before it begins.

    `commitment` and `matter` are 32 bytes in hex; `key_id` is SHA-256 of the sealing certificate in hex.
    """

    commitment: str
    key_id: str
    matter: str | None
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureEntry:
    """A sealed capture or deposit, as `kind` says: `manifest` digests manifest.json, `seal` digests seal/manifest.p7s.

    `timestamp` is the SHA-256 of seal/seal-1.tsr in hex, or `pending`, or `none`; `open` is the open entry's index.
    """

    key_id: str
    manifest: Digests
    number: str
    open: int
    seal: Digests
    time: datetime
    timestamp: str
    kind: str = CAPTURE


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedEntry:
    """An announced attempt that came to nothing; `reason` is `interrupted` or the code of an error (`errors`)."""

    key_id: str
    open: int
    reason: str
    time: datetime


class Status(StrEnum):
    """What became of a record after it was sealed (R45, R46)."""

    CORRECTED = "corrected"
    REVOKED = "revoked"
    EXPLAINED = "explained"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEntry:
    """What became of an earlier entry, linked to it by index and leaf hash (hex).

    `document` digests the salted document that gives the reason; `successor` is the index of the entry that takes its
    place, None when there is none.
    """

    document: Digests
    key_id: str
    of_index: int
    of_leaf: str
    status: Status
    successor: int | None
    time: datetime


class KeyStatus(StrEnum):
    """Why a key is used no more."""

    RETIRED = "retired"
    LOST = "lost"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key is used no more from `time` on.

    `role` is `seal`, `tsa` or `ledger`; `subject` and `successor` are the SHA-256 of the old and the new certificate
    (DER) or of the raw public key of a log, in hex; `key_id` is the sealing certificate in use.
    """

    key_id: str
    role: str
    status: KeyStatus
    subject: str
    successor: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginEntry:
    """The first entry of a log that follows another: the other's last checkpoint note, None when it is lost."""

    key_id: str
    checkpoint: str | None
    status: KeyStatus
    time: datetime


Entry: TypeAlias = OpenEntry | CaptureEntry | AbandonedEntry | StatusEntry | KeyEntry | OriginEntry


def open_commitment(salt: bytes, capture_id: str) -> str:
    """Commit to a capture's id before it begins: SHA-256(0x00 ‖ salt ‖ capture id) in hex.

    Raises:
        UsageError: the salt is not 32 bytes, or the id is not ASCII.
    """
    if not capture_id.isascii():
        raise UsageError(f"The capture id {capture_id!r} is not ASCII.", f"采集编号 {capture_id!r} 不是 ASCII。")
    return salted_leaf(salt, capture_id.encode("ascii")).hex()


def matter_tag(key: bytes, matter: str) -> str:
    """Name a matter so that its attempts can be counted but not guessed: HMAC-SHA-256 in hex, key from the home."""
    return hmac.digest(key, matter.encode("utf-8", "surrogatepass"), "sha256").hex()


def format_open_entry(entry: OpenEntry) -> bytes:
    """Write an open entry.

    Raises:
        UsageError: a field is not of its form.
    """
    return _format("open", entry, {"commitment": entry.commitment, "matter": entry.matter})


def format_capture_entry(entry: CaptureEntry) -> bytes:
    """Write the entry of a capture or a deposit.

    Raises:
        UsageError: a field is not of its form.
    """
    timestamp: JsonValue = entry.timestamp if entry.timestamp in (PENDING, NONE) else {"sha256": entry.timestamp}
    members: dict[str, JsonValue] = {
        "manifest": _digests(entry.manifest),
        "number": entry.number,
        "open": entry.open,
        "seal": _digests(entry.seal),
        "timestamp": timestamp,
    }
    return _format(entry.kind, entry, members)


def format_abandoned_entry(entry: AbandonedEntry) -> bytes:
    """Write the entry of an attempt that came to nothing.

    Raises:
        UsageError: a field is not of its form.
    """
    return _format("abandoned", entry, {"open": entry.open, "reason": entry.reason})


def format_status_entry(entry: StatusEntry) -> bytes:
    """Write a status entry.

    Raises:
        UsageError: a field is not of its form.
    """
    members: dict[str, JsonValue] = {
        "document": _digests(entry.document),
        "of": {"index": entry.of_index, "leaf": entry.of_leaf},
        "status": entry.status.value,
        "successor": entry.successor,
    }
    return _format("status", entry, members)


def format_key_entry(entry: KeyEntry) -> bytes:
    """Write the entry of a key that is used no more.

    Raises:
        UsageError: a field is not of its form.
    """
    members: dict[str, JsonValue] = {
        "role": entry.role,
        "status": entry.status.value,
        "subject": entry.subject,
        "successor": entry.successor,
    }
    return _format("key", entry, members)


def format_origin_entry(entry: OriginEntry) -> bytes:
    """Write the first entry of a log that follows another.

    Raises:
        UsageError: a field is not of its form.
    """
    return _format("origin", entry, {"checkpoint": entry.checkpoint, "status": entry.status.value})


def parse_entry(data: bytes) -> Entry:
    """Read an entry of any kind known here.

    Raises:
        FormatError: not canonical, over 4,096 bytes, of an unknown kind, or a field is not of its form.
        UnknownVersionError: a newer major version.
    """
    fields = Fields(parse_canonical(data, limit=MAX_ENTRY_BYTES, what=_WHAT), _WHAT)
    check_version(fields, "entry")
    read = _READERS.get(fields.text("kind"))
    if read is None:
        fields.refuse("kind", "is one that this program does not know", "为本程序未知的类型")
    return read(fields)


def _read_open(fields: Fields) -> OpenEntry:
    return OpenEntry(
        commitment=fields.hex("commitment", 32),
        key_id=fields.hex("key_id", 32),
        matter=fields.optional("matter", lambda name: fields.hex(name, 32)),
        time=fields.time("time"),
    )


def _read_capture(fields: Fields) -> CaptureEntry:
    return CaptureEntry(
        key_id=fields.hex("key_id", 32),
        manifest=fields.object("manifest").digests(),
        number=_matching(fields, "number", _NUMBER),
        open=fields.integer("open"),
        seal=fields.object("seal").digests(),
        time=fields.time("time"),
        timestamp=_timestamp(fields),
        kind=fields.text("kind"),
    )


def _read_abandoned(fields: Fields) -> AbandonedEntry:
    return AbandonedEntry(
        key_id=fields.hex("key_id", 32),
        open=fields.integer("open"),
        reason=_matching(fields, "reason", _REASON),
        time=fields.time("time"),
    )


def _read_status(fields: Fields) -> StatusEntry:
    of = fields.object("of")
    return StatusEntry(
        document=fields.object("document").digests(),
        key_id=fields.hex("key_id", 32),
        of_index=of.integer("index"),
        of_leaf=of.hex("leaf", 32),
        status=fields.choice("status", Status),
        successor=fields.optional("successor", fields.integer),
        time=fields.time("time"),
    )


def _read_key(fields: Fields) -> KeyEntry:
    role = fields.text("role", limit=_NUMBER_CHARS)
    if role not in _ROLES:
        fields.refuse("role", f"is none of {', '.join(_ROLES)}", f"不属于 {', '.join(_ROLES)}")
    return KeyEntry(
        key_id=fields.hex("key_id", 32),
        role=role,
        status=fields.choice("status", KeyStatus),
        subject=fields.hex("subject", 32),
        successor=fields.hex("successor", 32),
        time=fields.time("time"),
    )


def _read_origin(fields: Fields) -> OriginEntry:
    return OriginEntry(
        key_id=fields.hex("key_id", 32),
        checkpoint=fields.optional("checkpoint", lambda name: fields.text(name, limit=MAX_ENTRY_BYTES)),
        status=fields.choice("status", KeyStatus),
        time=fields.time("time"),
    )


_READERS: Final[Mapping[str, Callable[[Fields], Entry]]] = MappingProxyType(
    {
        "open": _read_open,
        CAPTURE: _read_capture,
        DEPOSIT: _read_capture,
        "abandoned": _read_abandoned,
        "status": _read_status,
        "key": _read_key,
        "origin": _read_origin,
    }
)


def _format(kind: str, entry: Entry, members: dict[str, JsonValue]) -> bytes:
    head: dict[str, JsonValue] = {
        "format": "evidencekit/entry",
        "key_id": entry.key_id,
        "kind": kind,
        "time": format_time(entry.time),
        "version": 1,
    }
    data = canonical_bytes(head | members)
    # Reading back what was written holds the writer to the reader's rules, so neither can drift.
    try:
        parse_entry(data)
    except FormatError as error:
        raise UsageError(
            f"This {kind} entry cannot be logged: {error.en}", f"无法登记该 {kind} 条目：{error.zh}"
        ) from error
    return data


def _digests(digests: Digests) -> JsonValue:
    return {"sha256": digests.sha256, "sm3": digests.sm3}


def _timestamp(fields: Fields) -> str:
    value = fields.value("timestamp")
    if isinstance(value, str):
        if value not in (PENDING, NONE):
            fields.refuse("timestamp", f"is neither {PENDING!r} nor {NONE!r}", f"既不是 {PENDING!r} 也不是 {NONE!r}")
        return value
    return fields.object("timestamp").hex("sha256", 32)


def _matching(fields: Fields, name: str, pattern: re.Pattern[str]) -> str:
    value = fields.text(name, limit=_NUMBER_CHARS)
    if not pattern.fullmatch(value):
        fields.refuse(name, f"is {value!r}, which is not of the form it must have", f"为 {value!r}，形式不符")
    return value
