"""Find known secret values in bytes, in every spelling that web formats give them, and replace them.

A value is looked for raw, percent-encoded (once or twice), JSON-escaped and HTML-escaped, character by
character, so mixed spellings are found too. Time grows with data times secrets, both bounded; memory with
one window. A match becomes `[withheld:<reason>]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_CHARS = 1024
"""A longer secret is looked for in pieces of this many characters, so that a window can hold each."""

_SPELLING_BYTES = 24
_NEEDLE = re.compile(rb"[0-9A-Za-z]+")
_SHORT_NEEDLE = 4
_PARTS = re.compile(r"\\+|.", re.DOTALL)
_BMP = 0xFFFF
_ENTITIES = {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot", "'": b"apos"}


def placeholder(reason: str) -> str:
    """Give the text that stands where a secret was."""
    return f"[withheld:{reason}]"


@dataclass(frozen=True, slots=True)
class _Secret:
    value: str
    reason: str
    needle: bytes

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        # The pattern is compiled only when it may match: a page can set thousands of long cookies.
        if not self.needle or data.find(self.needle) >= 0:
            for match in _pattern(self.value).finditer(data):
                yield match.span()


class Masker:
    """A compiled set of secrets; immutable."""

    def __init__(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Compile.

        Args:
            secrets: pairs of value and reason.
        """
        self._secrets = tuple(
            _Secret(piece, reason, _needle(piece)) for value, reason in secrets for piece in _pieces(value)
        )
        self._reach = max((len(secret.value) * _SPELLING_BYTES for secret in self._secrets), default=0)

    def __bool__(self) -> bool:
        """Tell whether there is anything to look for."""
        return bool(self._secrets)

    def find(self, data: bytes) -> list[tuple[int, int, tuple[str, ...]]]:
        """Give start, end and reasons of every stretch that holds a secret, ascending and disjoint."""
        found = sorted((start, -end, secret.reason) for secret in self._secrets for start, end in secret.spans(data))
        merged: list[tuple[int, int, tuple[str, ...]]] = []
        for start, negative_end, reason in found:
            if merged and start < merged[-1][1]:
                first, end, reasons = merged[-1]
                merged[-1] = (first, max(end, -negative_end), tuple(dict.fromkeys((*reasons, reason))))
            else:
                merged.append((start, -negative_end, (reason,)))
        return merged

    def mask(self, data: bytes) -> tuple[bytes, tuple[str, ...]]:
        """Replace every secret; give the new bytes and the sorted reasons, none when nothing was found."""
        spans = self.find(data)
        return (_replace(data, spans), _reasons(spans)) if spans else (data, ())

    def mask_stream(self, pieces: Iterable[bytes], reasons: set[str]) -> Iterator[bytes]:
        """Replace every secret in a stream; the reasons are added to `reasons` as they are met."""
        held = b""
        for piece in pieces:
            window = held + piece
            spans = self.find(window)
            cut = max(0, len(window) - self._reach)
            for start, end, _ in spans:
                if start < cut < end and start > 0:
                    cut = start  # the next window sees all of it, and what may overlap its end
                elif start < cut < end:
                    cut = end
            done = [span for span in spans if span[0] < cut]
            reasons.update(_reasons(done))
            yield _replace(window[:cut], done)
            held = window[cut:]
        rest, found = self.mask(held)
        reasons.update(found)
        yield rest


def _reasons(spans: Iterable[tuple[int, int, tuple[str, ...]]]) -> tuple[str, ...]:
    return tuple(sorted({reason for _, _, reasons in spans for reason in reasons}))


def _replace(data: bytes, spans: Iterable[tuple[int, int, tuple[str, ...]]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end, reasons in spans:
        parts += (data[at:start], placeholder(reasons[0]).encode())
        at = end
    parts.append(data[at:])
    return b"".join(parts)


def _pieces(value: str) -> list[str]:
    """Cut a long secret; the last piece is as long as the others, so it is not short enough to be common."""
    if len(value) <= CHUNK_CHARS:
        return [value]
    starts = [*range(0, len(value) - CHUNK_CHARS, CHUNK_CHARS), len(value) - CHUNK_CHARS]
    return [value[start : start + CHUNK_CHARS] for start in starts]


def _needle(value: str) -> bytes:
    """Give a run of letters and digits that every spelling of the value holds; empty when it is too short to help."""
    longest = max(_NEEDLE.findall(value.encode("utf-8", "replace")), key=len, default=b"")
    return longest if len(longest) >= _SHORT_NEEDLE else b""


@lru_cache(maxsize=1024)
def _pattern(value: str) -> re.Pattern[bytes]:
    return re.compile(b"".join(_spellings(part) for part in _PARTS.findall(value)))


def _spellings(part: str) -> bytes:
    """Give a pattern for one character, or for a run of backslashes; ASCII letters and digits stand for themselves."""
    raw = part.encode("utf-8", "replace")
    if part.isascii() and part.isalnum():
        return raw
    percent = b"".join(b"%%(?:25)?%s" % _either_case(b"%02X" % byte) for byte in raw)
    if part.startswith("\\"):
        # One bounded run, not a run for each backslash: nested ones would make the search explode.
        count = len(part)
        written = rb"&(?:amp;)?#(?:0*92|[xX]0*5[cC]);|\\{1,4}u005[cC]"
        return rb"(?:\\{%d,%d}|%s|(?:%s){%d})" % (count, 4 * count, percent, written, count)
    code = ord(part)
    escaped = rb"\\{1,4}u" + rb"\\{1,4}u".join(_either_case(b"%04X" % unit) for unit in _utf16(code))
    plain = [b"&(?:amp;)?#(?:0*%d|[xX]0*%s);" % (code, _either_case(b"%X" % code)), re.escape(raw)]
    if part in _ENTITIES:
        plain.insert(0, b"&(?:amp;)?%s;" % _ENTITIES[part])
    if part == " ":
        plain.append(rb"\+")
    return rb"(?:%s|%s|\\{0,4}(?:%s))" % (percent, escaped, b"|".join(plain))


def _utf16(code: int) -> tuple[int, ...]:
    if code <= _BMP:
        return (code,)
    return (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF))


def _either_case(digits: bytes) -> bytes:
    return re.sub(rb"[A-F]", lambda match: b"[%s%s]" % (match[0], match[0].lower()), digits)
