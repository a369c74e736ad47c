"""Secrets in renditions whose text is encoded: MHTML parts (RFC 2045 §6.7, §6.8) and PDF streams (ISO 32000-1 §7.3.8).

An MHTML part is decoded, masked, and encoded again only when something was found; all other bytes stay. In a PDF the
strings outside of packed streams (links, titles, descriptions) are masked in place, byte for byte of the same length,
because its table of contents counts bytes. What its glyphs show cannot be masked and is reported instead.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import zlib
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from itertools import islice
from typing import TYPE_CHECKING

from evidencekit.capture.masking import placeholder

if TYPE_CHECKING:
    from evidencekit.capture.masking import Masker

MOST_PDF_BYTES = 256 << 20
"""PDF streams are unpacked to this many bytes together."""

MOST_PDF_STREAMS = 50_000
"""Streams beyond are not unpacked; a page's PDF has one for each picture, font and printed page."""

_HEAD_BYTES = 8192
_MULTIPART = re.compile(
    rb"(?im)^Content-Type:\s*multipart/related;(?:[^\r\n]|\r?\n[ \t]){0,400}?boundary=\"?([^\"\r\n;]{1,70})\"?"
)
_ENCODING = re.compile(rb"(?im)^Content-Transfer-Encoding:[ \t]*([a-z0-9-]{1,20})[ \t]*\r?$")
_ENCODED_LINE = re.compile(rb"(?im)^([A-Za-z-]{1,60}:)((?:[^\r\n]|\r?\n[ \t]){0,8000})")
_BLANK = re.compile(rb"\r?\n\r?\n")
_UTF16_STRING = re.compile(rb"<(FEFF[0-9A-F]{16,65536})>", re.IGNORECASE)
_STREAM = re.compile(rb"stream\r?\n")
_LINE_CHARS = 76
_STEP_BYTES = 1 << 16


def is_mhtml(data: bytes) -> bool:
    """Say whether bytes look like MHTML as browsers save it."""
    return data[:_HEAD_BYTES].lstrip().startswith((b"From:", b"MIME-Version:")) and bool(
        _MULTIPART.search(data[:_HEAD_BYTES])
    )


def mask_mhtml(data: bytes, masker: Masker) -> tuple[bytes, tuple[str, ...]]:
    """Mask every part of an MHTML document in its decoded form; give it back with the sorted reasons."""
    boundary = _MULTIPART.search(data[:_HEAD_BYTES])
    if boundary is None or not masker:
        return masker.mask(data)
    separator = b"--" + boundary[1]
    reasons: set[str] = set()
    head, *parts = re.split(rb"(?m)^(?=%s(?:--)?[ \t]*\r?$)" % re.escape(separator), data)
    masked = [_mask_head(head, masker, reasons)]
    masked += [_mask_part(part, masker, reasons) for part in parts]
    result, found = masker.mask(b"".join(masked))
    return result, tuple(sorted(reasons.union(found)))


def mask_pdf(data: bytes, masker: Masker) -> tuple[bytes, tuple[str, ...]]:
    """Mask plain strings of a PDF, ASCII and UTF-16 ones (ISO 32000-1 §7.9.2.2); give it back with the reasons.

    Streams stay as they are: ask `pdf_reasons` afterwards what is left.
    """
    if not masker:
        return data, ()
    spans = masker.find(data)
    spans += [
        (match.start(1), match.end(1), found)
        for match in _UTF16_STRING.finditer(data)
        if (found := _reasons_in_utf16(match[1], masker))
    ]
    masked = bytearray(data)
    for start, end, found in spans:
        filler = _FILLERS[0] if data[start : start + 4].upper() == b"FEFF" else _FILLERS[1]
        masked[start:end] = filler(placeholder(found[0]), end - start)
    return (bytes(masked), tuple(sorted({r for _, _, found in spans for r in found}))) if spans else (data, ())


