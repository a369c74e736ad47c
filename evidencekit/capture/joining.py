"""Two accounts of one exchange made one: what DevTools told, with what the network log knows better.

The log keeps header fields in the order and number received, the status that came over the wire (DevTools shows a
cached answer confirmed by 304 as 200), answers that the browser hid from the page, and in forensic mode the body as
coded on the wire. Where the two contradict each other DevTools' account stays, and `network.json` shows both.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, Headers, ResponseHead
from evidencekit.capture.headertext import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evidencekit.capture.netlogconnections import Connection
    from evidencekit.capture.netlogindex import Hop, NetLogIndex
    from evidencekit.model import JsonValue

ONLY_IN_LOG: Final = "only the browser's network log knows it"
_NOT_MODIFIED: Final = 304
_BODILESS: Final = frozenset({101, 204, 205, 304})
_CIPHER_SUITES: Final = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBody:
    """A body as coded on the wire; `whole` says that its end came."""

    body: Body
    whole: bool


class Matcher:
    """Finds the hop of the log for an exchange: the same method and URL, in the order started."""

    def __init__(self, index: NetLogIndex) -> None:
        self.found: dict[str, Hop] = {}
        self._index = index
        self._seen = 0
        self._waiting: dict[tuple[str, str], deque[Hop]] = {}

    def match(self, exchanges: Iterable[Exchange]) -> None:
        """Match exchanges that are not matched yet, in order of ids."""
        for hop in self._index.hops[self._seen :]:
            self._waiting.setdefault(_key(hop.method, hop.url), deque()).append(hop)
        self._seen = len(self._index.hops)
        for exchange in sorted(exchanges, key=lambda each: each.id):
            if exchange.id not in self.found and not exchange.from_service_worker:
                taken = self._take(exchange)
                if taken is not None:
                    self.found[exchange.id] = taken

    def _take(self, exchange: Exchange) -> Hop | None:
        queue = self._waiting.get(_key(exchange.method, exchange.url))
        for hop in tuple(queue or ()):
            # An answer from the browser's cache has a hop that nothing was sent for, or none.
            if queue is not None and (exchange.from_cache is not hop.sent or exchange.response is None):
                queue.remove(hop)
                return hop
        return None

    def left(self) -> tuple[Hop, ...]:
        """Hops that belong to no exchange."""
        return tuple(sorted((hop for queue in self._waiting.values() for hop in queue), key=lambda hop: hop.number))


def _key(method: str, url: str) -> tuple[str, str]:
    return method.upper(), url.partition("#")[0]


def is_settled(exchange: Exchange, hop: Hop | None) -> bool:
    """Whether the log already told all that a finished exchange needs."""
    if hop is None:
        return exchange.from_service_worker or exchange.from_cache or exchange.remote_address is None
    return hop.over or exchange.outcome is ExchangeOutcome.PARTIAL or exchange.resource_type == "WebSocket"


def enrich(exchange: Exchange, hop: Hop, index: NetLogIndex, wire: WireBody | None) -> Exchange:
    """The exchange as both accounts together have it."""
    if not hop.sent:
        return exchange
    connection = index.connection_of(hop)
    joined = replace(
        exchange,
        request_headers=hop.request_headers,
        headers_from="netlog",
        security=_security(exchange.security, connection),
        remote_address=exchange.remote_address or (None if connection is None else connection.address),
        protocol=exchange.protocol or (None if connection is None else connection.alpn),
    )
    if hop.status is None:
        return joined
    headers = response_headers(hop, index)
    if exchange.response is None:
        return _revealed(joined, hop, _head(hop, headers, index), wire)
    if hop.status == _NOT_MODIFIED != exchange.response.status:
        return _confirmed(joined, _head(hop, headers, index))
    if hop.status != exchange.response.status:
        return exchange
    head = replace(_head(hop, headers, index), mime_type=exchange.response.mime_type, raw=exchange.response.raw)
    joined = replace(joined, response=head)
    return joined if wire is None else _with_wire(joined, wire)


def _security(known: Mapping[str, JsonValue] | None, connection: Connection | None) -> Mapping[str, JsonValue] | None:
    """What DevTools said of the connection's security, with what it leaves out."""
    if connection is None or (not connection.tls and not connection.is_quic):
        return known
    version = "QUIC" if connection.is_quic else connection.tls.get("version")
    found: dict[str, JsonValue] = {"protocol": version, **(known or {})}
    # DevTools leaves the details out after a redirect; another exchange over the same connection has them.
    cipher = found.setdefault("cipher", connection.cipher)
    connection.cipher = cipher if isinstance(cipher, str) else connection.cipher
    suite = connection.tls.get("cipher_suite")
    if isinstance(suite, int):
        found["cipher_suite"] = _CIPHER_SUITES.get(suite, f"0x{suite:04x}")
    return found


