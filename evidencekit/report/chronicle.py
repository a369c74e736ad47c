"""Tables of the forensic report that tell what happened: probes, work log, requests, custody."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from evidencekit.report.elements import (
    both,
    field_table,
    grid,
    missing,
    moment,
    or_absent,
    paragraph,
    section,
    size,
    tag,
    text,
)
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own
from evidencekit.report.rolenames import REQUESTS, named
from evidencekit.report.stepnames import step_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import JsonValue, Text, Transformation
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import EnvironmentCheck, EnvironmentFacts, ExchangesSummary, WorkLogLine

ROWS = 2000
"""Rows of one table; the logs themselves hold all."""

_RAW_LINES = 60
_RAW_LIMIT = 4000
_RESULTS = {
    "PASS": text("pass", "通过"),
    "WARN": text("warning", "提示"),
    "FAIL": text("fail", "未通过"),
    "NOT_PERFORMED": text("not performed", "未执行"),
}
_OUTCOMES = {
    "ok": text("done", "完成"),
    "error": text("error", "出错"),
    "retry": text("tried again", "重试"),
    "warning": text("warning", "提示"),
    "info": text("noted", "记录"),
}
_DETAILS = 16
_RESULT_TAGS = {"PASS": "passed", "FAIL": "failed"}


def left_out(total: int) -> Html:
    """Says how many rows a table does not show."""
    left = total - ROWS
    return paragraph(text(f"{left} more rows: see the log", f"另有 {left} 行，见日志文件")) if left > 0 else Html("")


def _raw(value: str) -> Html:
    lines = value[:_RAW_LIMIT].split("\n")
    shown = join([escape(line) for line in lines[:_RAW_LINES]], "\n")
    cut = len(value) > _RAW_LIMIT or len(lines) > _RAW_LINES
    more = both(text("… cut; whole in environment.json", "……已截断，全文见 environment.json")) if cut else ""
    return Html(f'<code class="raw">{shown}</code>{more}')


def _when(check: EnvironmentCheck) -> Html:
    """When the probe looked, and how long it took; the text as it stands where that is no time."""
    try:
        started, finished = datetime.fromisoformat(check.started), datetime.fromisoformat(check.finished)
    except ValueError:
        return escape(f"{check.started} – {check.finished}")
    took_ms = round((finished - started).total_seconds() * 1000)
    return join([both(text(f"took {took_ms} ms", f"用时 {took_ms} 毫秒")), moment(started)], " · ")


def probes(facts: EnvironmentFacts | None) -> Html:
    """The cleanliness report: every probe with its method, result, time and raw output."""
    title = text("Cleanliness report", "清洁性检查报告")
    if facts is None:
        return section(title, missing(text("not performed", "未执行")))
    heads = (
        text("No.", "序号"),
        text("Check", "检查项"),
        text("Method", "方法/命令"),
        text("Result", "结果"),
        text("Reason, raw output, time", "说明、原始输出、时间"),
    )
    rows = [
        (
            own(str(number)),
            join([both(check.name), Html(f'<span class="id">{escape(check.id)}</span>')], "<br>"),
            both(check.method),
            tag(
                _RESULT_TAGS.get(check.result, check.result),
                _RESULTS.get(check.result, text(check.result, check.result)),
            ),
            join([both(check.reason), _raw(check.raw) if check.raw else Html("<br>"), _when(check)]),
        )
        for number, check in enumerate(facts.checks[:ROWS], start=1)
    ]
    return section(title, paragraph(facts.summary), grid(heads, rows, css="checks"))


def log(title: Text, lines: tuple[WorkLogLine, ...]) -> Html:
    """A hash-chained log as a table."""
    if not lines:
        return section(title, missing())
    heads = (
        text("No.", "步骤号"),
        text("Beijing time", "时间"),
        text("Step", "操作"),
        text("Object, detail", "对象与内容"),
        text("Outcome", "结果"),
        text("Previous hash", "前序哈希"),
    )
    rows = [
        (
            own(str(line.n)),
            _beijing(line.beijing),
            join([both(step_name(line.step)), Html(f'<span class="id">{escape(line.step)}</span>')], "<br>"),
            join([escape_url(line.object, limit=500), *_details(line.detail)], "<br>"),
            both(_OUTCOMES.get(line.outcome, text(line.outcome, line.outcome))),
            digest(line.previous),
        )
        for line in lines[:ROWS]
    ]
    return section(title, grid(heads, rows, css="log"), left_out(len(lines)))


def _beijing(value: str) -> Html:
    """The day above the time; the text as it stands where that is no time."""
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return escape(value)
    return join([own(f"{when:%Y-%m-%d}"), own(f"{when:%H:%M:%S.%f}")], "<br>")


def _details(value: str) -> list[Html]:
    """A line for each part of a step's detail; the text as it stands where that is no table."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        return [escape(value, limit=500)]
    shown = [
        Html(f'<span class="id">{escape(str(name), limit=60)}</span> {escape(_compact(part), limit=240)}')
        for name, part in list(parsed.items())[:_DETAILS]
    ]
    return shown if len(parsed) <= _DETAILS else [*shown, own("…")]


def _compact(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def custody(lines: tuple[WorkLogLine, ...]) -> Html:
    """The custody log up to the moment at which this report was made."""
    note = text(
        "The log goes on after this report was made; proof/custody.jsonl holds all of it.",
        "本报告生成之后的事件见 proof/custody.jsonl。",
    )
    return join([log(text("Chain of custody", "保管链"), lines), paragraph(note, "note")])


def _counts(counts: Mapping[str, int]) -> Html:
    return join([join([named(REQUESTS, name), own(f" {number}")]) for name, number in sorted(counts.items())], "；")


def requests(summary: ExchangesSummary) -> Html:
    """The navigation: counts over all requests, then documents, redirects and whatever was not recorded."""
    totals: list[Row] = [
        (text("Requests", "请求总数"), own(str(summary.total))),
        (text("By outcome", "按结果"), _counts(summary.by_outcome)),
        (text("By type", "按类型"), _counts(summary.by_type)),
    ]
    heads = (
        text("Id, page", "标识与网页"),
        text("Request", "请求"),
        text("Type", "类型"),
        text("Outcome", "结果"),
        text("Server, protocol", "服务器与协议"),
    )
    late = text("after T_capture", "取证时间戳之后")
    rows = [
        (
            join([escape(line.id), escape(line.page or "-")], "<br>"),
            join([escape(line.method), escape_url(line.url, limit=800)], " "),
            escape(line.resource_type),
            join(
                [
                    named(REQUESTS, line.outcome),
                    *([escape(said)] if (said := f"{line.status or ''} {line.reason or ''}".strip()) else []),
                    size(line.body_size) if line.body_size is not None else own("–"),
                    *([both(late)] if line.after_t_capture else []),
                ],
                "<br>",
            ),
            join([or_absent(line.remote_address), or_absent(line.protocol)], "<br>"),
        )
        for line in summary.lines[:ROWS]
    ]
    note = text(
        f"{summary.left_out} requests that were recorded as expected are in capture/exchanges.jsonl alone.",
        f"其余 {summary.left_out} 次正常记录的请求仅列于 capture/exchanges.jsonl。",
    )
    return section(
        text("Navigation", "访问过程"), field_table(totals), grid(heads, rows, css="requests"), paragraph(note, "note")
    )


def transformation_row(step: Transformation) -> tuple[Html, ...]:
    """One row of the transformations: when, what kind, what was done."""
    return moment(step.time), join([escape(step.kind), escape(step.page or "-")], "<br>"), both(step.detail)
