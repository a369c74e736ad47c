"""The record against itself, for readers: which texts come from where, which from nowhere, how far pictures agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.model import Outcome
from evidencekit.report.chronicle import ROWS
from evidencekit.report.elements import badge, both, grid, paragraph, section, text
from evidencekit.report.markup import Html, escape
from evidencekit.report.wording import check_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evidencekit.model import Finding, JsonValue, Text
    from evidencekit.report.fields import CertificateData

TITLE: Final = text("The record against itself", "记录各部分相互印证")
_PREFIX: Final = "corroboration."
_LIMITS: Final = text(
    "Agreement corroborates the record. It proves no truth of its content, and on a party's own machine it does not "
    "exclude a forgery as a whole.",
    "相符仅表示记录各部分相互印证，不证明内容真实；制作方控制环境的，不能排除整体伪造。",
)
_SHOWN: Final = 20


def agreement(data: CertificateData) -> Html:
    """The section; a paragraph that says so where nothing was compared."""
    found = {each.id: each for each in data.report.findings if each.id.startswith(_PREFIX)}
    if not found:
        return section(TITLE, paragraph(text("nothing was compared", "未作比对")))
    heads = (text("Comparison", "比对事项"), text("Outcome", "结果"), text("What it says", "结论"))
    rows = [(both(check_of(each.id).name), badge(each.outcome), both(each.reason)) for each in found.values()]
    return section(
        TITLE,
        paragraph(_LIMITS),
        grid(heads, rows, css="findings"),
        *_texts(found.get("corroboration.text")),
        *_pictures(found.get("corroboration.pictures"), text("First against last picture", "初始与最终截图")),
        *_pictures(found.get("corroboration.rerender"), text("Offline re-render", "离线重现")),
    )


def _texts(finding: Finding | None) -> Iterator[Html]:
    pages = [] if finding is None else list(_objects(finding.details.get("pages")))
    if not pages:
        return
    heads = (
        text("Page", "网页"),
        text("Texts", "文字处数"),
        text("In a response", "见于响应"),
        text("By scripts, of recorded parts", "由脚本以已记录内容生成"),
        text("Computed numbers and dates", "脚本计算的数字与日期"),
        text("Unaccounted", "来源不明"),
    )
    names = ("page", "texts", "direct", "script", "computed", "unaccounted")
    yield Html(f"<h3>{both(text('Visible texts', '可见文字'))}</h3>")
    yield grid(heads, [tuple(_cell(page, name) for name in names) for page in pages[:ROWS]], css="changes")
    listed = [(page, snippet) for page in pages for snippet in _objects(page.get("snippets"))]
    if listed:
        columns = (
            text("Page", "网页"),
            text("Text that nothing recorded accounts for", "来源不明的文字"),
            text("Element", "元素"),
        )
        cells = [
            (_cell(page, "page"), escape(str(each.get("text"))), escape(str(each.get("where"))))
            for page, each in listed
        ]
        yield grid(columns, cells[:_SHOWN], css="findings")
        left = sum(_number(page.get("unaccounted")) for page in pages) - min(len(cells), _SHOWN)
        if left > 0:
            yield paragraph(
                text(f"{left} more: see capture/corroboration.json", f"另有 {left} 处，见 capture/corroboration.json")
            )


def _pictures(finding: Finding | None, title: Text) -> Iterator[Html]:
    rows = (
        []
        if finding is None or finding.outcome is Outcome.NOT_PERFORMED
        else list(_objects(finding.details.get("pages")))
    )
    if finding is None or not rows:
        return
    measure = finding.details.get("measure")
    facts = measure if isinstance(measure, dict) else {}
    heads = (
        text("Page", "网页"),
        text("Squares compared", "比对方格数"),
        text("Different", "不同"),
        text("Share", "占比"),
    )
    cells = [
        (_cell(row, "page"), _cell(row, "squares"), _cell(row, "different"), escape(_share(row))) for row in rows[:ROWS]
    ]
    yield Html(f"<h3>{both(title)}</h3>")
    yield grid(heads, cells, css="changes")
    yield paragraph(
        text(
            f"Measure: squares of {facts.get('square_px')} px; one differs when the mean of a colour channel differs "
            f"by more than {facts.get('tolerance')} of 255; limit {facts.get('limit_percent')} %; at most "
            f"{facts.get('rows_compared')} rows.",
            f"度量：边长 {facts.get('square_px')} 像素的方格；任一颜色通道均值相差超过 {facts.get('tolerance')}"
            "(满值 255)即为不同；"
            f"上限 {facts.get('limit_percent')}%；至多比对 {facts.get('rows_compared')} 行。",
        )
    )


def _share(row: Mapping[str, JsonValue]) -> str:
    squares = _number(row.get("squares"))
    return f"{100 * _number(row.get('different')) / squares:.1f} %" if squares else "–"


def _cell(row: Mapping[str, JsonValue], name: str) -> Html:
    return escape(str(row.get(name, "")))


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _objects(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    for each in value if isinstance(value, list | tuple) else ():
        if isinstance(each, dict):
            yield each
