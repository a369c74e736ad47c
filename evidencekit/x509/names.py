"""Compare encoded distinguished names (RFC 5280 §7.1), across string types, case and spacing."""

from __future__ import annotations

import unicodedata
from typing import Final, TypeAlias

from evidencekit.errors import FormatError
from evidencekit.x509 import der

_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
"""Character string types by tag; a T61String is read as Latin-1, as everybody does."""
_MAX_PARTS: Final = 64

CanonicalName: TypeAlias = tuple[frozenset[tuple[str, str]], ...]


def same_name(first: bytes, second: bytes) -> bool:
    """Return whether two encoded Names are equal; names that cannot be read equal only themselves."""
    if first == second:
        return True
    try:
        return canonical_name(first) == canonical_name(second)
    except FormatError:
        return False


def canonical_name(encoded: bytes) -> CanonicalName:
    """Return a Name in the form in which names are compared: folded case, single spaces.

    Raises:
        FormatError: Not a Name.
    """
    relative = der.children(der.parse(encoded), tag=der.SEQUENCE)
    if len(relative) > _MAX_PARTS:
        raise FormatError(f"name of {len(relative)} parts")
    return tuple(frozenset(_attribute(node) for node in der.children(part, tag=der.SET)) for part in relative)


def _attribute(node: der.Node) -> tuple[str, str]:
    cursor = der.Cursor(node, "AttributeTypeAndValue")
    kind, value = der.read_oid(cursor.take()), cursor.take()
    cursor.end()
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return kind, value.raw.hex()
    try:
        text = value.content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError("name holds text outside its alphabet") from error
    return kind, " ".join(unicodedata.normalize("NFKC", text).casefold().split())
