"""The protocol of anchors, and the receipts that they give (docs/spec/anchor.md).

An anchor takes a digest and gives a receipt. A receipt is pending, failed or confirmed, and nothing between: a pending
anchor is no anchor. Nothing but digests ever leaves: of the checkpoint's text, which holds origin, size and root alone.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.ledger.durable import replace_file
from evidencekit.model import Digests, Text
from evidencekit.signing.note import decode_base64, split_note

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.model import JsonValue, Outcome

MAX_RECEIPT_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_WORD_CHARS: Final = 512


class AnchorState(StrEnum):
    """What became of a submission."""

    PENDING = "pending"
    FAILED = "failed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an anchor gave for a checkpoint.

    Attributes:
        anchor: whose it is.
        digests: of the checkpoint's text; what was submitted.
        origin, size: which checkpoint.
        state: pending, failed or confirmed.
        submitted_at: when it was submitted, by our clock.
        number: the anchor's deposit number (存证编号), once it gave one.
        transaction: the transaction or token serial, once there is one.
        block: the block's height or hash as given, for chains.
        anchored_at: the time that the anchor states, as it writes it.
        evidence: what can be checked later: an RFC 3161 response, or the anchor's reply.
        reason: why it is pending or failed.
    """

    anchor: str
    digests: Digests
    origin: str
    size: int
    state: AnchorState
    submitted_at: datetime
    number: str | None = None
    transaction: str | None = None
    block: str | None = None
    anchored_at: str | None = None
    evidence: bytes = b""
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorCheck:
    """What checking a receipt came to: PASSED alone means that the anchor vouches for this checkpoint."""

    outcome: Outcome
    reason: Text


class Anchor(Protocol):
    """Somebody who vouches for checkpoints."""

    @property
    def name(self) -> str:
        """A short name, `[a-z0-9.-]`."""
        ...

    def submit(self, checkpoint: bytes) -> Receipt:
        """Submit the digest of a checkpoint note's text; a refusal is a failed receipt."""
        ...

    def poll(self, receipt: Receipt) -> Receipt:
        """Ask what became of a pending receipt; any other is given back as it is."""
        ...

    def verify(self, receipt: Receipt, checkpoint: bytes) -> AnchorCheck:
        """Check a receipt against the checkpoint it is for."""
        ...


def anchored_digests(checkpoint: bytes) -> tuple[str, int, Digests]:
    """Give origin and size of a checkpoint note and the digests of its text; cosignatures do not change them.

    Raises:
        FormatError: not a checkpoint note.
    """
    text = split_note(checkpoint)[0]
    parsed = parse_checkpoint(text)
    return parsed.origin, parsed.size, digest_bytes(text)


def check_subject(receipt: Receipt, checkpoint: bytes) -> Text | None:
    """Say why a receipt is not about this checkpoint, or not confirmed; None when it may be looked at further."""
    if receipt.digests != anchored_digests(checkpoint)[2]:
        return Text(en="the receipt is for another checkpoint", zh="回执对应另一检查点")
    if receipt.state is not AnchorState.CONFIRMED:
        return Text(
            en=f"the anchor is {receipt.state.value}, which is no anchor",
            zh=f"锚定状态为 {receipt.state.value}，尚非锚定",
        )
    return None


def receipt_path(directory: Path, receipt: Receipt) -> Path:
    """Name the file of a receipt: `<size>-<anchor>-<first 16 hex characters of the digest>.json`."""
    return directory / f"{receipt.size}-{receipt.anchor}-{receipt.digests.sha256[:16]}.json"


def keep_receipt(directory: Path, receipt: Receipt) -> Path:
    """Write a receipt durably beside others; a later state takes the place of an earlier one.

    Raises:
        StorageError: the disk refuses.
    """
    path = receipt_path(directory, receipt)
    replace_file(path, format_receipt(receipt))
    return path


def format_receipt(receipt: Receipt) -> bytes:
    """Write a receipt."""
    reason = receipt.reason
    value: dict[str, JsonValue] = {
        "anchor": receipt.anchor,
        "anchored_at": receipt.anchored_at,
        "block": receipt.block,
        "evidence": base64.b64encode(receipt.evidence).decode(),
        "format": "evidencekit/anchor",
        "number": receipt.number,
        "origin": receipt.origin,
        "reason": None if reason is None else {"en": reason.en, "zh": reason.zh},
        "sha256": receipt.digests.sha256,
        "size": receipt.size,
        "sm3": receipt.digests.sm3,
        "state": receipt.state.value,
        "submitted": format_time(receipt.submitted_at),
        "transaction": receipt.transaction,
        "version": 1,
    }
    return canonical_bytes(value)


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        FormatError: it is none, or its state does not fit what it holds.
        UnknownVersionError: a newer major version.
    """
    fields = Fields(parse_canonical(data, limit=MAX_RECEIPT_BYTES, what="anchor receipt"), "anchor receipt")
    check_version(fields, "anchor")

    def word(name: str) -> str | None:
        return fields.optional(name, lambda each: fields.text(each, limit=_WORD_CHARS))

    receipt = Receipt(
        anchor=fields.text("anchor", limit=64),
        digests=fields.digests(),
        origin=fields.text("origin", limit=255),
        size=fields.integer("size"),
        state=fields.choice("state", AnchorState),
        submitted_at=fields.time("submitted"),
        number=word("number"),
        transaction=word("transaction"),
        block=word("block"),
        anchored_at=word("anchored_at"),
        evidence=decode_base64(fields.text("evidence")) if fields.text("evidence") else b"",
        reason=fields.optional("reason", fields.bilingual),
    )
    if not _NAME.fullmatch(receipt.anchor):
        fields.refuse("anchor", "is not a name", "不是名称")
    if receipt.state is AnchorState.CONFIRMED and not (receipt.transaction and receipt.evidence):
        raise FormatError(
            "A confirmed anchor receipt holds no transaction or evidence.", "已确认的锚定回执缺少交易或凭据。"
        )
    return receipt


def fingerprint(digests: Digests) -> bytes:
    """Give what RFC 3161 stamps of a checkpoint: SHA-256 over the text, 32 bytes."""
    return bytes.fromhex(digests.sha256)


def check_name(name: str) -> str:
    """Give the name of an anchor back.

    Raises:
        FormatError: it is not `[a-z0-9.-]`, or too long.
    """
    if not _NAME.fullmatch(name):
        raise FormatError(
            f"{name[:40]!r} cannot name an anchor; use a-z, 0-9, . and -.", f"{name[:40]!r} 不能作锚定名称。"
        )
    return name
