"""`network.har`: the public view of all exchanges as HTTP Archive 1.2, derived and without bodies.

The archive holds the bodies; an entry names its records there. Numbers that nobody measured are -1, as HAR says.
"""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from evidencekit.capture.headertext import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from evidencekit.capture.exchanges import Exchange, Headers
    from evidencekit.model import JsonValue, PageResult

HAR_PATH = "capture/network.har"
_SAFE = "%/:?&=+$,;@!*'()~-._"
_PROTOCOLS = {"http/1.1": "HTTP/1.1", "http/1.0": "HTTP/1.0", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}
_MOST_FIELDS = 2000


def har_pieces(
    exchanges: Iterable[Exchange], pages: Sequence[PageResult], software: tuple[str, str]
) -> Iterator[bytes]:
    """Give the file entry by entry: ten thousand requests as one value would be the largest thing in memory.

    Args:
        exchanges: with secrets masked, in order.
        pages: of the session.
        software: name and version of the creator.
    """
    head: dict[str, JsonValue] = {
        "version": "1.2",
        "creator": {"name": software[0], "version": software[1]},
        "comment": "derived from capture/exchanges.jsonl; bodies stand in capture/page.wacz",
        "pages": [_page(page) for page in pages],
    }
    yield b'{"log":' + _json(head)[:-1] + b',"entries":['
    for index, exchange in enumerate(exchanges):
        yield (b"," if index else b"") + _json(_entry(exchange))
    yield b"]}}"


def _json(value: JsonValue) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _page(page: PageResult) -> JsonValue:
    return {
        "startedDateTime": _time(page.started_at),
        "id": page.id,
        "title": page.title,
        "pageTimings": {"onContentLoad": -1, "onLoad": -1},
        "comment": page.requested_url,
    }


def _entry(exchange: Exchange) -> JsonValue:
    finished = exchange.finished or exchange.started
    total = round(max((finished - exchange.started).total_seconds() * 1000, 0), 3)
    entry: dict[str, JsonValue] = {
        "startedDateTime": _time(exchange.started),
        "time": total,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": total, "receive": 0},
        "comment": f"{exchange.id} {exchange.outcome.value}" + (f": {exchange.reason}" if exchange.reason else ""),
        "_resourceType": exchange.resource_type,
        "_afterTCapture": exchange.after_t_capture,
        "_fromCache": exchange.from_cache,
    }
    if exchange.page is not None:
        entry["pageref"] = exchange.page
    address = _address(exchange.remote_address)
    if address is not None:
        entry["serverIPAddress"] = address
    return entry


def _request(exchange: Exchange) -> JsonValue:
    url = _uri(exchange.url)
    request: dict[str, JsonValue] = {
        "method": exchange.method,
        "url": url,
        "httpVersion": _version(exchange),
        "cookies": [],
        "headers": _fields(exchange.request_headers),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=None)[
                :_MOST_FIELDS
            ]
        ],
        "headersSize": -1,
        "bodySize": 0 if exchange.request_body is None else exchange.request_body.size,
    }
    if exchange.request_body is not None:
        request["postData"] = {
            "mimeType": _field(exchange.request_headers, "content-type"),
            "params": [],
            "text": "",
            "comment": f"{exchange.request_body.size} bytes, sha256 {exchange.request_body.sha256}",
        }
    return request


def _response(exchange: Exchange) -> JsonValue:
    head, body = exchange.response, exchange.response_body
    content: dict[str, JsonValue] = {"size": 0, "mimeType": "x-unknown"}
    if head is not None and head.mime_type:
        content["mimeType"] = head.mime_type
    if body is not None:
        content["size"] = body.size
        content["comment"] = f"sha256 {body.sha256} of the decoded body"
    headers: Headers = () if head is None else head.headers
    return {
        "status": 0 if head is None else head.status,
        "statusText": "" if head is None else shown(head.status_text),
        "httpVersion": _version(exchange),
        "cookies": [],
        "headers": _fields(headers),
        "content": content,
        "redirectURL": _uri(exchange.redirected_to or "") if exchange.redirected_to else _field(headers, "location"),
        "headersSize": -1,
        "bodySize": -1 if exchange.encoded_size is None else max(exchange.encoded_size, -1),
    }


def _fields(headers: Headers) -> list[JsonValue]:
    return [{"name": shown(name), "value": shown(value)} for name, value in headers[:_MOST_FIELDS]]


def _field(headers: Headers, name: str) -> str:
    return next((shown(value) for key, value in headers if key.lower() == name), "")


def _version(exchange: Exchange) -> str:
    return _PROTOCOLS.get((exchange.protocol or "").lower(), exchange.protocol or "unknown")


def _uri(url: str) -> str:
    """The address as a URI (RFC 3986): what a mask put in is escaped."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "about:invalid"
    escaped = (quote(part, safe=_SAFE) for part in (parts.path, parts.query, parts.fragment))
    path, query, fragment = escaped
    return urlunsplit((parts.scheme, parts.netloc, path, query, fragment))


def _address(remote: str | None) -> str | None:
    """The peer's address without its port, when it is one."""
    host = (remote or "").rpartition(":")[0].strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
