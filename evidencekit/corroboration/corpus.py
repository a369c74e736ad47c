"""All recorded sources together, and the questions that accounting asks of them, each within a budget.

Every look-up is bounded by characters looked through, never by time, so that the answer is the same on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.domtext import read_dom, squeeze
from evidencekit.corroboration.sources import Kind, Source, UnreadableBodyError, source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evidencekit.corroboration.sources import Message

MAX_CORPUS_CHARS: Final = 48 << 20
MAX_PIECE_CHARS: Final = 80
_BUDGET_CHARS: Final = 1 << 30
_ORDER: Final = (Kind.DOCUMENT, Kind.DATA, Kind.SCRIPT, Kind.STYLE)
_DELIMITERS = re.compile(r"[<>\"'`{}\[\]|#%$\\\n\r\t()=;]+")
_EDGES = " \t\r\n\f.,:;!?-–—·…/*+&、。，：；！？（）()「」《》“”‘’~@^_￥¥$€£×•"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGITS_ONLY = re.compile(r"\d+(?:[.,]\d+)*")
_SAYING = re.compile(
    r"(?:data-[\w-]+|value|content|aria-label|title|alt|placeholder|label|datetime)\s*=\s*(\"[^\"]*\"|'[^']*')",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<script\b[^<>]{0,4000}>", re.IGNORECASE)
_HANDLER = re.compile(r"\bon[a-z]{3,20}\s*=\s*[\"']|javascript:", re.IGNORECASE)
_QUOTED_NUMBER = re.compile(r"[\"']\s*:\s*-?(\d+(?:\.\d+)?)|[\"'](\d+(?:\.\d+)?)[\"']")


@dataclass(slots=True, kw_only=True)
class Corpus:
    """The sources in the order in which they are looked through.

    Attributes:
        unread: how many bodies of text could not be read, by why.
        left: characters that may still be looked through.
    """

    sources: tuple[Source, ...]
    unread: dict[str, int] = field(default_factory=dict)
    left: int = _BUDGET_CHARS
    _cache: dict[str, bool] = field(default_factory=dict)
    _index: _Index | None = None

    @property
    def index(self) -> _Index:
        """Pieces and numbers, made when first asked for."""
        if self._index is None:
            self._index = _Index(self.sources)
        return self._index

    @property
    def spent(self) -> bool:
        """Tell whether nothing more may be looked through."""
        return self.left <= 0

    def find(self, squeezed: str) -> Source | None:
        """Give the first source that holds a text, numbers at its ends being whole there; None when none does."""
        for source in self.sources:
            if self.left <= 0:
                return None
            if self._holds(source, squeezed):
                return source
        return None

    def names(self, name: str) -> bool:
        """Tell whether a recorded script names an element, a class or an id."""
        if name not in self._cache:
            self._cache[name] = any(name in text for text in self.index.scripts)
            self.left -= self.index.script_chars
        return self._cache[name]

    def declares(self, name: str) -> bool:
        """Tell whether a recorded document, scripts apart, holds an id or a class."""
        return name in self.index.attributes

    def _holds(self, source: Source, squeezed: str) -> bool:
        text, at = source.squeezed, -1
        while (at := text.find(squeezed, at + 1)) >= 0:
            end = at + len(squeezed)
            before = at > 0 and squeezed[0].isdigit() and text[at - 1].isdigit()
            after = end < len(text) and squeezed[-1].isdigit() and text[end].isdigit()
            if not before and not after:
                self.left -= end
                return True
        self.left -= len(text)
        return False


def read_corpus(messages: Iterable[Message], *, more: Iterable[Source] = ()) -> Corpus:
    """Read the recorded bodies; what is too much or cannot be read is counted, never passed over in silence.

    Args:
        messages: in the order recorded.
        more: sources that are no bodies: frames of WebSockets, addresses, forms.
    """
    found: list[Source] = []
    unread: dict[str, int] = {}
    chars = 0
    for message in messages:
        try:
            source = source_of(message)
        except UnreadableBodyError as error:
            unread[str(error)] = unread.get(str(error), 0) + 1
            continue
        if source is None:
            continue
        chars += len(source.text)
        if chars > MAX_CORPUS_CHARS:
            unread["long"] = unread.get("long", 0) + 1
            continue
        found.append(source)
    found += more
    found.sort(key=lambda source: _ORDER.index(source.kind))
    return Corpus(sources=tuple(found), unread=unread)


class _Index:
    """Whole pieces that stand between delimiters, numbers that say something, and the scripts."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources
        self.scripts = tuple(text.lower() for source in sources for text in scripts_of(source))
        self.script_chars = sum(map(len, self.scripts))

    @cached_property
    def pieces(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for source in self._sources:
            # Code repeats itself, and most of it is plain words: each different piece is looked at once.
            pieces = set(_DELIMITERS.split(source.text.lower()))
            own = dict.fromkeys(filter(str.isalnum, pieces), source)
            own.update(
                (core(each), source) for each in pieces if not each.isalnum() and len(each) <= 2 * MAX_PIECE_CHARS
            )
            found = own | found
        found.pop("", None)
        return found

    @cached_property
    def numbers(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for source in self._sources:
            for number in numbers_of(source):
                found.setdefault(number.lstrip("0") or "0", source)
        return found

    @cached_property
    def attributes(self) -> frozenset[str]:
        names: set[str] = set()
        for source in self._sources:
            if source.kind is Kind.DOCUMENT:
                for match in re.finditer(r"<[a-zA-Z][^<>]*>", source.text):
                    names.update(re.findall(r"[\w-]+", match[0].lower()))
        return frozenset(names)

    @cached_property
    def tags(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for source in self._sources:
            if source.kind is Kind.DOCUMENT:
                for tag, count in read_dom(source.text).tags.items():
                    counted[tag] = counted.get(tag, 0) + count
        return counted


def core(text: str) -> str:
    """Give a piece without white space and the punctuation at its ends."""
    bare = text.strip(_EDGES)
    return bare.lower() if bare.isascii() and " " not in bare else squeeze(bare)


def scripts_of(source: Source) -> Iterator[str]:
    """Give the scripts of a source: itself, or those inline."""
    if source.kind is Kind.SCRIPT:
        yield source.text
    if source.kind is not Kind.DOCUMENT:
        return
    at = 0
    while (found := _SCRIPT.search(source.text, at)) is not None:
        close = source.text.find("</script", found.end())
        at = len(source.text) if close < 0 else close
        yield source.text[found.end() : at]
    yield from (source.text[match.start() : match.start() + 400] for match in _HANDLER.finditer(source.text))


def numbers_of(source: Source) -> Iterator[str]:
    """Give the numbers that a source says, not those of its form: texts and telling attributes, quoted values."""
    if source.kind is Kind.STYLE:
        return
    if source.kind is Kind.SCRIPT:
        yield from (one or other for one, other in _QUOTED_NUMBER.findall(source.text))
        return
    if source.kind is Kind.DATA:
        yield from _plain_numbers(source.text)
        return
    for run in read_dom(source.text).runs:
        yield from _plain_numbers(run.text)
    for value in _SAYING.findall(source.text):
        yield from _plain_numbers(value)
    for script in scripts_of(source):
        yield from (one or other for one, other in _QUOTED_NUMBER.findall(script))


def _plain_numbers(text: str) -> Iterator[str]:
    for match in _DIGITS_ONLY.finditer(text):
        yield match[0]
        if "," in match[0]:
            yield match[0].replace(",", "")
        yield from _NUMBER.findall(match[0])
