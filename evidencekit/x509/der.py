"""ASN.1 DER (ITU-T X.690): a strict reader that keeps the bytes it read, and a small writer.

The reader is lazy: `parse` reads one value, `children` the values inside it, so the depth of what is
read is the depth of the caller's schema. Everything it returns is a slice of the input, because
signatures are over bytes. Values in the looser BER encoding go through `ber.normalise` first.

Refused: tags above 30, indefinite and non-minimal lengths, bytes after the value, more than
`MAX_CHILDREN` values in one, input over the limit. Every failure is a `FormatError`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from evidencekit.errors import FormatError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
SEQUENCE: Final = 0x30
SET: Final = 0x31
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18

CONSTRUCTED: Final = 0x20
MAX_BYTES: Final = 1 << 20
MAX_CHILDREN: Final = 1 << 14
_LONG_FORM: Final = 0x80
_HIGH_TAG: Final = 0x1F
_MAX_LENGTH_BYTES: Final = 4
_MAX_INTEGER_BYTES: Final = 128
_MAX_OID_BYTES: Final = 128

_UTC_FORM: Final = re.compile(rb"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z")
_GENERALIZED_FORM: Final = re.compile(rb"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,18}))?Z")


class Node(NamedTuple):
    """One value: identifier octet, identifier and length octets, contents octets, all of it.

    A tuple, because reading makes thousands and a dataclass costs three times as much to make.
    """

    tag: int
    header: bytes
    content: bytes
    raw: bytes


def context(number: int) -> int:
    """Return the identifier octet of a constructed context-specific tag."""
    return 0xA0 | number


def implicit(number: int) -> int:
    """Return the identifier octet of a primitive context-specific tag."""
    return 0x80 | number


# --- reading -------------------------------------------------------------------------------------


def parse(data: bytes, *, limit: int = MAX_BYTES) -> Node:
    """Read exactly one value.

    Raises:
        FormatError: Not strict DER, bytes after the value, or more than `limit` bytes.
    """
    if len(data) > limit:
        raise FormatError(f"ASN.1 input is {len(data)} bytes, the limit is {limit}")
    node = _read(data, 0, len(data))
    if len(node.raw) != len(data):
        raise FormatError(f"{len(data) - len(node.raw)} bytes follow the ASN.1 value")
    return node


def children(node: Node, *, tag: int | None = None) -> tuple[Node, ...]:
    """Read the values inside a constructed value, which must have `tag` if one is given.

    Raises:
        FormatError: The value has another tag, is primitive, or its contents are not a run of strict DER values.
    """
    if tag is not None:
        _expect(node, tag, "constructed value")
    if not node.tag & CONSTRUCTED:
        raise FormatError(f"ASN.1 value with tag 0x{node.tag:02x} has no parts")
    return read_all(node.content)


def read_all(data: bytes) -> tuple[Node, ...]:
    """Read a run of values that fills `data`.

    Raises:
        FormatError: `data` is not a run of strict DER values, or of too many.
    """
    found: list[Node] = []
    position = 0
    while position < len(data):
        if len(found) == MAX_CHILDREN:
            raise FormatError(f"ASN.1 value has more than {MAX_CHILDREN} parts")
        node = _read(data, position, len(data))
        found.append(node)
        position += len(node.raw)
    return tuple(found)


def _read(data: bytes, start: int, end: int) -> Node:
    if end - start < 2:  # noqa: PLR2004 - an identifier octet and a length octet
        raise FormatError("ASN.1 value is cut off in its header")
    tag, length, position = data[start], data[start + 1], start + 2
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise FormatError("ASN.1 tag over 30")
    if length & _LONG_FORM:
        size = length & ~_LONG_FORM
        if not 1 <= size <= _MAX_LENGTH_BYTES:
            raise FormatError("ASN.1 length is indefinite or over four bytes; DER has neither")
        if position + size > end:
            raise FormatError("ASN.1 value is cut off in its length")
        length = int.from_bytes(data[position : position + size], "big")
        if data[position] == 0 or length < _LONG_FORM:
            raise FormatError("ASN.1 length is not in its shortest form")
        position += size
    if length > end - position:
        raise FormatError("ASN.1 value is cut off in its contents")
    stop = position + length
    return Node(tag, data[start:position], data[position:stop], data[start:stop])


class Cursor:
    """Walks the parts of one constructed value in the order of its schema."""

    __slots__ = ("_nodes", "_position", "_what")

    def __init__(self, node: Node, what: str, *, tag: int = SEQUENCE) -> None:
        if node.tag != tag:
            raise FormatError(f"{what}: tag 0x{node.tag:02x} where 0x{tag:02x} belongs")
        self._nodes = children(node)
        self._position = 0
        self._what = what

    def take(self, tag: int | None = None) -> Node:
        """Return the next part, which must be there and have `tag` (any when `None`)."""
        if self._position == len(self._nodes):
            raise FormatError(f"{self._what}: a part is missing")
        node = self._nodes[self._position]
        if tag is not None and node.tag != tag:
            raise FormatError(f"{self._what}: tag 0x{node.tag:02x} where 0x{tag:02x} belongs")
        self._position += 1
        return node

    def optional(self, *tags: int) -> Node | None:
        """Return the next part if it has one of `tags`."""
        if self._position < len(self._nodes) and self._nodes[self._position].tag in tags:
            return self.take()
        return None

    @property
    def more(self) -> bool:
        """Whether parts are left."""
        return self._position < len(self._nodes)

    def end(self) -> None:
        """Make sure that no part is left."""
        if self.more:
            raise FormatError(f"{self._what}: an unknown part with tag 0x{self._nodes[self._position].tag:02x}")


def read_integer(node: Node, *, tag: int = INTEGER) -> int:
    """Return a signed integer of at most 128 bytes, in its shortest form (X.690 §8.3.2)."""
    _expect(node, tag, "INTEGER")
    content = node.content
    if not 1 <= len(content) <= _MAX_INTEGER_BYTES:
        raise FormatError(f"INTEGER of {len(content)} bytes")
    if len(content) > 1 and ((content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)):  # noqa: PLR2004 - sign bit
        raise FormatError("INTEGER is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def read_boolean(node: Node, *, tag: int = BOOLEAN) -> bool:
    """Return a truth value: 0x00 or 0xFF, nothing else (X.690 §11.1)."""
    _expect(node, tag, "BOOLEAN")
    if node.content not in {b"\x00", b"\xff"}:
        raise FormatError("BOOLEAN is neither 00 nor FF")
    return node.content == b"\xff"


def read_octets(node: Node, *, tag: int = OCTET_STRING) -> bytes:
    """Return the octets of a primitive OCTET STRING."""
    _expect(node, tag, "OCTET STRING")
    return node.content


def read_bits(node: Node, *, tag: int = BIT_STRING) -> tuple[int, ...]:
    """Return the numbers of the bits that are set; bit 0 is the first (X.690 §8.6)."""
    _expect(node, tag, "BIT STRING")
    content = node.content
    if not content or content[0] > 7 or len(content) > _MAX_INTEGER_BYTES or (len(content) == 1 and content[0]):  # noqa: PLR2004 - unused bits
        raise FormatError("BIT STRING has a wrong count of unused bits")
    if len(content) > 1 and content[-1] & ((1 << content[0]) - 1):
        raise FormatError("BIT STRING has unused bits that are set")
    return tuple(8 * i + bit for i, byte in enumerate(content[1:]) for bit in range(8) if byte & (0x80 >> bit))


def read_oid(node: Node, *, tag: int = OID) -> str:
    """Return an object identifier in dotted form."""
    _expect(node, tag, "OBJECT IDENTIFIER")
    return _dotted(node.content)


@lru_cache(maxsize=256)
def _dotted(content: bytes) -> str:
    if not 1 <= len(content) <= _MAX_OID_BYTES or content[-1] & 0x80:
        raise FormatError("OBJECT IDENTIFIER is empty, cut off or too long")
    arcs: list[int] = []
    value, fresh = 0, True
    for byte in content:
        if fresh and byte == 0x80:  # noqa: PLR2004 - a leading zero digit, X.690 §8.19.2
            raise FormatError("OBJECT IDENTIFIER is not in its shortest form")
        value, fresh = value << 7 | byte & 0x7F, not byte & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (top, arcs[0] - 40 * top, *arcs[1:]))


def read_time(node: Node) -> datetime:
    """Return a UTCTime or GeneralizedTime in UTC; fractions beyond the microsecond are cut (RFC 5280 §4.1.2.5)."""
    form = {UTC_TIME: _UTC_FORM, GENERALIZED_TIME: _GENERALIZED_FORM}.get(node.tag)
    found = form.fullmatch(node.content) if form else None
    if found is None:
        raise FormatError(f"time is not YYMMDDhhmmssZ or YYYYMMDDhhmmss[.f]Z: {node.content[:40]!r}")
    year, *rest = (int(part) for part in found.groups()[:6])
    if node.tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000  # noqa: PLR2004 - the window of RFC 5280 §4.1.2.5.1
    fraction = found.group(7) if node.tag == GENERALIZED_TIME else None
    micros = int((fraction or b"0").ljust(6, b"0")[:6])
    month, day, hour, minute, second = rest
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    except ValueError as error:
        raise FormatError(f"time does not exist: {node.content[:40]!r}") from error


def read_text(node: Node) -> str:
    """Return a UTF8String, PrintableString or IA5String.

    Raises:
        FormatError: Another type, or bytes outside its alphabet.
    """
    encodings = {UTF8_STRING: "utf-8", 0x13: "ascii", 0x16: "ascii"}
    if node.tag not in encodings:
        raise FormatError(f"tag 0x{node.tag:02x} is not a character string")
    try:
        return node.content.decode(encodings[node.tag])
    except UnicodeDecodeError as error:
        raise FormatError("character string holds bytes outside its alphabet") from error


def _expect(node: Node, tag: int, name: str) -> None:
    if node.tag != tag:
        raise FormatError(f"tag 0x{node.tag:02x} where {name} (0x{tag:02x}) belongs")


# --- writing -------------------------------------------------------------------------------------


def encode(tag: int, *parts: bytes) -> bytes:
    """Write one value whose contents are `parts` joined."""
    content = b"".join(parts)
    if len(content) < _LONG_FORM:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(size))) + size + content


def sequence(*parts: bytes) -> bytes:
    """Write a SEQUENCE of encoded values."""
    return encode(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    """Write a SET OF: the encoded values in ascending order (X.690 §11.6)."""
    return encode(SET, *sorted(parts))


def integer(value: int, *, tag: int = INTEGER) -> bytes:
    """Write a signed integer in its shortest form."""
    magnitude = value if value >= 0 else ~value
    return encode(tag, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def boolean(*, value: bool) -> bytes:
    """Write a truth value."""
    return encode(BOOLEAN, b"\xff" if value else b"\x00")


def octet_string(value: bytes) -> bytes:
    """Write an OCTET STRING."""
    return encode(OCTET_STRING, value)


def null() -> bytes:
    """Write a NULL."""
    return encode(NULL)


def bit_string(*numbers: int) -> bytes:
    """Write a BIT STRING of named bits: no trailing zero bit (X.690 §11.2.2)."""
    last = max(numbers, default=-1)
    octets = bytearray(last // 8 + 1)
    for number in numbers:
        octets[number // 8] |= 0x80 >> number % 8
    return encode(BIT_STRING, bytes((7 - last % 8 if numbers else 0,)), bytes(octets))


def oid(dotted: str) -> bytes:
    """Write an object identifier."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OID, *(_arc(value) for value in (40 * first + second, *rest)))


def _arc(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))


def utf8_string(value: str) -> bytes:
    """Write a UTF8String."""
    return encode(UTF8_STRING, value.encode())


def generalized_time(moment: datetime) -> bytes:
    """Write a GeneralizedTime in UTC with as many fractional digits as needed (X.690 §11.7)."""
    utc = moment.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}".rstrip("0")
    text = f"{utc.year:04d}{utc:%m%d%H%M%S}" + (f".{fraction}" if fraction else "") + "Z"
    return encode(GENERALIZED_TIME, text.encode())


def signing_time(moment: datetime) -> bytes:
    """Write a Time of whole seconds: UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5652 §11.3)."""
    utc = moment.astimezone(UTC).replace(microsecond=0)
    if 1950 <= utc.year < 2050:  # noqa: PLR2004 - the window of UTCTime
        return encode(UTC_TIME, f"{utc:%y%m%d%H%M%SZ}".encode())
    return generalized_time(utc)
