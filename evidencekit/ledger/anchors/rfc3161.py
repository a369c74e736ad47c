"""Anchor a checkpoint by an RFC 3161 time-stamp: confirmed at once, or failed; never pending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.errors import TimestampError
from evidencekit.ledger.anchors.anchor import (
    AnchorCheck,
    AnchorState,
    Receipt,
    anchored_digests,
    check_name,
    check_subject,
    fingerprint,
)
from evidencekit.model import Outcome, Text
from evidencekit.timestamp.check import check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

    from evidencekit.timestamp.client import TimeStamper


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc3161Anchor:
    """A TSA as an anchor; `anchors` are the certificates that a receipt is later checked against."""

    tsa: TimeStamper
    anchors: Sequence[x509.Certificate] = ()
    label: str = "rfc3161"
    clock: Callable[[], datetime] = _now

    @property
    def name(self) -> str:
        """The anchor's name."""
        return check_name(self.label)

    def submit(self, checkpoint: bytes) -> Receipt:
        """Have the text of a checkpoint stamped.

        Raises:
            FormatError: not a checkpoint note.
        """
        origin, size, digests = anchored_digests(checkpoint)
        submitted = self.clock()
        try:
            reply = self.tsa.stamp(fingerprint(digests))
        except TimestampError as error:
            return Receipt(
                anchor=self.name,
                digests=digests,
                origin=origin,
                size=size,
                state=AnchorState.FAILED,
                submitted_at=submitted,
                reason=Text(en=error.en, zh=error.zh),
            )
        token = reply.check.token
        if token is None:
            raise AssertionError("a reply that was accepted holds a token")  # a defect: exit 70
        return Receipt(
            anchor=self.name,
            digests=digests,
            origin=origin,
            size=size,
            state=AnchorState.CONFIRMED,
            submitted_at=submitted,
            transaction=f"{token.serial:x}",
            anchored_at=token.gen_time.isoformat(),
            evidence=reply.response,
        )

    def poll(self, receipt: Receipt) -> Receipt:
        """A TSA answers at once, so there is nothing to ask again."""
        return receipt

    def verify(self, receipt: Receipt, checkpoint: bytes) -> AnchorCheck:
        """Check the token against the checkpoint and the TSA certificates given."""
        problem = check_subject(receipt, checkpoint)
        if problem is not None:
            return AnchorCheck(outcome=Outcome.FAILED, reason=problem)
        check = check_token(
            receipt.evidence, digest=fingerprint(receipt.digests), anchors=tuple(self.anchors), at=self.clock()
        )
        if not check.intact:
            return AnchorCheck(outcome=Outcome.FAILED, reason=check.reason)
        if check.self_issued:
            reason = Text(en="the token is self-issued: no third party vouches", zh="时间戳为自行签发：没有第三方作证")
            return AnchorCheck(outcome=Outcome.INDETERMINATE, reason=reason)
        return AnchorCheck(outcome=check.trusted, reason=check.reason)