def response_headers(hop: Hop, index: NetLogIndex) -> Headers:
    """Header fields in the order received, without pseudo-header fields."""
    stream = index.stream_of(hop)
    found = None if stream is None else index.wires.stream_headers.get(stream)
    return hop.response_headers if found is None else tuple(pair for pair in found if not pair[0].startswith(":"))


def _head(hop: Hop, headers: Headers, index: NetLogIndex) -> ResponseHead:
    """What the log tells of an answer but its body."""
    mime_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    return ResponseHead(
        status=hop.status or 0,
        status_text=hop.status_text,
        headers=headers,
        mime_type=shown(mime_type.partition(";")[0].strip().lower()),
        trailers=tuple(hop.trailers) or index.wires.trailers(hop.job, hop.quic, hop.stream),
        interim=index.wires.interim(hop.job, hop.quic, hop.stream) or tuple(hop.interim),
    )


def _confirmed(exchange: Exchange, head: ResponseHead) -> Exchange:
    """A cached answer that the server confirmed: the wire carried 304 and no body."""
    return replace(
        exchange,
        response=replace(head, mime_type=""),
        response_body=None,
        from_cache=True,
        outcome=ExchangeOutcome.RECORDED,
        reason=None,
    )


def _revealed(exchange: Exchange, hop: Hop, head: ResponseHead, wire: WireBody | None) -> Exchange:
    """An answer that the browser kept from the page, such as one that CORS forbids it to read."""
    shown = replace(exchange, response=head)
    if wire is not None:
        return _with_wire(replace(shown, outcome=ExchangeOutcome.RECORDED), wire)
    if hop.status in _BODILESS or exchange.method == "HEAD":
        return replace(shown, outcome=ExchangeOutcome.RECORDED)
    return replace(shown, outcome=ExchangeOutcome.NOT_RETRIEVABLE)


def _with_wire(exchange: Exchange, wire: WireBody) -> Exchange:
    """Keep the coded body; where DevTools gave none, an uncoded one is the body itself."""
    head = exchange.response
    names = {name.lower(): value.lower() for name, value in (head.headers if head is not None else ())}
    plain = names.get("content-encoding", "identity") == "identity"
    if exchange.response_body is None and exchange.outcome is not ExchangeOutcome.PARTIAL:
        outcome = ExchangeOutcome.RECORDED if wire.whole else ExchangeOutcome.PARTIAL
        return replace(
            exchange,
            wire_body=wire.body,
            response_body=wire.body if plain else None,
            outcome=outcome,
            reason=None if wire.whole else exchange.reason or "cut on the wire",
        )
    return replace(exchange, wire_body=wire.body)


class Sources:
    """Which exchange last brought the answer of a URL over the network."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def name(self, exchange: Exchange) -> Exchange:
        """Remember an exchange from the network; in one from the cache name the exchange whose answer was given."""
        url = exchange.url.partition("#")[0]
        if exchange.from_cache:
            return replace(exchange, source_exchange=self._last.get(url))
        if exchange.response_body is not None and exchange.method == "GET":
            self._last[url] = exchange.id
        return exchange


def exchange_of_hop(number: int, hop: Hop, index: NetLogIndex, offset_ms: int, wire: WireBody | None) -> Exchange:
    """An exchange for a hop that DevTools did not report, so that no byte is lost unnamed."""
    connection = index.connection_of(hop)
    bare = Exchange(
        id=f"{number:06d}",
        page=None,
        url=hop.url,
        method=hop.method,
        resource_type="Other",
        initiator="other",
        target="unknown",
        outcome=ExchangeOutcome.FAILED,
        reason=ONLY_IN_LOG,
        started=_time(hop.started_ms, offset_ms),
        finished=None if hop.ended_ms is None else _time(hop.ended_ms, offset_ms),
        after_t_capture=True,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol=None if connection is None else connection.alpn,
        remote_address=None if connection is None else connection.address,
        security=None,
        request_headers=(),
        request_body=None,
        response=None,
        response_body=None,
        encoded_size=None,
    )
    return replace(enrich(bare, hop, index, wire), reason=ONLY_IN_LOG)


def _time(at_ms: int, offset_ms: int) -> datetime:
    return datetime.fromtimestamp((at_ms + offset_ms) / 1000, UTC)
