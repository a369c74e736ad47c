"""What the network log tells, put together: requests hop by hop, the connections they used, certificates, names.

A request of the log is one `URL_REQUEST`; a redirect begins its next hop under the same source. A hop leads over its
stream job to a socket, an HTTP/2 session (and from there to its socket) or a QUIC session. Heads stay in memory,
bodies go to `BodySink`; hops that the browser made on its own account are counted by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from evidencekit.capture.cdp import integer_of, text_of, value_at
from evidencekit.capture.exchanges import InterimAnswer
from evidencekit.capture.netlog import END, NetLogEvent
from evidencekit.capture.netlogconnections import INTERIM_LIMIT, ConnectionIndex, fields_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.capture.exchanges import Headers
    from evidencekit.capture.netlogconnections import Connection

HOP_LIMIT: Final = 1 << 19
_NOT_MODIFIED: Final = 304


@dataclass(slots=True, kw_only=True)
class Hop:
    """One hop of one request; times in ms of the browser's clock.

    `request_headers` hold pseudo-header fields (RFC 9113 §8.3) where there are some; `status` is None without an
    answer from the network; `filtered` says that the body was decoded; `stream` is the id of its HTTP/2 or QUIC stream.
    `trailers` are those of HTTP/1.1, `interim` the answers before the answer that its transaction read; those of other
    protocols stand with the connection.
    """

    number: int
    source: int
    url: str
    method: str
    started_ms: int
    request_type: str = ""
    initiator: str = ""
    partition: str = ""
    job: int | None = None
    quic: int | None = None
    stream: int | None = None
    request_headers: Headers = ()
    response_headers: Headers = ()
    status: int | None = None
    status_text: str = ""
    headers_ms: int | None = None
    ended_ms: int | None = None
    net_error: int | None = None
    filtered: bool = False
    wire_bytes: int = 0
    over: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[InterimAnswer] = field(default_factory=list)

    @property
    def sent(self) -> bool:
        """Whether the request went out to the network."""
        return bool(self.request_headers)


class BodySink(Protocol):
    """Takes body bytes and bytes of TLS sockets (base64) as the log gives them."""

    def body(self, hop: Hop, data: str) -> None:
        """Bytes of a hop's body as coded on the wire."""

    def sent(self, hop: Hop) -> None:
        """A request went out over HTTP/1.x."""

    def received(self, socket: int, data: str) -> None:
        """Plaintext that came over a socket, with or without TLS."""


