"""`painted.json` of a page: every picture drawn and the texts of its frames, as the browser's layout has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.fields import Fields, check_version

if TYPE_CHECKING:
    from evidencekit.corroboration.record import Record
    from evidencekit.model import JsonValue, PageResult

FORMAT: Final = "painted"
FILE_NAME: Final = "painted.json"
FILE_LIMIT: Final = 16 << 20
MAX_IMAGES: Final = 20_000
MAX_TEXTS: Final = 20_000
MAX_TEXT_CHARS: Final = 4 << 20
KINDS: Final = ("img", "background", "poster", "svg", "canvas", "video", "content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One picture: how it is drawn and from which address; of `data:` only the media type, of a canvas nothing."""

    kind: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """What a page's layout holds at the time of its full picture.

    Attributes:
        url, title: of the main document, as the renderer has them.
        images: drawn with an area, each once.
        texts: of the frames, which the page's own DOM does not hold; generated texts of style sheets.
        frames: addresses of the frames that were read.
        unread: how many frames could not be read.
    """

    url: str
    title: str
    images: tuple[Image, ...]
    texts: tuple[str, ...]
    frames: tuple[str, ...]
    unread: int


def format_painted(painted: Painted, page: str) -> bytes:
    """Write `painted.json` (docs/spec/corroboration.md)."""
    images: list[JsonValue] = [{"kind": image.kind, "url": image.url} for image in painted.images]
    return canonical_bytes(
        {
            "format": f"evidencekit/{FORMAT}",
            "frames": list(painted.frames),
            "images": images,
            "page": page,
            "texts": list(painted.texts),
            "title": painted.title,
            "unread": painted.unread,
            "url": painted.url,
            "version": 1,
        }
    )


def parse_painted(data: bytes, what: str) -> Painted:
    """Read `painted.json`; masking may have changed its texts, so that it need not be canonical.

    Raises:
        FormatError: it is not such a file.
        UnknownVersionError: it is of a newer major version.
    """
    try:
        fields = Fields(json.loads(data), what)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} is no JSON: {error}", f"{what} 不是 JSON：{error}") from error
    check_version(fields, FORMAT)
    images = [Image(kind=item.text("kind", limit=40), url=item.text("url")) for item in fields.items("images")]
    return Painted(
        url=fields.text("url"),
        title=fields.text("title"),
        images=tuple(images[:MAX_IMAGES]),
        texts=fields.texts("texts")[:MAX_TEXTS],
        frames=fields.texts("frames"),
        unread=fields.integer("unread"),
    )


def painted_of(record: Record, page: PageResult) -> Painted | None:
    """Give the file of a page; None when it is not there.

    Raises:
        FormatError: it is there, but is no such file.
    """
    name = f"capture/pages/{page.id}/{FILE_NAME}"
    data = record.read(name) if name in record.names else None
    return None if data is None else parse_painted(data, name)
