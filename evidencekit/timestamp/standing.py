"""What a bundle's outer tokens say of themselves: whether somebody else stamped it, and until when they stand.

For lists and reminders, nothing is verified here: `evidencekit.verify.lasting` judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from evidencekit.timestamp.authority import SELF_ISSUED_POLICY
from evidencekit.timestamp.horizon import usable_until
from evidencekit.timestamp.token import parse_token
from evidencekit.x509.signerinfo import is_named, load_embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.timestamp.token import Token

REMIND: Final = timedelta(days=180)
"""How long before its end a time-stamp asks to be renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a token is not self-issued, and when the last one to end must be renewed; None when it does not say."""

    independent: bool
    renew_by: datetime | None

    def is_due(self, at: datetime) -> bool:
        """Tell whether it should be renewed now."""
        return self.renew_by is not None and self.renew_by - at < REMIND


def standing_of(tokens: Sequence[bytes]) -> Standing:
    """Look at bare tokens, oldest first.

    Raises:
        FormatError: one of them cannot be read.
    """
    parsed = [parse_token(token) for token in tokens]
    ends = [end for token in parsed if (end := _end(token)) is not None]
    return Standing(
        independent=any(token.policy != SELF_ISSUED_POLICY for token in parsed),
        renew_by=max(ends, default=None),
    )


def _end(token: Token) -> datetime | None:
    """The earliest end of the signer's certificate and the CA certificates beside it."""
    embedded = load_embedded(token.signed_data)
    named = any(is_named(signer, each) for signer in token.signed_data.signers for each in embedded)
    return min((usable_until(each) for each in embedded), default=None) if named else None