class NetLogIndex:
    """Handlers of the events wanted, and what they add up to."""

    def __init__(self, sink: BodySink | None = None) -> None:
        self.hops: list[Hop] = []
        self.wires = ConnectionIndex()
        self.overflowed = False
        self._sink = sink
        self._current: dict[int, Hop] = {}

    def handlers(self) -> Mapping[str, Callable[[NetLogEvent], None]]:
        """Which events are wanted, and what takes them."""
        wanted: dict[str, Callable[[NetLogEvent], None]] = {
            **self.wires.handlers(),
            "URL_REQUEST_START_JOB": self._on_start,
            "HTTP_STREAM_REQUEST_BOUND_TO_JOB": self._on_job,
            "HTTP_STREAM_REQUEST_BOUND_TO_QUIC_SESSION": self._on_quic,
            "HTTP_TRANSACTION_SEND_REQUEST_HEADERS": self._on_sent,
            "HTTP_TRANSACTION_HTTP2_SEND_REQUEST_HEADERS": self._on_sent,
            "HTTP_TRANSACTION_QUIC_SEND_REQUEST_HEADERS": self._on_sent,
            "HTTP_TRANSACTION_READ_RESPONSE_HEADERS": self._on_headers,
            "HTTP_TRANSACTION_READ_EARLY_HINTS_RESPONSE_HEADERS": self._on_headers,
            "URL_REQUEST_FILTERS_SET": self._on_filters,
            "URL_REQUEST_JOB_BYTES_READ": self._on_bytes,
            "URL_REQUEST_JOB_FILTERED_BYTES_READ": self._on_bytes,
            "FAILED": self._on_failed,
            "CANCELLED": self._on_failed,
            "REQUEST_ALIVE": self._on_alive,
        }
        if self._sink is not None:
            wanted["SSL_SOCKET_BYTES_RECEIVED"] = self._on_received
            wanted["SOCKET_BYTES_RECEIVED"] = self._on_plain
        return wanted

    def connection_of(self, hop: Hop) -> Connection | None:
        """The connection that carried a hop."""
        return self.wires.connection(hop.job, hop.quic)

    def stream_of(self, hop: Hop) -> tuple[int, int] | None:
        """(socket or QUIC session, stream id) of a hop over HTTP/2 or HTTP/3."""
        if hop.quic is not None:
            return None if hop.stream is None else (hop.quic, hop.stream)
        return self.wires.stream(hop.job)

    # --- requests ----------------------------------------------------------------------------------

    def _on_start(self, event: NetLogEvent) -> None:
        if event.phase == END:
            hop = self._current.get(event.source)
            if hop is not None and integer_of(event.params, "net_error") is not None:
                hop.net_error = integer_of(event.params, "net_error")
            return
        before = self._current.get(event.source)
        if before is not None:
            _close(before, event.time_ms)
        if len(self.hops) >= HOP_LIMIT:
            self.overflowed = True
            return
        hop = Hop(
            number=len(self.hops),
            source=event.source,
            url=text_of(event.params, "url"),
            method=text_of(event.params, "method"),
            started_ms=event.time_ms,
            request_type=text_of(event.params, "request_type"),
            initiator=text_of(event.params, "initiator"),
            partition=text_of(event.params, "network_isolation_key"),
        )
        self.hops.append(hop)
        self._current[event.source] = hop

    def _on_job(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is not None:
            hop.job = integer_of(event.params, "source_dependency", "id")

    def _on_quic(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is not None:
            hop.quic = integer_of(event.params, "source_dependency", "id")

    def _on_sent(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is not None:
            hop.request_headers = fields_of(value_at(event.params, "headers"))
            hop.stream = integer_of(event.params, "quic_stream_id")
            if self._sink is not None and event.name == "HTTP_TRANSACTION_SEND_REQUEST_HEADERS":
                self._sink.sent(hop)

    def _on_headers(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        found = texts_of(value_at(event.params, "headers"))
        if hop is None or not found:
            return
        _, _, rest = found[0].partition(" ")
        code, _, text = rest.partition(" ")
        status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else None  # noqa: PLR2004 (RFC 9110 §15)
        if status is None:
            return
        if status // 100 == 1 and status != 101:  # noqa: PLR2004 (interim answers)
            if len(hop.interim) < INTERIM_LIMIT:
                hop.interim.append(InterimAnswer(status=status, headers=fields_of(list(found[1:]))))
            return
        hop.status, hop.status_text = status, text
        hop.response_headers = fields_of(list(found[1:]))
        hop.headers_ms = event.time_ms

    def _on_filters(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is not None:
            hop.filtered = True

    def _on_bytes(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is None or hop.filtered != (event.name == "URL_REQUEST_JOB_BYTES_READ"):
            return  # of a decoded body the bytes before decoding count, of any other those there are
        if hop.status in {None, _NOT_MODIFIED}:
            return  # these come from the cache
        hop.wire_bytes += max(integer_of(event.params, "byte_count") or 0, 0)
        data = text_of(event.params, "bytes")
        if self._sink is not None and data:
            self._sink.body(hop, data)

    def _on_failed(self, event: NetLogEvent) -> None:
        hop = self._current.get(event.source)
        if hop is not None and hop.net_error is None:
            hop.net_error = integer_of(event.params, "net_error") or -3

    def _on_alive(self, event: NetLogEvent) -> None:
        if event.phase == END:
            hop = self._current.pop(event.source, None)
            if hop is not None:
                _close(hop, event.time_ms)

    def _on_plain(self, event: NetLogEvent) -> None:
        connection = self.wires.connections.get(event.source)
        if connection is not None and not connection.secure:
            self._on_received(event)

    def _on_received(self, event: NetLogEvent) -> None:
        data = text_of(event.params, "bytes")
        if self._sink is not None and data:
            self._sink.received(event.source, data)


def _close(hop: Hop, at_ms: int) -> None:
    hop.over, hop.ended_ms = True, at_ms
