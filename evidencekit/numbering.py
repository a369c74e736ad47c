"""Certificate numbers that can be read aloud and checked with pencil and paper.

`<prefix>-<year>-<sequence>-<check>`, such as `7ZK3M0Q-2026-000042-TN`:

- prefix: the first 7 characters of the Crockford base 32 form of SHA-256 of the issuer's raw public key, so that two
  issuers without a common registry do not issue the same number;
- year: four digits; sequence: six digits or more, without further leading zeros;
- check: two characters by ISO/IEC 7064 MOD 1271-36 over all characters before it, hyphens left out. It catches every
  wrong character and every swap of two neighbours.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from evidencekit.errors import UsageError

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MODULUS = 1271
_RADIX = 36

PREFIX_CHARS = 7
_BITS_PER_CHAR = 5
MIN_YEAR = 1970
MAX_YEAR = 9999
MIN_SEQUENCE_DIGITS = 6
MAX_SEQUENCE = 10**12 - 1
_MAX_INPUT = 64

_PREFIX = re.compile(f"[{_CROCKFORD}]{{{PREFIX_CHARS}}}")
_NUMBER = re.compile(r"([0-9A-Z]{7})-?([0-9]{4})-?([0-9]{6,12})-?([0-9A-Z]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number whose check characters were right; `text` is its written form."""

    prefix: str
    year: int
    sequence: int
    text: str


def check_characters(body: str) -> str:
    """Compute the two ISO/IEC 7064 MOD 1271-36 check characters of `body` (0-9, A-Z)."""
    remainder = 0
    for character in body:
        remainder = (remainder + _ALPHABET.index(character)) * _RADIX % _MODULUS
    value = (1 - remainder * _RADIX) % _MODULUS
    return _ALPHABET[value // _RADIX] + _ALPHABET[value % _RADIX]


def prefix_from_key(raw_public_key: bytes) -> str:
    """Derive an issuer's prefix: the first 35 bits of SHA-256 of its raw public key, in Crockford base 32."""
    bits = int.from_bytes(hashlib.sha256(raw_public_key).digest())
    top = bits >> (256 - PREFIX_CHARS * _BITS_PER_CHAR)
    shifts = range((PREFIX_CHARS - 1) * _BITS_PER_CHAR, -1, -_BITS_PER_CHAR)
    return "".join(_CROCKFORD[top >> shift & 31] for shift in shifts)


def format_number(prefix: str, year: int, sequence: int) -> str:
    """Write a number with its check characters.

    Raises:
        UsageError: a part is out of range.
    """
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(
            f"the number prefix {prefix!r} is not {PREFIX_CHARS} characters of {_CROCKFORD}; use prefix_from_key()",
            f"编号前缀 {prefix!r} 不是由 {_CROCKFORD} 组成的 {PREFIX_CHARS} 个字符;请用 prefix_from_key() 生成",
        )
    if not MIN_YEAR <= year <= MAX_YEAR:
        raise UsageError(
            f"the year {year} of a number must lie between {MIN_YEAR} and {MAX_YEAR}; check the clock",
            f"编号年份 {year} 须在 {MIN_YEAR} 与 {MAX_YEAR} 之间;请检查系统时钟",
        )
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise UsageError(
            f"the sequence {sequence} of a number must lie between 0 and {MAX_SEQUENCE}; start a new prefix",
            f"编号序号 {sequence} 须在 0 与 {MAX_SEQUENCE} 之间;请启用新的前缀",
        )
    digits = f"{sequence:0{MIN_SEQUENCE_DIGITS}d}"
    return f"{prefix}-{year}-{digits}-{check_characters(f'{prefix}{year}{digits}')}"


def parse_number(text: str) -> Number:
    """Read a number as people type it: lower case, spaces around and missing hyphens are accepted.

    Raises:
        UsageError: it is no number, or its check characters say that something was mistyped.
    """
    shown = text[:_MAX_INPUT]
    match = _NUMBER.fullmatch(text.strip().upper()) if len(text) <= _MAX_INPUT and text.isascii() else None
    if match is None:
        raise UsageError(
            f"{shown!r} is not a certificate number; it looks like 7ZK3M0Q-2026-000042-TN",
            f"{shown!r} 不是证书编号;编号形如 7ZK3M0Q-2026-000042-TN",
        )
    prefix, year, digits, check = match.groups()
    if check != check_characters(f"{prefix}{year}{digits}"):
        raise UsageError(
            f"the check characters of {shown!r} do not fit; compare each character with the certificate",
            f"{shown!r} 的校验字符不符;请与证书逐字符核对",
        )
    written = format_number(prefix, int(year), int(digits))
    if written != f"{prefix}-{year}-{digits}-{check}":
        raise UsageError(
            f"the sequence {digits} in {shown!r} has leading zeros that no number has; compare it with the certificate",
            f"{shown!r} 的序号 {digits} 含有多余的前导零;请与证书核对",
        )
    return Number(prefix=prefix, year=int(year), sequence=int(digits), text=written)
