"""The one ZIP form that docs/spec/bundle.md fixes: every structure byte as a function of names, sizes and CRCs.

The writer emits these bytes; the reader builds them again from what it read and compares. Source: PKWARE APPNOTE.TXT
6.3.x, sections 4.3 (records), 4.4 (fields), 4.5.3 (ZIP64 extra field).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

STORED = 0
DEFLATED = 8

MAX_MEMBERS = 1 << 20
MAX_MEMBER_BYTES = 16 << 30
MAX_TOTAL_BYTES = 64 << 30
MAX_INFLATED_MEMBER_BYTES = 4 << 30
MAX_INFLATED_TOTAL_BYTES = 16 << 30
"""Deflate expands up to 1032 times: what is inflated has narrower bounds than what is stored."""

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR64_SIGNATURE = b"PK\x06\x07"

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR64 = struct.Struct("<4sIQI")
_EXTRA_HEAD = struct.Struct("<2H")

ZIP64_ID = 0x0001
SENTINEL_16 = 0xFFFF
SENTINEL_32 = 0xFFFFFFFF
_VERSION = 20
_VERSION_64 = 45
_FLAGS = 0
_TIME = 0
_DATE = 0x0021
"""1980-01-01, the first day that DOS dates know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member: sizes in bytes, before and after its method; `offset` of its local header in the file."""

    name: str
    method: int
    crc: int
    size: int
    compressed_size: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where the central directory lies and how many members it lists."""

    members: int
    size: int
    offset: int


def _zip64_extra(values: list[int]) -> bytes:
    return _EXTRA_HEAD.pack(ZIP64_ID, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values) if values else b""


def local_header(entry: Entry) -> bytes:
    """Write the header before a member's data; with ZIP64, both sizes stand in the extra field (4.5.3)."""
    large = entry.size >= SENTINEL_32 or entry.compressed_size >= SENTINEL_32
    extra = _zip64_extra([entry.size, entry.compressed_size] if large else [])
    name = entry.name.encode("ascii")
    fixed = LOCAL.pack(
        LOCAL_SIGNATURE,
        _VERSION_64 if large else _VERSION,
        _FLAGS,
        entry.method,
        _TIME,
        _DATE,
        entry.crc,
        SENTINEL_32 if large else entry.compressed_size,
        SENTINEL_32 if large else entry.size,
        len(name),
        len(extra),
    )
    return fixed + name + extra


def central_header(entry: Entry) -> bytes:
    """Write a member's line in the central directory; with ZIP64, only what overflows stands in the extra field."""
    fields = (entry.size, entry.compressed_size, entry.offset)
    extra = _zip64_extra([value for value in fields if value >= SENTINEL_32])
    size, compressed_size, offset = (min(value, SENTINEL_32) for value in fields)
    version = _VERSION_64 if extra else _VERSION
    name = entry.name.encode("ascii")
    fixed = CENTRAL.pack(
        CENTRAL_SIGNATURE,
        # The high byte 0 (DOS) keeps Unix readers from taking external attributes 0 for permissions 000.
        version,
        version,
        _FLAGS,
        entry.method,
        _TIME,
        _DATE,
        entry.crc,
        compressed_size,
        size,
        len(name),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return fixed + name + extra


def end_records(directory: Directory) -> bytes:
    """Write what follows the central directory: ZIP64 records where a field overflows, then the end record."""
    overflows = directory.members >= SENTINEL_16 or directory.size >= SENTINEL_32 or directory.offset >= SENTINEL_32
    records = b""
    if overflows:
        records += END64.pack(
            END64_SIGNATURE,
            END64.size - 12,
            _VERSION_64,
            _VERSION_64,
            0,
            0,
            directory.members,
            directory.members,
            directory.size,
            directory.offset,
        )
        records += LOCATOR64.pack(LOCATOR64_SIGNATURE, 0, directory.offset + directory.size, 1)
    members = min(directory.members, SENTINEL_16)
    return records + END.pack(
        END_SIGNATURE,
        0,
        0,
        members,
        members,
        min(directory.size, SENTINEL_32),
        min(directory.offset, SENTINEL_32),
        0,
    )
