"""Extra fields of ZIP headers: only ZIP64 means something here (APPNOTE 4.5)."""

from __future__ import annotations

import struct
from typing import NoReturn

from evidencekit.bundle.zipform import SENTINEL_32, ZIP64_ID
from evidencekit.errors import FormatError

_UNICODE_PATH_ID = 0x7075
_HEAD_BYTES = 4
_VALUE_BYTES = 8


def resolve_zip64(extra: bytes, fields: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Replace the fields that say 0xFFFFFFFF by their values in the ZIP64 extra field, in order.

    Args:
        extra: all extra fields of one header.
        fields: 32-bit fields as they stand in the header, in ZIP64's order.
        name: of the member, for messages.

    Raises:
        FormatError: malformed extra fields, a missing, short or untrue ZIP64 field, or a second name for the member.
    """
    zip64 = _find_zip64(extra, name)
    missing = sum(field == SENTINEL_32 for field in fields)
    if not missing:
        return fields
    if zip64 is None or len(zip64) < missing * _VALUE_BYTES:
        _refuse(name, "a ZIP64 value is missing", "缺少 ZIP64 数值")
    values = iter(struct.unpack(f"<{missing}Q", zip64[: missing * _VALUE_BYTES]))
    return tuple(next(values) if field == SENTINEL_32 else field for field in fields)


def _find_zip64(extra: bytes, name: str) -> bytes | None:
    found: bytes | None = None
    while extra:
        if len(extra) < _HEAD_BYTES:
            _refuse(name, "malformed extra field", "扩展字段格式错误")
        kind, size = struct.unpack_from("<2H", extra)
        value, extra = extra[_HEAD_BYTES : _HEAD_BYTES + size], extra[_HEAD_BYTES + size :]
        if len(value) != size:
            _refuse(name, "malformed extra field", "扩展字段格式错误")
        if kind == _UNICODE_PATH_ID:
            _refuse(name, "a second name stands in an extra field", "扩展字段中另有名称")
        if kind == ZIP64_ID:
            if found is not None:
                _refuse(name, "two ZIP64 fields", "有两个 ZIP64 字段")
            found = value
    return found


def _refuse(name: str, en: str, zh: str) -> NoReturn:
    raise FormatError(f"{name}: {en}", f"{name}:{zh}")
