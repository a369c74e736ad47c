"""What a page's layout holds: its pictures and the texts of its frames, by `DOMSnapshot`, which runs no script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from evidencekit.capture.cdp import value_at
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.corroboration.painted import MAX_IMAGES, MAX_TEXT_CHARS, MAX_TEXTS, Image, Painted
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evidencekit.capture.cdp import CdpSession
    from evidencekit.model import JsonValue

_STYLES: Final = ("background-image", "border-image-source", "list-style-image", "mask-image", "content")
_TIMEOUT_S: Final = 20.0
_MOST_FRAMES: Final = 100
_URL_CHARS: Final = 2_000
_CSS_URL = re.compile(r'url\("((?:[^"\\]|\\.)*)"\)')
# Pictures that are asked for but not there draw nothing; open shadow trees are walked through.
_NOT_LOADED: Final = (
    "(() => { const out = [], walk = root => { for (const e of root.querySelectorAll('*')) {"
    " if (e.localName === 'img' && !(e.complete && e.naturalWidth)) out.push(e.currentSrc || e.src);"
    " if (e.shadowRoot) walk(e.shadowRoot); } }; walk(document); return out.slice(0, 20000); })()"
)


async def read_painted(session: CdpSession, frames: Sequence[CdpSession]) -> Painted:
    """Read the layout of a page and of its frames.

    Args:
        session: of the page.
        frames: sessions of its frames that live in processes of their own.

    Raises:
        BrowserError: the browser does not give it.
    """
    missing = await evaluate_isolated(session, _NOT_LOADED)
    absent = {str(each) for each in missing} if isinstance(missing, list) else set()
    documents = _Documents(absent)
    documents.add(await _snapshot(session), own=True)
    unread = max(len(frames) - _MOST_FRAMES, 0)
    for frame in frames[:_MOST_FRAMES]:
        try:
            documents.add(await _snapshot(frame), own=False)
        except BrowserError:
            unread += 1  # it went away meanwhile, or does not answer
    return Painted(
        url=documents.url,
        title=documents.title,
        images=tuple(documents.images)[:MAX_IMAGES],
        texts=tuple(documents.texts)[:MAX_TEXTS],
        frames=tuple(documents.frames),
        unread=unread,
    )


async def _snapshot(session: CdpSession) -> Mapping[str, JsonValue]:
    return await session.call("DOMSnapshot.captureSnapshot", {"computedStyles": list(_STYLES)}, timeout_s=_TIMEOUT_S)


class _Documents:
    """Puts together what the snapshots say; keys of the two mappings keep their order."""

    def __init__(self, absent: set[str]) -> None:
        self._absent = absent
        self.url, self.title = "", ""
        self.images: dict[Image, None] = {}
        self.texts: dict[str, None] = {}
        self.frames: list[str] = []
        self._chars = 0

    def add(self, snapshot: Mapping[str, JsonValue], *, own: bool) -> None:
        """Take one snapshot; its first document is the page itself when `own`."""
        strings = _list(snapshot.get("strings"))
        for number, document in enumerate(_list(snapshot.get("documents"))):
            names = _Strings(strings)
            url = names.at(value_at(document, "documentURL"))
            main = own and number == 0
            if main:
                self.url, self.title = url, names.at(value_at(document, "title"))
            elif len(self.frames) < _MOST_FRAMES:
                self.frames.append(url[:_URL_CHARS])
            self._add_document(document, names, main=main)

    def _add_document(self, document: JsonValue, names: _Strings, *, main: bool) -> None:
        nodes = value_at(document, "nodes")
        sources = _sparse(value_at(nodes, "currentSourceURL"), names)
        pseudo = _sparse(value_at(nodes, "pseudoType"), names)
        node_names, attributes = _list(value_at(nodes, "nodeName")), _list(value_at(nodes, "attributes"))
        parents = _list(value_at(nodes, "parentIndex"))
        base = names.at(value_at(document, "baseURL")) or names.at(value_at(document, "documentURL"))
        layout = value_at(document, "layout")
        rows = zip(
            _list(value_at(layout, "nodeIndex")),
            _list(value_at(layout, "bounds")),
            _list(value_at(layout, "styles")),
            _list(value_at(layout, "text")),
            strict=False,
        )
        for index, bounds, styles, text in rows:
            if not isinstance(index, int) or not 0 <= index < len(node_names):
                continue
            kind = pseudo.get(index) or pseudo.get(_at(parents, index)) or ""
            written = names.at(text)
            if written.strip() and (not main or (kind and kind != "marker" and _has_letter(written))):
                self._add_text(written)
            if not _has_area(bounds):
                continue
            for image in _images(names.at(node_names[index]), _pairs(attributes, index, names), sources.get(index, "")):
                self._add_image(Image(kind=image.kind, url=_absolute(base, image.url)))
            for style, name in zip(_list(styles), _STYLES, strict=False):
                for url in _CSS_URL.findall(names.at(style)):
                    self._add_image(Image(kind="content" if name == "content" else "background", url=url))

    def _add_text(self, text: str) -> None:
        self._chars += len(text)
        if self._chars <= MAX_TEXT_CHARS and len(self.texts) < MAX_TEXTS:
            self.texts[text] = None

    def _add_image(self, image: Image) -> None:
        if image.url in self._absent or len(self.images) >= MAX_IMAGES:
            return
        self.images[Image(kind=image.kind, url=_short(image.url))] = None


class _Strings:
    """The string table of a snapshot."""

    def __init__(self, strings: list[JsonValue]) -> None:
        self._strings = strings

    def at(self, index: JsonValue) -> str:
        """Give a string by its number; empty when there is none."""
        if isinstance(index, int) and 0 <= index < len(self._strings):
            return str(self._strings[index])
        return ""


def _images(name: str, attributes: Mapping[str, str], source: str) -> Iterator[Image]:
    match name.lower():
        case "img" | "input":
            if source:
                yield Image(kind="img", url=source)
        case "video":
            if attributes.get("poster"):
                yield Image(kind="poster", url=attributes["poster"])
            yield Image(kind="video", url=source if source.startswith("blob:") else "")
        case "canvas":
            yield Image(kind="canvas", url="")
        case "image":
            yield Image(kind="svg", url=attributes.get("href") or attributes.get("xlink:href") or "")
        case _:
            pass


def _absolute(base: str, url: str) -> str:
    try:
        return urljoin(base, url) if url else ""
    except ValueError:
        return url


def _short(url: str) -> str:
    """Of `data:` and `blob:` only what they are: the bytes stand in the page, or are gone with it."""
    if url.startswith("data:"):
        return url[: min(url.find(",") if "," in url else 60, 60)]
    return "blob:" if url.startswith("blob:") else url[:_URL_CHARS]


def _pairs(attributes: list[JsonValue], index: int, names: _Strings) -> dict[str, str]:
    flat = _list(attributes[index]) if index < len(attributes) else []
    return {names.at(name): names.at(value) for name, value in zip(flat[::2], flat[1::2], strict=False)}


def _sparse(value: JsonValue, names: _Strings) -> dict[int, str]:
    pairs = zip(_list(value_at(value, "index")), _list(value_at(value, "value")), strict=False)
    return {index: names.at(text) for index, text in pairs if isinstance(index, int)}


def _at(values: list[JsonValue], index: int) -> int:
    value = values[index] if 0 <= index < len(values) else -1
    return value if isinstance(value, int) else -1


def _has_area(bounds: JsonValue) -> bool:
    sides = _list(bounds)
    return len(sides) == 4 and all(isinstance(side, int | float) and side > 0 for side in sides[2:])  # noqa: PLR2004


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
