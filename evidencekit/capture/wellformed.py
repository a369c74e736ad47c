"""Text of a page that no file could carry: lone surrogates, which JavaScript's strings may hold and UTF-8 may not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_BACKSLASHES: Final = (b"\\ud", b"\\uD")
# An escaped backslash is consumed first, so that `\\ud800` stays the six characters that it means.
_ESCAPES: Final = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def parse_message(raw: bytes) -> JsonValue:
    """Parse JSON of the browser, with U+FFFD for each half of a surrogate pair (RFC 8259 §8.2; RFC 8785 §3.2.2.2).

    Raises:
        ValueError, RecursionError: it is not JSON, or nested too deep.
    """
    message: JsonValue = json.loads(raw)
    if any(each in raw for each in _BACKSLASHES) and not _is_whole(message):
        message = json.loads(_ESCAPES.sub(_mended, raw))
    return message


def _is_whole(message: JsonValue) -> bool:
    # Quicker by far than looking at each escape, of which a Chinese page has one for every character.
    try:
        json.dumps(message, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _mended(match: re.Match[bytes]) -> bytes:
    return match[0] if match["lone"] is None else b"\\ufffd"
