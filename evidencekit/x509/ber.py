"""BER to DER (ITU-T X.690): for tokens whose makers write indefinite or padded lengths.

Only the encoding of lengths changes, and OCTET STRINGs in pieces are joined; the order of SETs and
the contents of all other values stay, because signatures are over them. Depth and count are bounded.
"""

from __future__ import annotations

from typing import Final

from evidencekit.errors import FormatError
from evidencekit.x509 import der

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 1 << 15
_OCTETS_IN_PIECES: Final = der.OCTET_STRING | der.CONSTRUCTED
_END_OF_CONTENTS: Final = b"\x00\x00"


def normalise(data: bytes, *, limit: int = der.MAX_BYTES) -> bytes:
    """Return one BER value with definite, shortest lengths; DER comes back as it is.

    Raises:
        FormatError: Not BER, bytes after the value, too large, too deep or too many values.
    """
    if len(data) > limit:
        raise FormatError(f"ASN.1 input is {len(data)} bytes, the limit is {limit}")
    if _is_definite(data):
        return data
    walk = _Walk(data)
    encoded, end = walk.value(0, len(data), 0)
    if end != len(data):
        raise FormatError(f"{len(data) - end} bytes follow the ASN.1 value")
    return encoded


def _is_definite(data: bytes) -> bool:
    """Whether all lengths are definite and shortest, without copying: most tokens are DER."""
    ends = [len(data)]
    position = budget = 0
    while position < len(data):
        budget += 1
        header = _definite_header(data, position, ends[-1])
        if header is None or budget > MAX_VALUES or len(ends) > MAX_DEPTH + 1:
            return False
        start, end = header
        if data[position] & der.CONSTRUCTED and end > start:
            ends.append(end)
            position = start
        else:
            position = end
        while len(ends) > 1 and position == ends[-1]:
            ends.pop()
        if len(ends) == 1 and position < len(data):
            return False
    return len(data) > 0


def _definite_header(data: bytes, position: int, limit: int) -> tuple[int, int] | None:
    """Return where the contents start and end, or `None` if the value is not of the strict form."""
    if limit - position < 2 or data[position] & 0x1F == 0x1F or data[position] == _OCTETS_IN_PIECES:  # noqa: PLR2004 - header
        return None
    length, start = data[position + 1], position + 2
    if length >= 0x80:  # noqa: PLR2004 - long form
        size = length & 0x7F
        if not 1 <= size <= 4 or start + size > limit or data[start] == 0:  # noqa: PLR2004 - as der reads
            return None
        length = int.from_bytes(data[start : start + size], "big")
        if length < 0x80:  # noqa: PLR2004 - long form
            return None
        start += size
    return None if length > limit - start else (start, start + length)


class _Walk:
    """One pass over BER bytes with a budget of values."""

    __slots__ = ("_budget", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._budget = MAX_VALUES

    def value(self, start: int, end: int, depth: int) -> tuple[bytes, int]:
        """Return the value at `start` as DER, and where the next one starts."""
        self._budget -= 1
        if depth > MAX_DEPTH or self._budget < 0:
            raise FormatError(f"ASN.1 value nests over {MAX_DEPTH} deep or holds over {MAX_VALUES} values")
        if end - start < 2:  # noqa: PLR2004 - an identifier octet and a length octet
            raise FormatError("ASN.1 value is cut off in its header")
        tag = self._data[start]
        if tag & 0x1F == 0x1F:  # noqa: PLR2004 - the escape to longer tags
            raise FormatError("ASN.1 tag over 30")
        length, position = self._length(start + 1, end)
        if length is None:
            parts, after = self._parts(position, end, depth, open_end=True)
        elif length > end - position:
            raise FormatError("ASN.1 value is cut off in its contents")
        elif tag & der.CONSTRUCTED:
            parts, after = self._parts(position, position + length, depth, open_end=False)
        else:
            return der.encode(tag, self._data[position : position + length]), position + length
        return _join(tag, parts), after

    def _length(self, position: int, end: int) -> tuple[int | None, int]:
        first = self._data[position]
        if first < 0x80:  # noqa: PLR2004 - short form
            return first, position + 1
        size = first & 0x7F
        if size == 0:
            if not self._data[position - 1] & der.CONSTRUCTED:
                raise FormatError("primitive ASN.1 value of indefinite length")
            return None, position + 1
        if size > 8 or position + 1 + size > end:  # noqa: PLR2004 - padded lengths, within reason
            raise FormatError("ASN.1 length is cut off or over eight bytes")
        return int.from_bytes(self._data[position + 1 : position + 1 + size], "big"), position + 1 + size

    def _parts(self, start: int, end: int, depth: int, *, open_end: bool) -> tuple[list[bytes], int]:
        parts: list[bytes] = []
        position = start
        while position < end:
            if open_end and self._data[position : position + 2] == _END_OF_CONTENTS:
                return parts, position + 2
            encoded, position = self.value(position, end, depth + 1)
            parts.append(encoded)
        if open_end:
            raise FormatError("ASN.1 value of indefinite length has no end")
        return parts, end


def _join(tag: int, parts: list[bytes]) -> bytes:
    if tag == _OCTETS_IN_PIECES:
        return der.octet_string(b"".join(der.read_octets(der.parse(part)) for part in parts))
    return der.encode(tag, *parts)
