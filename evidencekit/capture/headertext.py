"""Header fields as text, and the bytes that they were.

A field value is bytes (RFC 9110 §5.5), and sites do send names of files and addresses in raw UTF-8 or GBK. What is
UTF-8 is read as that. A byte that is not stands as a lone surrogate (PEP 383), so that the archive gets back what was
received; what is written as JSON cannot hold one and shows such a value as ISO 8859-1, as DevTools does.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

_ESCAPED: Final = "%ESCAPED:\u200b "
"""Chromium's network log writes a text that is not ASCII behind this, each such byte and `%` as %XX."""


def field_text(raw: bytes) -> str:
    """Read what was received."""
    return raw.decode("utf-8", "surrogateescape")


def field_bytes(text: str) -> bytes:
    """Give back what was received; a surrogate that came from no byte is written `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def shown(text: str) -> str:
    """Give text that every format can carry."""
    if text.isascii():
        return text
    raw = field_bytes(text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def from_netlog(text: str) -> str:
    """Take a text of the network log out of its escapes; one that has none is given back as it is."""
    if not text.startswith(_ESCAPED):
        return text
    return field_text(unquote_to_bytes(text.removeprefix(_ESCAPED)))
