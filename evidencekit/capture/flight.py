"""A request in flight: what the `Network` events have said so far, and the exchange it becomes.

Events and fields as in the Chrome DevTools Protocol, domain `Network`. One flight is one hop: a redirect ends a
flight and begins the next one under the same request id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import Params, flag_of, integer_of, mapping_of, number_of, text_of, value_at
from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, Headers, ResponseHead

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from evidencekit.capture.bodies import BodySpool
    from evidencekit.model import JsonValue

RECORDED_SCHEMES = ("http:", "https:", "ws:", "wss:", "ftp:", "file:")
"""`data:`, `blob:`, `about:` and the browser's own pages never leave the process: they are no requests."""

_BODILESS_STATUS = frozenset({204, 205, 304})
_REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
_SECURITY_FIELDS = (
    ("protocol", "protocol"),
    ("cipher", "cipher"),
    ("keyExchangeGroup", "group"),
    ("subjectName", "subject"),
    ("issuer", "issuer"),
    ("sanList", "san"),
    ("validFrom", "valid_from"),
    ("validTo", "valid_to"),
    ("serverSignatureAlgorithm", "signature_algorithm"),
    ("certificateTransparencyCompliance", "certificate_transparency"),
    ("encryptedClientHello", "encrypted_client_hello"),
)


@dataclass(slots=True, kw_only=True)
class Flight:
    """One hop in progress; filled by the recorder, read once when it is over."""

    id: str
    request_id: str
    session: str
    page: str | None
    target: str
    url: str
    method: str
    resource_type: str
    initiator: str
    started: datetime
    monotonic_s: float
    frame: str = ""
    main_document: bool = False
    patient: bool = False
    request: Params = field(default_factory=dict)
    response: Params | None = None
    redirected_from: str | None = None
    redirected_to: str | None = None
    has_extra: bool | None = None
    request_extra: Params | None = None
    response_extra: Params | None = None
    from_cache: bool = False
    received: int = 0
    encoded_size: int | None = None
    finished: datetime | None = None
    error: str | None = None
    canceled: bool = False
    spool: BodySpool | None = None
    stream_answer: asyncio.Future[Params] | None = None
    cut: bool = False
    request_body: Body | None = None

    @property
    def status(self) -> int | None:
        """HTTP status of the response, None without one."""
        return None if self.response is None else integer_of(self.response, "status")

    @property
    def declared_length(self) -> int | None:
        """`Content-Length` of a response without content coding; None when unknown or coded."""
        headers = {name.lower(): value for name, value in headers_of(value_at(self.response or {}, "headers"))}
        text = headers.get("content-length", "")
        if (
            headers.get("content-encoding", "identity").lower() != "identity"
            or not text.isascii()
            or not text.isdigit()
        ):
            return None
        return int(text) if len(text) <= 15 else None  # noqa: PLR2004 (beyond any real body)

    @property
    def has_no_body(self) -> bool:
        """Whether the response cannot have content (RFC 9110 §6.4.1)."""
        return self.method == "HEAD" or self.status in _BODILESS_STATUS

    @property
    def is_redirect_hop(self) -> bool:
        """Whether this hop ended in an HTTP redirect that the browser followed."""
        return self.redirected_to is not None and self.status in _REDIRECT_STATUS

    def time_of(self, timestamp: float | None) -> datetime:
        """Wall-clock time of a monotonic CDP timestamp, reckoned from this hop's start."""
        if timestamp is None or not 0 <= timestamp - self.monotonic_s < 86_400 * 30:
            return datetime.now(UTC)
        return self.started + timedelta(seconds=timestamp - self.monotonic_s)


def headers_of(value: JsonValue) -> Headers:
    """Names and values of a CDP `Headers` object; duplicates, which CDP joins by LF, are taken apart again."""
    pairs: list[tuple[str, str]] = []
    for name, joined in mapping_of(value).items():
        text = joined if isinstance(joined, str) else str(joined)
        pairs += [(intern(str(name)), intern(part)) for part in text.split("\n")]  # they come with every request
    return tuple(pairs)


def raw_headers(text: str) -> Headers:
    """Headers of an HTTP/1.x header block in the order received (RFC 9112 §5), obsolete folding joined."""
    pairs: list[tuple[str, str]] = []
    for line in text.replace("\r\n", "\n").split("\n")[1:]:
        if line[:1] in {" ", "\t"} and pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon and name:
            pairs.append((name.rstrip(), value.strip(" \t")))
    return tuple(pairs)


def build_exchange(
    flight: Flight, body: Body | None, outcome: ExchangeOutcome, reason: str | None, *, late: bool
) -> Exchange:
    """The finished value. `late` says that it ended after its page's T_capture."""
    response = flight.response or {}
    return Exchange(
        id=flight.id,
        page=flight.page,
        url=flight.url,
        method=flight.method,
        resource_type=flight.resource_type,
        initiator=flight.initiator,
        target=flight.target,
        outcome=outcome,
        reason=reason,
        started=flight.started,
        finished=flight.finished,
        after_t_capture=late,
        from_cache=flight.from_cache or flag_of(response, "fromDiskCache") or flag_of(response, "fromPrefetchCache"),
        from_service_worker=flag_of(response, "fromServiceWorker"),
        redirected_from=flight.redirected_from,
        redirected_to=flight.redirected_to,
        protocol=text_of(response, "protocol") or None,
        remote_address=remote_address(response),
        security=_security(response),
        request_headers=_request_headers(flight),
        request_body=flight.request_body,
        response=None if flight.response is None else _head(flight),
        response_body=body,
        encoded_size=flight.encoded_size,
    )


def remote_address(response: Params) -> str | None:
    """`ip:port` of the peer, IPv6 in brackets; None when nothing was connected (cache, service worker)."""
    address, port = text_of(response, "remoteIPAddress"), integer_of(response, "remotePort")
    if not address:
        return None
    bare = address.strip("[]")
    return f"[{bare}]:{port or 0}" if ":" in bare else f"{bare}:{port or 0}"


def _request_headers(flight: Flight) -> Headers:
    sent = value_at(flight.request_extra or {}, "headers")
    return headers_of(sent if sent is not None else value_at(flight.request, "headers"))


def _head(flight: Flight) -> ResponseHead:
    response, extra = flight.response or {}, flight.response_extra or {}
    raw = text_of(extra, "headersText") or None
    # A cached answer confirmed by 304 keeps the status and headers that the page saw.
    status = integer_of(response, "status") or 0
    if raw is not None and integer_of(extra, "statusCode") in {None, status}:
        headers = raw_headers(raw)
    else:
        raw, found = None, value_at(extra, "headers")
        confirmed = integer_of(extra, "statusCode") not in {None, status}
        headers = headers_of(value_at(response, "headers") if confirmed or found is None else found)
    return ResponseHead(
        status=status,
        status_text=text_of(response, "statusText"),
        headers=headers,
        mime_type=text_of(response, "mimeType"),
        raw=raw,
    )


def _security(response: Params) -> Mapping[str, JsonValue] | None:
    details = value_at(response, "securityDetails")
    if details is None:
        return None
    kept: dict[str, JsonValue] = {"state": text_of(response, "securityState")}
    for theirs, ours in _SECURITY_FIELDS:
        value = value_at(details, theirs)
        if value is not None:
            kept[ours] = value
    for name in ("valid_from", "valid_to"):
        seconds = number_of(kept, name)
        if seconds is not None and 0 <= seconds < 253_402_300_800:  # noqa: PLR2004 (year 10000)
            kept[name] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return kept
