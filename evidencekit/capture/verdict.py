"""An honest word about what a page is, so that a block page is never sealed silently as content (R16, FM11).

The verdict looks at status, address, title, visible text, markup, and how many pictures came. Words that also occur
on honest pages count only where they are prominent: the whole title, or a short line near the top of a page that
holds no paragraphs. A verdict other than `ok` is a warning, not a judgement on the page's content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.verdictsigns import (
    ALL_SIGNS,
    CHALLENGE,
    CHALLENGE_ADDRESS,
    DELETED,
    HALF_RENDERED,
    LITTLE,
    LOGIN_ADDRESS,
    LOGIN_WALL,
    MEDIUM,
    PARKED,
    PICTURE,
    SOFT_BLOCK,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from evidencekit.capture.exploration import PictureCount
    from evidencekit.capture.verdictsigns import Signs

OK = "ok"
HTTP_ERROR = "http_error"
EMPTY = "empty"

_SCANNED = 1 << 20
_HTTP_ERROR = 400
_TITLE_CHARS = 200
_TOP_LINES = 12
_LINE_CHARS = 90
_PARAGRAPH_WIDTH = 200
_WIDE = 0x2E80
_FEW_PICTURES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the verdict looks at; `text` is the visible text, `html` the serialised DOM."""

    requested_url: str
    final_url: str
    status: int | None
    content_type: str
    title: str
    text: str
    html: str
    pictures: PictureCount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`ok`, or the id of a warning, with its reason."""

    id: str
    reason: Text


_REASONS = {
    CHALLENGE: (
        "a challenge (CAPTCHA or browser check) was shown instead of the page",
        "所示为人机验证页面，而非网页内容",
    ),
    DELETED: ("the site says that the content is gone", "网站提示内容已删除或不存在"),
    SOFT_BLOCK: ("the site says that access was refused or limited", "网站提示访问被拒绝或受限"),
    PARKED: ("the domain seems to be parked, for sale or without a site", "域名疑似停放、待售或尚未建站"),
    LOGIN_WALL: ("a login is asked for instead of the page", "所示为登录页面，而非网页内容"),
    HALF_RENDERED: (
        "the page seems to be half rendered: it only says that it is loading",
        "页面疑似未渲染完成，仅显示加载提示",
    ),
}


def judge_page(facts: PageFacts) -> Verdict:
    """Say what was captured: `ok`, or the most telling warning.

    A challenge or login wall is named as such even when it comes with an error status, for it says more.
    """
    found = _moved(facts) or _shown(facts)
    if found in {CHALLENGE, LOGIN_WALL}:
        return _verdict(found, facts)
    if facts.status is not None and facts.status >= _HTTP_ERROR:
        return Verdict(
            id=HTTP_ERROR,
            reason=Text(en=f"the server answered with status {facts.status}", zh=f"服务器返回状态码 {facts.status}"),
        )
    if found is not None:
        return _verdict(found, facts)
    if _is_html(facts) and not facts.text.strip() and not PICTURE.search(facts.html[:_SCANNED]):
        return Verdict(id=EMPTY, reason=Text(en="the page shows nothing", zh="页面没有可见内容"))
    return _without_pictures(facts) or Verdict(id=OK, reason=Text(en="the page was shown", zh="页面已显示"))


def _verdict(name: str, facts: PageFacts) -> Verdict:
    en, zh = _REASONS[name]
    status = f" (status {facts.status})" if facts.status is not None and facts.status >= _HTTP_ERROR else ""
    status_zh = f"(状态码 {facts.status})" if status else ""
    return Verdict(id=name, reason=Text(en=en + status, zh=zh + status_zh))


def _is_html(facts: PageFacts) -> bool:
    return "html" in facts.content_type.lower() or not facts.content_type


def _shown(facts: PageFacts) -> str | None:
    if not _is_html(facts):
        return None
    text = facts.text[:_SCANNED].strip()
    lines = tuple(_prominent(text))
    for signs in ALL_SIGNS:
        if len(facts.text.strip()) <= signs.most and _tells(signs, facts, text, lines):
            return signs.verdict
    return None


def _tells(signs: Signs, facts: PageFacts, text: str, lines: tuple[str, ...]) -> bool:
    if signs.title is not None and signs.title.search(facts.title.strip()[:_TITLE_CHARS]):
        return True
    if signs.line is not None and any(signs.line.search(line) for line in lines):
        return True
    return signs.html is not None and len(text) <= signs.html_most and _marked(signs.html, facts)


def _marked(pattern: re.Pattern[str], facts: PageFacts) -> bool:
    return pattern.search(facts.html[:_SCANNED]) is not None


def _prominent(text: str) -> Iterator[str]:
    """Lines that a reader takes for what the page has to say; none where paragraphs stand beside them."""
    lines = [line.strip() for line in text[: 2 * MEDIUM].splitlines() if line.strip()]
    if len(text) <= LITTLE:
        yield from lines[:_TOP_LINES]
    elif all(_width(line) <= _PARAGRAPH_WIDTH for line in lines):
        yield from (line for line in lines[:_TOP_LINES] if len(line) <= _LINE_CHARS)


def _width(line: str) -> int:
    """Columns that a line takes: a Chinese character says as much as two Latin letters."""
    return len(line) + sum(ord(each) >= _WIDE for each in line)


def _without_pictures(facts: PageFacts) -> Verdict | None:
    """Half of the pictures and more missing: nobody can say that the page was shown."""
    count = facts.pictures
    if count is None or count.shown + count.waiting < _FEW_PICTURES:
        return None
    missing, total = count.broken + count.loading + count.waiting, count.shown + count.waiting
    if missing * 2 < total:
        return None
    return Verdict(
        id=HALF_RENDERED,
        reason=Text(en=f"{missing} of {total} pictures are missing", zh=f"{total} 幅图片中缺少 {missing} 幅"),
    )


def _moved(facts: PageFacts) -> str | None:
    """Judge by the address the visit ended at, when it is not the one that was asked for."""
    final, requested = _place(facts.final_url), _place(facts.requested_url)
    if final == requested or len(facts.text.strip()) > MEDIUM:
        return None
    for name, pattern in ((CHALLENGE, CHALLENGE_ADDRESS), (LOGIN_WALL, LOGIN_ADDRESS)):
        if pattern.search(final) and not pattern.search(requested):
            return name
    return None


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.hostname or ''}{parts.path}"
