"""`corroboration.location`: address, redirects, status and title of every page, as log, DOM and manifest have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from evidencekit.corroboration.domtext import squeeze
from evidencekit.corroboration.painted import painted_of
from evidencekit.corroboration.record import Judgement
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.corroboration.record import Line, Record
    from evidencekit.model import JsonValue, PageResult

_MASK: Final = "[withheld:"
_DOCUMENT: Final = "Document"
_AGREED = Text(
    en="address, redirects, status and title of every page agree between manifest, request log and DOM",
    zh="各网页的网址、重定向、状态与标题在清单、请求记录与 DOM 之间一致",
)


def judge_location(record: Record) -> Judgement:
    """Compare what manifest, log and DOM say of where each page was."""
    judged = Judgement("corroboration.location", "capture", _AGREED)
    by_id = {line.id: line for line in record.lines}
    if not record.pages:
        judged.skip("the record has no page", "记录中没有网页")
    rows: list[JsonValue] = []
    for page in record.pages:
        chain = _chain(page, record.lines, by_id)
        if not chain:
            judged.open(
                f"page {page.id}: no recorded request asked for {page.requested_url[:120]}",
                f"第 {page.id} 页：没有任何已记录的请求访问 {page.requested_url[:120]}",
            )
            continue
        _compare(judged, record, page, chain)
        rows.append({"page": page.id, "exchanges": [line.id for line in chain]})
    judged.details["pages"] = rows
    return judged


def _chain(page: PageResult, lines: tuple[Line, ...], by_id: dict[str, Line]) -> list[Line]:
    """The requests from the address asked for to the document: the redirects, each once."""
    own = [line for line in lines if line.page == page.id and line.kind in {_DOCUMENT, ""}]
    wanted = _bare(page.requested_url)
    first = next((line for line in own if _bare(line.url) == wanted), None)
    if first is None:  # the log shows an address with its secrets masked
        first = next((line for line in own if _MASK in line.url and _origin(line.url) == _origin(wanted)), None)
    if first is None:  # a shot of what an earlier part of the session had opened
        before = (line for line in reversed(lines) if _is_before(line, page) and line.kind in {_DOCUMENT, ""})
        first = next((line for line in before if _bare(line.url) == wanted), None)
    chain: dict[str, Line] = {}
    while first is not None and first.id not in chain:
        chain[first.id] = first
        first = by_id.get(first.redirected_to)
    return [*chain.values()]


def _is_before(line: Line, page: PageResult) -> bool:
    return line.page != "" and (len(line.page), line.page) < (len(page.id), page.id)


def _compare(judged: Judgement, record: Record, page: PageResult, chain: list[Line]) -> None:
    final, last = _bare(page.final_url), chain[-1]
    documents = [line for line in record.lines if line.page == page.id and line.kind == _DOCUMENT]
    if final != _bare(last.url):
        later = [line for line in documents if _bare(line.url) == final]
        if later:
            last = later[-1]
        elif _origin(final) != _origin(last.url):
            judged.open(
                f"page {page.id} ended at {final[:120]}, which no recorded request asked for",
                f"第 {page.id} 页最终网址为 {final[:120]}，没有任何已记录的请求访问过它",
            )
    logged = {(_bare(line.url), line.status) for line in documents or chain}
    lost = [hop.url for hop in page.redirects if (_bare(hop.url), hop.status) not in logged]
    if lost:
        judged.contradicts(
            f"page {page.id}: the manifest names the redirect {lost[0][:120]}, the log does not",
            f"第 {page.id} 页：清单所列重定向 {lost[0][:120]} 不在请求记录之中",
        )
    if page.status is not None and last.status and page.status != last.status and not last.cached:
        judged.contradicts(
            f"page {page.id}: the manifest gives its status as {page.status}, the log as {last.status}",
            f"第 {page.id} 页：清单中的状态为 {page.status}，请求记录中为 {last.status}",
        )
    _compare_renderer(judged, record, page)


def _compare_renderer(judged: Judgement, record: Record, page: PageResult) -> None:
    """What the renderer itself says at the end, against what the manifest took before T_capture."""
    painted = painted_of(record, page)
    if painted is not None and _origin(painted.url) != _origin(page.final_url):
        judged.open(
            f"page {page.id}: the renderer was at {painted.url[:120]}, the manifest says {page.final_url[:120]}",
            f"第 {page.id} 页：渲染进程位于 {painted.url[:120]}，清单记为 {page.final_url[:120]}",
        )
    titles = {squeeze(title) for title in _titles(record, page)}
    if painted is not None:
        titles.add(squeeze(painted.title))
    if page.title and titles - {""} and squeeze(page.title) not in titles and not _stands_for(page):
        judged.open(
            f"page {page.id}: the title {page.title[:80]!r} is not that of its source",
            f"第 {page.id} 页：标题“{page.title[:80]}”与源码中的标题不符",
        )


def _titles(record: Record, page: PageResult) -> list[str]:
    found = []
    for name in ("dom-initial.html", "dom-initial.public.html", "dom.html"):
        dom = record.dom(f"capture/pages/{page.id}/{name}")
        if dom is not None:
            found.append(dom.title)
    return found


def _stands_for(page: PageResult) -> bool:
    """A page without a title is shown under its address."""
    bare = squeeze(page.final_url.partition("://")[2])
    return squeeze(page.title) in {bare, squeeze(page.final_url)} or bare.startswith(squeeze(page.title).rstrip("/"))


def _bare(url: str) -> str:
    head = url.partition("#")[0]
    return head if head.count("/") > 2 or "://" not in head else f"{head}/"  # noqa: PLR2004 (an origin has two)


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.scheme, parts.netloc
