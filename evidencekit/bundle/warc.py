"""Read the archive of a bundle: strict, streaming, bounded (docs/spec/archive.md).

The file is WARC/1.1, one gzip member a record. The reader takes what `capture.archive` writes and nothing
else: no gzip names or times, no bytes between or after members, no folded header lines, no unknown record types.
It keeps one window in memory whatever the sizes, and stops at the limits given.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from evidencekit.errors import FormatError
from evidencekit.hashing.digest import MultiHasher
from evidencekit.model import Digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor

    from evidencekit.hashing.digest import KnownSm3

HEAD_BYTES = 4 << 20
"""A record's header block; browsers allow URLs of 2 MiB."""

LIMIT_BYTES = 16 << 30
LIMIT_RECORDS = 1 << 21

_PIECE = 1 << 18
_GZIP_WINDOW = 31
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # RFC 1952 §2.3: deflate, no flags, no time
_END = b"\r\n\r\n"
_FIELD = re.compile(r"([A-Za-z0-9-]{1,64}): ([^\x00-\x1f\x7f]*)")
_RECORD_ID = re.compile(r"\d{6,9}\.(request|response)(\.public)?")
_UUID = re.compile(r"<urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}>")
_LENGTH = re.compile(r"0|[1-9]\d{0,14}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_REASONS = re.compile(r"[a-z_]{1,32}(?:, [a-z_]{1,32})*")
_REPEATABLE = frozenset({"warc-protocol"})
_TYPES = frozenset({"warcinfo", "request", "response"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcBlock:
    """One record: what its header claims and what its block is.

    `record_id` is `None` for `warcinfo` alone. `declared_sha256` is the claim of `WARC-Block-Digest`; `size`
    (bytes) and `digests` were computed here. `offset` and `length` are those of the gzip member.
    """

    record_id: str | None
    kind: str
    warc_id: str
    target_uri: str
    withheld: tuple[str, ...]
    declared_sha256: str | None
    size: int
    digests: Digests
    offset: int
    length: int


class BlockPlace(NamedTuple):
    """Where a block stands: its record's id, its size in bytes, and where its gzip member begins."""

    record_id: str
    size: int
    offset: int


def address_digest(url: str) -> bytes:
    """The SHA-256 of an address as a header states it, which is without its control characters."""
    return hashlib.sha256(_CONTROLS.sub("", url).encode("utf-8", "surrogatepass")).digest()


def read_blocks(
    stream: BinaryIO,
    *,
    limit_bytes: int = LIMIT_BYTES,
    limit_records: int = LIMIT_RECORDS,
    pool: Executor | None = None,
    known: KnownSm3 | None = None,
) -> Iterator[WarcBlock]:
    """Give every record in file order; the first is `warcinfo`, ids do not repeat.

    Args:
        stream: the `.warc.gz`, from its first byte.
        limit_bytes: of all records together, unpacked.
        limit_records: how many records are read.
        pool: one thread that shares the hashing.
        known: the SM3 of blocks that this process hashed before.

    Raises:
        FormatError: the file is not such an archive, or passes a limit.
    """
    source = _Source(stream, limit_bytes)
    seen: set[str] = set()
    for count in range(limit_records + 1):
        if not source.next_member():
            if count == 0:
                raise FormatError("the archive is empty; ask for the bundle again")
            return
        if count == limit_records:
            raise FormatError(f"the archive has more than {limit_records} records; it is not read further")
        block = _read_block(source, pool, known or {})
        if (block.kind == "warcinfo") != (count == 0):
            raise FormatError(f"record {count} of the archive is of the type {block.kind!r}, which may not stand there")
        if block.warc_id in seen or block.record_id in seen:
            raise FormatError(f"record {count} of the archive repeats the id {block.record_id or block.warc_id!r}")
        seen.add(block.warc_id)
        if block.record_id is not None:
            seen.add(block.record_id)
        yield block


def read_contents(
    stream: BinaryIO,
    wanted: Callable[[str, int], bool],
    *,
    limit_bytes: int = LIMIT_BYTES,
    places: Iterable[BlockPlace] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Give id and block of the records that `wanted` picks by id and size in bytes; nothing is hashed here.

    Args:
        stream: the `.warc.gz`, from its first byte.
        wanted: asked of every record, in file order.
        limit_bytes: of all records together, unpacked.
        places: where they stand, in file order, of a file that `read_blocks` has read whole; what is not wanted is
            then not unpacked again.

    Raises:
        FormatError: as `read_blocks`.
    """
    source = _Source(stream, limit_bytes)
    if places is not None:
        for place in places:
            if wanted(place.record_id, place.size):
                source.skip_to(place.offset)
                yield place.record_id, _next_block(source, place.size)
        return
    for _ in range(LIMIT_RECORDS):
        if not source.next_member():
            return
        fields = _parse_head(source.head(), source.offset)
        size = int(_field(fields, "content-length", _LENGTH, source.offset))
        record_id = _record_id(fields, fields.get("warc-type", ""), source.offset)
        if record_id is not None and wanted(record_id, size):
            yield record_id, b"".join(source.take(size))
        else:
            for _piece in source.take(size):
                pass
        source.finish()


def _next_block(source: _Source, size: int) -> bytes:
    if not source.next_member():
        raise FormatError("the archive ends before a record that it had; it was changed while it was read")
    source.head()
    block = b"".join(source.take(size))
    source.finish()
    return block


class _Source:
    """A stream of gzip members, each unpacked in bounded steps."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self._stream = stream
        self._left = limit_bytes
        self._packed = b""
        self._plain = b""
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._position = 0
        self.offset = 0

    @property
    def consumed(self) -> int:
        """Packed bytes up to the end of the finished member."""
        return self._position - len(self._packed)

    def next_member(self) -> bool:
        """Begin the next member; false at the end of the file."""
        self.offset = self.consumed
        while len(self._packed) < len(_GZIP_HEAD) and self._fill():
            pass
        if not self._packed:
            return False
        if not self._packed.startswith(_GZIP_HEAD):
            raise FormatError(f"the archive has no plain gzip member at byte {self.offset}; it was changed or damaged")
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        return True

    def skip_to(self, offset: int) -> None:
        """Leave out what stands before a member that begins there; not before the present one."""
        while self._position < offset and self._fill():
            self._packed = b"" if self._position < offset else self._packed
        self._packed = self._packed[len(self._packed) - (self._position - offset) :]

    def head(self) -> bytes:
        """Give the header block without its empty line."""
        while (end := self._plain.find(_END)) < 0:
            if len(self._plain) > HEAD_BYTES or not self._unpack():
                raise FormatError(f"the record at byte {self.offset} of the archive has no end of its header block")
        head, self._plain = self._plain[:end], self._plain[end + len(_END) :]
        return head

    def take(self, size: int) -> Iterator[bytes]:
        """Give exactly `size` bytes in pieces."""
        while size > 0:
            if not self._plain and not self._unpack():
                raise FormatError(f"the record at byte {self.offset} of the archive ends {size} bytes too early")
            piece, self._plain = self._plain[:size], self._plain[size:]
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """Demand that member and record end here."""
        while self._unpack():
            if len(self._plain) > len(_END):
                break
        if self._plain != _END or not self._member.eof:
            raise FormatError(f"the record at byte {self.offset} of the archive is longer than it says")
        self._plain = b""

    def _fill(self) -> bool:
        piece = self._stream.read(_PIECE)
        self._position += len(piece)
        self._packed += piece
        return bool(piece)

    def _unpack(self) -> bool:
        """Unpack one step of the current member; false when it has ended."""
        member = self._member
        while not member.eof:
            if not self._packed and not self._fill():
                raise FormatError(f"the archive ends within the record at byte {self.offset}")
            try:
                plain = member.decompress(self._packed, _PIECE)
            except zlib.error as error:
                raise FormatError(f"the record at byte {self.offset} of the archive is not gzip: {error}") from error
            self._packed = member.unused_data if _ended(member) else member.unconsumed_tail
            self._left -= len(plain)
            if self._left < 0:
                raise FormatError("the archive unpacks to more than the limit; it is not read further")
            if plain:
                self._plain += plain
                return True
        return False


def _ended(member: zlib._Decompress) -> bool:
    return member.eof


def _read_block(source: _Source, pool: Executor | None, known: KnownSm3) -> WarcBlock:
    fields = _parse_head(source.head(), source.offset)
    kind = fields.get("warc-type", "")
    if kind not in _TYPES:
        raise FormatError(f"the record at byte {source.offset} of the archive has the unknown type {kind[:40]!r}")
    size = int(_field(fields, "content-length", _LENGTH, source.offset))
    declared = fields.get("warc-block-digest")
    if declared is not None:
        declared = _field(fields, "warc-block-digest", _SHA256, source.offset).partition(":")[2]
    digests = _hashed(source, size, pool, known.get(declared or ""), declared)
    source.finish()
    withheld = fields.get("warc-evidence-withheld")
    return WarcBlock(
        record_id=_record_id(fields, kind, source.offset),
        kind=kind,
        warc_id=_field(fields, "warc-record-id", _UUID, source.offset),
        target_uri=fields.get("warc-target-uri", ""),
        withheld=()
        if withheld is None
        else tuple(_field(fields, "warc-evidence-withheld", _REASONS, source.offset).split(", ")),
        declared_sha256=declared,
        size=size,
        digests=digests,
        offset=source.offset,
        length=source.consumed - source.offset,
    )


def _hashed(source: _Source, size: int, pool: Executor | None, sm3: str | None, declared: str | None) -> Digests:
    """Hash a block; `sm3` is that of the bytes with the SHA-256 `declared`, where this process knows it."""
    if sm3 is None:
        hasher = MultiHasher(pool)
        for piece in source.take(size):
            hasher.update(piece)
        return hasher.digests()
    sha256 = hashlib.sha256()
    for piece in source.take(size):
        sha256.update(piece)
    if sha256.hexdigest() != declared:
        raise FormatError(f"the record at byte {source.offset} of the archive has another digest than it states")
    return Digests(sha256=sha256.hexdigest(), sm3=sm3)


def _parse_head(head: bytes, offset: int) -> Mapping[str, str]:
    try:
        first, *lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"the record at byte {offset} of the archive has a header that is not UTF-8") from error
    if first != "WARC/1.1":
        raise FormatError(f"the record at byte {offset} of the archive is not WARC/1.1")
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise FormatError(f"the record at byte {offset} of the archive has the bad header line {line[:80]!r}")
        name = match[1].lower()
        if name in fields and name not in _REPEATABLE:
            raise FormatError(f"the record at byte {offset} of the archive has the field {match[1]} twice")
        fields[name] = match[2]
    return fields


def _record_id(fields: Mapping[str, str], kind: str, offset: int) -> str | None:
    if kind == "warcinfo":
        if "warc-evidence-record" in fields:
            raise FormatError("the warcinfo record of the archive claims to be a recorded exchange")
        return None
    record_id = _field(fields, "warc-evidence-record", _RECORD_ID, offset)
    if record_id.split(".")[1] != kind:
        raise FormatError(f"the record {record_id} of the archive is of the type {kind}")
    return record_id


def _field(fields: Mapping[str, str], name: str, form: re.Pattern[str], offset: int) -> str:
    value = fields.get(name)
    if value is None or not form.fullmatch(value):
        raise FormatError(f"the record at byte {offset} of the archive lacks a lawful {name}")
    return value
