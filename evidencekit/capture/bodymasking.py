"""Secrets in message bodies: fields whose names mean one, and known values anywhere in the bytes.

Forms (urlencoded, multipart/form-data) and JSON are read by pattern, not by parser: a body may be cut,
malformed or huge, and must be masked all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from evidencekit.capture.exchanges import Body
from evidencekit.capture.masking import Masker, placeholder
from evidencekit.capture.sensitive import HINT, PASSWORD, reason_for_name
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIELDS_BYTES = 8 << 20
"""Bodies larger than this are searched by value only."""

_PIECE_BYTES = 1 << 20
_SNIFF_BYTES = 1024
_SHORTEST_IN_JSON = 8
_MEDIA = ("image/", "audio/", "video/", "font/")
_JSON = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\.){1,128})"(\s*:\s*)("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)')
_FORM = re.compile(rb"((?:^|(?<=&))[^=&\s]{1,256})(=)([^&\r\n]+)")
_PART = re.compile(
    rb'(?i)content-disposition:[^\r\n]{0,256}?\bname="([^"\r\n]{0,128})"'
    rb"([^\r\n]{0,512}\r?\n(?:[^\r\n]{1,1024}\r?\n){0,8}\r?\n)(.*?)(?=\r?\n--)",
    re.DOTALL,
)


def secret_fields(source: Path | bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """Give value and reason of each field whose name means a secret.

    Raises:
        StorageError: the file cannot be read.
    """
    pattern = _pattern_for(content_type)
    if pattern is None:
        return
    data = source if isinstance(source, bytes) else _read(source, FIELDS_BYTES + 1)
    if len(data) > FIELDS_BYTES or not HINT.search(data):
        return
    for match in pattern.finditer(data):
        reason = _reason(pattern, match)
        if reason is not None:
            yield _value(pattern, match[3]), reason


def mask_body(body: Body | None, content_type: str, masker: Masker, out: Path, reasons: set[str]) -> Body | None:
    """Give the public view of a body: itself, or a masked copy at `out`; reasons are added to `reasons`.

    Raises:
        StorageError: the body cannot be read or the copy not written.
    """
    if body is None or _is_opaque(body.file, content_type):
        return body
    if body.size > FIELDS_BYTES:
        return _mask_large(body, masker, out, reasons)
    original = _read(body.file, body.size + 1)
    placed = _mask_fields(original, content_type, reasons)
    data, found = masker.mask(placed)
    if data == original:
        return body
    reasons.update(found)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise _cannot_write(out, error) from error
    return Body(file=out, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _mask_fields(data: bytes, content_type: str, reasons: set[str]) -> bytes:
    pattern = _pattern_for(content_type)
    if pattern is None or not HINT.search(data):
        return data

    def field(match: re.Match[bytes]) -> bytes:
        reason = _reason(pattern, match)
        if reason is None:
            return match[0]
        reasons.add(reason)
        mark = placeholder(reason).encode()
        start, end = match.span(3)
        begin = match.start()
        return match[0][: start - begin] + (b'"%s"' % mark if pattern is _JSON else mark) + match[0][end - begin :]

    return pattern.sub(field, data)


def _mask_large(body: Body, masker: Masker, out: Path, reasons: set[str]) -> Body:
    found: set[str] = set()
    digest = hashlib.sha256()
    size = 0
    try:
        with body.file.open("rb") as source, out.open("wb") as sink:
            for piece in masker.mask_stream(iter(lambda: source.read(_PIECE_BYTES), b""), found):
                digest.update(piece)
                size += sink.write(piece)
        if not found:
            out.unlink()
    except OSError as error:
        raise _cannot_write(out, error) from error
    reasons.update(found)
    return Body(file=out, size=size, sha256=digest.hexdigest()) if found else body


def _pattern_for(content_type: str) -> re.Pattern[bytes] | None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        return _FORM
    if media_type == "multipart/form-data":
        return _PART
    if media_type.endswith(("/json", "+json")) or media_type in {"text/plain", "application/x-ndjson"}:
        return _JSON
    return None


def _reason(pattern: re.Pattern[bytes], match: re.Match[bytes]) -> str | None:
    decode: Callable[[bytes], str] = _json_string if pattern is _JSON else _form_string
    reason = reason_for_name(decode(match[1]))
    if reason is None or b"[withheld:" in match[3][:11]:
        return None
    # `"session":"morning"` is content; a short JSON value is a secret only where a password is meant.
    if pattern is _JSON and reason != PASSWORD and len(match[3]) < _SHORTEST_IN_JSON + 2:
        return None
    return reason


def _value(pattern: re.Pattern[bytes], raw: bytes) -> str:
    if pattern is _JSON:
        return _json_string(raw[1:-1]) if raw.startswith(b'"') else raw.decode("ascii", "replace")
    return _form_string(raw) if pattern is _FORM else raw.decode("utf-8", "replace")


def _json_string(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        decoded = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text
    return decoded if isinstance(decoded, str) else text


def _form_string(raw: bytes) -> str:
    return unquote_plus(raw.decode("utf-8", "replace"))


def _is_opaque(file: Path, content_type: str) -> bool:
    """Pictures, sound, film and fonts are not text; a text that claims to be a picture is."""
    if not content_type.strip().lower().startswith(_MEDIA) or content_type.lower().startswith("image/svg"):
        return False
    return b"\x00" in _read(file, _SNIFF_BYTES)


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(limit)
    except OSError as error:
        raise StorageError(
            f"the recorded body {file.name} cannot be read ({error}); check the disk and capture again",
            f"无法读取已记录的正文 {file.name}({error})；请检查磁盘后重新取证",
        ) from error


def _cannot_write(out: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the masked body {out.name} cannot be written ({error}); free disk space and capture again",
        f"无法写入遮盖后的正文 {out.name}({error})；请释放磁盘空间后重新取证",
    )
