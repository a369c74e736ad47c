"""One request and what became of it: the value that recorder, archive and withholding share.

`format_exchanges` and `parse_exchanges` (docs/spec/exchanges.md) live here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.capture.headertext import shown
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.model import JsonValue

FILE_NAME = "exchanges.jsonl"
FORMAT_NAME = "exchanges"
FILE_LIMIT = 256 << 20
LINE_LIMIT = 1 << 20
_LINE_BYTES = 16 << 20
_SHORT = 64
_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})

Headers = tuple[tuple[str, str], ...]
"""Names and values in the order received, duplicates kept."""


class ExchangeOutcome(StrEnum):
    """How a request ended; there is no sixth way (design: zero silent loss)."""

    RECORDED = "recorded"
    PARTIAL = "partial"
    FAILED = "failed"
    WITHHELD = "withheld"
    NOT_RETRIEVABLE = "not-retrievable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Decoded body bytes spooled to `file`; `sha256` is lower-case hex, `size` in bytes."""

    file: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimAnswer:
    """An answer before the answer (RFC 9110 §15.2), such as 103 Early Hints."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and headers as received; `raw` is the HTTP/1.x header block when the channel gives it.

    `trailers` are the fields that came behind the body, `interim` what came before the answer.
    """

    status: int
    status_text: str
    headers: Headers
    mime_type: str
    raw: str | None = None
    trailers: Headers = ()
    interim: tuple[InterimAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A finished exchange. Sizes in bytes; `protocol` is the ALPN id (`http/1.1`, `h2`, `h3`).

    `headers_from` names the channel that gave the header fields, `source_exchange` the exchange whose answer the cache
    gave again; `wire_body` is the response body as coded on the wire (forensic mode).
    """

    id: str
    page: str | None
    url: str
    method: str
    resource_type: str
    initiator: str
    target: str
    outcome: ExchangeOutcome
    reason: str | None
    started: datetime
    finished: datetime | None
    after_t_capture: bool
    from_cache: bool
    from_service_worker: bool
    redirected_from: str | None
    redirected_to: str | None
    protocol: str | None
    remote_address: str | None
    security: Mapping[str, JsonValue] | None
    request_headers: Headers
    request_body: Body | None
    response: ResponseHead | None
    response_body: Body | None
    encoded_size: int | None
    headers_from: str = "devtools"
    source_exchange: str | None = None
    wire_body: Body | None = None

    @property
    def payload(self) -> Body | None:
        """The response body as the archive holds it: wire bytes where they were kept, but for zstd decoded ones.

        No replay program decodes zstd; its wire bytes stand beside the archive (docs/spec/archive.md).
        """
        return self.response_body if self.wire_body is None or self.wire_is_apart else self.wire_body

    @property
    def wire_is_apart(self) -> bool:
        """Whether the wire bytes stand in a file of their own."""
        codings = [value.lower() for name, value in self._response_headers if name.lower() == "content-encoding"]
        return self.wire_body is not None and self.response_body is not None and any("zstd" in each for each in codings)

    @property
    def _response_headers(self) -> Headers:
        return () if self.response is None else self.response.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLine:
    """What one line of `exchanges.jsonl` says: the parts that others count and compare."""

    id: str
    page: str | None
    url: str
    method: str
    resource_type: str
    outcome: ExchangeOutcome
    reason: str | None
    after_t_capture: bool
    remote_address: str | None
    status: int | None
    body_size: int | None
    body_sha256: str | None
    withheld: tuple[str, ...]
    records: tuple[str, ...]


def format_exchanges(
    capture_id: str,
    exchanges: Sequence[Exchange],
    *,
    withheld: Mapping[str, Sequence[str]] = _NONE,
    records: Mapping[str, Sequence[str]] = _NONE,
) -> bytes:
    """Write `exchanges.jsonl` in order of ids.

    Args:
        capture_id: 32 hexadecimal characters.
        exchanges: the public view of every exchange.
        withheld: reasons by exchange id.
        records: record ids by exchange id.
    """
    header: dict[str, JsonValue] = {
        "capture_id": capture_id,
        "count": len(exchanges),
        "format": f"evidencekit/{FORMAT_NAME}",
        "version": 1,
    }
    lines = [canonical_bytes(header)]
    for exchange in sorted(exchanges, key=lambda each: each.id):
        line = _line(exchange, tuple(withheld.get(exchange.id, ())), tuple(records.get(exchange.id, ())))
        lines.append(canonical_bytes(line))
    return b"".join(line + b"\n" for line in lines)


def _line(exchange: Exchange, withheld: tuple[str, ...], records: tuple[str, ...]) -> dict[str, JsonValue]:
    request_body = exchange.request_body
    return {
        "id": exchange.id,
        "page": exchange.page,
        "url": _writable(exchange.url),
        "method": _writable(exchange.method),
        "resource_type": exchange.resource_type,
        "initiator": _writable(exchange.initiator),
        "target": exchange.target,
        "outcome": exchange.outcome.value,
        "reason": None if exchange.reason is None else _writable(exchange.reason),
        "started": format_time(exchange.started),
        "finished": None if exchange.finished is None else format_time(exchange.finished),
        "after_t_capture": exchange.after_t_capture,
        "from_cache": exchange.from_cache,
        "from_service_worker": exchange.from_service_worker,
        "redirected_from": exchange.redirected_from,
        "redirected_to": exchange.redirected_to,
        "source_exchange": exchange.source_exchange,
        "headers_from": exchange.headers_from,
        "protocol": exchange.protocol,
        "remote_address": exchange.remote_address,
        "security": None if exchange.security is None else {k: _clean(v) for k, v in exchange.security.items()},
        "request": {
            "headers": _pairs(exchange.request_headers),
            "body_size": None if request_body is None else request_body.size,
            "body_retained": request_body is not None,
        },
        "response": _response(exchange),
        "withheld": withheld,
        "records": records,
    }


def _response(exchange: Exchange) -> dict[str, JsonValue] | None:
    head, body, wire = exchange.response, exchange.response_body, exchange.wire_body
    if head is None:
        return None
    return {
        "status": head.status,
        "status_text": shown(head.status_text),
        "headers": _pairs(head.headers),
        "mime_type": _writable(head.mime_type),
        "body_size": None if body is None else body.size,
        "encoded_size": exchange.encoded_size,
        "sha256": None if body is None else body.sha256,
        "wire": None if wire is None else {"sha256": wire.sha256, "size": wire.size},
        **_beside(head),
    }


def _beside(head: ResponseHead) -> dict[str, JsonValue]:
    """Trailers and interim answers where there are some; trailers that were announced and not had are null."""
    found: dict[str, JsonValue] = {}
    if head.trailers:
        found["trailers"] = _pairs(head.trailers)
    elif any(name.lower() == "trailer" for name, _ in head.headers):
        found["trailers"] = None
    if head.interim:
        found["interim"] = [{"headers": _pairs(each.headers), "status": each.status} for each in head.interim]
    return found


def _pairs(headers: Headers) -> list[JsonValue]:
    return [[shown(name), shown(value)] for name, value in headers]


def _writable(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate reads U+FFFD."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _clean(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _writable(value)
    if isinstance(value, Mapping):
        return {_writable(name): _clean(member) for name, member in value.items()}
    if isinstance(value, Sequence):
        return [_clean(member) for member in value]
    return value


def parse_exchanges(data: bytes) -> tuple[str, tuple[ExchangeLine, ...]]:
    """Read `exchanges.jsonl`.

    Returns:
        The capture id and the lines in file order.

    Raises:
        FormatError: not this format, not canonical, over a limit, a count that is not the number of lines, or an id
            that comes twice.
        UnknownVersionError: a newer major version.
    """
    if len(data) > FILE_LIMIT or data.count(b"\n") > LINE_LIMIT + 1 or not data.endswith(b"\n"):
        raise FormatError(
            f"{FILE_NAME} is over its limit or does not end a line; it is damaged or not ours",
            f"{FILE_NAME} 超过上限或末行不完整；文件已损坏或不是本程序所写",
        )
    first, *rest = data[:-1].split(b"\n")
    header = Fields(parse_canonical(first, limit=_LINE_BYTES, what=FILE_NAME), FILE_NAME)
    check_version(header, FORMAT_NAME)
    lines = tuple(_parse_line(line, number) for number, line in enumerate(rest, start=1))
    if header.integer("count") != len(lines) or len({line.id for line in lines}) != len(lines):
        header.refuse("count", "does not agree with the lines, or an id comes twice", "与行数不符，或有重复编号")
    return header.hex("capture_id", 16), lines


def _parse_line(raw: bytes, number: int) -> ExchangeLine:
    what = f"{FILE_NAME} line {number}"
    fields = Fields(parse_canonical(raw, limit=_LINE_BYTES, what=what), what)
    response = fields.optional("response", fields.object)
    return ExchangeLine(
        id=fields.text("id", limit=_SHORT),
        page=fields.optional("page", lambda name: fields.text(name, limit=_SHORT)),
        url=fields.text("url"),
        method=fields.text("method"),
        resource_type=fields.text("resource_type"),
        outcome=fields.choice("outcome", ExchangeOutcome),
        reason=fields.optional("reason", fields.text),
        after_t_capture=fields.flag("after_t_capture"),
        remote_address=fields.optional("remote_address", fields.text),
        status=None if response is None else response.integer("status"),
        body_size=None if response is None else response.optional("body_size", response.integer),
        body_sha256=None if response is None else response.optional("sha256", lambda name: response.hex(name, 32)),
        withheld=fields.texts("withheld"),
        records=fields.texts("records"),
    )
