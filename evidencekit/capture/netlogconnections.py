"""Connections of the network log: sockets with their TLS, HTTP/2 and QUIC sessions, certificates, names.

A stream job leads to a socket or to an HTTP/2 session, and that to its socket; a QUIC session stands for itself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING, Final

from evidencekit.capture.cdp import Params, integer_of, text_of, value_at
from evidencekit.capture.exchanges import InterimAnswer
from evidencekit.capture.headertext import from_netlog
from evidencekit.capture.netlog import BEGIN, END, NetLogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.capture.exchanges import Headers
    from evidencekit.model import JsonValue

MESSAGE_LIMIT: Final = 24
INTERIM_LIMIT: Final = 100
_NAMES_LIMIT: Final = 10_000
_DEPTH: Final = 8
_CERTIFICATE_VERIFY: Final = 15


@dataclass(slots=True, kw_only=True)
class Connection:
    """A TCP socket with its TLS, or a QUIC session. `messages` are (sent, bytes) up to CertificateVerify."""

    source: int
    opened_ms: int
    address: str | None = None
    host: str | None = None
    alpn: str | None = None
    tls: Params = field(default_factory=dict)
    messages: list[tuple[bool, str]] = field(default_factory=list)
    verified: bool = False
    received: tuple[str, ...] = ()
    certificate_job: int | None = None
    is_quic: bool = False
    secure: bool = False
    cipher: str | None = None


@dataclass(slots=True, kw_only=True)
class Session:
    """An HTTP/2 session and the socket below it."""

    socket: int | None = None


class ConnectionIndex:
    """Handlers of the events about connections, and what they add up to."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}
        self.sessions: dict[int, Session] = {}
        self.jobs: dict[int, tuple[str, int]] = {}
        self.verdicts: dict[int, Params] = {}
        self.names: dict[str, Params] = {}
        self.stream_headers: dict[tuple[int, int], Headers] = {}
        self._trailers: dict[tuple[int, int], Headers] = {}
        self._interim: dict[tuple[int, int], list[InterimAnswer]] = {}
        self._naming: dict[int, str] = {}
        self._streams: dict[int, tuple[int, int]] = {}

    def handlers(self) -> Mapping[str, Callable[[NetLogEvent], None]]:
        """Which events are wanted, and what takes them."""
        return {
            "SOCKET_POOL_BOUND_TO_SOCKET": self._on_bound,
            "HTTP2_SESSION_POOL_IMPORTED_SESSION_FROM_SOCKET": self._on_bound,
            "HTTP2_SESSION_POOL_FOUND_EXISTING_SESSION": self._on_bound,
            "HTTP_STREAM_JOB_HTTP2_SESSION_AVAILABLE": self._on_bound,
            "HTTP2_SESSION_INITIALIZED": self._on_session,
            "HTTP2_SESSION_SEND_HEADERS": self._on_stream,
            "HTTP2_SESSION_RECV_HEADERS": self._on_decoded,
            "TCP_CONNECT": self._on_connect,
            "SSL_CONNECT": self._on_tls,
            "SSL_HANDSHAKE_MESSAGE_SENT": self._on_message,
            "SSL_HANDSHAKE_MESSAGE_RECEIVED": self._on_message,
            "SSL_CERTIFICATES_RECEIVED": self._on_certificates,
            "CERT_VERIFIER_REQUEST_BOUND_TO_JOB": self._on_verifier,
            "CERT_VERIFIER_JOB": self._on_verdict,
            "QUIC_SESSION": self._on_quic_session,
            "QUIC_SESSION_PACKET_RECEIVED": self._on_packet,
            "HTTP3_HEADERS_DECODED": self._on_decoded,
            "HOST_RESOLVER_MANAGER_JOB": self._on_name,
            "HOST_RESOLVER_SYSTEM_TASK": self._on_answer,
            "HOST_RESOLVER_DNS_TASK": self._on_answer,
        }

    def connection(self, job: int | None, quic: int | None) -> Connection | None:
        """The connection that a stream job or a QUIC session stands for."""
        if quic is not None:
            return self.connections.get(quic)
        kind, source = self.jobs.get(-1 if job is None else job, ("", -1))
        if kind == "session":
            session = self.sessions.get(source)
            source = -1 if session is None or session.socket is None else session.socket
        return self.connections.get(source)

    def stream(self, job: int | None) -> tuple[int, int] | None:
        """(socket, stream id) of a stream job over HTTP/2."""
        session, stream = self._streams.get(-1 if job is None else job, (-1, -1))
        found = self.sessions.get(session)
        return None if found is None or found.socket is None else (found.socket, stream)

    def trailers(self, job: int | None, quic: int | None, stream: int | None) -> Headers:
        """What came behind the body of a stream of HTTP/2 (by its job) or HTTP/3 (by its session and number)."""
        return self._trailers.get(self._key(job, quic, stream), ())

    def interim(self, job: int | None, quic: int | None, stream: int | None) -> tuple[InterimAnswer, ...]:
        """What came before the answer on such a stream.

        The transaction above the stream tells of an interim answer only if it gets to read it before the answer comes.
        """
        return tuple(self._interim.get(self._key(job, quic, stream), ()))

    def _key(self, job: int | None, quic: int | None, stream: int | None) -> tuple[int, int]:
        if quic is not None:
            return quic, -1 if stream is None else stream
        return self._streams.get(-1 if job is None else job, (-1, -1))

    # --- connections -------------------------------------------------------------------------------

    def _on_bound(self, event: NetLogEvent) -> None:
        target = integer_of(event.params, "source_dependency", "id")
        if target is not None:
            kind = "socket" if event.name == "SOCKET_POOL_BOUND_TO_SOCKET" else "session"
            self.jobs[event.source] = (kind, target)

    def _on_session(self, event: NetLogEvent) -> None:
        session = self.sessions.setdefault(event.source, Session())
        session.socket = integer_of(event.params, "source_dependency", "id")

    def _on_stream(self, event: NetLogEvent) -> None:
        job, stream = integer_of(event.params, "source_dependency", "id"), integer_of(event.params, "stream_id")
        if job is not None and stream is not None:
            self._streams[job] = (event.source, stream)

    def _connection(self, event: NetLogEvent) -> Connection:
        return self.connections.setdefault(event.source, Connection(source=event.source, opened_ms=event.time_ms))

    def _on_connect(self, event: NetLogEvent) -> None:
        address = text_of(event.params, "remote_address")
        if event.phase == END and address:
            self._connection(event).address = address

    def _on_tls(self, event: NetLogEvent) -> None:
        self._connection(event).secure = True
        if event.phase == END and text_of(event.params, "version"):
            connection = self._connection(event)
            connection.tls = event.params
            agreed = text_of(event.params, "next_proto")
            connection.alpn = None if agreed == "unknown" else agreed

    def _on_message(self, event: NetLogEvent) -> None:
        connection = self._connection(event)
        if not connection.verified and len(connection.messages) < MESSAGE_LIMIT:
            sent = event.name.endswith("_SENT")
            connection.messages.append((sent, text_of(event.params, "bytes")))
            connection.verified = not sent and integer_of(event.params, "type") == _CERTIFICATE_VERIFY

    def _on_certificates(self, event: NetLogEvent) -> None:
        self._connection(event).received = texts_of(value_at(event.params, "certificates"))

    def _on_verifier(self, event: NetLogEvent) -> None:
        self._connection(event).certificate_job = integer_of(event.params, "source_dependency", "id")

    def _on_verdict(self, event: NetLogEvent) -> None:
        if event.phase == END:
            self.verdicts[event.source] = {**self.verdicts.get(event.source, {}), **event.params}
        elif event.phase == BEGIN:
            self.verdicts[event.source] = {"certificates": value_at(event.params, "certificates")}

    def _on_quic_session(self, event: NetLogEvent) -> None:
        if event.phase == BEGIN:
            connection = self._connection(event)
            connection.is_quic, connection.alpn = True, "h3"
            connection.host = f"{text_of(event.params, 'host')}:{integer_of(event.params, 'port') or 443}"

    def _on_packet(self, event: NetLogEvent) -> None:
        connection = self._connection(event)
        connection.address = connection.address or text_of(event.params, "peer_address") or None

    def _on_decoded(self, event: NetLogEvent) -> None:
        stream = integer_of(event.params, "stream_id")
        found = value_at(event.params, "headers")
        lines = texts_of(found)
        # Interim answers and trailers come the same way. Over HTTP/2 the transaction tells the answer itself.
        if stream is None or not lines:
            return
        key = event.source, stream
        if not lines[0].startswith(":"):
            self._trailers[key] = fields_of(found)
        elif lines[0].startswith(":status: 1"):
            self._on_interim(key, lines)
        elif event.name == "HTTP3_HEADERS_DECODED" and lines[0].startswith(":status: "):
            self.stream_headers[key] = fields_of(found)

    def _on_interim(self, key: tuple[int, int], lines: tuple[str, ...]) -> None:
        kept = self._interim.setdefault(key, [])
        code = lines[0].removeprefix(":status: ")
        if len(kept) < INTERIM_LIMIT and code.isascii() and code.isdigit() and len(code) == 3:  # noqa: PLR2004 (RFC 9110 §15)
            kept.append(InterimAnswer(status=int(code), headers=fields_of(list(lines[1:]))))

    # --- names -------------------------------------------------------------------------------------

    def _on_name(self, event: NetLogEvent) -> None:
        if event.phase == BEGIN and len(self.names) < _NAMES_LIMIT:
            host = text_of(event.params, "host")
            host = host.rpartition("://")[2]
            self._naming[event.source] = host
            self.names.setdefault(host, {})
        elif event.phase == END:
            host = self._naming.pop(event.source, "")
            error = integer_of(event.params, "net_error")
            if host and error is not None:
                self.names[host] = {**self.names.get(host, {}), "net_error": error}

    def _on_answer(self, event: NetLogEvent) -> None:
        host = self._naming.get(event.source)
        if event.phase == END and host:
            addresses = sorted(addresses_in(event.params))
            if addresses:
                self.names[host] = {**self.names.get(host, {}), "addresses": [*addresses]}


def fields_of(value: JsonValue) -> Headers:
    """Header fields from `Name: value` lines; HTTP/2 joins the duplicates of a name by NUL.

    Names and values come again with every request, so each text is kept once.
    """
    pairs: list[tuple[str, str]] = []
    for line in texts_of(value):
        colon = line.find(": ", 1)
        name, values = (line[:colon], line[colon + 2 :]) if colon > 0 else (line.rstrip(":"), "")
        pairs += [(intern(name), intern(part)) for part in values.split("\0")]
    return tuple(pairs)


def texts_of(value: JsonValue) -> tuple[str, ...]:
    """The texts in a list, out of the log's escapes."""
    return tuple(from_netlog(each) for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def addresses_in(value: JsonValue, depth: int = 0) -> set[str]:
    """IP addresses with or without port anywhere in the results of a name's resolution."""
    found: set[str] = set()
    if isinstance(value, str):
        bare = value.rpartition(":")[0] if value.count(":") == 1 or value.startswith("[") else value
        try:
            found.add(str(ipaddress.ip_address(bare.strip("[]"))))
        except ValueError:
            return found
    elif depth < _DEPTH:
        items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        for each in items:
            found |= addresses_in(each, depth + 1)
    return found
