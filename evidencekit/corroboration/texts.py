"""`corroboration.text`: the visible texts of every page against all that was recorded (docs/spec/corroboration.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.account import Account, account_for
from evidencekit.corroboration.corpus import read_corpus
from evidencekit.corroboration.domtext import Dom, Run, visible
from evidencekit.corroboration.painted import painted_of
from evidencekit.corroboration.record import Judgement, messages_of, other_sources
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from evidencekit.corroboration.corpus import Corpus
    from evidencekit.corroboration.record import Record
    from evidencekit.model import JsonValue, PageResult

_SHOWN: Final = 3
_MAX_SOURCES: Final = 20
_AGREED = Text(
    en="every visible text is in a recorded response or made by recorded scripts of recorded parts; this corroborates "
    "the record and proves no truth of its content",
    zh="全部可见文字均见于已记录的响应，或由已记录的脚本以已记录的内容生成；此为相互印证，不证明内容真实",
)


def judge_texts(record: Record, *, reproduced: Mapping[str, Collection[str]] | None = None) -> Judgement:
    """Account for the visible texts of every page.

    Args:
        record: what was recorded.
        reproduced: by page, squeezed texts that an offline re-render showed.
    """
    judged = Judgement("corroboration.text", "capture", _AGREED)
    corpus: Corpus | None = None
    rows: list[JsonValue] = []
    for page in record.pages:
        doms = _doms_of(record, page, judged)
        if not doms:
            continue
        if corpus is None:
            corpus = corpus_of(record)
        account = account_for(
            _runs(record, page, doms), corpus, doms[-1].tags, reproduced=(reproduced or {}).get(page.id, ())
        )
        _note(judged, page, account, corpus)
        rows.append(_row(page, account, corpus))
        if any(dom.cut for dom in doms):
            judged.open(f"page {page.id} has more texts than are compared", f"第 {page.id} 页的文字数量超过比对上限")
    if corpus is not None:
        _note_corpus(judged, corpus)
    elif not judged.notes:
        judged.skip("there is no page source to read texts from", "没有可供读取文字的网页源码")
    judged.details["pages"] = rows
    return judged


def corpus_of(record: Record) -> Corpus:
    """Read all that was recorded, and count what was not had."""
    missing: set[str] = set()
    corpus = read_corpus(messages_of(record, missing), more=other_sources(record))
    if missing:
        corpus.unread["missing"] = len(missing)
    return corpus


def _doms_of(record: Record, page: PageResult, judged: Judgement) -> list[Dom]:
    """The untouched DOM and the final one; what was masked later stands beside the withheld original."""
    folder, found = f"capture/pages/{page.id}/", []
    for name in ("dom-initial.html", "dom-initial.public.html", "dom.html"):
        dom = record.dom(folder + name)
        if dom is not None:
            found.append(dom)
        elif folder + name in record.names and (record.read(folder + name) or b""):
            judged.open(f"{folder}{name} is too long to be compared", f"{folder}{name} 过长，未作比对")
    if not found:
        judged.skip(f"the source of page {page.id} is not there", f"缺少第 {page.id} 页的源码")
    return found


def _runs(record: Record, page: PageResult, doms: list[Dom]) -> Iterator[Run]:
    """Visible texts of the main document, then those of its frames."""
    name = f"capture/pages/{page.id}/text.txt"
    shown = record.read(name) if name in record.names else None
    for dom in doms[:-1]:
        yield from dom.runs
    last = doms[-1]
    yield from last.runs if shown is None else visible(last, shown.decode("utf-8", "replace"))
    painted = painted_of(record, page)
    for text in () if painted is None else painted.texts:
        yield Run(text=text, tag="", names=())


def _note(judged: Judgement, page: PageResult, account: Account, corpus: Corpus) -> None:
    if account.uncompared:
        judged.open(
            f"page {page.id}: {account.uncompared} texts were not compared, because the limit of looking was reached",
            f"第 {page.id} 页：已达比对上限，{account.uncompared} 处文字未比对",
        )
    if not account.unaccounted:
        return
    shown = "; ".join(f"“{snippet.text}”" for snippet in account.snippets[:_SHOWN])
    if corpus.index.scripts or corpus.unread:
        unread = sum(corpus.unread.values())
        also = (f"; {unread} bodies could not be read or are withheld", f"；另有 {unread} 个正文无法读取或不公开")
        judged.open(
            f"page {page.id}: {account.unaccounted} of {account.texts} texts are in no recorded response and not made "
            f"of parts of them: {shown}{also[0] if unread else ''}",
            f"第 {page.id} 页：{account.texts} 处文字中有 {account.unaccounted} 处不见于任何已记录的响应，"
            f"也无法由其内容拼成：{shown}{also[1] if unread else ''}",
        )
        return
    judged.contradicts(
        f"page {page.id} ran no script, yet {account.unaccounted} of its {account.texts} texts are in no recorded "
        f"response: {shown}",
        f"第 {page.id} 页未运行任何脚本，却有 {account.unaccounted} 处文字(共 {account.texts} 处)"
        f"不见于任何已记录的响应：{shown}",
    )


def _note_corpus(judged: Judgement, corpus: Corpus) -> None:
    judged.details["sources"] = len(corpus.sources)
    if corpus.unread:
        judged.details["unread"] = dict[str, "JsonValue"](sorted(corpus.unread.items()))


def _row(page: PageResult, account: Account, corpus: Corpus) -> JsonValue:
    urls = {source.exchange: source.url for source in corpus.sources}
    return {
        "page": page.id,
        "texts": account.texts,
        "direct": account.direct,
        "script": account.script,
        "computed": account.computed,
        "unaccounted": account.unaccounted,
        "uncompared": account.uncompared,
        "sources": [
            {"exchange": name, "texts": count, "url": urls.get(name, "")[:300]}
            for name, count in account.by_source.most_common(_MAX_SOURCES)
        ],
        "scripts": [
            {"exchange": name, "texts": count, "url": urls.get(name, "")[:300]}
            for name, count in sorted(account.by_script.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_SOURCES]
        ],
        "snippets": [{"text": each.text, "where": each.where} for each in account.snippets],
    }
