"""Write exchanges as WARC/1.1 (ISO 28500:2017), one gzip member a record (docs/spec/archive.md).

Every block is the one that `httpmessage` gives, byte for byte; the library that usually writes WARC parses and
re-serialises HTTP headers, so the few lines of framing are our own and that library judges them in the tests.
The file is a pure function of its arguments and of the zlib version.
"""

from __future__ import annotations

import hashlib
import re
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome
from evidencekit.capture.httpmessage import BlockKind, archived_kinds, block_of
from evidencekit.capture.postquery import LONGEST, post_query
from evidencekit.errors import StorageError
from evidencekit.hashing.digest import Sm3
from evidencekit.model import Digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from evidencekit.capture.withholding import MaskedExchange
    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.model import JsonValue

_GZIP_WINDOW = 31
_LEVEL = 6
_PACKED_LEVEL = 1
_STORED_LEVEL = 0
_SAMPLE_BYTES = 1 << 16
_SHRINKS = 0.97
"""A sample from the middle of a body that packs to more than this part of its size is packed already: trying harder
costs forty times what storing does (25 MB/s against 1 GB/s) and saves nothing."""
_PACKED = ("image/", "audio/", "video/", "font/", "application/zip", "application/gzip")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESS = re.compile(r"^\[?([0-9A-Fa-f.:]+?)\]?:\d+$")
_TLS = re.compile(r"(?i)(tls|ssl|quic) ?(\d(?:\.\d)?)?")
_TLS13_SUITES = {
    "AES_128_GCM": "TLS_AES_128_GCM_SHA256",
    "AES_256_GCM": "TLS_AES_256_GCM_SHA384",
    "CHACHA20_POLY1305": "TLS_CHACHA20_POLY1305_SHA256",
}
_REDIRECTS = range(300, 400)
_PARTIAL_CONTENT = 206
_NOT_MODIFIED = 304
_NOT_REPLAYED_METHODS = frozenset({"HEAD", "OPTIONS", "CONNECT", "TRACE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveInfo:
    """What the `warcinfo` record says."""

    capture_id: str
    software: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedBlock:
    """Where one record stands and what it holds.

    `offset` and `length` (bytes) are those of the gzip member and `member_sha256` is its digest; `size` and
    `digests` are those of the record block. `replayable` marks responses that belong into the index, `query` is there
    what stands for the request's body; `document` marks what a page or a frame navigated to.
    """

    record_id: str
    kind: BlockKind
    exchange_id: str
    url: str
    method: str
    status: int | None
    mime_type: str
    date: datetime
    offset: int
    length: int
    member_sha256: str
    payload_sha256: str | None
    size: int
    digests: Digests
    replayable: bool
    query: str = ""
    document: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveResult:
    """The finished file and its blocks in file order; `size` in bytes."""

    path: Path
    size: int
    blocks: tuple[ArchivedBlock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    exchange: Exchange
    kind: BlockKind
    record_id: str
    withheld: tuple[str, ...]
    size: int
    digests: Digests
    payload_sha256: str | None


def record_id_of(exchange_id: str, kind: BlockKind, withheld: tuple[str, ...]) -> str:
    """Give the id that docs/spec/records.md fixes for the block that the archive holds."""
    return f"{exchange_id}.{kind}.public" if withheld else f"{exchange_id}.{kind}"


def write_warc(
    path: Path, exchanges: Iterable[MaskedExchange], info: ArchiveInfo, known: KnownSm3 | None = None
) -> ArchiveResult:
    """Write the public view of all exchanges in the order given; the response stands before its request.

    Args:
        path: the file to write.
        exchanges: as they may be seen.
        info: what the first record says.
        known: the SM3 of blocks that this process hashed before.

    Raises:
        StorageError: a body changed since it was recorded, or the file cannot be written.
    """
    blocks: list[ArchivedBlock] = []
    try:
        with path.open("wb") as out:
            _write_warcinfo(out, info, path.name)
            for masked in exchanges:
                blocks += [
                    _write_block(out, _hash_block(masked, kind, known or {}), info.capture_id)
                    for kind in reversed(archived_kinds(masked.exchange))
                ]
            size = out.tell()
    except OSError as error:
        raise StorageError(
            f"the archive {path.name} cannot be written ({error}); free disk space and capture again",
            f"无法写入归档文件 {path.name}({error})；请释放磁盘空间后重新取证",
        ) from error
    return ArchiveResult(path=path, size=size, blocks=tuple(blocks))


def _hash_block(masked: MaskedExchange, kind: BlockKind, known: KnownSm3) -> _Block:
    """Read the block once to learn its size and digests: they stand in the header, before the block."""
    exchange = masked.exchange
    body = _body_of(exchange, kind)
    sha256, payload, size = hashlib.sha256(), hashlib.sha256(), 0
    for index, piece in enumerate(block_of(exchange, kind)):
        sha256.update(piece)
        size += len(piece)
        if index > 0:
            payload.update(piece)
    if body is not None and payload.hexdigest() != body.sha256:
        raise StorageError(
            f"the recorded body of exchange {exchange.id} changed on disk after it was received; capture again",
            f"请求 {exchange.id} 的已记录正文在接收后于磁盘上被改动；请重新取证",
        )
    sm3 = known.get(sha256.hexdigest())
    if sm3 is None:
        slower = Sm3()
        for piece in block_of(exchange, kind):
            slower.update(piece)
        sm3 = slower.hexdigest()
    withheld = masked.request_reasons if kind == "request" else masked.response_reasons
    return _Block(
        exchange=exchange,
        kind=kind,
        record_id=record_id_of(exchange.id, kind, withheld),
        withheld=withheld,
        size=size,
        digests=Digests(sha256=sha256.hexdigest(), sm3=sm3),
        payload_sha256=body.sha256 if body is not None else None,
    )


def _write_block(out: BinaryIO, block: _Block, capture_id: str) -> ArchivedBlock:
    exchange = block.exchange
    mime_type = exchange.response.mime_type if exchange.response else ""
    offset = out.tell()
    packed = block.kind == "response" and mime_type.startswith(_PACKED) and not mime_type.startswith("image/svg")
    level = _level_of(_body_of(exchange, block.kind), _PACKED_LEVEL if packed else _LEVEL)
    replayable = block.kind == "response" and _is_replayable(exchange)
    member_sha256 = _write_member(out, _fields(block, capture_id), block_of(exchange, block.kind), level)
    return ArchivedBlock(
        record_id=block.record_id,
        kind=block.kind,
        exchange_id=exchange.id,
        url=exchange.url,
        method=exchange.method,
        status=exchange.response.status if exchange.response else None,
        mime_type=mime_type,
        date=exchange.started,
        offset=offset,
        length=out.tell() - offset,
        member_sha256=member_sha256,
        payload_sha256=block.payload_sha256,
        size=block.size,
        digests=block.digests,
        replayable=replayable,
        query=_query_of(exchange) if replayable else "",
        document=exchange.resource_type == "Document",
    )


def _fields(block: _Block, capture_id: str) -> list[tuple[str, str]]:
    exchange, kind = block.exchange, block.kind
    fields = [
        ("WARC-Type", str(kind)),
        ("WARC-Record-ID", _warc_id(capture_id, f"{exchange.id}.{kind}")),
        ("WARC-Date", _warc_date(exchange.started)),
        ("WARC-Target-URI", _CONTROLS.sub("", exchange.url)),
        ("WARC-Warcinfo-ID", _warc_id(capture_id, "warcinfo")),
    ]
    if kind == "request" and exchange.response is not None:
        fields.append(("WARC-Concurrent-To", _warc_id(capture_id, f"{exchange.id}.response")))
    fields += _connection_fields(exchange)
    if block.payload_sha256 is not None:
        fields.append(("WARC-Payload-Digest", f"sha256:{block.payload_sha256}"))
    fields.append(("WARC-Block-Digest", f"sha256:{block.digests.sha256}"))
    if kind == "response" and exchange.outcome in {ExchangeOutcome.PARTIAL, ExchangeOutcome.NOT_RETRIEVABLE}:
        fields.append(("WARC-Truncated", "unspecified"))
    fields.append(("WARC-Evidence-Record", block.record_id))
    if block.withheld:
        fields.append(("WARC-Evidence-Withheld", ", ".join(block.withheld)))
    fields.append(("Content-Type", f"application/http; msgtype={kind}"))
    fields.append(("Content-Length", str(block.size)))
    return fields


def _connection_fields(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """WARC/1.1 §5.9 and the IIPC proposal for `WARC-Protocol` (iipc/warc-specifications#42)."""
    address = _ADDRESS.match(exchange.remote_address or "")
    if address:
        yield "WARC-IP-Address", address[1]
    if exchange.protocol:
        yield "WARC-Protocol", _CONTROLS.sub("", exchange.protocol)
    protocol = exchange.security.get("protocol") if exchange.security else None
    if isinstance(protocol, str) and (tls := _TLS.fullmatch(protocol)) and tls[2]:
        yield "WARC-Protocol", f"{tls[1].lower()}/{tls[2]}"
    elif isinstance(protocol, str) and protocol == "QUIC":
        yield "WARC-Protocol", "tls/1.3"  # RFC 9001 §4.2: QUIC has no other
    suite = _cipher_suite(exchange.security)
    if suite is not None:
        yield "WARC-Cipher-Suite", suite


def _cipher_suite(security: Mapping[str, JsonValue] | None) -> str | None:
    """The cipher suite by its IANA name, from the network log or, for TLS 1.3 alone, from DevTools."""
    if security is None:
        return None
    suite, cipher = security.get("cipher_suite"), security.get("cipher")
    if isinstance(suite, str):
        return _CONTROLS.sub("", suite)
    if security.get("protocol") in {"TLS 1.3", "QUIC"} and isinstance(cipher, str):
        return _TLS13_SUITES.get(cipher)
    return None


def _write_warcinfo(out: BinaryIO, info: ArchiveInfo, filename: str) -> None:
    lines = (
        ("software", info.software),
        ("format", "WARC File Format 1.1"),
        ("conformsTo", "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"),
        ("isPartOf", info.capture_id),
        ("description", "bodies are decoded where x-orig-content-encoding stands, else as on the wire"),
    )
    block = "".join(f"{name}: {_CONTROLS.sub(' ', value)}\r\n" for name, value in lines).encode()
    fields = [
        ("WARC-Type", "warcinfo"),
        ("WARC-Record-ID", _warc_id(info.capture_id, "warcinfo")),
        ("WARC-Date", _warc_date(info.created)),
        ("WARC-Filename", filename),
        ("WARC-Block-Digest", f"sha256:{hashlib.sha256(block).hexdigest()}"),
        ("Content-Type", "application/warc-fields"),
        ("Content-Length", str(len(block))),
    ]
    _write_member(out, fields, [block], _LEVEL)


def _write_member(out: BinaryIO, fields: Iterable[tuple[str, str]], block: Iterable[bytes], level: int) -> str:
    """Write one record as one gzip member (RFC 1952, no name, no time) and give the member's SHA-256."""
    head = "WARC/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
    digest = hashlib.sha256()

    def emit(piece: bytes) -> None:
        digest.update(piece)
        out.write(piece)

    emit(packer.compress(head.encode("utf-8", "replace")))
    for piece in block:
        emit(packer.compress(piece))
    emit(packer.compress(b"\r\n\r\n"))
    emit(packer.flush())
    return digest.hexdigest()


def _level_of(body: Body | None, level: int) -> int:
    """Give the level to pack with: none where a sample shows that the body is packed by its own format."""
    if body is None or body.size < _SAMPLE_BYTES:
        return level
    with body.file.open("rb") as file:
        file.seek((body.size - _SAMPLE_BYTES) // 2)
        sample = file.read(_SAMPLE_BYTES)
    shrinks = len(zlib.compress(sample, _PACKED_LEVEL)) <= _SHRINKS * len(sample)
    return level if shrinks else _STORED_LEVEL


def _is_replayable(exchange: Exchange) -> bool:
    """Say whether a replay program may answer with it: ranges, cut bodies and HEAD would replay wrongly."""
    status = exchange.response.status if exchange.response else 0
    if (
        exchange.method.upper() in _NOT_REPLAYED_METHODS
        or status == _NOT_MODIFIED
        or (status == _PARTIAL_CONTENT and not _is_whole(exchange))
        or not exchange.url.startswith("http")
    ):
        return False
    return exchange.outcome is not ExchangeOutcome.NOT_RETRIEVABLE or status in _REDIRECTS


def _is_whole(exchange: Exchange) -> bool:
    """Say whether a 206 holds all of its file: what media players ask for first (RFC 9110 §15.3.7)."""
    if exchange.response is None or exchange.payload is None or exchange.outcome is not ExchangeOutcome.RECORDED:
        return False
    size = exchange.payload.size
    return [value.strip() for name, value in exchange.response.headers if name.lower() == "content-range"] == [
        f"bytes 0-{size - 1}/{size}"
    ]


def _query_of(exchange: Exchange) -> str:
    """Give what stands for the request's body in the index; nothing where it is none or long."""
    body = exchange.request_body
    if exchange.method.upper() == "GET" or body is None or body.size > LONGEST:
        return ""
    kinds = [value for name, value in exchange.request_headers if name.lower() == "content-type"]
    return post_query(body.file.read_bytes(), kinds[0] if kinds else "")


def _body_of(exchange: Exchange, kind: BlockKind) -> Body | None:
    return exchange.request_body if kind == "request" else exchange.payload


def _warc_id(capture_id: str, name: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:evidencekit:{capture_id}:{name}')}>"


def _warc_date(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
