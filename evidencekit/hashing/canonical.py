"""RFC 8785 canonical JSON, and how every parser of this project reads it (docs/spec/README.md).

`canonical_bytes` and `parse_canonical` are inverse: what parses is byte for byte what would be written. So a document
has one form, duplicate keys and lone surrogates cannot hide, and a digest of the bytes is a digest of the meaning.
Integers lie within ±(2^53 - 1); the depth is at most 64; the caller gives the size that a document may have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import rfc8785

from evidencekit.errors import FormatError, UsageError

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

MAX_DEPTH = 64
MAX_CONTAINERS = 1 << 20
"""Objects and lists in one document: an empty one costs 64 bytes of memory for 2 bytes of text."""
MAX_INTEGER = (1 << 53) - 1
_INTEGER_CHARS = 17
_FIRST_EXPONENT = 1e21
# RFC 8785 §3.2.2.3 writes smaller whole numbers as plain digits, which read back as integers.

# Every alternative matches without giving a byte back, so hostile text cannot make the scan quadratic.
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)

_Plain = bool | int | float | str | list["_Plain"] | dict[str, "_Plain"] | None


def _plain(value: JsonValue) -> _Plain:
    # The encoder takes dict and list only; values that cross borders are read-only mappings and tuples.
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if value.is_integer() and MAX_INTEGER < abs(value) < _FIRST_EXPONENT:
            message = f"{value!r} would read as an integer beyond 2^53"
            raise ValueError(message)
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value]


def canonical_bytes(value: JsonValue) -> bytes:
    """Write `value` as RFC 8785 bytes: UTF-8, keys sorted by UTF-16 code units, no white space, no final newline.

    Raises:
        UsageError: the value has no canonical form (NaN, infinity, too large an integer, lone surrogate, too deep).
    """
    try:
        data = rfc8785.dumps(_plain(value))
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"this value cannot be written as canonical JSON: {error}; use numbers within 2^53 and valid Unicode text",
            f"该值无法写成规范 JSON:{error}；数字须在 2^53 以内，文本须为有效的 Unicode",
        ) from error
    return data


def _refuse(what: str, en: str, zh: str) -> NoReturn:
    raise FormatError(f"{what}: {en}", f"{what}:{zh}")


def _check_structure(data: bytes, what: str) -> None:
    """Bound depth and number of containers before anything recurses or allocates."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = containers = 0
    for match in _STRUCTURE.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            containers += 1
            if depth > MAX_DEPTH:
                _refuse(what, f"nested deeper than {MAX_DEPTH} levels", f"嵌套超过 {MAX_DEPTH} 层")
            if containers > MAX_CONTAINERS:
                _refuse(what, f"more than {MAX_CONTAINERS} objects and lists", f"对象与列表超过 {MAX_CONTAINERS} 个")
        elif first in b"]}":
            depth -= 1


def _integer(digits: str) -> int:
    # Before int(): converting a long decimal is quadratic, and the interpreter raises ValueError on its own terms.
    if len(digits) > _INTEGER_CHARS:
        message = "an integer beyond 2^53"
        raise ValueError(message)
    return int(digits)


def _constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "an object has the same key twice"
        raise ValueError(message)
    return members


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_constant, object_pairs_hook=_unique)


def parse_canonical(data: bytes, *, limit: int, what: str) -> JsonValue:
    """Read RFC 8785 bytes, and nothing that differs from them by a byte.

    Args:
        data: the document, complete.
        limit: the most bytes that it may have.
        what: its name for messages, such as `manifest.json`.

    Returns:
        The value: dict, list, str, int, float, bool or None.

    Raises:
        FormatError: too large, not UTF-8, not JSON, duplicate keys, too deep, or not in canonical form.
    """
    if len(data) > limit:
        _refuse(what, f"{len(data)} bytes, more than the {limit} allowed", f"{len(data)} 字节，超过上限 {limit}")
    _check_structure(data, what)
    try:
        value: JsonValue = _DECODER.decode(data.decode("utf-8"))
        again = rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what}: not canonical JSON: {error}", f"{what}：不是规范 JSON:{error}") from error
    if again != data:
        _refuse(what, "not in the canonical form of RFC 8785", "不是 RFC 8785 规定的规范形式")
    return value


def format_time(moment: datetime) -> str:
    """Write an aware time as RFC 3339 UTC with microseconds: `2026-11-23T03:04:05.678901Z`.

    Raises:
        UsageError: the time has no time zone.
    """
    if moment.utcoffset() is None:
        raise UsageError(
            f"the time {moment.isoformat()} has no time zone; give an aware datetime",
            f"时间 {moment.isoformat()} 没有时区；请使用带时区的时间",
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str, *, what: str = "time") -> datetime:
    """Read what `format_time` writes, as an aware UTC time.

    Raises:
        FormatError: any other form, or a time that does not exist (leap seconds included).
    """
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    _refuse(what, f"{text[:40]!r} is not a time like 2026-11-23T03:04:05.678901Z", f"{text[:40]!r} 不是规定形式的时间")


def as_object(value: JsonValue, what: str) -> Mapping[str, JsonValue]:
    """Take a parsed value as an object.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, Mapping):
        _refuse(what, "must be a JSON object", "须为 JSON 对象")
    return value


def as_list(value: JsonValue, what: str) -> Sequence[JsonValue]:
    """Take a parsed value as a list.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        _refuse(what, "must be a list", "须为列表")
    return value
