"""The forensic report 取证报告: everything the certificate sums up, readable by a notary, inert in a browser.

Links and images point to files of the same bundle by relative path and to nothing else; the content security policy
forbids scripts, frames and the network. Captured text is escaped like in the certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from evidencekit.report import chronicle, deposits, particulars, proofs, scope, site, toolset
from evidencekit.report.agreement import agreement
from evidencekit.report.claims import NOT_NOTARIAL
from evidencekit.report.elements import (
    badge,
    both,
    field_table,
    grid,
    label,
    missing,
    or_absent,
    paragraph,
    section,
    tag,
    template,
    text,
)
from evidencekit.report.fields import ExchangesSummary
from evidencekit.report.issues import KINDS, PARTY_HOST, controlled_by_party, open_issues
from evidencekit.report.markup import Html, escape, join, own
from evidencekit.report.wording import check_of

if TYPE_CHECKING:
    from evidencekit.model import Text
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import ArtifactFacts, CertificateData, ReportData

TITLE = text("Forensic Capture Report", "取证报告")
DEPOSIT_TITLE = text("Deposit Report", "存证报告")
_IMAGE_ROLES = {
    "screenshot.initial": text("before any interaction", "交互之前"),
    "screenshot.before": text("before a cookie banner was answered", "处理 Cookie 提示之前"),
    "screenshot": text("whole page", "完整页面"),
    "screenshot.scrolled": text("half a window down, beside fixed elements", "向下滚动半屏，可见被固定元素遮挡处"),
    "screenshot.inner": text("content of the inner scroller", "页面内滚动区域的全部内容"),
}
_IMAGE_TYPE = "image/"
_IMAGES = 100
_COMMANDS = (
    "unzip NUMBER.zip -d NUMBER && cd NUMBER",
    "sha256sum -c SHA256SUMS",
    (
        "openssl cms -verify -cades -binary -inform DER -in seal/manifest.p7s -content manifest.json "
        "-CAfile trust/signer.pem -purpose any -out /dev/null"
    ),
)


def link(path: str) -> Html:
    """A link to a member of the same bundle; anything that is not a plain relative path stays text."""
    if path.startswith("/") or ".." in path.split("/") or ":" in path or "\\" in path:
        return escape(path)
    return Html(f'<a href="{quote(path)}">{escape(path)}</a>')


def _summary(data: CertificateData) -> Html:
    issues = open_issues(data)
    rows: list[Row] = [
        (text("Certificate no.", "证书编号"), escape(data.session.number)),
        (
            text("Verdict of a stranger", "外部核验结论"),
            join([badge(data.report.overall), both(data.report.headline)], " "),
        ),
    ]
    if controlled_by_party(data.session):
        rows.append((text("Environment control", "环境控制"), Html(f"<strong>{both(PARTY_HOST)}</strong>")))
    heads = (text("What", "事项"), text("Kind", "性质"), text("Reason", "原因"))
    listed = [
        (join([both(name) for name in issue.about], "<br>"), tag(issue.kind, KINDS[issue.kind]), both(issue.reason))
        for issue in issues
    ]
    return section(text("Summary and warnings", "摘要与警示"), field_table(rows), grid(heads, listed, css="findings"))


def _commission(data: CertificateData) -> Html:
    mode = particulars.mode_words(data.session.mode)
    means = text(f"evidencekit capture, {mode.en} mode", f"evidencekit 网页取证，{mode.zh}模式")
    if data.session.deposit is not None:
        means = text("evidencekit deposit of files made elsewhere", "evidencekit 存证，文件在外部形成")
    operator = data.session.operator
    rows: list[Row] = [
        (text("Commission", "委托"), particulars.behalf(data)),
        (text("Purpose", "目的"), or_absent(operator.purpose)),
        (text("Basis of the right", "权利依据"), missing()),
        (
            text("Means", "取证手段"),
            both(means),
        ),
        (text("Matter no.", "案件编号"), escape(data.session.matter) if data.session.matter else missing()),
    ]
    return section(text("Commission and purpose", "委托与目的"), field_table(rows))


def _screens(artifacts: tuple[ArtifactFacts, ...]) -> Html:
    title = text("Screens", "页面呈现")
    images = [
        artifact
        for artifact in artifacts
        if artifact.role in _IMAGE_ROLES and artifact.media_type.startswith(_IMAGE_TYPE) and artifact.digests
    ]
    if not images:
        return section(title, missing())
    figures = [_figure(artifact) for artifact in images[:_IMAGES]]
    parts = [Html(f'<div class="screens">{join(figures)}</div>')]
    left = len(images) - len(figures)
    if left > 0:
        parts.append(paragraph(text(f"{left} more images: see the evidence list", f"另有 {left} 幅，见证据清单")))
    return section(title, *parts)


def _figure(artifact: ArtifactFacts) -> Html:
    words = _IMAGE_ROLES[artifact.role]
    source = quote(artifact.path)
    return Html(
        f'<figure><a href="{source}"><img src="{source}" alt="{own(artifact.path)}" loading="lazy"></a>'
        f"<figcaption>{both(words)}<br>{link(artifact.path)}</figcaption></figure>"
    )


def _transformations(data: CertificateData) -> Html:
    title = text("Transformations", "变换说明")
    if not data.session.transformations:
        return section(title, paragraph(text("none was recorded", "未记录任何变换")))
    heads = (text("Time", "时间"), text("Kind, page", "类别与网页"), text("What was done", "内容"))
    rows = [chronicle.transformation_row(step) for step in data.session.transformations[: chronicle.ROWS]]
    return section(title, grid(heads, rows, css="changes"), chronicle.left_out(len(data.session.transformations)))


def _findings(data: CertificateData) -> Html:
    heads = (text("Finding", "检查项"), text("Outcome", "结果"), text("Reason", "原因"))
    rows = [
        (
            join([both(check_of(finding.id).name), escape(finding.id), escape(finding.subject)], "<br>"),
            badge(finding.outcome),
            both(finding.reason),
        )
        for finding in data.report.findings[: chronicle.ROWS]
    ]
    return section(text("Findings", "核验结果"), grid(heads, rows, css="findings"))


def _evidence(data: CertificateData) -> Html:
    parts = [scope.evidence_list(data)]
    links = [link(artifact.path) for artifact in data.artifacts[: chronicle.ROWS] if artifact.digests]
    parts.append(
        Html(
            f"<details><summary>{both(text('Open a file', '打开文件'))}</summary><p>{join(links, '<br>')}</p></details>"
        )
    )
    return join(parts)


def _privacy(data: CertificateData) -> Html:
    withheld = "; ".join(f"{reason} × {count}" for reason, count in sorted(data.session.withheld.items()))
    rows: list[Row] = [
        (text("Legal basis", "处理依据"), missing()),
        (text("Withheld values", "未公开的值"), escape(withheld) if withheld else both(text("none", "无"))),
    ]
    return section(text("Personal information", "个人信息处理"), field_table(rows))


def _appendix(data: CertificateData) -> Html:
    commands = "\n".join(command.replace("NUMBER", data.session.number) for command in _COMMANDS)
    note = text(
        "All steps: VERIFY.md. Use anchors obtained elsewhere.", "全部步骤见 VERIFY.zh-CN.md；信任锚请另行取得。"
    )
    own_log = "capture/exchanges.jsonl" if data.session.deposit is None else "deposit/items.jsonl"
    files = ("VERIFY.md", "VERIFY.zh-CN.md", "manifest.json", "capture/worklog.jsonl", own_log, "proof/custody.jsonl")
    return section(
        text("Verification commands and raw logs", "核验命令与原始日志"),
        paragraph(note),
        Html(f'<pre class="raw">{escape_lines(commands)}</pre>'),
        Html(f"<p>{join([link(path) for path in files], ' · ')}</p>"),
    )


def escape_lines(value: str) -> Html:
    """Foreign text of many lines, each escaped on its own."""
    return join([escape(line) for line in value.split("\n")[: chronicle.ROWS]], "\n")


def _signatures() -> Html:
    rows: list[Row] = [
        (text("Operator", "操作人"), missing()),
        (text("Witness", "见证人"), missing()),
        (text("Notary", "公证员"), missing()),
        (text("Date", "日期"), missing()),
    ]
    return section(text("Signatures of persons", "签字"), field_table(rows))


def render_report(data: ReportData) -> str:
    """Renders the forensic report as one HTML document for the root of the bundle.

    Args:
        data: The certificate's facts, the work log, the custody log so far and the exchanges' summary.

    Returns:
        HTML without script; images and links are relative paths inside the bundle.
    """
    facts = data.certificate
    if facts.session.deposit is not None:
        return _page(facts, DEPOSIT_TITLE, _deposit_sections(data))
    sections = [
        _summary(facts),
        _commission(facts),
        particulars.persons(facts),
        toolset.tools(facts.environment),
        chronicle.probes(facts.environment),
        chronicle.log(text("Work log", "工作记录"), data.worklog),
        particulars.pages(facts),
        chronicle.requests(data.exchanges or ExchangesSummary(total=0)),
        _screens(facts.artifacts),
        proofs.environment(facts),
        _transformations(facts),
        _evidence(facts),
        site.site_operator(facts.site, facts.environment),
        proofs.times(facts),
        proofs.hints(facts),
        proofs.signature(facts),
        proofs.ledger(facts),
        chronicle.custody(data.custody),
        _privacy(facts),
        agreement(facts),
        _findings(facts),
        scope.scope(facts),
        _appendix(facts),
        _signatures(),
    ]
    return _page(facts, TITLE, sections)


def _deposit_sections(data: ReportData) -> list[Html]:
    facts = data.certificate
    return [
        _summary(facts),
        _commission(facts),
        particulars.persons(facts),
        deposits.deposit(facts),
        chronicle.log(text("Work log", "工作记录"), data.worklog),
        _evidence(facts),
        proofs.times(facts),
        proofs.signature(facts),
        proofs.ledger(facts),
        chronicle.custody(data.custody),
        _findings(facts),
        scope.scope(facts),
        _appendix(facts),
        _signatures(),
    ]


def _page(facts: CertificateData, title: Text, sections: list[Html]) -> str:
    return template("report.html").substitute(
        style=template("document.css").template,
        title=own(f"{title.zh} {title.en}"),
        heading=label(title),
        number=escape(facts.session.number),
        denial=both(NOT_NOTARIAL),
        body=join(sections, "\n"),
    )
