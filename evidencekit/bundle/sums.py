"""`SHA256SUMS` and `SM3SUMS`: the digests of members in the formats that coreutils check (docs/spec/bundle.md).

`SHA256SUMS` has lines `<hex>  <name>` for `sha256sum --check`; `SM3SUMS` has lines `SM3 (<name>) = <hex>` for
`cksum --check`, because coreutils has no `sm3sum` and `cksum` recognises the algorithm by the tag.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.bundle.paths import SHA256SUMS, SM3SUMS, lawful_name
from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import Digests

MAX_SUMS_BYTES = 64 << 20
_SHA256_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_SM3_LINE = re.compile(r"SM3 \(([^\n]+)\) = ([0-9a-f]{64})")


def format_sha256sums(digests: Mapping[str, Digests]) -> bytes:
    """Write `SHA256SUMS` over the given members, sorted by name."""
    return "".join(f"{digests[name].sha256}  {name}\n" for name in sorted(digests)).encode("ascii")


def format_sm3sums(digests: Mapping[str, Digests]) -> bytes:
    """Write `SM3SUMS` over the given members, sorted by name."""
    return "".join(f"SM3 ({name}) = {digests[name].sm3}\n" for name in sorted(digests)).encode("ascii")


def parse_sha256sums(data: bytes) -> Mapping[str, str]:
    """Read `SHA256SUMS`: digest by member name, in order.

    Raises:
        FormatError: anything but what `format_sha256sums` writes.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(_lines(data, SHA256SUMS), 1):
        match = _SHA256_LINE.fullmatch(line)
        _add(sums, (match[2], match[1]) if match else None, f"{SHA256SUMS} line {number}")
    return MappingProxyType(sums)


def parse_sm3sums(data: bytes) -> Mapping[str, str]:
    """Read `SM3SUMS`: digest by member name, in order.

    Raises:
        FormatError: anything but what `format_sm3sums` writes.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(_lines(data, SM3SUMS), 1):
        match = _SM3_LINE.fullmatch(line)
        _add(sums, (match[1], match[2]) if match else None, f"{SM3SUMS} line {number}")
    return MappingProxyType(sums)


def _lines(data: bytes, what: str) -> list[str]:
    if len(data) > MAX_SUMS_BYTES:
        raise FormatError(
            f"{what}: over the limit of {MAX_SUMS_BYTES} bytes", f"{what}：超过 {MAX_SUMS_BYTES} 字节的上限"
        )
    if data and not data.endswith(b"\n"):
        raise FormatError(f"{what}: the last line is torn", f"{what}：最后一行不完整")
    if not data.isascii():
        raise FormatError(f"{what}: not ASCII text", f"{what}：不是 ASCII 文本")
    return data.decode("ascii").split("\n")[:-1]


def _add(sums: dict[str, str], found: tuple[str, str] | None, what: str) -> None:
    if found is None:
        raise FormatError(f"{what}: not a checksum line", f"{what}：不是校验和行")
    name, digest = found
    if not lawful_name(name):
        raise FormatError(f"{what}: {name[:60]!r} is not a lawful name", f"{what}:{name[:60]!r} 不是合法名称")
    if sums and name <= next(reversed(sums)):
        raise FormatError(f"{what}: {name!r} is out of order or stands there twice", f"{what}:{name!r} 次序有误或重复")
    sums[name] = digest
