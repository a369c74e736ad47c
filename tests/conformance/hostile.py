"""Containers that no verifier may trust (R67): each is a true bundle's members in a ZIP that lies in one way.

Every case says what must come of it: `refused` (one sentence, exit 10), or a verdict of the container's own finding.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

Members = Mapping[str, bytes]
REFUSED: Final = "refused"
STORED, DEFLATED, LZMA = 0, 8, 14
MAX32: Final = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member as its two headers state it; `None` takes the true value, `local_` ones differ in the local header."""

    name: bytes
    data: bytes = b""
    method: int = STORED
    flags: int = 0
    attributes: int = 0
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    extra: bytes = b""
    disk: int = 0
    local_name: bytes | None = None
    local_extra: bytes | None = None
    local_size: int | None = None
    local_flags: int | None = None
    offset: int | None = None
    """Where the directory says that it lies; nothing is written there then."""

    @property
    def packed(self) -> bytes:
        """The bytes that follow the local header."""
        if self.method != DEFLATED:
            return self.data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.data) + packer.flush()


def entries_of(members: Members) -> list[Entry]:
    """A true bundle's members in the fixed order."""
    names = sorted(members, key=lambda name: (name != "mimetype", name))
    return [Entry(name=name.encode("ascii"), data=members[name]) for name in names]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around the members; `None` takes the true value."""

    prefix: bytes = b""
    comment: bytes = b""
    count: int | None = None
    size: int | None = None
    offset: int | None = None
    disk: int = 0
    zip64: Callable[[int, int, int], bytes] | None = None
    """Records before the end record, made of count, directory size and offset; the end record then says 0xFF…."""


def forge(entries: Iterable[Entry], frame: Frame | None = None) -> bytes:
    """Write the ZIP."""
    around = frame or Frame()
    out, directory = bytearray(around.prefix), bytearray()
    count = 0
    for entry in entries:
        packed = entry.packed
        offset = len(out) - len(around.prefix) if entry.offset is None else entry.offset
        if entry.offset is None:
            out += _local(entry, packed) + packed
        directory += _central(entry, packed, offset)
        count += 1
    start = len(out) - len(around.prefix)
    out += directory
    stated = [
        count if around.count is None else around.count,
        len(directory) if around.size is None else around.size,
        start if around.offset is None else around.offset,
    ]
    if around.zip64 is not None:
        out += around.zip64(count, len(directory), start)
        stated = [0xFFFF, MAX32, MAX32]
    end = (b"PK\5\6", around.disk, 0, stated[0], stated[0], stated[1], stated[2], len(around.comment))
    return bytes(out + struct.pack("<4s4H2IH", *end) + around.comment)


def _fields(entry: Entry, packed: bytes) -> tuple[int, int, int]:
    crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
    packed_size = len(packed) if entry.packed_size is None else entry.packed_size
    return crc, packed_size, len(entry.data) if entry.size is None else entry.size


def _local(entry: Entry, packed: bytes) -> bytes:
    crc, packed_size, size = _fields(entry, packed)
    name = entry.name if entry.local_name is None else entry.local_name
    extra = entry.extra if entry.local_extra is None else entry.local_extra
    size = size if entry.local_size is None else entry.local_size
    flags = entry.flags if entry.local_flags is None else entry.local_flags
    head = (b"PK\3\4", 20, flags, entry.method, 0, 0x21, crc, packed_size, size, len(name), len(extra))
    return struct.pack("<4s5H3I2H", *head) + name + extra


def _central(entry: Entry, packed: bytes, offset: int) -> bytes:
    crc, packed_size, size = _fields(entry, packed)
    head = (b"PK\1\2", 20, 20, entry.flags, entry.method, 0, 0x21, crc, packed_size, size)
    tail = (len(entry.name), len(entry.extra), 0, entry.disk, 0, entry.attributes, offset)
    return struct.pack("<4s6H3I5H2I", *head, *tail) + entry.name + entry.extra


def _end64(count: int, size: int, offset: int, *, where: int = 0, signature: bytes = b"PK\6\6") -> bytes:
    record = struct.pack("<4sQ2H2I4Q", signature, 44, 45, 45, 0, 0, count, count, size, offset)
    return record + struct.pack("<4sIQI", b"PK\6\7", 0, offset + size + where, 1)


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One container: how it is made, and what must come of it (`REFUSED`, or finding id and outcome)."""

    make: Callable[[Members], bytes]
    wanted: str | tuple[str, str] = REFUSED


