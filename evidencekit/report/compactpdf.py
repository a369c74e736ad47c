"""Rewrite a PDF that the browser printed so that its many small objects share compressed streams (PDF 1.5).

Chromium draws rare glyphs as fonts of a few letters each and describes every text for screen readers: thousands of
objects, none of them compressed. Object streams and a cross-reference stream (ISO 32000-1 §7.5.7, §7.5.8) halve the
file; no object changes, and the same bytes give the same bytes.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER: Final = b"%PDF-1.5\n%\xd3\xeb\xe9\xe1\n"
_TABLE: Final = re.compile(rb"xref\s+0 (\d+)\s+")
_ENTRY_BYTES: Final = 20
_OBJECT: Final = re.compile(rb"(\d+) 0 obj\b")
_TRAILER: Final = re.compile(rb"trailer\s*<<(.*)>>\s*startxref\s+(\d+)\s+%%EOF\s*\Z", re.DOTALL)
_KEPT: Final = re.compile(rb"/(?:Root|Info)\s+\d+ 0 R|/ID\s*\[[^\]]*\]")
_A_STREAM: Final = 500
"""Objects in one stream: readers unpack a stream whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    number: int
    body: bytes

    @property
    def is_stream(self) -> bool:
        return self.body.endswith(b"endstream")


def compact(pdf: bytes) -> bytes:
    """Give the same document in fewer bytes; another form than the browser's comes back as it is."""
    found = _read(pdf)
    if found is None:
        return pdf
    objects, kept = found
    out = bytearray(_HEADER)
    places: dict[int, bytes] = {0: _place(0, 0, 65535)}
    for each in objects:
        if each.is_stream:
            places[each.number] = _place(1, len(out), 0)
            out += _object(each.number, each.body)
    number = max(each.number for each in objects) + 1
    small = [each for each in objects if not each.is_stream]
    for start in range(0, len(small), _A_STREAM):
        part = small[start : start + _A_STREAM]
        places |= {each.number: _place(2, number, index) for index, each in enumerate(part)}
        places[number] = _place(1, len(out), 0)
        out += _object(number, _object_stream(part))
        number += 1
    places[number] = _place(1, len(out), 0)
    start = len(out)
    out += _object(number, _cross_reference(places, number + 1, kept))
    out += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(out) if len(out) < len(pdf) else pdf


def _read(pdf: bytes) -> tuple[list[_Object], bytes] | None:
    """Take a document with one cross-reference table apart; None when it is of another form."""
    trailer = _TRAILER.search(pdf)
    if trailer is None or b"/Prev" in trailer[1] or b"/Encrypt" in trailer[1]:
        return None
    table = _TABLE.match(pdf, int(trailer[2]))
    if table is None:
        return None
    entries = [pdf[at : at + _ENTRY_BYTES] for at in range(table.end(), trailer.start(), _ENTRY_BYTES)][: int(table[1])]
    try:
        offsets = sorted(int(entry[:10]) for entry in entries if entry[17:18] == b"n")
    except ValueError:
        return None
    objects: list[_Object] = []
    for start, end in zip(offsets, [*offsets[1:], table.start()], strict=True):
        head = _OBJECT.match(pdf, start)
        body = pdf[start:end].rstrip()
        if head is None or not body.endswith(b"endobj"):
            return None
        objects.append(_Object(number=int(head[1]), body=pdf[head.end() : start + len(body) - len(b"endobj")].strip()))
    return (objects, b" ".join(_KEPT.findall(trailer[1]))) if objects else None


def _object(number: int, body: bytes) -> bytes:
    return b"%d 0 obj\n%b\nendobj\n" % (number, body)


def _stream(entries: bytes, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    return b"<<%b /Filter /FlateDecode /Length %d>> stream\n%b\nendstream" % (entries, len(packed), packed)


def _object_stream(objects: Iterable[_Object]) -> bytes:
    head, body = [], bytearray()
    for each in objects:
        head.append(b"%d %d" % (each.number, len(body)))
        body += each.body + b"\n"
    index = b" ".join(head) + b"\n"
    return _stream(b"/Type /ObjStm /N %d /First %d" % (len(head), len(index)), index + bytes(body))


def _place(kind: int, first: int, second: int) -> bytes:
    return bytes((kind,)) + first.to_bytes(4, "big") + second.to_bytes(2, "big")


def _cross_reference(places: dict[int, bytes], size: int, kept: bytes) -> bytes:
    rows = b"".join(places.get(number, places[0]) for number in range(size))
    return _stream(b"/Type /XRef /Size %d /W [1 4 2] %b" % (size, kept), rows)
