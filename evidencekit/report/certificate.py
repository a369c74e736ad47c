"""The certificate: 电子数据存证证书 / Electronic Data Preservation Certificate, one self-contained HTML page.

Page 1 holds the number, the assurance reached in plain words and every open issue (R33, R35, R66); the fields of the
record follow. It is rendered before the bundle is sealed, so it says nothing of the seal around the bundle.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from evidencekit.hashing.deposit import OUTSIDE
from evidencekit.report import deposits, particulars, proofs, scope
from evidencekit.report.claims import NOT_NOTARIAL, granted
from evidencekit.report.course import course
from evidencekit.report.elements import badge, both, field_table, label, moment, tag, template, text
from evidencekit.report.issues import KINDS, PARTY_HOST, Issue, controlled_by_party, open_issues
from evidencekit.report.markup import Html, escape, escape_url, join, own
from evidencekit.report.qr import qr_payload, qr_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.model import Text, VerificationReport
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import CertificateData, SessionFacts

TITLE = text("Electronic Data Preservation Certificate", "电子数据存证证书")
_PAGES_ON_FRONT = 3
_FRONT_URL = 120
_FRONT_URL_OF_MANY = 46
_ISSUES_A_KIND = 30
_VIEW = text(
    "Verdict that a stranger without any anchors reaches with the record alone, judged at",
    "外部核验人在未持有任何信任锚时，仅凭本记录得出的结论；核验时点",
)
_NOTHING_REACHED = text("No layer reached a positive result.", "没有任何一层得出肯定结论。")
_NO_ISSUES = text("None: every check ran and passed.", "无：全部检查均已执行并通过。")


def footer_template(number: str) -> Html:
    """The page footer for Chromium's `Page.printToPDF` (`footerTemplate`): number and page k / n."""
    return Html(
        "<div style=\"width:100%;margin:0 16mm;font:7.5px 'Noto Serif CJK SC','Songti SC',SimSun,serif;"
        'color:#444;display:flex;justify-content:space-between">'
        f"<span>电子数据存证 · {escape(number)}</span>"
        '<span>第 <span class="pageNumber"></span> 页 / 共 <span class="totalPages"></span> 页</span></div>'
    )


def header_template() -> Html:
    """An empty header for `Page.printToPDF`, which otherwise prints date and title."""
    return Html("<span></span>")


def _front_urls(session: SessionFacts) -> Html:
    """The first URLs, short: page 1 must hold every open item, and the URLs stand in full further on."""
    limit = _FRONT_URL if len(session.pages) == 1 else _FRONT_URL_OF_MANY
    lines = [escape_url(page.requested_url, limit=limit) for page in session.pages[:_PAGES_ON_FRONT]]
    left = len(session.pages) - _PAGES_ON_FRONT
    if left > 0:
        lines.append(both(text(f"{left} more, see below", f"另有 {left} 个，见后文")))
    return join(lines, "<br>")


def _front(data: CertificateData) -> Html:
    session = data.session
    rows: list[Row] = [
        (text("Certificate no.", "证书编号"), Html(f"<strong>{escape(session.number)}</strong>")),
        (text("Issued", "出具时间"), moment(data.issue.issued_at)),
    ]
    times = join([moment(session.started_at), moment(session.finished_at)], " – ")
    if session.deposit is None:
        rows += [(text("Captured", "取证起止"), times), (text("Pages", "取证网址"), _front_urls(session))]
    else:
        rows += [
            (text("Deposited", "存证起止"), times),
            (text("Deposit", "存证内容"), deposits.front_line(session.deposit)),
        ]
    drawing = qr_svg(qr_payload(session.number, data.manifest.sha256), label="QR: number and manifest SHA-256")
    caption = both(text("number and manifest SHA-256", "编号与清单摘要"))
    return Html(
        f'<div class="front">{field_table(rows)}<figure class="code">{drawing}'
        f"<figcaption>{caption}</figcaption></figure></div>"
    )


def assurance(report: VerificationReport) -> Html:
    """The verdict, and every claim that it grants."""
    claims = granted(report)
    items = join([Html(f"<li>{both(claim.says)}</li>") for claim in claims])
    said = Html(f'<ul class="claims">{items}</ul>') if claims else Html(f"<p>{both(_NOTHING_REACHED)}</p>")
    return Html(
        f'<section class="assurance"><h2>{label(text("Assurance reached", "结论"))}{badge(report.overall)}</h2>'
        f'<p class="headline">{both(report.headline)}</p>{said}'
        f'<p class="note">{both(_VIEW)} {moment(report.at)}</p></section>'
    )


def _withheld(session: SessionFacts) -> Text:
    withheld = session.withheld
    if session.secrets_included:
        return text(
            "NOT withheld: the bundle holds cookies and credentials, as was asked for",
            "未隐去：按要求，证据包内含 Cookie 与凭证",
        )
    if not withheld:
        return text("none", "无")
    named = ", ".join(f"{reason} × {count}" for reason, count in sorted(withheld.items()))
    return text(f"kept out of the bundle, committed to by digest: {named}", f"未放入证据包，仅以摘要承诺：{named}")


