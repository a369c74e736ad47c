"""Foreign text in our documents: page titles, URLs, certificate subjects and server errors are hostile.

Everything foreign passes `visible` (plain text, terminal) or `escape` (HTML) exactly once. Characters that
change how a line reads without being seen (bidi controls, zero-width characters, control characters, fillers;
Unicode TR 36 §2, TR 55) are written as their code points, so that two different titles never look the same.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NewType

Html = NewType("Html", str)
"""Markup that may be placed in a document as it is."""

TEXT_LIMIT = 4096
"""Characters of one foreign value that a document prints; the manifest keeps the whole."""

_COMBINING_LIMIT = 4
_JOINER = "\u200d"
_SHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINED_CATEGORIES = frozenset({"So", "Sk", "Mn"})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u2065")
_DIGEST_GROUP = 8
_SUPPLEMENT_LAST = 0xFFFE
_PLAIN = re.compile(r"[ -~\u3001-\u3029\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uff01-\uff9f]*")
"""Texts of these characters alone hold nothing to show as code points: most texts, and told at once."""
_TAGS = range(0xE0000, 0xE1000)
_URL_BREAKS = re.compile(r"(?<=[/?&=.,;:_%+-])(?=[^/?&=.,;:_%+-])")


def _is_hidden(char: str) -> bool:
    code = ord(char)
    return (
        unicodedata.category(char) in _SHOWN_CATEGORIES
        or char in _FILLERS
        or code in _TAGS
        or code & _SUPPLEMENT_LAST == _SUPPLEMENT_LAST
    )


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Splits into (is_code_point, text) pieces; a joiner inside an emoji and a few accents stay as they are."""
    pieces: list[tuple[bool, str]] = []
    previous, marks = "", 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"} else 0
        joins_emoji = char == _JOINER and previous != "" and unicodedata.category(previous) in _JOINED_CATEGORIES
        hidden = (_is_hidden(char) and not joins_emoji) or marks > _COMBINING_LIMIT
        pieces.append((True, f"U+{ord(char):04X}") if hidden else (False, char))
        previous = char
    return pieces


def _cut(text: str, limit: int) -> tuple[str, str]:
    if len(text) <= limit:
        return text, ""
    return text[:limit], f" … [{limit}/{len(text)}]"


def visible(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Writes foreign text for a terminal or a plain text file: one line, nothing hidden, bounded.

    Args:
        text: Anything, lone surrogates included.
        limit: Characters printed; a longer text ends in `… [printed/whole]`.
    """
    kept, rest = _cut(text, limit)
    return "".join(f"⟨{piece}⟩" if is_code else piece for is_code, piece in _pieces(kept)) + rest


def _escape_pieces(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return html.escape(text)
    return "".join(
        f'<span class="cp">{piece}</span>' if is_code else html.escape(piece) for is_code, piece in _pieces(text)
    )


def escape(text: str, *, limit: int = TEXT_LIMIT) -> Html:
    """Writes foreign text into HTML: escaped, isolated from the direction of its surroundings, bounded."""
    kept, rest = _cut(text, limit)
    return Html(f"<bdi>{_escape_pieces(kept)}</bdi>{html.escape(rest)}")


def escape_url(text: str, *, limit: int = TEXT_LIMIT) -> Html:
    """Writes a URL in full, never as a link; it may break after its punctuation and, by style, anywhere."""
    kept, rest = _cut(text, limit)
    body = "<wbr>".join(_escape_pieces(part) for part in _URL_BREAKS.split(kept))
    return Html(f'<bdi class="url">{body}</bdi>{html.escape(rest)}')


def digest(value: str) -> Html:
    """Writes a hexadecimal value in monospace, breakable every eight digits, without characters that copy along."""
    groups = [value[at : at + _DIGEST_GROUP] for at in range(0, len(value), _DIGEST_GROUP)]
    return Html('<code class="digest">' + "<wbr>".join(_escape_pieces(group) for group in groups) + "</code>")


def own(text: str) -> Html:
    """Escapes a sentence of ours; unlike `escape` it is not isolated."""
    return Html(html.escape(text))


def join(parts: list[Html], separator: str = "") -> Html:
    """Concatenates markup."""
    return Html(separator.join(parts))
