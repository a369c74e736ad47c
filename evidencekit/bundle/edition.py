"""A web archive without some of its records: the kept gzip members byte for byte, index and digests made anew."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from evidencekit.bundle.warc import read_blocks
from evidencekit.errors import FormatError, StorageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from evidencekit.model import JsonValue

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PACKAGE = "datapackage.json"
_DIGEST = "datapackage-digest.json"
_INDEX = "indexes/index.cdxj"
_SMALL = 64 << 20
_PIECE = 1 << 20


def reduce_wacz(source: Path, out: Path, dropped: Container[str]) -> int:
    """Write the archive `source` to `out` without the records named in `dropped`.

    Args:
        source: a WACZ that `capture.wacz` wrote.
        out: the new one; it must not exist.
        dropped: record ids as in `records.jsonl`.

    Returns:
        How many records were left out.

    Raises:
        FormatError: `source` is not such an archive.
        StorageError: the disk refuses.
    """
    try:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as new:
            return _copy(old, new, dropped)
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError) as error:
        raise FormatError(
            f"the web archive cannot be read: {error}; verify the bundle", f"无法读取网页归档：{error}；请核验该证据包"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot write {out}: {error.strerror or error}; free space on the disk",
            f"无法写入 {out}：{error.strerror or error}；请清理磁盘",
        ) from error


def _copy(old: zipfile.ZipFile, new: zipfile.ZipFile, dropped: Container[str]) -> int:
    resources: list[JsonValue] = []
    moved: dict[tuple[str, int], int] = {}
    unasked: set[tuple[str, int]] = set()
    left_out = 0
    names = [name for name in old.namelist() if name not in {_PACKAGE, _DIGEST, _INDEX}]
    for name in names:
        with tempfile.TemporaryFile() as kept:
            with old.open(name) as member:
                if name.endswith(".warc.gz"):
                    left_out += _keep(member, kept, name, dropped, moved, unasked)
                else:
                    shutil.copyfileobj(member, kept, _PIECE)
            resources.append(_add(new, name, kept))
    lines = b"".join(_moved_lines(_small(old, _INDEX), moved, unasked))
    resources.append(_add_bytes(new, _INDEX, lines))
    package = json.loads(_small(old, _PACKAGE))
    package["resources"] = sorted(resources, key=lambda each: _order(old, str(cast("dict[str, str]", each)["path"])))
    data = json.dumps(package, ensure_ascii=False, indent=2).encode()
    _add_bytes(new, _PACKAGE, data)
    digest = {"path": _PACKAGE, "hash": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    _add_bytes(new, _DIGEST, json.dumps(digest, separators=(",", ":")).encode())
    return left_out


def _keep(
    member: IO[bytes],
    kept: IO[bytes],
    name: str,
    dropped: Container[str],
    moved: dict[tuple[str, int], int],
    unasked: set[tuple[str, int]],
) -> int:
    """Copy the gzip members of records that are not dropped; note where each went, and whose request did not."""
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(member, whole, _PIECE)
        whole.seek(0)
        blocks = [(block.record_id, block.offset, block.length) for block in read_blocks(cast("BinaryIO", whole))]
        for record_id, offset, length in blocks:
            if record_id is not None and record_id in dropped:
                continue
            place = name.rpartition("/")[2], offset
            moved[place] = kept.tell()
            asked = f"{str(record_id).partition('.')[0]}.request"
            if asked in dropped or f"{asked}.public" in dropped:
                unasked.add(place)
            whole.seek(offset)
            left = length
            while left > 0:
                piece = whole.read(min(left, _PIECE))
                left -= len(piece)
                kept.write(piece)
    return sum(record_id is not None and record_id in dropped for record_id, _, _ in blocks)


def _moved_lines(
    index: bytes, moved: dict[tuple[str, int], int], unasked: Container[tuple[str, int]]
) -> Iterator[bytes]:
    """Give the lines of the CDXJ index (0.1.0) whose records are still there, at their new places.

    A line that lost its request does not tell what was asked.
    """
    for line in index.splitlines(keepends=True):
        key, at, entry = line.split(b" ", 2)
        fields = json.loads(entry)
        place = moved.get((fields["filename"], int(fields["offset"])))
        if place is not None:
            if (fields["filename"], int(fields["offset"])) in unasked:
                fields.pop("requestBody", None)
            fields["offset"] = str(place)
            yield b" ".join((key, at, json.dumps(fields, separators=(",", ":")).encode())) + b"\n"


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        data = member.read(_SMALL + 1)
    if len(data) > _SMALL:
        raise FormatError(f"{name} of the web archive is over {_SMALL} bytes", f"网页归档中的 {name} 超过上限")
    return data


def _order(archive: zipfile.ZipFile, name: str) -> int:
    return archive.namelist().index(name)


def _add(package: zipfile.ZipFile, name: str, kept: IO[bytes]) -> dict[str, JsonValue]:
    size, digest = kept.seek(0, 2), hashlib.sha256()
    kept.seek(0)
    member = _member(name)
    member.file_size = size
    with package.open(member, "w") as sink:
        while piece := kept.read(_PIECE):
            digest.update(piece)
            sink.write(piece)
    return _resource(name, size, digest.hexdigest())


def _add_bytes(package: zipfile.ZipFile, name: str, data: bytes) -> dict[str, JsonValue]:
    package.writestr(_member(name), data)
    return _resource(name, len(data), hashlib.sha256(data).hexdigest())


def _resource(name: str, size: int, sha256: str) -> dict[str, JsonValue]:
    return {"name": name.rpartition("/")[2], "path": name, "hash": f"sha256:{sha256}", "bytes": size}


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 0  # the same bytes on every operating system
    member.external_attr = 0
    return member