def _attempt(session: SessionFacts, attempts: int | None) -> Text:
    done = "取证" if session.deposit is None else "存证"
    if attempts is None:
        return text(
            f"attempt {session.attempt}; the number of attempts was not stated",
            f"第 {session.attempt} 次{done}；总次数未提供",
        )
    if session.matter is None:
        return text(
            f"attempt {session.attempt} of {attempts}, counted without a matter number",
            f"第 {session.attempt} 次{done}，共 {attempts} 次（未指定案件编号）",
        )
    return text(
        f"attempt {session.attempt} of {attempts} announced for this matter",
        f"本案件第 {session.attempt} 次{done}，共登记 {attempts} 次",
    )


def _markers(data: CertificateData) -> Html:
    session = data.session
    late = session.completeness.after_t_capture
    if session.deposit is not None:
        rows = [
            (text("Operator, relationship, identity", "操作人、关系与身份"), particulars.operator_line(data)),
            (text("Attempt", "存证次数"), both(_attempt(session, data.issue.attempts))),
        ]
        if controlled_by_party(session):
            rows.append((text("Origin of the files", "文件来源"), Html(f"<strong>{both(OUTSIDE)}</strong>")))
        return _marker_list(rows)
    rows = [
        (text("Operator, relationship, identity", "操作人、关系与身份"), particulars.operator_line(data)),
        (text("Attempt", "取证次数"), both(_attempt(session, data.issue.attempts))),
        (
            text("Exchanges after T_capture", "取证时间戳之后的网络交换"),
            both(
                text(
                    f"{late} of {session.completeness.requests}", f"{late} 次（共 {session.completeness.requests} 次）"
                )
            ),
        ),
        (text("Withheld secrets", "未公开的敏感值"), both(_withheld(session))),
    ]
    if controlled_by_party(session):
        rows.append((text("Environment control", "环境控制"), Html(f"<strong>{both(PARTY_HOST)}</strong>")))
    else:
        rows.append((text("Environment control", "环境控制"), particulars.control_words(session)))
    return _marker_list(rows)


def _marker_list(rows: list[Row]) -> Html:
    cells = join([Html(f"<div><dt>{label(name)}</dt><dd>{value}</dd></div>") for name, value in rows])
    return Html(f'<dl class="markers">{cells}</dl>')


def _issue_item(issue: Issue) -> Html:
    chinese = f"{'、'.join(name.zh for name in issue.about)}：{issue.reason.zh or issue.reason.en}"
    english = f"{', '.join(name.en for name in issue.about)}: {issue.reason.en}"
    return Html(f"<li>{both(text(english, chinese))}</li>")


def _issue_block(kind: str, issues: list[Issue]) -> Html:
    items = [_issue_item(issue) for issue in issues[:_ISSUES_A_KIND]]
    left = len(issues) - _ISSUES_A_KIND
    if left > 0:
        items.append(Html(f"<li>{both(text(f'{left} more, see report.html', f'另有 {left} 项，见 report.html'))}</li>"))
    return Html(f'<div class="kind"><div>{tag(kind, KINDS[kind])}</div><ul>{join(items)}</ul></div>')


def issue_list(issues: Sequence[Issue]) -> Html:
    """Every open item, by kind."""
    heading = label(text("Warnings, open and unperformed items", "提示、未定与未执行事项"))
    if not issues:
        return Html(f'<section class="issues"><h2>{heading}</h2><p>{both(_NO_ISSUES)}</p></section>')
    blocks = [_issue_block(kind, list(group)) for kind, group in groupby(issues, key=lambda issue: issue.kind)]
    return Html(f'<section class="issues"><h2>{heading}</h2>{join(blocks)}</section>')


def render_certificate(data: CertificateData) -> str:
    """Renders the certificate as one self-contained, inert HTML document.

    Args:
        data: The facts and the stranger's verification report; every claim printed comes from its findings.

    Returns:
        HTML with inline style, no script and no reference to anything outside itself; A4 by `@page`. Print it with
        `preferCSSPageSize`, `displayHeaderFooter`, `header_template()` and `footer_template(number)`.
    """
    body = [
        _front(data),
        assurance(data.report),
        _markers(data),
        issue_list(open_issues(data)),
        scope.scope(data),
        particulars.record(data),
        particulars.persons(data),
        particulars.pages(data) if data.session.deposit is None else deposits.deposit(data),
        *([] if data.session.process is None else [course(data.session.process)]),
        proofs.times(data),
        proofs.signature(data),
        proofs.ledger(data),
        *([proofs.environment(data)] if data.session.deposit is None else []),
        scope.evidence_list(data),
        scope.verification(data),
    ]
    return document(TITLE, data.session.number, body)


def document(title: Text, number: str, body: list[Html]) -> str:
    """The sheet that certificates share, with the sentence of what they are not."""
    return template("certificate.html").substitute(
        style=template("document.css").template,
        title=own(f"{title.zh} {title.en}"),
        number=escape(number),
        title_zh=own(title.zh),
        title_en=own(title.en),
        denial_zh=own(NOT_NOTARIAL.zh),
        denial_en=own(NOT_NOTARIAL.en),
        body=join(body, "\n"),
    )
