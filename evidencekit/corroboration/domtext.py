"""The texts of a serialised DOM, each with the elements around it.

What is read here was written by Chromium (`DOM.getOuterHTML`), which escapes `<` and `>` in texts and attributes
(HTML Living Standard §13.3), so that a linear scan suffices; of any other HTML the scan gives texts all the same.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_RUNS: Final = 200_000
MAX_RUN_CHARS: Final = 20_000
MAX_TAGS: Final = 1_000_000
"""Start and end tags of one DOM; what follows is not read (`cut`): a hostile one could hold eight million."""
MAX_LOOKED: Final = 1 << 30
"""Characters of a page's text looked through to tell which texts it shows; what follows counts as shown."""
_MAX_NAMED: Final = 4
_MAX_DEPTH: Final = 2_000
_TAG = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9:._-]*)([^<>]*)>|[!?][^<>]*>)")
_ATTRIBUTE = re.compile(r"([^\s\"'=<>/]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
_RAW: Final = frozenset({"script", "style", "title", "noscript", "iframe", "noembed", "noframes", "xmp"})
"""Elements whose content is no markup (HTML Living Standard §13.1.2), none of it visible text but for `xmp`."""
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "basefont",
        "bgsound",
        "frame",
        "keygen",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One text node: its text with entities decoded, and what names the elements around it.

    `names` are ids, classes, data attributes and custom element names of the nearest named elements, the nearest
    first, one tuple an element; `tag` is the element that holds the text. `shadow` says that it lies in a shadow tree.
    """

    text: str
    tag: str
    names: tuple[tuple[str, ...], ...]
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dom:
    """What a serialised DOM says: texts, title, how often each element occurs, sources of `img`, inline scripts."""

    runs: tuple[Run, ...]
    title: str
    tags: dict[str, int]
    images: tuple[str, ...]
    base: str
    cut: bool


@dataclass(slots=True)
class _Open:
    tag: str
    near: tuple[tuple[str, ...], ...]
    """Its own names, then those of the nearest named elements around it."""
    hidden: bool
    shadow: bool


def read_dom(source: str) -> Dom:
    """Read a serialised DOM; linear in its length, whatever it holds."""
    scan = _Scan(source)
    scan.run()
    return Dom(
        runs=tuple(scan.runs), title=scan.title, tags=scan.tags, images=tuple(scan.images), base=scan.base, cut=scan.cut
    )


def plain(text: str) -> str:
    """Decode character references (HTML Living Standard §13.2.5.72)."""
    return html.unescape(text) if "&" in text else text


class _Scan:
    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[_Open] = []
        self.runs: list[Run] = []
        self.tags: dict[str, int] = {}
        self.images: list[str] = []
        self.title, self.base = "", ""
        self.cut = False
        self._read = 0
        self._svg = 0

    def run(self) -> None:
        at = 0
        source, end = self._source, len(self._source)
        while at < end and not self.cut:
            found = _TAG.search(source, at)
            self._text(source[at : end if found is None else found.start()])
            if found is None:
                return
            at = found.end()
            if found[1]:
                close = source.find("-->", at)
                at = end if close < 0 else close + 3
            elif found[3]:
                self._read += 1
                self.cut = self._read > MAX_TAGS
                at = self._tag(found[3].lower(), found[4], at, closing=bool(found[2]))

    def _text(self, text: str) -> None:
        top = self._stack[-1] if self._stack else None
        if (top is not None and top.hidden) or not text or text.isspace():
            return
        if len(self.runs) >= MAX_RUNS:
            self.cut = True
            return
        text = plain(text[:MAX_RUN_CHARS])
        if top is None:
            self.runs.append(Run(text=text, tag="", names=()))
        else:
            self.runs.append(Run(text=text, tag=top.tag, names=top.near, shadow=top.shadow))

    def _tag(self, tag: str, attributes: str, at: int, *, closing: bool) -> int:
        if closing:
            self._close(tag)
            return at
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag in _RAW:
            return self._raw(tag, at)
        found = _attributes(attributes) if attributes else {}
        if tag == "img" and found.get("src"):
            self.images.append(found["src"])
        elif tag == "base" and not self.base:
            self.base = found.get("href", "")
        if tag in _VOID or attributes.endswith("/") or len(self._stack) >= _MAX_DEPTH:
            return at
        above = self._stack[-1] if self._stack else None
        root = tag == "template" and "shadowrootmode" in found
        names = _names_of(tag, found) if found or "-" in tag else ()
        around = () if above is None else above.near
        self._svg += tag == "svg"
        self._stack.append(
            _Open(
                tag=tag,
                near=(names, *around[: _MAX_NAMED - 1]) if names else around,
                hidden=(above is not None and above.hidden) or tag == "head" or (tag == "template" and not root),
                shadow=root or (above is not None and above.shadow),
            )
        )
        return at

    def _close(self, tag: str) -> None:
        """Close the nearest open element of the name; a stray end tag closes nothing."""
        for back in range(1, min(len(self._stack), 40) + 1):
            if self._stack[-back].tag == tag:
                self._svg -= sum(each.tag == "svg" for each in self._stack[-back:])
                del self._stack[-back:]
                return

    def _raw(self, tag: str, at: int) -> int:
        close = self._source.find(f"</{tag}", at)
        end = len(self._source) if close < 0 else close
        if tag == "title" and not self.title and not self._svg:
            self.title = plain(self._source[at:end]).strip()[:MAX_RUN_CHARS]
        return end


def _attributes(written: str) -> dict[str, str]:
    return {match[1].lower(): plain(match[2] or match[3] or match[4] or "") for match in _ATTRIBUTE.finditer(written)}


def _names_of(tag: str, attributes: dict[str, str]) -> tuple[str, ...]:
    names = [attributes["id"]] if attributes.get("id") else []
    names += attributes.get("class", "").split()[:8]
    names += [name for name in attributes if name.startswith("data-")][:8]
    if "-" in tag:
        names.append(tag)
    return tuple(names)


def visible(dom: Dom, shown: str) -> Iterator[Run]:
    """Give the runs that the page shows: those in its `innerText` and those of shadow trees, which that leaves out.

    Args:
        dom: of the same page.
        shown: `document.body.innerText`.
    """
    page, looked = squeeze(shown), 0
    known: dict[str, bool] = {}
    for run in dom.runs:
        key = squeeze(run.text)
        if not run.shadow and key not in known:
            looked += len(page)
            known[key] = looked > MAX_LOOKED or key in page
        if run.shadow or known[key]:
            yield run


_IGNORED = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def squeeze(text: str) -> str:
    """Take out white space and invisible characters and fold case: what is left must agree."""
    joined = "".join(text.split())
    if not joined.isascii():
        joined = _IGNORED.sub("", joined)
    return joined.lower()
