"""`corroboration.images`: every picture that a page drew has its recorded exchange, or needs none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from evidencekit.corroboration.painted import Image, painted_of
from evidencekit.corroboration.record import Judgement
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidencekit.corroboration.record import Line, Record
    from evidencekit.model import JsonValue, PageResult

_SHOWN: Final = 3
_LISTED: Final = 50
_WEB: Final = ("http://", "https://")
_OWN: Final = {"data:": "data", "blob:": "blob", "about:": "blank"}
_MASK: Final = "[withheld:"
_AGREED = Text(
    en="every picture that the pages drew has its recorded exchange, or was carried in a page or drawn by its scripts",
    zh="网页所显示的每幅图像均有对应的网络记录，或由网页自身携带，或由脚本绘制",
)


def judge_images(record: Record) -> Judgement:
    """Look for the exchange of every picture drawn."""
    judged = Judgement("corroboration.images", "capture", _AGREED)
    known = _Known(record.lines)
    rows: list[JsonValue] = []
    seen = 0
    for page in record.pages:
        images = dict.fromkeys(_images_of(record, page))
        seen += 1
        found: Counter[str] = Counter()
        missing = [image for image in images if not _explained(image, known, found)]
        if missing:
            _note(judged, page, missing)
        listed: list[JsonValue] = [{"kind": image.kind, "url": image.url[:300]} for image in missing[:_LISTED]]
        rows.append({"page": page.id, "images": len(images), "missing": listed, **dict(sorted(found.items()))})
    if not seen:
        judged.skip("the record has no page", "记录中没有网页")
    judged.details["pages"] = rows
    return judged


class _Known:
    """Addresses that were asked for, and those of them that brought something."""

    def __init__(self, lines: tuple[Line, ...]) -> None:
        self.asked = {_bare(line.url) for line in lines}
        self.brought = {_bare(line.url) for line in lines if line.outcome in {"recorded", "partial", "withheld"}}
        self.masked = any(_MASK in line.url for line in lines)


def _bare(url: str) -> str:
    return url.partition("#")[0]


def _images_of(record: Record, page: PageResult) -> Iterator[Image]:
    """The pictures that the layout had, and those that the source names: a list alone could leave one out."""
    painted = painted_of(record, page)
    if painted is not None:
        yield from painted.images
        return
    dom = record.dom(f"capture/pages/{page.id}/dom.html")
    if dom is not None:
        base = urljoin(page.final_url, dom.base)
        for source in dom.images:
            yield Image(kind="img", url=_joined(base, source))


def _joined(base: str, source: str) -> str:
    try:
        return urljoin(base, source)
    except ValueError:
        return source


def _explained(image: Image, known: _Known, found: Counter[str]) -> bool:
    own = next((name for scheme, name in _OWN.items() if image.url.startswith(scheme)), None)
    if own is not None or not image.url:
        found[own or "drawn"] += 1
        return True
    if not image.url.startswith(_WEB):
        return False
    url = _bare(image.url)
    if url in known.brought:
        found["recorded"] += 1
        return True
    if url in known.asked:
        found["failed"] += 1
        return True
    if _MASK in url and known.masked:
        found["masked"] += 1
        return True
    return False


def _note(judged: Judgement, page: PageResult, missing: list[Image]) -> None:
    shown = ", ".join(image.url[:120] for image in missing[:_SHOWN])
    foreign = [image for image in missing if not image.url.startswith(_WEB)]
    if foreign:
        judged.open(
            f"page {page.id} shows {len(foreign)} pictures that no server sent: {shown}",
            f"第 {page.id} 页有 {len(foreign)} 幅图像并非来自任何服务器：{shown}",
        )
        return
    judged.open(
        f"page {page.id} shows {len(missing)} pictures without a recorded exchange: {shown}",
        f"第 {page.id} 页有 {len(missing)} 幅图像没有对应的网络记录：{shown}",
    )
