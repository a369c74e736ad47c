"""What a server sent over one HTTP/2 connection, read from its bytes: header fields in true order, body bytes.

Chromium's network log groups the duplicates of a name; only the frames still have them where they stood (RFC 9113 §4,
§6.2; RFC 7541). Frames are read one at a time; whatever is not lawful ends the reading of this connection, and the
log's own account is used instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hpack import Decoder
from hpack.exceptions import HPACKError

from evidencekit.capture.headertext import field_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.capture.exchanges import Headers

_HEAD: Final = 9
_DATA, _HEADERS, _PUSH, _CONTINUATION = 0, 1, 5, 9
_END_STREAM: Final = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_BLOCK_LIMIT: Final = 1 << 20
_FRAME_LIMIT: Final = 1 << 20
_TABLE_BYTES: Final = 65_536  # SETTINGS_HEADER_TABLE_SIZE that Chromium announces


class Http2Wire:
    """Reads server frames; `headers(stream, fields)` and `content(stream, bytes)` take what they hold."""

    def __init__(self, headers: Callable[[int, Headers], None], content: Callable[[int, bytes], None]) -> None:
        self.broken = False
        self._headers = headers
        self._content = content
        self._rest = b""
        self._block: bytearray | None = None
        self._ended: set[int] = set()
        self._decoder = Decoder(max_header_list_size=_BLOCK_LIMIT)
        self._decoder.max_allowed_table_size = _TABLE_BYTES

    def feed(self, data: bytes) -> None:
        """Take bytes in order of arrival."""
        if self.broken:
            return
        self._rest += data
        while len(self._rest) >= _HEAD:
            size = int.from_bytes(self._rest[:3], "big")
            if size > _FRAME_LIMIT:
                self._break()
                return
            if len(self._rest) < _HEAD + size:
                return
            kind, flags = self._rest[3], self._rest[4]
            stream = int.from_bytes(self._rest[5:9], "big") & 0x7FFFFFFF
            payload = self._rest[_HEAD : _HEAD + size]
            self._rest = self._rest[_HEAD + size :]
            self._frame(kind, flags, stream, payload)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA and stream not in self._ended:
            self._content(stream, _unpadded(payload, flags))
        elif kind == _HEADERS:
            body = _unpadded(payload, flags)
            self._begin(stream, body[5:] if flags & _PRIORITY else body, flags)
        elif kind == _PUSH:
            self._begin(0, _unpadded(payload, flags)[4:], flags)
        elif kind == _CONTINUATION and self._block is not None:
            self._block += payload
            self._end(stream, flags)
        if kind in {_DATA, _HEADERS} and flags & _END_STREAM:
            # What a server sends behind the end of a stream (RFC 9113 §5.1) is nobody's body.
            self._ended.add(stream)

    def _begin(self, stream: int, fragment: bytes, flags: int) -> None:
        self._block = bytearray(fragment)
        self._end(stream, flags)

    def _end(self, stream: int, flags: int) -> None:
        block = self._block
        if block is None or len(block) > _BLOCK_LIMIT:
            self._break()
            return
        if not flags & _END_HEADERS:
            return
        self._block = None
        try:
            decoded = self._decoder.decode(bytes(block), raw=True)
        except (HPACKError, IndexError, ValueError):
            self._break()
            return
        fields = tuple((_text(name), _text(value)) for name, value, *_ in decoded)
        # Trailers have no status; interim answers are not the answer (RFC 9113 §8.1).
        if stream and fields and fields[0][0] == ":status" and not fields[0][1].startswith("1"):
            self._headers(stream, fields)

    def _break(self) -> None:
        self.broken, self._rest, self._block = True, b"", None


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED or not payload:
        return payload
    return payload[1 : len(payload) - payload[0]] if payload[0] < len(payload) else b""


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else field_text(value)
