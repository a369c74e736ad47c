"""Salted leaves and `capture/records.jsonl` (docs/spec/records.md).

A leaf commits to an artifact or to one WARC record block; a line of this file opens the leaf with its salt, or says
that it is withheld and why. `parse_records` reads lines; whether an opening is true is `opening_is_true`'s question.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.merkle import SALT_BYTES, salted_leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evidencekit.model import Artifact, Digests, JsonValue, Record

FORMAT = "records"
VERSION = 1
MAX_FILE_BYTES = 256 << 20
MAX_LINES = 1 << 20
MAX_LINE_BYTES = 1 << 16
MAX_PATH_CHARS = 240
WITHHOLDING_REASONS = ("cookie", "authorization", "password", "token", "storage", "redacted")

_WHAT = "records.jsonl"
_RECORD_ID = re.compile(r"[0-9]{6,}\.(?:request|response)(?:\.public)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactOpening:
    """One artifact's line; `size`, `digests` and `salt` are None when withheld; `leaf`, `salt`: 32 bytes."""

    path: str
    size: int | None
    digests: Digests | None
    salt: bytes | None
    leaf: bytes
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOpening:
    """One record's line; as `ArtifactOpening`, with the record's id in place of a path."""

    id: str
    size: int | None
    digests: Digests | None
    salt: bytes | None
    leaf: bytes
    withheld: tuple[str, ...] = ()


Opening: TypeAlias = ArtifactOpening | RecordOpening


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The whole file: artifacts in the manifest's order, records in order of completion."""

    capture_id: str
    artifacts: tuple[ArtifactOpening, ...]
    records: tuple[RecordOpening, ...]


def artifact_descriptor(path: str, size: int, digests: Digests) -> bytes:
    """Write what an artifact's leaf commits to."""
    return canonical_bytes(
        {"kind": "artifact", "path": path, "sha256": digests.sha256, "size": size, "sm3": digests.sm3}
    )


def record_descriptor(record_id: str, size: int, digests: Digests) -> bytes:
    """Write what a record's leaf commits to; the digests are over the WARC record block (WARC/1.1 §5)."""
    return canonical_bytes(
        {"id": record_id, "kind": "record", "sha256": digests.sha256, "size": size, "sm3": digests.sm3}
    )


def commit(descriptor: bytes) -> tuple[bytes, bytes]:
    """Commit to a descriptor under a fresh random salt; give (salt, leaf), 32 bytes each."""
    salt = os.urandom(SALT_BYTES)
    return salt, salted_leaf(salt, descriptor)


def opening_is_true(opening: Opening) -> bool:
    """Tell whether the leaf is that of the descriptor and the salt. A withheld line opens nothing: False."""
    if opening.size is None or opening.digests is None or opening.salt is None:
        return False
    if isinstance(opening, ArtifactOpening):
        descriptor = artifact_descriptor(opening.path, opening.size, opening.digests)
    else:
        descriptor = record_descriptor(opening.id, opening.size, opening.digests)
    return salted_leaf(opening.salt, descriptor) == opening.leaf


def open_artifact(artifact: Artifact) -> ArtifactOpening:
    """Take the opening of a captured artifact; one with reasons for withholding keeps its leaf alone."""
    if artifact.withheld:
        return ArtifactOpening(
            path=artifact.path, size=None, digests=None, salt=None, leaf=artifact.leaf, withheld=artifact.withheld
        )
    return ArtifactOpening(
        path=artifact.path,
        size=artifact.size,
        digests=artifact.digests,
        salt=artifact.salt,
        leaf=artifact.leaf,
    )


def open_record(record: Record) -> RecordOpening:
    """Take the opening of a captured record; one with reasons for withholding keeps its leaf alone."""
    if record.withheld:
        return RecordOpening(
            id=record.id, size=None, digests=None, salt=None, leaf=record.leaf, withheld=record.withheld
        )
    return RecordOpening(id=record.id, size=record.size, digests=record.digests, salt=record.salt, leaf=record.leaf)


def format_records(capture_id: str, artifacts: Iterable[Artifact], records: Iterable[Record]) -> bytes:
    """Write the openings of a capture: `capture/records.jsonl`."""
    return format_openings(
        Records(
            capture_id=capture_id,
            artifacts=tuple(open_artifact(artifact) for artifact in artifacts),
            records=tuple(open_record(record) for record in records),
        )
    )


def format_openings(openings: Records) -> bytes:
    """Write openings: the inverse of `parse_records`."""
    header: dict[str, JsonValue] = {
        "artifacts": len(openings.artifacts),
        "capture_id": openings.capture_id,
        "format": f"evidencekit/{FORMAT}",
        "records": len(openings.records),
        "version": VERSION,
    }
    lines = [canonical_bytes(header)]
    lines += [_format_opening({"kind": "artifact", "path": item.path}, item) for item in openings.artifacts]
    lines += [_format_opening({"kind": "record", "id": item.id}, item) for item in openings.records]
    return b"".join(line + b"\n" for line in lines)


