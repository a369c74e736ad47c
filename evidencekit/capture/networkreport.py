"""From the network log to what the bundle holds of it: `network.json`, TLS handshakes, verified chains.

Formats: docs/spec/network.md and docs/spec/tls.md. The log's secrets stay out: requests are named by exchange, the
browser's own ones by host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from evidencekit.capture.cdp import flag_of, integer_of, mapping_of, text_of, value_at
from evidencekit.capture.netlogconnections import texts_of
from evidencekit.capture.networklog import NUDGE_URL
from evidencekit.capture.tlschain import chain_path, pem_chain
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.x509.handshake import HandshakeMessage, Sender, check_handshake
from evidencekit.x509.handshakefile import CERTIFICATE_COUNT, HandshakeFile, format_handshake, handshake_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evidencekit.capture.cdp import Params
    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.netlogconnections import Connection
    from evidencekit.capture.netlogindex import Hop
    from evidencekit.capture.networklog import NetworkLog
    from evidencekit.model import JsonValue

NETWORK_PATH: Final = "capture/network.json"
HANDSHAKE_LIMIT: Final = 200
_LIST_LIMIT: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFiles:
    """What goes into the bundle by path: the report, handshakes, PEM chains; `handshakes` counts those that verify."""

    report: bytes
    tls: Mapping[str, bytes]
    handshakes: int


def network_files(log: NetworkLog, exchanges: Sequence[Exchange], capture_id: str) -> NetworkFiles:
    """Put together what the bundle holds of the log."""
    used = _used_connections(log)
    numbers = {source: number for number, source in enumerate(used)}
    verdicts = sorted({each.certificate_job for each, _ in used.values() if each.certificate_job is not None})
    tls: dict[str, bytes] = {}
    for connection, hop in used.values():
        if len(tls) < HANDSHAKE_LIMIT:
            _add_handshake(tls, log, connection, hop, capture_id)
            _add_chain(tls, log, connection, hop)
    report: dict[str, JsonValue] = {
        "browser": _own_requests(log),
        "capture_id": capture_id,
        "certificates": [_certificate(log, verdict) for verdict in verdicts],
        "complete": log.reader.complete and not log.reader.skipped and not log.index.overflowed,
        "connections": [_connection(numbers[source], *used[source], verdicts) for source in used],
        "dns": [_name(log, host) for host in sorted(log.index.wires.names)[:_LIST_LIMIT]],
        "format": "evidencekit/network",
        "missing_events": list(log.reader.missing),
        "mode": log.mode,
        "only_here": list(log.only_here),
        "requests": _requests(log, numbers),
        "unmatched": [each.id for each in exchanges if _is_unmatched(log, each)],
        "version": 1,
    }
    handshakes = sum(name.endswith(".handshake.json") for name in tls)
    return NetworkFiles(report=canonical_bytes(report), tls=tls, handshakes=handshakes)


def _used_connections(log: NetworkLog) -> dict[int, tuple[Connection, Hop]]:
    """Connections that carried an exchange, with the first hop over each, in that order."""
    used: dict[int, tuple[Connection, Hop]] = {}
    for hop in sorted(log.matcher.found.values(), key=lambda each: each.number):
        connection = log.index.connection_of(hop)
        if connection is not None:
            used.setdefault(connection.source, (connection, hop))
    return used


def _is_unmatched(log: NetworkLog, exchange: Exchange) -> bool:
    """Whether DevTools says that it came over the network and the log does not know it."""
    return (
        exchange.id not in log.matcher.found
        and exchange.remote_address is not None
        and not exchange.from_cache
        and not exchange.from_service_worker
    )


def _requests(log: NetworkLog, numbers: Mapping[int, int]) -> list[JsonValue]:
    found = sorted(log.matcher.found.items())
    first = min((hop.started_ms for _, hop in found), default=0)
    rows: list[JsonValue] = []
    for name, hop in found:
        connection = log.index.connection_of(hop)
        rows.append(
            {
                "address": None if connection is None else connection.address,
                "cached": not hop.sent,
                "connection": None if connection is None else numbers.get(connection.source),
                "ended_ms": None if hop.ended_ms is None else hop.ended_ms - first,
                "error": _error(log, hop.net_error),
                "exchange": name,
                "headers_ms": None if hop.headers_ms is None else hop.headers_ms - first,
                "started_ms": hop.started_ms - first,
                "status": hop.status,
                "wire_bytes": hop.wire_bytes if log.mode == "Everything" else None,
            }
        )
    return rows


def _connection(number: int, connection: Connection, hop: Hop, verdicts: Sequence[int]) -> JsonValue:
    tls, job = connection.tls, connection.certificate_job
    return {
        "address": connection.address,
        "alpn": connection.alpn,
        "certificate": verdicts.index(job) if job is not None else None,
        "cipher_suite": integer_of(tls, "cipher_suite"),
        "ech": flag_of(tls, "encrypted_client_hello") if tls else None,
        "group": integer_of(tls, "key_exchange_group"),
        "host": connection.host or "{}:{}".format(*_host_and_port(hop.url)),
        "id": number,
        "resumed": flag_of(tls, "is_resumed") if tls else None,
        "signature_scheme": integer_of(tls, "peer_signature_algorithm"),
        "tls": text_of(tls, "version") or ("TLS 1.3" if connection.is_quic else None),
    }


def _certificate(log: NetworkLog, job: int) -> JsonValue:
    verdict = log.index.wires.verdicts.get(job, {})
    scts: list[JsonValue] = [
        {
            "log": text_of(each, "log_id")[:100],
            "origin": text_of(each, "origin")[:100],
            "status": _status(each),
        }
        for each in _items(value_at(verdict, "scts", "scts"))
    ]
    return {
        "ct": text_of(verdict, "ct_compliance_status"),
        "error": _error(log, integer_of(verdict, "net_error")),
        "known_root": flag_of(verdict, "is_issued_by_known_root"),
        "received": _digests(texts_of(value_at(verdict, "certificates"))),
        "scts": scts,
        "status": integer_of(verdict, "cert_status"),
        "verified": _digests(texts_of(value_at(verdict, "verified_cert", "certificates"))),
    }


def _status(sct: Params) -> str:
    return text_of(sct, "verification_status")[:100] or text_of(sct, "status")[:100]


def _name(log: NetworkLog, host: str) -> JsonValue:
    found = log.index.wires.names[host]
    return {
        "addresses": [*texts_of(value_at(found, "addresses"))],
        "error": _error(log, integer_of(found, "net_error")),
        "host": host[:300],
    }


def _own_requests(log: NetworkLog) -> list[JsonValue]:
    """What the browser asked for on its own account, by host."""
    counts: dict[str, list[Hop]] = {}
    for hop in log.matcher.left():
        if hop.url != NUDGE_URL and not log.is_of_a_page(hop):
            counts.setdefault(_host_and_port(hop.url)[0] or hop.url.partition(":")[0], []).append(hop)
    return [
        {"error": _error(log, hops[-1].net_error), "host": host[:300], "requests": len(hops)}
        for host, hops in sorted(counts.items())[:_LIST_LIMIT]
    ]


def _error(log: NetworkLog, number: int | None) -> str | None:
    return None if not number else log.reader.net_errors.get(number, f"net error {number}")


def _add_handshake(tls: dict[str, bytes], log: NetworkLog, connection: Connection, hop: Hop, capture_id: str) -> None:
    """Keep the first handshake with a host that can be checked again; one that cannot proves nothing to anybody."""
    if not connection.verified:
        return
    messages = tuple(
        HandshakeMessage(sender=Sender.CLIENT if sent else Sender.SERVER, data=_bytes(data))
        for sent, data in connection.messages
    )
    received = tuple(_der(each) for each in connection.received[:CERTIFICATE_COUNT])
    try:
        proof = check_handshake(messages, received)
    except FormatError:
        return
    asked, port = _host_and_port(hop.url)
    path = handshake_path(proof.server_name or asked, port)
    if proof.valid and path not in tls:
        tls[path] = format_handshake(
            HandshakeFile(
                capture_id=capture_id,
                host=proof.server_name or asked,
                port=port,
                address=connection.address,
                time=datetime.fromtimestamp((connection.opened_ms + (log.reader.offset_ms or 0)) / 1000, UTC),
                messages=messages,
                certificates=received,
            )
        )


def _add_chain(tls: dict[str, bytes], log: NetworkLog, connection: Connection, hop: Hop) -> None:
    """Keep the chain received and the one that the browser built, once a host."""
    host, port = _host_and_port(hop.url)
    verdict: Params = log.index.wires.verdicts.get(connection.certificate_job or -1, {})
    path = chain_path(f"https://{host}" if port == 443 else f"https://{host}:{port}")  # noqa: PLR2004 (https)
    received = connection.received or texts_of(value_at(verdict, "certificates"))
    verified = texts_of(value_at(verdict, "verified_cert", "certificates"))
    if received:
        tls.setdefault(path.replace(".pem", ".received.pem"), pem_chain(_der(each) for each in received))
    if verified and not integer_of(verdict, "net_error"):
        tls.setdefault(path, pem_chain(_der(each) for each in verified))


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme in {"http", "ws"} else 443)
    except ValueError:
        return "", 443
    return parts.hostname or "", port


def _items(value: JsonValue) -> Iterable[Params]:
    return [mapping_of(each) for each in value[:_LIST_LIMIT]] if isinstance(value, list) else ()


def _digests(pems: Iterable[str]) -> list[JsonValue]:
    return [hashlib.sha256(_der(each)).hexdigest() for each in pems]


def _der(pem: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(pem.strip())
    except ValueError:
        return b""


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""
