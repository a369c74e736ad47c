"""Bodies as coded on the wire, spooled from the network log while it is read (forensic mode)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.capture.exchanges import Body
from evidencekit.capture.http1wire import Http1Wire
from evidencekit.capture.http2wire import Http2Wire
from evidencekit.capture.joining import WireBody
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.exchanges import Headers
    from evidencekit.capture.netlogindex import Hop, NetLogIndex

_MOST_TRAILERS: Final = 1000
_DECODED_LIMIT: Final = 64 << 20
_ZLIB: Final = {"gzip": 47, "x-gzip": 47, "deflate": 47}


@dataclass(slots=True)
class _Spool:
    file: Path
    size: int = 0
    cut: bool = False
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)


class WireStore:
    """Takes body bytes of hops, and what came over sockets, whose messages and frames it reads.

    Attributes:
        failed: the disk refused; `take` says so.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.failed: OSError | None = None
        self.index: NetLogIndex | None = None
        self._folder = folder
        self._limit = limit
        self._hops: dict[int, _Spool] = {}
        self._streams: dict[tuple[int, int], _Spool] = {}
        self._answers: dict[int, _Spool] = {}
        self._messages: dict[int, Http1Wire] = {}
        self._frames: dict[int, Http2Wire] = {}

    def body(self, hop: Hop, data: str) -> None:
        """Bytes of a hop's body."""
        spool = self._hops.setdefault(hop.number, _Spool(self._folder / f"hop-{hop.number:06d}.wire"))
        self._append(spool, _bytes(data))

    def sent(self, hop: Hop) -> None:
        """A request went out; over HTTP/1.x its answer is the next but those still owed."""
        connection = None if self.index is None else self.index.connection_of(hop)
        if connection is not None and not connection.is_quic and connection.alpn in {None, "http/1.1"}:
            self._http1(connection.source).expect(hop.number, hop.method)

    def received(self, socket: int, data: str) -> None:
        """Plaintext that came over a socket."""
        connection = None if self.index is None else self.index.wires.connections.get(socket)
        if connection is not None:
            wire = self._http2(socket) if connection.alpn == "h2" else self._http1(socket)
            wire.feed(_bytes(data))

    def _http1(self, socket: int) -> Http1Wire:
        def content(number: int, piece: bytes) -> None:
            name = f"hop-{number:06d}.socket"
            self._append(self._answers.setdefault(number, _Spool(self._folder / name)), piece)

        def trailer(number: int, name: str, value: str) -> None:
            if self.index is not None and len(self.index.hops[number].trailers) < _MOST_TRAILERS:
                self.index.hops[number].trailers.append((name, value))

        if socket not in self._messages:
            self._messages[socket] = Http1Wire(content, trailer)
        return self._messages[socket]

    def _http2(self, socket: int) -> Http2Wire:
        def headers(stream: int, fields: Headers) -> None:
            if self.index is not None:
                self.index.wires.stream_headers.setdefault((socket, stream), fields)

        def content(stream: int, piece: bytes) -> None:
            name = f"socket-{socket}-{stream}.wire"
            self._append(self._streams.setdefault((socket, stream), _Spool(self._folder / name)), piece)

        if socket not in self._frames:
            self._frames[socket] = Http2Wire(headers, content)
        return self._frames[socket]

    def take(self, hop: Hop) -> WireBody | None:
        """The body of a hop; None when the log holds none, or not all that it counted.

        Raises:
            StorageError: the disk refused.
        """
        if self.failed is not None:
            raise StorageError(
                f"bodies on the wire cannot be written: {self.failed}; free space on the disk and capture again",
                f"无法写入传输形式的正文：{self.failed}；请清理磁盘后重新取证",
            ) from self.failed
        spool = self._hops.pop(hop.number, None)
        stream = self.index.stream_of(hop) if self.index is not None else None
        streamed = self._answers.pop(hop.number, None) if stream is None else self._streams.pop(stream, None)
        # A body that nobody read, such as a redirect's, is known from the connection alone.
        chosen = spool if spool is not None and spool.size >= (streamed.size if streamed else 0) else streamed
        for other in (spool, streamed):
            if other is not None and other is not chosen:
                other.file.unlink(missing_ok=True)
        if chosen is None or chosen.cut or chosen.size < hop.wire_bytes:
            return None
        body = Body(file=chosen.file, size=chosen.size, sha256=chosen.hash.hexdigest())
        return WireBody(body=body, whole=hop.net_error is None)

    def _append(self, spool: _Spool, piece: bytes) -> None:
        if spool.cut:
            return
        # Nothing makes a file, too: a body that is known to be empty is a body.
        if spool.size + len(piece) > self._limit:
            spool.cut = True
            return
        try:
            with spool.file.open("ab") as out:
                out.write(piece)
        except OSError as error:
            self.failed = error
            return
        spool.hash.update(piece)
        spool.size += len(piece)


def decode(wire: Body, coding: str, out: Path) -> Body | None:
    """The decoded body of a small gzip or deflate body; None when it cannot be decoded here.

    Raises:
        StorageError: the disk refuses.
    """
    window = _ZLIB.get(coding)
    if window is None or wire.size > _DECODED_LIMIT:
        return None
    try:
        packed = wire.file.read_bytes()
        unpacker = zlib.decompressobj(window)
        plain = unpacker.decompress(packed, _DECODED_LIMIT)
        if unpacker.unconsumed_tail:
            return None
        out.write_bytes(plain)
    except zlib.error:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot write {out}: {error}; free space on the disk and capture again",
            f"无法写入 {out}:{error}；请清理磁盘后重新取证",
        ) from error
    return Body(file=out, size=len(plain), sha256=hashlib.sha256(plain).hexdigest())


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""
