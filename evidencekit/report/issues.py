"""Everything that keeps a certificate from saying more: it all stands on page 1 (R06, R66)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.hashing.deposit import OUTSIDE
from evidencekit.model import NOTHING_WITHHELD, EnvironmentControl, Outcome, Text
from evidencekit.report.chronology import late_steps
from evidencekit.report.wording import check_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.model import PageResult, VerificationReport
    from evidencekit.report.fields import CertificateData, EnvironmentFacts, SessionFacts

KINDS: dict[str, Text] = {
    "FAILED": Text(en="FAILED", zh="未通过"),
    "PARTIAL": Text(en="PARTIAL", zh="部分缺失"),
    "PENDING": Text(en="PENDING", zh="待补"),
    "WARN": Text(en="WARNING", zh="提示"),
    "INDETERMINATE": Text(en="INDETERMINATE", zh="未定"),
    "NOT_PERFORMED": Text(en="NOT PERFORMED", zh="未执行"),
}
"""Kinds of open issues, the gravest first."""

VERDICTS: dict[str, Text] = {
    "http_error": Text(en="HTTP error", zh="HTTP 错误页"),
    "challenge": Text(en="challenge", zh="人机验证页"),
    "login_wall": Text(en="login wall", zh="登录页"),
    "deleted": Text(en="deleted", zh="内容已删除"),
    "soft_block": Text(en="block page", zh="拦截页"),
    "parked": Text(en="parked domain", zh="停放域名"),
    "empty": Text(en="empty page", zh="空白页"),
    "half_rendered": Text(en="half-rendered page", zh="未渲染完成的页面"),
}
"""What a page is instead of the page that was asked for, by the id of its verdict."""

PARTY_HOST = Text(
    en="The capturing party controls the environment; a forgery of the whole cannot be excluded.",
    zh="制作方控制环境，不能排除整体伪造。",
)


LATENCY = Text(en="Time between fixing and securing", zh="固定与保全之间的间隔")
TLS_ERRORS_ALLOWED = "tls.errors_allowed"
"""The transformation by which a record says that certificate errors were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One open issue: its kind, what it is about (English: ids or names), and why."""

    kind: str
    about: tuple[Text, ...]
    reason: Text


def finding_issues(report: VerificationReport, environment: EnvironmentFacts | None = None) -> list[Issue]:
    """What a report did not pass, findings of one reason together; `environment` names probes in the reasons."""
    grouped: dict[tuple[Outcome, Text], dict[str, int]] = {}
    for finding in report.findings:
        if finding.outcome is not Outcome.PASSED:
            reason = finding.reason
            if finding.id == "environment.report" and environment is not None:
                reason = _with_names(reason, environment)
            counts = grouped.setdefault((finding.outcome, reason), {})
            counts[finding.id] = counts.get(finding.id, 0) + 1
    return [
        Issue(kind=outcome.value, about=tuple(_about(*item) for item in counts.items()), reason=reason)
        for (outcome, reason), counts in grouped.items()
    ]


def _with_names(reason: Text, facts: EnvironmentFacts) -> Text:
    """A reason that tells probes by their ids, told by their names."""
    names = {check.id: check.name for check in facts.checks}
    known = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, names)) or '(?!)'})(?![\w.])")
    return Text(
        en=known.sub(lambda found: names[found[0]].en, reason.en),
        zh=known.sub(lambda found: names[found[0]].zh, reason.zh),
    )


def _about(finding_id: str, count: int) -> Text:
    times = f" × {count}" if count > 1 else ""
    return Text(en=f"{finding_id}{times}", zh=f"{check_of(finding_id).name.zh}{times}")


def _environment(facts: EnvironmentFacts | None) -> list[Issue]:
    if facts is None:
        missing = Text(en="no environment report was made", zh="未生成环境报告")
        return [Issue(kind="NOT_PERFORMED", about=(Text(en="Environment probes", zh="环境探查"),), reason=missing)]
    kinds = {"WARN": "WARN", "FAIL": "FAILED", "NOT_PERFORMED": "NOT_PERFORMED"}
    grouped: dict[tuple[str, Text], list[Text]] = {}
    for check in facts.checks:
        if check.result in kinds:
            grouped.setdefault((kinds[check.result], check.reason), []).append(check.name)
    return [Issue(kind=kind, about=tuple(names), reason=reason) for (kind, reason), names in grouped.items()]


def _pending(urls: Sequence[str]) -> Issue:
    listed = Text(en=", ".join(urls), zh="、".join(urls))
    return Issue(
        kind="PENDING",
        about=(Text(en="Time-stamp", zh="时间戳"),),
        reason=Text(en=f"no answer yet from {listed.en}", zh=f"尚未收到时间戳机构答复：{listed.zh}"),
    )


def _page_verdict(page: PageResult) -> Text:
    words = VERDICTS.get(page.verdict, Text(en=page.verdict, zh=page.verdict))
    return Text(en=f"Page {page.id}: {words.en}", zh=f"第 {page.id} 页：{words.zh}")


def _session(session: SessionFacts) -> list[Issue]:
    partial, skipped = Text(en="Capture", zh="取证"), Text(en="Step", zh="步骤")
    origin = Text(en="Origin of the files", zh="文件来源")
    found = [Issue(kind="PARTIAL", about=(partial,), reason=reason) for reason in session.partial]
    found += [
        Issue(kind="WARN", about=(Text(en="Secrets", zh="敏感信息"),), reason=reason)
        if reason == NOTHING_WITHHELD
        else Issue(kind="NOT_PERFORMED", about=(origin if reason == OUTSIDE else skipped,), reason=reason)
        for reason in session.not_performed
    ]
    if session.pending:
        found.append(_pending(session.pending))
    found += [
        Issue(
            kind="WARN",
            about=(_page_verdict(page),),
            reason=page.verdict_reason,
        )
        for page in session.pages
        if page.verdict != "ok"
    ]
    found += [
        Issue(kind="WARN", about=(Text(en="Server certificate", zh="服务器证书"),), reason=step.detail)
        for step in session.transformations
        if step.kind == TLS_ERRORS_ALLOWED
    ]
    return found


def open_issues(data: CertificateData) -> tuple[Issue, ...]:
    """Collects every WARN, INDETERMINATE, NOT_PERFORMED, PENDING, PARTIAL and FAILED, the gravest first."""
    # A deposit's files were made elsewhere: its label says so, and no probe could say more.
    probes = _environment(data.environment) if data.session.deposit is None else []
    late = [Issue(kind="WARN", about=(LATENCY,), reason=reason) for reason in late_steps(data.stages)]
    found = _session(data.session) + late + probes + finding_issues(data.report, data.environment)
    return ranked(found)


def ranked(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """The gravest first."""
    ranks = list(KINDS)
    return tuple(sorted(issues, key=lambda issue: ranks.index(issue.kind)))


def controlled_by_party(session: SessionFacts) -> bool:
    """Whether the party itself controls the machine that captured (FM4)."""
    return session.operator.environment_control is EnvironmentControl.PARTY_HOST
