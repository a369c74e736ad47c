"""What reaches the terminal: results on stdout, everything else on stderr.

Pages choose their own titles and addresses, so whatever comes from a page goes through `inert`: it
can neither move the cursor nor reorder the text around it.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

from evidencekit_cli.language import Bilingual, Language, in_language

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evidencekit.model import JsonValue

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class Sentence:
    """One sentence in English and Chinese, cheap enough for the top of a module."""

    __slots__ = ("en", "zh")

    def __init__(self, en: str, zh: str) -> None:
        self.en = en
        self.zh = zh


def inert(text: str, limit: int = 2000) -> str:
    """Return `text` with control, format and bidirectional characters as visible escapes.

    At most `limit` characters of it are shown; a cut is marked.
    """
    from unicodedata import category

    shown = text if len(text) <= limit else text[:limit] + "…"
    return "".join(
        character if category(character) not in _UNSAFE_CATEGORIES else f"\\u{{{ord(character):x}}}"
        for character in shown
    )


def prepare_streams() -> None:
    """Let a terminal that cannot show Chinese show escapes instead of failing, and keep warnings for developers off it.

    Libraries warn of oddities in a stranger's certificate by naming our source files; the checks judge those by
    themselves. `python -W` and PYTHONWARNINGS show them all the same.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def close_streams() -> None:
    """Flush what is left, so that a reader who went away is noticed here and not at interpreter exit."""
    for stream in (sys.stdout, sys.stderr):
        _write(stream, "")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # `evidencekit verify x | head -1`: the reader has enough. The verdict stays the exit status.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Session:
    """What one run of the program knows about its user: language, and whether a machine reads.

    No dataclass, because making one costs a tenth of what `--help` may.
    """

    __slots__ = ("json", "language")

    def __init__(self, *, language: Language, json: bool = False) -> None:
        self.language = language
        self.json = json

    def text(self, sentence: Bilingual) -> str:
        """Return `sentence` in the user's language."""
        return in_language(sentence, self.language)

    def say(self, sentence: Bilingual) -> None:
        """Print a line of the result, unless a machine reads."""
        if not self.json:
            _write(sys.stdout, self.text(sentence) + "\n")

    def print(self, text: str) -> None:
        """Print text that is already in the user's language, unless a machine reads."""
        if not self.json:
            _write(sys.stdout, text + "\n")

    def note(self, sentence: Bilingual) -> None:
        """Print a line beside the result, on stderr."""
        _write(sys.stderr, self.text(sentence) + "\n")

    def print_json(self, value: Mapping[str, JsonValue]) -> None:
        """Print one JSON object as one result, readable by people too."""
        import json

        _write(sys.stdout, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def both(sentence: Bilingual) -> dict[str, JsonValue]:
    """Return a sentence as JSON carries it."""
    return {"en": sentence.en, "zh": sentence.zh}


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; the last column is not padded. Wide characters count twice."""
    if not rows:
        return ""
    widths = [max(_cells(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(_pad(cell, width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _cells(text: str) -> int:
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))
