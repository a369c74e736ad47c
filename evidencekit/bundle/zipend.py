"""The end of a ZIP: where its central directory lies (APPNOTE 4.3.14 to 4.3.16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from evidencekit.bundle.zipform import (
    CENTRAL,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    MAX_MEMBERS,
    SENTINEL_16,
    SENTINEL_32,
    Directory,
    end_records,
)
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.bundle.randomfile import RandomFile

_MAX_COMMENT = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The directory as declared, and as it lies: `shift` bytes stand before the ZIP and move every offset."""

    directory: Directory
    directory_start: int
    directory_end: int
    shift: int


def find_end(file: RandomFile, deviate: Callable[[str, str], None]) -> End:
    """Find the central directory; tell `deviate` (English, Chinese) what differs from the fixed form.

    Raises:
        FormatError: no ZIP, several volumes, ZIP64 values that contradict, or a directory that cannot be there.
    """
    end_position = _find_end_record(file)
    end = END.unpack(file.read_at(end_position, END.size))
    _, disk, directory_disk, members_here, members, size, offset, comment_size = end
    directory = Directory(members=members, size=size, offset=offset)
    directory_end = end_position
    if disk or directory_disk or members_here != members:
        _refuse(file, "consists of several volumes", "由多个分卷组成")
    locator_position = end_position - LOCATOR64.size
    if locator_position >= 0 and file.read_at(locator_position, 4) == LOCATOR64_SIGNATURE:
        directory_end = locator_position - END64.size
        directory = _read_zip64(file, locator_position, directory)
    if directory.members > MAX_MEMBERS or directory.size < directory.members * CENTRAL.size:
        _refuse(file, "lists too many members, or more than fit", "列出的成员过多，或超出目录大小")
    start = directory_end - directory.size
    shift = start - directory.offset
    if start < 0 or shift < 0:
        _refuse(file, "its directory lies outside the file", "目录位于文件之外")
    if shift:
        deviate(f"{shift} bytes stand before the ZIP", f"ZIP 之前有 {shift} 字节")
    trailing = file.size - end_position - END.size - comment_size
    if comment_size or trailing:
        deviate(f"{comment_size + trailing} bytes stand after the ZIP", f"ZIP 之后有 {comment_size + trailing} 字节")
    if file.read_at(directory_end, end_position + END.size - directory_end) != end_records(directory):
        deviate("the end records are not in the fixed form", "结尾记录不是规定的形式")
    return End(directory=directory, directory_start=start, directory_end=directory_end, shift=shift)


def _find_end_record(file: RandomFile) -> int:
    """Find the last end record whose comment fits into the file, as all unpackers do."""
    start = max(0, file.size - END.size - _MAX_COMMENT)
    tail = file.read_at(start, file.size - start)
    position = tail.rfind(END_SIGNATURE)
    while position >= 0:
        if position + END.size <= len(tail):
            comment_size = END.unpack_from(tail, position)[-1]
            if position + END.size + comment_size <= len(tail):
                return start + position
        position = tail.rfind(END_SIGNATURE, 0, position)
    raise FormatError(f"{file.name}: is not a ZIP file", f"{file.name}：不是 ZIP 文件")


def _read_zip64(file: RandomFile, locator_position: int, declared: Directory) -> Directory:
    """Read the ZIP64 end record: directly before its locator, agreeing with every field that did not overflow."""
    _, disk, offset, disks = LOCATOR64.unpack(file.read_at(locator_position, LOCATOR64.size))
    record = END64.unpack(file.read_at(locator_position - END64.size, END64.size))
    signature, record_size, _, _, this_disk, directory_disk, members_here, members, size, start = record
    if signature != END64_SIGNATURE or record_size != END64.size - 12 or members_here != members:
        _refuse(file, "its ZIP64 end record is damaged", "ZIP64 结尾记录已损坏")
    if disk or disks != 1 or this_disk or directory_disk:
        _refuse(file, "consists of several volumes", "由多个分卷组成")
    if offset != start + size:
        _refuse(file, "its ZIP64 records contradict each other", "ZIP64 记录相互矛盾")
    pairs = (
        (declared.members, members, SENTINEL_16),
        (declared.size, size, SENTINEL_32),
        (declared.offset, start, SENTINEL_32),
    )
    if any(short not in {long, sentinel} for short, long, sentinel in pairs):
        _refuse(file, "its ZIP64 values contradict the end record", "ZIP64 数值与结尾记录矛盾")
    return Directory(members=members, size=size, offset=start)


def _refuse(file: RandomFile, en: str, zh: str) -> NoReturn:
    raise FormatError(f"{file.name}: {en}", f"{file.name}:{zh}")
