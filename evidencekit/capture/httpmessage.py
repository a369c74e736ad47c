"""WARC record blocks of an exchange: the HTTP messages as the archive keeps them.

A block is a start line, the headers in the order received with duplicates, an empty line and the body
(WARC/1.1 §6.3, §6.4; RFC 9112 §2.1). Bodies are kept decoded (design §4.2), so `Content-Encoding`,
`Transfer-Encoding` and `Content-Length` become `x-orig-…` and a true `Content-Length` is written last; a body kept as
on the wire (forensic mode) keeps its `Content-Encoding`, and its `Content-Length` where there was one.
HTTP/2 pseudo-header fields (RFC 9113 §8.3) go into the start line and `Host`. The same exchange always
gives the same bytes; what a block cannot carry (CR, LF, NUL in a value) stays true in the exchange itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, Headers
from evidencekit.capture.headertext import field_bytes
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

BlockKind: TypeAlias = Literal["request", "response"]

PIECE_BYTES = 64 * 1024

_ARCHIVED_SCHEMES = frozenset({"http", "https", "ws", "wss"})
_FRAMING = frozenset({"content-encoding", "transfer-encoding", "content-length"})
_BODILESS_STATUS = frozenset({204, 304})
_NOT_TOKEN = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")  # RFC 9110 §5.6.2
_NOT_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5, tab excepted
_TARGET_SAFE = "!#$%&'()*+,-./:;=?@[]_~"


def archived_kinds(exchange: Exchange) -> tuple[BlockKind, ...]:
    """Say which blocks of an exchange the archive holds: none, the request, or request and response.

    `data:`, `blob:` and browser-internal URLs have no HTTP message; withheld exchanges stay out.
    """
    scheme = exchange.url.partition(":")[0].lower()
    if scheme not in _ARCHIVED_SCHEMES or exchange.outcome is ExchangeOutcome.WITHHELD:
        return ()
    return ("request",) if exchange.response is None else ("request", "response")


def block_of(exchange: Exchange, kind: BlockKind) -> Iterator[bytes]:
    """Give the block of the kind named."""
    return request_block(exchange) if kind == "request" else response_block(exchange)


def request_head(exchange: Exchange) -> bytes:
    """Give start line, headers and the empty line of the request."""
    lines = [f"{_token(exchange.method)} {_request_target(exchange)} HTTP/1.1"]
    if not any(name.lower() == "host" for name, _ in exchange.request_headers):
        lines.append(f"Host: {_authority(exchange)}")
    framed, lengths = _header_lines(exchange.request_headers)
    lines += framed
    if exchange.request_body is not None:
        lines.append(f"Content-Length: {exchange.request_body.size}")
    elif lengths:
        # The browser sent a body that it did not show: the archive must not promise bytes it lacks.
        lines.append("Content-Length: 0")
    return _encode(lines)


def response_head(exchange: Exchange) -> bytes:
    """Give status line, headers and the empty line of the response; empty when there was none."""
    head = exchange.response
    if head is None:
        return b""
    status_text = _NOT_VALUE.sub(" ", head.status_text)
    body = exchange.payload
    on_wire = body is not None and body is exchange.wire_body
    framed, renamed = _header_lines(head.headers, on_wire=body.size if on_wire and body is not None else None)
    lines = [f"HTTP/1.1 {head.status:03d} {status_text}", *framed]
    if body is not None:
        if renamed or not on_wire or not any(line.lower().startswith("content-length:") for line in framed):
            lines.append(f"Content-Length: {body.size}")
    elif not _is_bodiless(exchange.method, head.status):
        lines.append("Content-Length: 0")
    return _encode(lines)


def request_block(exchange: Exchange) -> Iterator[bytes]:
    """Give the block of the `request` record.

    Raises:
        StorageError: the spooled body is gone or has another size.
    """
    yield request_head(exchange)
    if exchange.request_body is not None:
        yield from _body(exchange.request_body, exchange.id)


def response_block(exchange: Exchange) -> Iterator[bytes]:
    """Give the block of the `response` record; nothing when there was no response.

    Raises:
        StorageError: the spooled body is gone or has another size.
    """
    head = response_head(exchange)
    if not head:
        return
    yield head
    if exchange.payload is not None:
        yield from _body(exchange.payload, exchange.id)


def _is_bodiless(method: str, status: int) -> bool:
    """RFC 9110 §6.4.1: answers that never have content."""
    return method.upper() == "HEAD" or status // 100 == 1 or status in _BODILESS_STATUS


def _header_lines(headers: Headers, *, on_wire: int | None = None) -> tuple[list[str], bool]:
    """Write header lines; the flag says whether a framing field was renamed.

    With `on_wire`, the size of a body kept as on the wire, its coding and its right length keep their names.
    """
    sizes = [value.strip() for name, value in headers if name.lower() == "content-length"]
    renaming = set(_FRAMING)
    if on_wire is not None:
        renaming -= {"content-encoding", *(["content-length"] if sizes == [str(on_wire)] else [])}
    lines: list[str] = []
    renamed = False
    for name, value in headers:
        if name.startswith(":"):
            continue
        clean = _token(name)
        if clean.lower() in renaming:
            clean = f"x-orig-{clean}"
            renamed = True
        # DevTools joins the duplicates of one name with LF; each was a field line of its own.
        lines += [f"{clean}: {_NOT_VALUE.sub(' ', part).strip(' ')}" for part in value.split("\n")]
    return lines, renamed


def _pseudo(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _request_target(exchange: Exchange) -> str:
    """Give the origin-form of the target (RFC 9112 §3.2.1), without fragment."""
    target = _pseudo(exchange.request_headers, ":path")
    if target is None:
        rest = exchange.url.partition("#")[0].partition("://")[2]
        start = re.search(r"[/?]", rest)
        target = rest[start.start() :] if start else ""
        if not target.startswith("/"):
            target = f"/{target}"
    return quote(target, safe=_TARGET_SAFE, errors="replace")


def _authority(exchange: Exchange) -> str:
    authority = _pseudo(exchange.request_headers, ":authority")
    if authority is None:
        try:
            authority = urlsplit(exchange.url).netloc.rpartition("@")[2]
        except ValueError:
            authority = ""
    return _NOT_VALUE.sub("", authority)


def _token(name: str) -> str:
    return _NOT_TOKEN.sub("_", name) or "_"


def _encode(lines: list[str]) -> bytes:
    return field_bytes("\r\n".join(lines) + "\r\n\r\n")


def _body(body: Body, exchange_id: str) -> Iterator[bytes]:
    """Stream the spooled body; its size was promised in the header block."""
    sent = 0
    try:
        with body.file.open("rb") as source:
            while piece := source.read(PIECE_BYTES):
                sent += len(piece)
                yield piece
    except OSError as error:
        raise StorageError(
            f"the recorded body of exchange {exchange_id} cannot be read ({error}); check the disk and capture again",
            f"无法读取请求 {exchange_id} 的已记录正文({error})；请检查磁盘后重新取证",
        ) from error
    if sent != body.size:
        raise StorageError(
            f"the recorded body of exchange {exchange_id} has {sent} bytes instead of {body.size}; capture again",
            f"请求 {exchange_id} 的已记录正文为 {sent} 字节，应为 {body.size} 字节；请重新取证",
        )
