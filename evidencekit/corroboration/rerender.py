"""`corroboration.rerender`: what a second, offline browser makes of the record alone, against the sealed page.

The measure has two parts: the share of squares in which the pictures differ (`pictures`), and the visible texts of the
sealed page that the second one does not show though no response holds them and the sealed page showed them twice,
before scrolling and after: a text that only an edit put there stays away, and a clock does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.account import Account, account_for
from evidencekit.corroboration.domtext import Run, squeeze, visible
from evidencekit.corroboration.pictures import TILE_PX, TOLERANCE, Measure
from evidencekit.corroboration.record import Judgement
from evidencekit.corroboration.texts import corpus_of
from evidencekit.model import Outcome, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.corroboration.record import Record
    from evidencekit.hashing.fields import Fields
    from evidencekit.model import JsonValue, PageResult

LIMIT_SHARE: Final = 0.1
MOST_ROWS: Final = 8_000
_MAX_TEXTS: Final = 200
_SHOWN: Final = 3
_CLOCK = re.compile(r"\d:\d\d|\d\s*(?:[年月日天时時点分秒前]|小时|hours?|h\b|min|sec|days?|ago)", re.IGNORECASE)
_AGREED = Text(
    en="an offline re-render of the record in a second browser agrees with the sealed page within the stated measure",
    zh="以第二个浏览器离线重现本记录，结果与封存的网页在所述度量之内一致",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerenderedPage:
    """One page as the second browser showed it.

    `texts` are squeezed; `unanswered` counts requests that the record does not answer; `measure` is None when there
    was no picture to compare, which `trouble` says.
    """

    page: str
    texts: frozenset[str]
    unanswered: int
    measure: Measure | None
    trouble: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerendered:
    """What came of a re-render; `not_performed` says why there was none."""

    browser: str
    pages: tuple[RerenderedPage, ...]
    not_performed: Text | None = None


def reproduced_by(rerendered: Rerendered | None) -> Mapping[str, frozenset[str]]:
    """Give the texts that a re-render showed, by page."""
    return {} if rerendered is None else {page.page: page.texts for page in rerendered.pages}


def judge_rerender(record: Record, rerendered: Rerendered) -> Judgement:
    """Compare the sealed pages with what the second browser showed."""
    judged = Judgement("corroboration.rerender", "capture", _AGREED)
    judged.details["browser"] = rerendered.browser
    if rerendered.not_performed is not None:
        judged.notes.append((Outcome.NOT_PERFORMED, rerendered.not_performed))
        return judged
    by_id = {page.page: page for page in rerendered.pages}
    rows: list[JsonValue] = []
    for page in record.pages:
        again = by_id.get(page.id)
        if again is None or again.measure is None:
            why = None if again is None else again.trouble
            judged.open(
                f"page {page.id} was not re-rendered{'' if why is None else f': {why.en}'}",
                f"第 {page.id} 页未能离线重现{'' if why is None else f'：{why.zh}'}",
            )
            continue
        gone = _gone(record, page, again)
        _note(judged, page, again.measure, gone)
        rows.append(_row(again, again.measure, gone))
    judged.details["pages"] = rows
    judged.details["measure"] = {
        "limit_percent": round(100 * LIMIT_SHARE),
        "rows_compared": MOST_ROWS,
        "square_px": TILE_PX,
        "tolerance": TOLERANCE,
    }
    return judged


def _gone(record: Record, page: PageResult, again: RerenderedPage) -> list[str]:
    """Steady visible texts that neither a response holds nor the re-render shows."""
    doms = [record.dom(f"capture/pages/{page.id}/{name}") for name in ("dom-initial.html", "dom.html")]
    first, last = doms
    if last is None:
        return []
    steady = None if first is None else {squeeze(run.text) for run in first.runs}
    shown = record.read(f"capture/pages/{page.id}/text.txt")
    runs = last.runs if shown is None else tuple(visible(last, shown.decode("utf-8", "replace")))
    asked: list[Run] = []
    for run in runs:
        key = squeeze(run.text)
        if not any(map(str.isalnum, key)) or key in again.texts or _CLOCK.search(run.text):
            continue
        if steady is None or key in steady:
            asked.append(run)
    if not asked:
        return []
    corpus = corpus_of(record)
    gone = []
    for run in asked[:_MAX_TEXTS]:
        account: Account = account_for((run,), corpus, last.tags)
        if not account.direct:
            gone.append(" ".join(run.text.split())[:120])
    return gone


def _note(judged: Judgement, page: PageResult, measure: Measure, gone: list[str]) -> None:
    figures = f"{measure.different}/{measure.squares} = {measure.share:.1%}"
    if measure.share > LIMIT_SHARE:
        judged.open(
            f"page {page.id}: the re-render differs from the sealed picture in {figures} of the squares (limit "
            f"{LIMIT_SHARE:.0%}); a page that changes with time or chance does this, and so does one that was changed",
            f"第 {page.id} 页：离线重现与封存截图的方格差异为 {figures}(上限 {LIMIT_SHARE:.0%})；"
            "随时间或随机变化的网页会如此，被改动的网页亦会如此",
        )
    if gone:
        shown = "; ".join(f"“{text}”" for text in gone[:_SHOWN])
        judged.open(
            f"page {page.id}: the re-render does not show {len(gone)} texts of the sealed page that no response holds: "
            f"{shown}",
            f"第 {page.id} 页：封存网页中有 {len(gone)} 处文字既不见于任何响应，离线重现时亦未出现：{shown}",
        )


def _row(again: RerenderedPage, measure: Measure, gone: list[str]) -> JsonValue:
    listed: list[JsonValue] = list(gone[:50])
    return {
        "columns_px": measure.columns,
        "different": measure.different,
        "gone": listed,
        "page": again.page,
        "rows_px": measure.rows,
        "squares": measure.squares,
        "texts": len(again.texts),
        "unanswered": again.unanswered,
    }


def sealed_judgement(file: Fields) -> Judgement | None:
    """Give what `capture/corroboration.json` says of a re-render that the capture itself made; None when it made none.

    Raises:
        FormatError: the object is malformed.
    """
    checks = [each for each in file.items("checks") if each.text("id") == "corroboration.rerender"]
    if not checks:
        return None
    check = checks[0]
    outcome, reason = check.choice("outcome", Outcome), check.bilingual("reason")
    said = Text(
        en=f"as the capture itself says, to be repeated with --rerender: {reason.en}",
        zh=f"据取证时自行重现的结果(可用 --rerender 复验)：{reason.zh}",
    )
    judged = Judgement("corroboration.rerender", "capture", said)
    judged.details.update(check.mapping("details"))
    if outcome is not Outcome.PASSED:
        judged.notes.append((outcome, said))
    return judged