HOSTILE: dict[str, Hostile] = {}


def _added(**fields: object) -> Hostile:
    entry = Entry(**({"name": b"evil", "data": b"evil"} | fields))  # type: ignore[arg-type]
    return Hostile(make=lambda members: forge([*entries_of(members), entry]))


def _framed(frame: Frame, wanted: str | tuple[str, str] = REFUSED) -> Hostile:
    return Hostile(make=lambda members: forge(entries_of(members), frame), wanted=wanted)


def _changed(name: str, wanted: str | tuple[str, str] = REFUSED, **fields: object) -> Hostile:
    def make(members: Members) -> bytes:
        return forge(
            replace(entry, **fields) if entry.name == name.encode() else entry  # type: ignore[arg-type]
            for entry in entries_of(members)
        )

    return Hostile(make=make, wanted=wanted)


_NAMES = {
    "slip": b"../../evil",
    "slip_inside": b"capture/../../evil",
    "slip_backslash": b"..\\..\\evil",
    "absolute": b"/tmp/evil",
    "absolute_drive": b"C:/evil",
    "device": b"capture/CON",
    "device_with_extension": b"capture/nul.txt",
    "empty": b"",
    "empty_segment": b"capture//evil",
    "dot_segment": b"capture/./evil",
    "trailing_dot": b"capture/evil.",
    "nul": b"capture/evil\0.txt",
    "newline": b"capture/evil\n.txt",
    "bidi": "capture/\u202egpj.exe".encode(),
    "latin1": b"capture/\xe9vil",
    "space": b"capture/evil file",
    "long": b"a" * 241,
    "twice": b"manifest.json",
    "case_trick": b"MANIFEST.json",
    "folder_of_a_file": b"manifest.json/evil",
    "file_of_a_folder": b"capture",
}
for _name, _raw in _NAMES.items():
    HOSTILE[f"name_{_name}"] = _added(name=_raw)

