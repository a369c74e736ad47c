"""TimeStampResp, TimeStampToken and TSTInfo (RFC 3161 §2.4.2): what a TSA answers.

Read as liberally as tokens in the wild need: BER, fractions of a second of any length, defaults
written out, no `tsa`, certificates absent or unsorted, GM/T 0010 identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from evidencekit.errors import FormatError
from evidencekit.timestamp.query import Imprint, parse_imprint
from evidencekit.x509 import ber, der, oids
from evidencekit.x509.cms import SignedData, parse_signed_data

MAX_TOKEN_BYTES: Final = 1 << 18
GRANTED: Final = 0
GRANTED_WITH_MODS: Final = 1
_MAX_STATUS_TEXTS: Final = 16

STATUS_NAMES: Final = (
    "granted",
    "grantedWithMods",
    "rejection",
    "waiting",
    "revocationWarning",
    "revocationNotification",
)
FAILURE_NAMES: Final = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
"""Bits of PKIFailureInfo that a TSA may set (RFC 3161 §2.4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStampResponse:
    """A TimeStampResp: status, the TSA's words, names of the failure bits, the encoded token (DER) if any.

    `canonical` says whether the input was DER as far as lengths go.
    """

    status: int
    texts: tuple[str, ...]
    failure: tuple[str, ...]
    token: bytes | None
    canonical: bool

    @property
    def granted(self) -> bool:
        """Whether the TSA issued a token."""
        return self.status in {GRANTED, GRANTED_WITH_MODS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A parsed TimeStampToken; names follow TSTInfo."""

    version: int
    policy: str
    imprint: Imprint
    serial: int
    gen_time: datetime
    accuracy: timedelta | None
    ordering: bool
    nonce: int | None
    tsa: bytes | None
    """The encoded GeneralName by which the TSA calls itself."""
    critical_extensions: tuple[str, ...]
    signed_data: SignedData

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The embedded certificates, DER."""
        return self.signed_data.certificates


def parse_response(data: bytes) -> TimeStampResponse:
    """Read a TimeStampResp, BER or DER.

    Raises:
        FormatError: Another structure, bytes after it, or over 256 KiB.
    """
    encoded = ber.normalise(data, limit=MAX_TOKEN_BYTES)
    outer = der.Cursor(der.parse(encoded), "TimeStampResp")
    info = der.Cursor(outer.take(der.SEQUENCE), "PKIStatusInfo")
    token = outer.optional(der.SEQUENCE)
    outer.end()
    status = der.read_integer(info.take())
    texts, bits = info.optional(der.SEQUENCE), info.optional(der.BIT_STRING)
    info.end()
    words = () if texts is None else der.children(texts)
    if len(words) > _MAX_STATUS_TEXTS:
        raise FormatError("PKIStatusInfo holds too many texts")
    return TimeStampResponse(
        status=status,
        texts=tuple(der.read_text(word) for word in words),
        failure=() if bits is None else tuple(FAILURE_NAMES.get(n, f"bit {n}") for n in der.read_bits(bits)),
        token=None if token is None else token.raw,
        canonical=encoded == data,
    )


def parse_token(data: bytes, *, normalised: bool = False) -> Token:
    """Read a TimeStampToken, BER or DER.

    Args:
        data: The token.
        normalised: Whether it is what `parse_response` gave.

    Raises:
        FormatError: Not a SignedData over a TSTInfo, bytes after it, or over 256 KiB.
    """
    if len(data) > MAX_TOKEN_BYTES:
        raise FormatError(f"time-stamp token is {len(data)} bytes, the limit is {MAX_TOKEN_BYTES}")
    signed = parse_signed_data(data, normalised=normalised)
    if signed.content_type != oids.TST_INFO or signed.content is None:
        raise FormatError(f"content of the SignedData is {signed.content_type}, not an embedded TSTInfo")
    cursor = der.Cursor(der.parse(ber.normalise(signed.content)), "TSTInfo")
    version, policy = der.read_integer(cursor.take()), der.read_oid(cursor.take())
    imprint, serial = parse_imprint(cursor.take()), der.read_integer(cursor.take())
    gen_time = der.read_time(cursor.take(der.GENERALIZED_TIME))
    accuracy, ordering = cursor.optional(der.SEQUENCE), cursor.optional(der.BOOLEAN)
    nonce, tsa = cursor.optional(der.INTEGER), cursor.optional(der.context(0))
    extensions = cursor.optional(der.context(1))
    cursor.end()
    return Token(
        version=version,
        policy=policy,
        imprint=imprint,
        serial=serial,
        gen_time=gen_time,
        accuracy=None if accuracy is None else _parse_accuracy(accuracy),
        ordering=ordering is not None and der.read_boolean(ordering),
        nonce=None if nonce is None else der.read_integer(nonce),
        tsa=None if tsa is None else der.parse(tsa.content).raw,
        critical_extensions=() if extensions is None else _critical(extensions),
        signed_data=signed,
    )


def _parse_accuracy(node: der.Node) -> timedelta:
    cursor = der.Cursor(node, "Accuracy")
    seconds, millis, micros = cursor.optional(der.INTEGER), cursor.optional(0x80), cursor.optional(0x81)
    cursor.end()
    whole = 0 if seconds is None else der.read_integer(seconds)
    thousandths = 0 if millis is None else der.read_integer(millis, tag=0x80)
    millionths = 0 if micros is None else der.read_integer(micros, tag=0x81)
    # Some TSAs write a zero that the ranges of RFC 3161 exclude; a year bounds what a timedelta must hold.
    if not (0 <= whole <= 31_536_000 and 0 <= thousandths <= 999 and 0 <= millionths <= 999):  # noqa: PLR2004 - RFC 3161 §2.4.2
        raise FormatError("Accuracy is out of range")
    return timedelta(seconds=whole, milliseconds=thousandths, microseconds=millionths)


def _critical(node: der.Node) -> tuple[str, ...]:
    found: list[str] = []
    for child in der.children(node):
        cursor = der.Cursor(child, "Extension")
        oid, critical = der.read_oid(cursor.take()), cursor.optional(der.BOOLEAN)
        cursor.take(der.OCTET_STRING)
        cursor.end()
        if critical is not None and der.read_boolean(critical):
            found.append(oid)
    return tuple(found)