def _format_opening(members: dict[str, JsonValue], opening: Opening) -> bytes:
    members["leaf"] = opening.leaf.hex()
    if opening.size is None or opening.digests is None or opening.salt is None:
        members["withheld"] = list(opening.withheld)
    else:
        members["salt"] = opening.salt.hex()
        members["sha256"] = opening.digests.sha256
        members["size"] = opening.size
        members["sm3"] = opening.digests.sm3
    return canonical_bytes(members)


def parse_records(data: bytes) -> Records:
    """Read `capture/records.jsonl`.

    Raises:
        FormatError: too large, a line that is not one, a path or id twice, or other counts than the header says.
        UnknownVersionError: a newer major version.
    """
    if len(data) > MAX_FILE_BYTES or data.count(b"\n") > MAX_LINES:
        raise FormatError(
            f"{_WHAT}: over the limit of {MAX_FILE_BYTES} bytes or {MAX_LINES} lines",
            f"{_WHAT}：超过 {MAX_FILE_BYTES} 字节或 {MAX_LINES} 行的上限",
        )
    lines = _lines(data)
    header = next(lines, None)
    if header is None:
        raise FormatError(f"{_WHAT}: the header is missing", f"{_WHAT}：缺少首行")
    check_version(header, FORMAT, VERSION)
    capture_id = header.hex("capture_id", 16)
    expected = header.integer("artifacts"), header.integer("records")
    artifacts: dict[str, ArtifactOpening] = {}
    records: dict[str, RecordOpening] = {}
    for fields in lines:
        if len(artifacts) < expected[0]:
            _add_artifact(fields, artifacts)
        else:
            _add_record(fields, records)
    if (len(artifacts), len(records)) != expected:
        raise FormatError(
            f"{_WHAT}: {len(artifacts)} artifacts and {len(records)} records where the header says {expected}",
            f"{_WHAT}：有 {len(artifacts)} 个文件、{len(records)} 条记录，与首行所载 {expected} 不符",
        )
    return Records(capture_id=capture_id, artifacts=tuple(artifacts.values()), records=tuple(records.values()))


def _lines(data: bytes) -> Iterator[Fields]:
    start = number = 0
    while start < len(data):
        what = f"{_WHAT} line {number}"
        end = data.find(b"\n", start)
        if end < 0:
            raise FormatError(f"{what}: torn, its line feed is missing", f"{what}：不完整，缺少换行符")
        yield Fields(parse_canonical(data[start:end], limit=MAX_LINE_BYTES, what=what), what)
        start = end + 1
        number += 1


def _add_artifact(fields: Fields, artifacts: dict[str, ArtifactOpening]) -> None:
    _check_kind(fields, "artifact")
    path = fields.text("path", limit=MAX_PATH_CHARS)
    if path in artifacts:
        fields.refuse("path", "stands there twice", "重复出现")
    size, digests, salt, withheld = _opened(fields)
    artifacts[path] = ArtifactOpening(
        path=path, size=size, digests=digests, salt=salt, leaf=fields.octets("leaf", 32), withheld=withheld
    )


def _add_record(fields: Fields, records: dict[str, RecordOpening]) -> None:
    _check_kind(fields, "record")
    record_id = fields.text("id", limit=64)
    if not _RECORD_ID.fullmatch(record_id):
        fields.refuse("id", "is not a record id", "不是记录编号")
    if record_id in records:
        fields.refuse("id", "stands there twice", "重复出现")
    size, digests, salt, withheld = _opened(fields)
    records[record_id] = RecordOpening(
        id=record_id, size=size, digests=digests, salt=salt, leaf=fields.octets("leaf", 32), withheld=withheld
    )


def _check_kind(fields: Fields, kind: str) -> None:
    if fields.text("kind") != kind:
        fields.refuse("kind", f"must be {kind!r} here", f"此处应为 {kind!r}")


def _opened(fields: Fields) -> tuple[int | None, Digests | None, bytes | None, tuple[str, ...]]:
    """Read size, digests, salt and reasons: either the reasons or the other three are there."""
    if not fields.has("withheld"):
        return fields.integer("size"), fields.digests(), fields.octets("salt", SALT_BYTES), ()
    reasons = fields.texts("withheld")
    if not reasons or any(reason not in WITHHOLDING_REASONS for reason in reasons):
        fields.refuse("withheld", "must name at least one registered reason", "须至少列出一项已登记的理由")
    for name in ("size", "sha256", "sm3", "salt"):
        if fields.has(name):
            fields.refuse(name, "must not stand on a withheld line", "不得出现在已保留不公开的行中")
    return None, None, None, reasons
