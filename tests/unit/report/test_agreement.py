"""What the report says of a record that does not account for itself: every listed text, escaped, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit.model import Outcome, Text
from evidencekit.report.agreement import agreement
from tests.unit.report.report_samples import certificate_data, finding, plain_data, report_of, stranger_report

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_REASON = Text(en="1 of 5 texts is in no recorded response", zh="5 处文字中有 1 处不见于任何已记录的响应")
_PAGE: dict[str, JsonValue] = {
    "page": "0001",
    "texts": 5,
    "direct": 2,
    "script": 1,
    "computed": 1,
    "unaccounted": 30,
    "snippets": [{"text": f"<b>假冒 {n}</b>", "where": "p seller"} for n in range(25)],
}
_MEASURE: dict[str, JsonValue] = {"square_px": 16, "tolerance": 10, "limit_percent": 10, "rows_compared": 8000}


def test_unaccounted_texts_are_listed_and_counted() -> None:
    texts = replace(finding("corroboration.text", Outcome.INDETERMINATE, _REASON), details={"pages": [_PAGE]})
    rows: list[JsonValue] = [{"page": "0001", "squares": 4000, "different": 46}]
    again = replace(
        finding("corroboration.rerender", Outcome.PASSED, _REASON), details={"pages": rows, "measure": _MEASURE}
    )
    data = certificate_data(report_of((texts, again), Outcome.INDETERMINATE, _REASON), plain_data().session.pages, 1)
    shown = agreement(data)
    assert "&lt;b&gt;假冒 0&lt;/b&gt;" in shown
    assert "<b>假冒" not in shown
    assert "假冒 19" in shown
    assert "假冒 20" not in shown
    assert "另有 10 处" in shown
    assert "10 more" in shown
    assert "1.1 %" in shown
    assert _REASON.zh in shown
    assert _REASON.en in shown


def test_a_record_that_was_not_compared_says_so() -> None:
    data = certificate_data(report_of((), Outcome.INDETERMINATE, _REASON), plain_data().session.pages, 1)
    assert "未作比对" in agreement(data)
    assert "不能排除整体伪造" in agreement(plain_data(stranger_report()))
