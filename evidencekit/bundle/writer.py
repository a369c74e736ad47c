"""Members to the bundle's ZIP: docs/spec/bundle.md, "ZIP form".

Nothing is compressed, and memory is flat: a member is read twice, because its CRC stands before its data. The
finished bundle appears under its name at once and whole, or not at all.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.bundle.paths import MIMETYPE, MIMETYPE_CONTENT, container_order, in_sums, lawful_name
from evidencekit.bundle.publish import publish_new
from evidencekit.bundle.sums import format_sha256sums, format_sm3sums
from evidencekit.bundle.zipform import (
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    MAX_TOTAL_BYTES,
    STORED,
    Directory,
    Entry,
    central_header,
    end_records,
    local_header,
)
from evidencekit.errors import StorageError, UsageError
from evidencekit.hashing.digest import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from evidencekit.hashing.digest import KnownSm3

    Source = Path | bytes | Callable[[], Iterable[bytes]]
    """A member's bytes: a file, the bytes, or what gives them in pieces each time it is called."""

CHUNK_BYTES = 1 << 20


def write_zip(members: Mapping[str, Source], out: BinaryIO) -> None:
    """Write the ZIP that is a pure function of the members' names and bytes.

    Args:
        members: lawful names, each with its source.
        out: takes the bytes in order; need not seek. What its `write` raises passes through.

    Raises:
        UsageError: a name is unlawful, or two names differ in case only or are file and folder at once.
        StorageError: a file cannot be read, changes meanwhile, or the bundle grows over what a reader takes.
    """
    _check_names(members)
    names = sorted(members, key=container_order)
    budget = _Budget()
    entries: list[Entry] = []
    offset = 0
    for name in names:
        entry = _write_member(name, members[name], offset, out)
        budget.spend(entry)
        entries.append(entry)
        offset += len(local_header(entry)) + entry.compressed_size
    directory_size = 0
    for entry in entries:
        directory_size += out.write(central_header(entry))
    out.write(end_records(Directory(members=len(entries), size=directory_size, offset=offset)))


def write_bundle(members: Mapping[str, Source], out: Path) -> None:
    """Write a bundle to a new file; it appears complete and on disk, or not at all.

    Raises:
        UsageError: the members are no bundle (`write_zip`, or `mimetype` is missing or wrong).
        StorageError: `out` exists (it is never overwritten), or the disk refuses.
    """
    if members.get(MIMETYPE) != MIMETYPE_CONTENT:
        raise UsageError(
            f"a bundle needs the member {MIMETYPE} with {MIMETYPE_CONTENT.decode()}; add it as bytes",
            f"证据包须含成员 {MIMETYPE}，内容为 {MIMETYPE_CONTENT.decode()}；请以字节形式加入",
        )
    publish_new(out, lambda file: write_zip(members, file))


def sums(members: Mapping[str, Path | bytes], known: KnownSm3 | None = None) -> tuple[bytes, bytes]:
    """Hash members and write `SHA256SUMS` and `SM3SUMS` over those that the two files must list.

    Args:
        members: each with its source.
        known: the SM3 of bytes that this process hashed before.

    Raises:
        UsageError: a name is unlawful.
        StorageError: a file cannot be read.
    """
    _check_names(members)
    digests = {
        name: digest_bytes(source) if isinstance(source, bytes) else digest_file(source, known)[1]
        for name, source in members.items()
        if in_sums(name)
    }
    return format_sha256sums(digests), format_sm3sums(digests)


class _Budget:
    """Keeps a writer from making what the reader refuses."""

    def __init__(self) -> None:
        self._total = 0

    def spend(self, entry: Entry) -> None:
        self._total += entry.size
        if entry.size > MAX_MEMBER_BYTES or self._total > MAX_TOTAL_BYTES:
            raise StorageError(
                f"{entry.name} makes the bundle larger than a verifier accepts; capture fewer pages at once",
                f"{entry.name} 使证据包超过验证程序可接受的大小；请减少单次取证的页面",
            )


def _check_names(members: Mapping[str, Source]) -> None:
    if len(members) > MAX_MEMBERS:
        raise UsageError(
            f"{len(members)} members, more than the {MAX_MEMBERS} of a bundle; leave some out",
            f"成员 {len(members)} 个，超过证据包上限 {MAX_MEMBERS}；请减少成员",
        )
    folded = {name.lower() for name in members}
    parents = {name.lower()[:index] for name in members for index, char in enumerate(name) if char == "/"}
    for name in members:
        if not lawful_name(name):
            raise UsageError(f"{name[:80]!r} cannot name a member; rename it", f"{name[:80]!r} 不能作成员名；请改名")
    if len(folded) != len(members) or folded & parents:
        raise UsageError(
            "two members have the same name but for case, or one is the folder of another; rename one",
            "有两个成员名称仅大小写不同，或其一为另一成员的文件夹；请改名",
        )


def _write_member(name: str, source: Source, offset: int, out: BinaryIO) -> Entry:
    size = crc = 0
    for chunk in _chunks(source):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
    entry = Entry(name=name, method=STORED, crc=crc, size=size, compressed_size=size, offset=offset)
    out.write(local_header(entry))
    size = crc = 0
    for chunk in _chunks(source):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        out.write(chunk)
    if (size, crc) != (entry.size, entry.crc):
        raise StorageError(
            f"{name} changed while it was packed; see who writes to it and pack again",
            f"{name} 在打包过程中发生变化；请查明写入者后重新打包",
        )
    return entry


def _chunks(source: Source) -> Iterator[bytes]:
    if callable(source):
        yield from source()
        return
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise StorageError(
            f"cannot read {source!s:.200} to pack it: {error.strerror}; check that it exists and may be read",
            f"无法读取 {source!s:.200} 以打包：{error.strerror}；请检查文件是否存在、是否可读",
        ) from error