HOSTILE |= {
    "kind_symlink": _added(name=b"capture/link", data=b"/etc/passwd", attributes=0o120777 << 16),
    "kind_device": _added(attributes=0o020666 << 16),
    "kind_fifo": _added(attributes=0o010666 << 16),
    "kind_folder_with_content": _added(name=b"evil/", attributes=0o040755 << 16),
    "encrypted": _added(flags=1),
    "encrypted_strongly": _added(flags=0x41),
    "encrypted_directory": _added(flags=0x2000),
    "patched": _added(flags=0x20),
    "method_lzma": _added(method=LZMA),
    "other_volume": _added(disk=1),
    "size_impossible": _added(size=5),
    "size_beyond_the_file": _added(size=1 << 30, packed_size=1 << 30),
    "size_differs_locally": _added(local_size=3),
    "name_differs_locally": _added(local_name=b"good"),
    "flags_differ_locally": _added(local_flags=8),
    "extra_cut": _added(extra=b"\1\0\x10\0ab"),
    "extra_second_name": _added(extra=struct.pack("<2HBI", 0x7075, 9, 1, 0) + b"name"),
    "ratio_impossible": _added(method=DEFLATED, data=b"", size=1 << 31),
    "offset_beyond_the_file": _added(offset=1 << 31),
    "offset_into_data": _added(offset=5),
    "zip64_missing": _added(size=MAX32, packed_size=MAX32),
    "zip64_short": _added(size=MAX32, packed_size=MAX32, extra=struct.pack("<2HQ", 1, 8, 4)),
    "zip64_twice": _added(extra=struct.pack("<2HQ", 1, 8, 4) * 2, size=MAX32),
    "zip64_huge": _added(size=MAX32, packed_size=MAX32, extra=struct.pack("<2H2Q", 1, 16, 1 << 62, 1 << 62)),
    "zip64_beyond_the_sign": _added(size=MAX32, extra=struct.pack("<2HQ", 1, 8, (1 << 64) - 1)),
    "end64_other_place": _framed(Frame(zip64=lambda *said: _end64(*said, where=7))),
    "end64_other_signature": _framed(Frame(zip64=lambda *said: _end64(*said, signature=b"PK\6\5"))),
    "end64_counts_more": _framed(Frame(zip64=lambda count, *said: _end64(count + 1, *said))),
    "end64_counts_2_to_the_40": _framed(Frame(zip64=lambda _, *said: _end64(1 << 40, *said))),
    "end64_directory_of_exabytes": _framed(Frame(zip64=lambda count, _, offset: _end64(count, 1 << 60, offset))),
    "end_counts_fewer": _framed(Frame(count=3)),
    "end_counts_more": _framed(Frame(count=0xFFF0)),
    "end_directory_smaller": _framed(Frame(size=100)),
    "end_directory_outside": _framed(Frame(offset=1 << 31)),
    "end_other_volume": _framed(Frame(disk=1)),
    "comment": _framed(Frame(comment=b"nothing to see"), ("container.form", "INDETERMINATE")),
    "comment_of_64_kib": _framed(Frame(comment=b"x" * 0xFFFF), ("container.form", "INDETERMINATE")),
    "prefix": _framed(Frame(prefix=b"MZ" + bytes(1000)), ("container.form", "INDETERMINATE")),
    "crc_wrong": _changed("certificate.html", ("container.form", "FAILED"), crc=0x12345678),
    "inflates_to_less": _changed("certificate.html", ("container.form", "FAILED"), method=DEFLATED, size=500),
    "nothing": Hostile(make=lambda _: b""),
    "end_record_alone": Hostile(make=lambda _: forge([])),
    "text": Hostile(make=lambda _: b"PK is not enough" * 100),
    "cut_in_half": Hostile(make=lambda members: forge(entries_of(members))[: len(forge(entries_of(members))) // 2]),
    "not_ours": Hostile(make=lambda _: forge([Entry(name=b"hello.txt", data=b"hello")])),
}


def _overlapping(members: Members) -> bytes:
    """Many names for one stretch of data: the core of overlapping bombs (D. Fifield, 2019)."""
    entries = entries_of(members)
    kernel = Entry(name=b"bomb/0000", data=bytes(1 << 20), method=DEFLATED)
    offset = len(forge(entries)) - sum(46 + len(entry.name) for entry in entries) - 22
    copies = [replace(kernel, name=b"bomb/%04d" % n, offset=offset) for n in range(1, 500)]
    return forge([*entries, kernel, *copies])


def _bomb(members: Members) -> bytes:
    """A member that inflates to 256 MiB and says that it is as short as before."""
    shown = members["certificate.html"]
    return forge(
        replace(entry, data=bytes(256 << 20), method=DEFLATED, size=len(shown), crc=zlib.crc32(shown))
        if entry.name == b"certificate.html"
        else entry
        for entry in entries_of(members)
    )


def _two_directories(members: Members) -> bytes:
    """Another ZIP in the comment of the first: readers that search from either end see different members."""
    return forge(entries_of(members), Frame(comment=forge([Entry(name=b"manifest.json", data=b"{}")])))


def many_members(count: int) -> bytes:
    """So many empty members."""
    return forge((Entry(name=b"capture/%07d" % n) for n in range(count)), Frame(zip64=_end64))


HOSTILE |= {
    "overlapping": Hostile(make=_overlapping),
    "bomb": Hostile(make=_bomb, wanted=("container.form", "FAILED")),
    "two_directories": Hostile(make=_two_directories, wanted=("container.members", "FAILED")),
}
