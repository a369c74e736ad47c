"""What a server sent over one HTTP/1.x connection, read from its bytes: the content of each answer in turn.

RFC 9112 §6: an answer ends by its length, its last chunk, or with the connection. Content is given without chunk
framing, fields behind the last chunk (§7.1.2) apart; whatever is not lawful ends the reading of this connection.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from evidencekit.capture.headertext import field_text

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD_LIMIT: Final = 1 << 20
_LINE_LIMIT: Final = 1 << 14
_NO_CONTENT: Final = frozenset({204, 304})
_SWITCHING: Final = 101


class Http1Wire:
    """Reads answers to the requests that `expect` announces.

    `content(tag, bytes)` takes their content, `trailer(tag, name, value)` each field behind it.
    """

    def __init__(
        self, content: Callable[[int, bytes], None], trailer: Callable[[int, str, str], None] | None = None
    ) -> None:
        self.broken = False
        self._content = content
        self._trailer = trailer or _unheard
        self._expected: deque[tuple[int, str]] = deque()
        self._rest = b""
        self._tag = -1
        self._read: Callable[[], bool] = self._head
        self._left = 0

    def expect(self, tag: int, method: str) -> None:
        """A request was sent."""
        self._expected.append((tag, method))

    def feed(self, data: bytes) -> None:
        """Take bytes in order of arrival."""
        if self.broken:
            return
        self._rest += data
        while self._rest and self._read():
            pass

    def _head(self) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            self.broken = len(self._rest) > _HEAD_LIMIT
            return False
        first, *lines = self._rest[:end].split(b"\r\n")
        self._rest = self._rest[end + 4 :]
        code = first.split(b" ")[1:2]
        status = int(code[0]) if code and code[0].isdigit() and len(code[0]) == 3 else 0  # noqa: PLR2004 (RFC 9110 §15)
        if status in {0, _SWITCHING} or not self._expected:
            self.broken = True
            return False
        if status // 100 == 1:
            return True
        self._tag, method = self._expected.popleft()
        self._read = self._framing(method, status, lines)
        return True

    def _framing(self, method: str, status: int, lines: list[bytes]) -> Callable[[], bool]:
        pairs = (line.lower().partition(b":") for line in lines)
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        if method == "HEAD" or status in _NO_CONTENT:
            return self._head
        if fields.get(b"transfer-encoding", b"").endswith(b"chunked"):
            return self._chunk_size
        length = fields.get(b"content-length", b"")
        if not length:
            return self._until_closed
        self._left = int(length) if length.isdigit() and len(length) <= 15 else 0  # noqa: PLR2004 (beyond any body)
        return self._sized if self._left else self._head

    def _sized(self) -> bool:
        piece, self._rest = self._rest[: self._left], self._rest[self._left :]
        self._left -= len(piece)
        self._content(self._tag, piece)
        if self._left == 0:
            self._read = self._head
        return True

    def _until_closed(self) -> bool:
        self._content(self._tag, self._rest)
        self._rest = b""
        return False

    def _line(self) -> bytes | None:
        end = self._rest.find(b"\r\n")
        if end < 0:
            self.broken = len(self._rest) > _LINE_LIMIT
            return None
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError:
            self.broken = True
            return False
        self._read = self._chunk if self._left else self._trailers
        return True

    def _chunk(self) -> bool:
        if self._left:
            piece, self._rest = self._rest[: self._left], self._rest[self._left :]
            self._left -= len(piece)
            self._content(self._tag, piece)
            return True
        line = self._line()
        if line is not None:
            self._read = self._chunk_size
        return line is not None

    def _trailers(self) -> bool:
        line = self._line()
        if line == b"":
            self._read = self._head
        elif line is not None:
            name, _, value = field_text(line).partition(":")
            self._trailer(self._tag, name, value.strip(" \t"))
        return line is not None


def _unheard(_tag: int, _name: str, _value: str) -> None:
    """Whoever wants no trailers is told of none."""