def _reasons_in_utf16(digits: bytes, masker: Masker) -> tuple[str, ...]:
    text = binascii.unhexlify(digits if len(digits) % 2 == 0 else digits + b"0").decode("utf-16", "replace")
    return masker.mask(text.encode("utf-8", "replace"))[1]


def _hex_filler(mark: str, size: int) -> bytes:
    digits = binascii.hexlify(b"\xfe\xff" + mark.encode("utf-16-be"))
    return (digits + b"0020" * size)[:size]


def _plain_filler(mark: str, size: int) -> bytes:
    return mark.encode()[:size].ljust(size, b"*")


_FILLERS = (_hex_filler, _plain_filler)


def pdf_reasons(data: bytes, masker: Masker) -> tuple[str, ...]:
    """Say which secrets stand in a PDF's objects and unpacked streams: links, titles, metadata, plain strings."""
    if not masker:
        return ()
    reasons = set(mask_pdf(data, masker)[1])
    left = MOST_PDF_BYTES
    view = memoryview(data)
    for match in islice(_STREAM.finditer(data), MOST_PDF_STREAMS):
        plain = _unpacked(view, match.end(), left)
        left -= len(plain)
        reasons.update(reason for _, _, found in masker.find(plain) for reason in found)
        if left <= 0:
            break
    return tuple(sorted(reasons))


def _mask_part(part: bytes, masker: Masker, reasons: set[str]) -> bytes:
    blank = _BLANK.search(part)
    if blank is None:
        return _mask_head(part, masker, reasons)
    head, body = part[: blank.end()], part[blank.end() :]
    encoding = _ENCODING.search(head)
    return _mask_head(head, masker, reasons) + _mask_content(
        body, encoding[1].lower() if encoding else b"", masker, reasons
    )


def _mask_content(body: bytes, encoding: bytes, masker: Masker, reasons: set[str]) -> bytes:
    if encoding == b"quoted-printable":
        plain, found = masker.mask(quopri.decodestring(body))
        encoded = quopri.encodestring(plain).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if found else body
    elif encoding == b"base64":
        try:
            plain, found = masker.mask(base64.b64decode(body))
        except (binascii.Error, ValueError):
            plain, found = masker.mask(body)
            encoded = plain
        else:
            encoded = _base64_lines(plain) if found else body
    else:
        encoded, found = masker.mask(body)
    reasons.update(found)
    return encoded


def _mask_head(head: bytes, masker: Masker, reasons: set[str]) -> bytes:
    """Mask header lines, folded ones and RFC 2047 words included."""

    def line(match: re.Match[bytes]) -> bytes:
        unfolded = re.sub(rb"\r?\n[ \t]", b"" if b"=?" not in match[2] else b" ", match[2])
        try:
            text = str(make_header(decode_header(unfolded.decode("utf-8", "replace"))))
        except (HeaderParseError, LookupError, ValueError):
            text = unfolded.decode("utf-8", "replace")
        masked, found = masker.mask(text.encode("utf-8", "replace"))
        if not found:
            return match[0]
        reasons.update(found)
        end = b"\r" if match[2].endswith(b"\r") else b""
        return match[1] + b" " + masked.strip() + end

    return _ENCODED_LINE.sub(line, head)


def _base64_lines(data: bytes) -> bytes:
    encoded = base64.b64encode(data)
    return b"".join(encoded[at : at + _LINE_CHARS] + b"\r\n" for at in range(0, len(encoded), _LINE_CHARS)) + b"\r\n"


def _unpacked(data: memoryview, start: int, limit: int) -> bytes:
    """Give what a Flate stream at `start` unpacks to, up to the limit; nothing for other filters."""
    unpacker = zlib.decompressobj()
    parts: list[bytes] = []
    at = start
    try:
        while not unpacker.eof and at < len(data) and limit > 0:
            step = data[at : at + _STEP_BYTES]
            at += len(step)
            parts.append(unpacker.decompress(step, limit))
            limit -= len(parts[-1])
    except zlib.error:
        return b"".join(parts)
    return b"".join(parts)
