"""`redaction.json`: what a redacted edition says of itself and of the bundle that it was made from.

`manifest.json` is older and does not commit to it; the edition's own outer seal covers it (docs/spec/redaction.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version

if TYPE_CHECKING:
    from datetime import datetime

FORMAT = "redaction"
FILE_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """One redacted edition.

    `original_sha256` (hex) and `original_size` (bytes) are those of the ZIP that it was made from; `artifacts` and
    `records` name every line of `records.jsonl` that reads `withheld: redacted`, sorted.
    """

    capture_id: str
    number: str
    original_sha256: str
    original_size: int
    time: datetime
    rules: tuple[str, ...]
    artifacts: tuple[str, ...]
    records: tuple[str, ...]


def format_redaction(redaction: Redaction) -> bytes:
    """Write the file."""
    return canonical_bytes(
        {
            "artifacts": list(redaction.artifacts),
            "capture_id": redaction.capture_id,
            "format": f"evidencekit/{FORMAT}",
            "number": redaction.number,
            "original": {"sha256": redaction.original_sha256, "size": redaction.original_size},
            "records": list(redaction.records),
            "rules": list(redaction.rules),
            "time": format_time(redaction.time),
            "version": 1,
        }
    )


def parse_redaction(data: bytes) -> Redaction:
    """Read the file.

    Raises:
        FormatError: it is none, not canonical, or names nothing.
        UnknownVersionError: a newer major version.
    """
    fields = Fields(parse_canonical(data, limit=FILE_LIMIT, what="redaction.json"), "redaction.json")
    check_version(fields, FORMAT)
    original = fields.object("original")
    redaction = Redaction(
        capture_id=fields.hex("capture_id", 16),
        number=fields.text("number", limit=200),
        original_sha256=original.hex("sha256", 32),
        original_size=original.integer("size"),
        time=fields.time("time"),
        rules=fields.texts("rules"),
        artifacts=fields.texts("artifacts"),
        records=fields.texts("records"),
    )
    for name, values in (("artifacts", redaction.artifacts), ("records", redaction.records)):
        if list(values) != sorted(set(values)):
            fields.refuse(name, "must be sorted, each once", "须排序且不重复")
    return redaction
