"""The structure of a ZIP that anyone may have made: where members lie, or why it is refused.

Refused (`FormatError`): whatever could make two programs see different members, or write outside a folder. Recorded as
a deviation: every other difference from the form of docs/spec/bundle.md. To find these, the headers are built again
from what was read (`zipform`) and compared byte by byte.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from evidencekit.bundle.inflate import MAX_RATIO
from evidencekit.bundle.paths import container_order, lawful_name
from evidencekit.bundle.zipend import find_end
from evidencekit.bundle.zipextra import resolve_zip64
from evidencekit.bundle.zipform import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX_INFLATED_MEMBER_BYTES,
    MAX_INFLATED_TOTAL_BYTES,
    MAX_MEMBER_BYTES,
    MAX_TOTAL_BYTES,
    STORED,
    Entry,
    central_header,
    local_header,
)
from evidencekit.errors import FormatError
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidencekit.bundle.randomfile import RandomFile

_HAS_DESCRIPTOR = 1 << 3
# Deflate speed hints, data descriptor, UTF-8 name: all else encrypts, patches or hides.
_KNOWN_FLAGS = 0b110 | _HAS_DESCRIPTOR | 1 << 11
_MAX_DEVIATIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, or a folder's own entry (`is_folder`); where its header and its data begin in the file."""

    entry: Entry
    header_offset: int
    data_offset: int
    is_folder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All members in the directory's order, and how the file differs from the fixed form."""

    members: tuple[Member, ...]
    deviations: tuple[Text, ...]


class Deviations:
    """Collects differences from the fixed form; the first ones are told, the others counted."""

    def __init__(self) -> None:
        self._texts: list[Text] = []
        self._more = 0

    def add(self, en: str, zh: str) -> None:
        """Add one difference."""
        if len(self._texts) < _MAX_DEVIATIONS:
            self._texts.append(Text(en=en, zh=zh))
        else:
            self._more += 1

    def texts(self) -> tuple[Text, ...]:
        """Give what was collected."""
        if self._more:
            return (*self._texts, Text(en=f"and {self._more} more", zh=f"另有 {self._more} 处"))
        return tuple(self._texts)


def read_listing(file: RandomFile) -> Listing:
    """Read and judge the structure of a ZIP; members' data are not read.

    Raises:
        FormatError: no ZIP, or one that is refused.
        StorageError: the disk does not give the bytes.
    """
    deviations = Deviations()
    end = find_end(file, deviations.add)
    members: list[Member] = []
    names = _Names()
    totals = _Totals()
    position = end.directory_start
    for _ in range(end.directory.members):
        header, entry, flags = _read_central(file, position, end.directory_end)
        position += len(header)
        names.add(entry.name)
        totals.add(entry)
        _compare(header, central_header(entry), f"directory entry of {entry.name}", deviations)
        members.append(_read_local(file, entry, flags, end.shift, deviations))
    if position != end.directory_end:
        _refuse(file.name, "its directory has another size than it declares", "目录大小与声明不符")
    _check_layout(members, end.directory_start, file.name, deviations)
    _check_places(members, deviations)
    return Listing(members=tuple(members), deviations=deviations.texts())


