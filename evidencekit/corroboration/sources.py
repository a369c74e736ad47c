"""Recorded bodies as text that a page could have shown: decoded, unescaped, and what kind of source each is."""

from __future__ import annotations

import codecs
import html
import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from evidencekit.corroboration.domtext import squeeze

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES: Final = 16 << 20
_SNIFF_BYTES: Final = 2048
_PIECE: Final = 1 << 16


class Kind(StrEnum):
    """What a source may do: `document` and `data` say something; `script` can say and compute; `style` decorates."""

    DOCUMENT = "document"
    DATA = "data"
    SCRIPT = "script"
    STYLE = "style"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One recorded body: the exchange's id, its URL, the media type as stated, the content coding still on it."""

    exchange: str
    url: str
    media_type: str
    coding: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text that was recorded; `text` is unescaped, `squeezed` is what texts are looked up in."""

    exchange: str
    url: str
    kind: Kind
    text: str
    squeezed: str


class UnreadableBodyError(Exception):
    """A body of text that cannot be read: an unknown content coding, or a damaged or endless one."""


def source_of(message: Message) -> Source | None:
    """Make a source of a body; None when it is no text (a picture, a font, a film).

    Raises:
        UnreadableBodyError: it is text, but its coding cannot be undone here.
    """
    kind = kind_of(message.media_type, message.url)
    if kind is None:
        return None
    body = decoded(message.body, message.coding)
    text = unescaped(to_text(body, message.media_type))
    return Source(exchange=message.exchange, url=message.url, kind=kind, text=text, squeezed=squeeze(text))


def kind_of(media_type: str, url: str) -> Kind | None:
    """Sort a body by its media type (WHATWG MIME Sniffing §4.6); None for what holds no text."""
    essence = media_type.partition(";")[0].strip().lower()
    main, _, sub = essence.partition("/")
    if "html" in sub or sub in {"svg+xml", "xml"} or sub.endswith("+xml"):
        return Kind.DOCUMENT
    if "javascript" in sub or "ecmascript" in sub:
        return Kind.SCRIPT
    if sub == "css":
        return Kind.STYLE
    if main in {"image", "audio", "video", "font"} or sub in {"pdf", "zip", "gzip", "wasm", "font-woff"}:
        return None
    if main == "text" or "json" in sub or sub in {"x-www-form-urlencoded", "x-ndjson"}:
        return Kind.DATA
    return Kind.DATA if main in {"", "application"} and not url.endswith((".woff", ".woff2", ".ttf")) else None


def decoded(body: bytes, coding: str) -> bytes:
    """Undo a content coding (RFC 9110 §8.4.1), to at most `MAX_BODY_BYTES`.

    Raises:
        UnreadableBodyError: an unknown, damaged or endless one.
    """
    for name in reversed([each.strip().lower() for each in coding.split(",") if each.strip()]):
        if name in {"gzip", "x-gzip", "deflate"}:
            body = _inflated(body, 47)
        elif name == "br":
            body = _unbrotlied(body)
        elif name != "identity":
            raise UnreadableBodyError(name)
    if len(body) > MAX_BODY_BYTES:
        raise UnreadableBodyError("long")
    return body


def _inflated(body: bytes, window: int) -> bytes:
    try:
        unpacker = zlib.decompressobj(window)
        plain = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        if window == 47:  # noqa: PLR2004 (zlib or gzip by its head; some servers send bare deflate)
            return _inflated(body, -15)
        raise UnreadableBodyError("gzip") from None
    return plain


def _unbrotlied(body: bytes) -> bytes:
    try:
        import brotli  # noqa: PLC0415 (only forensic records of such servers need it)
    except ImportError:
        raise UnreadableBodyError("br") from None
    unpacker, plain = brotli.Decompressor(), bytearray()
    try:
        for at in range(0, len(body), _PIECE):
            plain += unpacker.process(body[at : at + _PIECE], output_buffer_limit=MAX_BODY_BYTES)
            while not unpacker.can_accept_more_data() and len(plain) <= MAX_BODY_BYTES:
                plain += unpacker.process(b"", output_buffer_limit=MAX_BODY_BYTES)
            if len(plain) > MAX_BODY_BYTES:
                raise UnreadableBodyError("long")
    except brotli.error:
        raise UnreadableBodyError("br") from None
    return bytes(plain)


_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{2,40})""")
_CSS = re.compile(rb'^@charset "([A-Za-z0-9_:.-]{2,40})";')
_PARAMETER = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_LABELS: Final[Mapping[str, str]] = {
    # WHATWG Encoding §4.2: these labels mean the larger set.
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
}


def to_text(body: bytes, media_type: str) -> str:
    """Decode by byte order mark, as UTF-8 where it is that, by stated charset or the document's own statement.

    UTF-8 comes before what is stated: DevTools gives some bodies re-encoded, and text in another charset is hardly
    ever lawful UTF-8. Bytes of which nobody states a charset are read as GB 18030: Chinese sites are what this misses
    most, and an eight-bit text that was misread only fails to be found.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            return body.decode(name, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    head = body[:_SNIFF_BYTES]
    stated = _PARAMETER.search(media_type)
    found = next((match for match in (_META.search(head), _XML.search(head), _CSS.search(head)) if match), None)
    label = stated[1] if stated else found[1].decode("ascii") if found else ""
    name = _LABELS.get(label.lower(), label.lower())
    if name:
        try:
            return body.decode(name, "replace")
        except LookupError:
            pass
    return body.decode("gb18030", "replace")


_UNITS = re.compile(r"(?:\\{1,8}u[0-9a-fA-F]{4})+")
_MARK = re.compile(r"\\+u")
_BRACED = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")
_BYTES = re.compile(r"\\x([0-9a-fA-F]{2})")
_CSS_ESCAPE = re.compile(r"\\([0-9a-fA-F]{4,6})\s?")
_SIMPLE = re.compile(r"\\([\"'`/bfnrt\\\n])")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){2,}")
_BLANKS: Final = {"n": "\n", "t": "\n", "r": "\n", "b": "", "f": "", "\n": ""}


def unescaped(text: str) -> str:
    """Undo the ways in which a text hides in HTML, JSON, JavaScript, CSS and URLs, twice where they are nested."""
    if "&" in text:
        text = html.unescape(text)
    for _ in range(2):
        if "\\" not in text:
            break
        text = _UNITS.sub(lambda match: _from_units(match[0]), text)
        text = _BRACED.sub(lambda match: _character(match[1]), text)
        text = _BYTES.sub(lambda match: chr(int(match[1], 16)), text)
        text = _CSS_ESCAPE.sub(lambda match: _character(match[1]), text)
        text = _SIMPLE.sub(lambda match: _BLANKS.get(match[1], match[1]), text)
    if "%" in text:
        text = _PERCENT.sub(lambda match: unquote(match[0], errors="replace"), text)
    return text


def _from_units(escaped: str) -> str:
    return bytes.fromhex(_MARK.sub("", escaped)).decode("utf-16-be", "replace")


def _character(code: str) -> str:
    number = int(code, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"  # noqa: PLR2004