class _Names:
    """Refuses names that are unlawful, double (case folded, as some file systems do), or file and folder at once."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str) -> None:
        is_folder = name.endswith("/")
        path = name[:-1] if is_folder else name
        if not lawful_name(path):
            _refuse("ZIP", f"the member name {name[:80]!r} is not lawful", f"成员名称 {name[:80]!r} 不合法")
        folded = path.lower()
        parents = {folded[:index] for index, char in enumerate(folded) if char == "/"}
        if is_folder:
            parents.add(folded)
        taken = not is_folder and (folded in self._files or folded in self._folders)
        if taken or not parents.isdisjoint(self._files):
            _refuse("ZIP", f"{name!r} collides with another member", f"{name!r} 与另一成员冲突")
        self._folders |= parents
        if not is_folder:
            self._files.add(folded)


class _Totals:
    """Bounds what reading all members can cost."""

    def __init__(self) -> None:
        self._stored = 0
        self._inflated = 0

    def add(self, entry: Entry) -> None:
        deflated = entry.method == DEFLATED
        self._stored += entry.size
        self._inflated += entry.size if deflated else 0
        if deflated:
            sane = entry.size <= MAX_RATIO * entry.compressed_size and entry.size <= MAX_INFLATED_MEMBER_BYTES
        else:
            sane = entry.size == entry.compressed_size and entry.size <= MAX_MEMBER_BYTES
        if not sane:
            _refuse(entry.name, "declares an impossible or too large a size", "声明的大小不可能或过大")
        if self._stored > MAX_TOTAL_BYTES or self._inflated > MAX_INFLATED_TOTAL_BYTES:
            _refuse("ZIP", "its members are larger than a verifier accepts", "成员总量超过验证程序可接受的大小")


def _read_central(file: RandomFile, position: int, end: int) -> tuple[bytes, Entry, int]:
    """Read one directory entry: its bytes, the member, its flags."""
    if position + CENTRAL.size > end:
        _refuse(file.name, "its directory ends too early", "目录过早结束")
    fixed = CENTRAL.unpack(file.read_at(position, CENTRAL.size))
    signature, _, _, flags, method, _, _, crc, compressed, size, name_size, extra_size, comment_size = fixed[:13]
    disk, _, attributes, offset = fixed[13:]
    length = CENTRAL.size + name_size + extra_size + comment_size
    if signature != CENTRAL_SIGNATURE or position + length > end:
        _refuse(file.name, "its directory is damaged", "目录已损坏")
    header = file.read_at(position, length)
    name = _decode_name(header[CENTRAL.size : CENTRAL.size + name_size])
    extra = header[CENTRAL.size + name_size : CENTRAL.size + name_size + extra_size]
    size, compressed, offset = resolve_zip64(extra, (size, compressed, offset), name)
    _check_kind(name, flags, method, attributes)
    if disk:
        _refuse(name, "lies on another volume", "位于另一分卷")
    entry = Entry(name=name, method=method, crc=crc, size=size, compressed_size=compressed, offset=offset)
    return header, entry, flags


def _decode_name(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        shown = raw[:80].hex()
        raise FormatError(
            f"ZIP: the member name {shown} (hex) is not lawful", f"ZIP：成员名称 {shown}(十六进制)不合法"
        ) from error


def _check_kind(name: str, flags: int, method: int, attributes: int) -> None:
    if flags & ~_KNOWN_FLAGS:
        _refuse(name, "is encrypted or of an unknown kind", "已加密或属未知类型")
    if method not in {STORED, DEFLATED}:
        _refuse(name, f"has the unknown compression method {method}", f"压缩方法 {method} 未知")
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in ({0, stat.S_IFDIR} if name.endswith("/") else {0, stat.S_IFREG}):
        _refuse(name, "is a link or a special file", "是链接或特殊文件")


def _read_local(file: RandomFile, entry: Entry, flags: int, shift: int, deviations: Deviations) -> Member:
    """Read the header before a member's data; it must say what the directory says."""
    start = entry.offset + shift
    fixed = LOCAL.unpack(file.read_at(start, LOCAL.size))
    signature, _, local_flags, method, _, _, crc, compressed, size, name_size, extra_size = fixed
    if signature != LOCAL_SIGNATURE:
        _refuse(entry.name, "has no local header where the directory says", "目录所指处没有本地文件头")
    header = file.read_at(start, LOCAL.size + name_size + extra_size)
    if header[LOCAL.size : LOCAL.size + name_size] != entry.name.encode("ascii"):
        _refuse(entry.name, "has another name in its local header", "本地文件头中的名称不同")
    size, compressed = resolve_zip64(header[LOCAL.size + name_size :], (size, compressed), entry.name)
    described = flags & _HAS_DESCRIPTOR
    expected = (entry.crc, entry.size, entry.compressed_size)
    agrees = all(
        found == wanted or (described and not found)
        for found, wanted in zip((crc, size, compressed), expected, strict=True)
    )
    if not agrees or method != entry.method or (local_flags ^ flags) & _HAS_DESCRIPTOR or local_flags & ~_KNOWN_FLAGS:
        _refuse(entry.name, "differs between directory and local header", "目录与本地文件头的记载不一致")
    _compare(header, local_header(entry), f"local header of {entry.name}", deviations)
    is_folder = entry.name.endswith("/")
    if is_folder and entry.size:
        _refuse(entry.name, "is a folder with content", "是带有内容的文件夹")
    return Member(entry=entry, header_offset=start, data_offset=start + len(header), is_folder=is_folder)


def _compare(found: bytes, wanted: bytes, what: str, deviations: Deviations) -> None:
    if found != wanted:
        deviations.add(f"the {what} is not in the fixed form", f"不是规定的形式：{what}")


def _check_layout(members: list[Member], directory_start: int, name: str, deviations: Deviations) -> None:
    """Members must not overlap each other or the directory; what lies between them is a deviation."""
    position = 0
    for start, end in sorted(_extents(members)):
        if start < position:
            _refuse(name, "its members overlap", "成员相互重叠")
        if start > position:
            deviations.add(
                f"{start - position} bytes at {position} belong to no member",
                f"偏移 {position} 处有 {start - position} 字节不属于任何成员",
            )
        position = end
    if position > directory_start:
        _refuse(name, "a member overlaps the directory", "有成员与目录重叠")
    if position < directory_start:
        deviations.add(
            f"{directory_start - position} bytes before the directory belong to no member",
            f"目录之前有 {directory_start - position} 字节不属于任何成员",
        )


def _extents(members: list[Member]) -> Iterator[tuple[int, int]]:
    for member in members:
        yield member.header_offset, member.data_offset + member.entry.compressed_size


def _check_places(members: list[Member], deviations: Deviations) -> None:
    """Compare order and method with the fixed form."""
    names = [member.entry.name for member in members]
    if names != sorted(names, key=container_order):
        deviations.add("members are not in the fixed order", "成员次序不是规定的次序")
    offsets = [member.entry.offset for member in members]
    if offsets != sorted(offsets):
        deviations.add("members lie in another order than the directory lists", "成员存放次序与目录次序不同")
    for member in members:
        if member.is_folder:
            deviations.add(f"a folder has an entry: {member.entry.name}", f"文件夹有独立条目：{member.entry.name}")
        elif member.entry.method != STORED:
            deviations.add(
                f"{member.entry.name} is not compressed as fixed", f"{member.entry.name} 的压缩方法不是规定的方法"
            )


def _refuse(name: str, en: str, zh: str) -> NoReturn:
    raise FormatError(f"{name}: {en}", f"{name}:{zh}")
