"""Fields of the certificate about what was captured, by whom and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.model import EnvironmentControl, Operator, Relationship, Text
from evidencekit.report import deposits
from evidencekit.report.elements import (
    both,
    field_table,
    missing,
    moment,
    or_absent,
    paragraph,
    section,
    size,
    text,
)
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own

if TYPE_CHECKING:
    from evidencekit.model import PageResult
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import CertificateData, SessionFacts

PAGE_BLOCKS = 200
"""Pages whose fields the certificate prints; the report and the manifest hold all."""

_RELATIONSHIPS = {
    Relationship.PARTY: text("a party to the matter", "当事人"),
    Relationship.COUNSEL: text("counsel of a party", "代理律师"),
    Relationship.NOTARY: text("notary office", "公证机构人员"),
    Relationship.THIRD_PARTY: text("third party", "第三方"),
}
_CONTROLS = {
    EnvironmentControl.PARTY_HOST: text("machine of the party", "当事人自有设备"),
    EnvironmentControl.NOTARY_HOST: text("machine of the notary office", "公证机构设备"),
    EnvironmentControl.NOTARY_CLOUD: text("cloud of the notary office", "公证机构云环境"),
    EnvironmentControl.THIRD_PARTY_CLOUD: text("cloud of a third party", "第三方云环境"),
}
_KINDS = {"capture": text("capture of web pages (forensic data)", "网页取证（取证数据）")}
_MODES = {
    "standard": text("standard", "标准"),
    "fast": text("fast", "快速"),
    "forensic": text("forensic", "司法取证"),
}
_UNNAMED = Operator().name
_PLACE = {True: "取证IP/地点", False: "存证IP/地点"}
_WORDS = {
    _UNNAMED: text("not named", "未具名"),
    Operator().role: text("operator", "取证操作人"),
    Operator().identity: text("not verified", "未核验"),
}
_EGRESS = "network.egress"
_SAME_URL = text("the requested URL", "与取证网址相同")
_MASK = "*"


def mask_name(name: str) -> str:
    """Hides a person's name but for its first character (personal data in public documents, R37)."""
    name = name.strip()
    return name[:1] + _MASK * min(max(len(name) - 1, 1), 8) if name else ""


def _person(data: CertificateData, name: str | None) -> Html:
    if not name:
        return missing()
    if name == _UNNAMED:
        return _worded(name)
    return escape(mask_name(name) if data.issue.mask_names else name)


def _worded(value: str) -> Html:
    """A default of the program in both languages; what somebody wrote, as it was written."""
    return both(_WORDS[value]) if value in _WORDS else escape(value)


def _role(data: CertificateData) -> Html:
    role = data.session.operator.role
    if data.session.deposit is not None and role == Operator().role:
        return both(text("operator", "存证操作人"))
    return _worded(role)


def mode_words(mode: str) -> Text:
    """The name of a capture mode."""
    return _MODES.get(mode, text(mode, mode))


def record(data: CertificateData) -> Html:
    """What was preserved, by whom it is issued, and how much there is."""
    session, issue = data.session, data.issue
    status = text(f"in force as of {issue.issued_at:%Y-%m-%d}", f"有效（截至 {issue.issued_at:%Y-%m-%d} 出具时）")
    later = text("later correction or revocation: not performed", "事后更正或撤销：未执行核查")
    kind = _KINDS.get(session.kind, text(session.kind, session.kind))
    mode: Row = (text("Capture mode", "取证方式"), both(mode_words(session.mode)))
    if session.deposit is not None:
        kind = deposits.kind_words(session.deposit)
        kept = text("digests alone", "仅存摘要") if session.deposit.hash_only else text("files kept", "保存文件")
        mode = (text("Kept", "保存方式"), both(kept))
    size_known = sum(artifact.size or 0 for artifact in data.artifacts)
    files, right, name = len(data.artifacts), or_absent(issue.right), or_absent(issue.data_name)
    if session.deposit is not None:
        files, size_known = session.deposit.files, session.deposit.size
        right, name = deposits.right_and_title(session.deposit, (right, name))
    rows: list[Row] = [
        (text("Status", "证书状态"), join([both(status), both(later)], "; ")),
        (text("Issuer", "出具机构"), or_absent(issue.issuer)),
        (text("Format version", "规范版本"), own(f"evidencekit/manifest {session.spec_version} · {session.tool}")),
        (text("Custody kind", "保管种类"), both(kind)),
        mode,
        (text("Matter no.", "案件编号"), or_absent(session.matter)),
        (text("Right", "权利类型"), right),
        (text("Name of the data", "数据名称"), name),
        (text("Files", "文件数量"), own(str(files))),
        (text("Total size", "总大小"), size(size_known)),
        (
            text("Record id", "存证标识" if session.deposit is not None else "取证标识"),
            digest(session.capture_id),
        ),
    ]
    return section(text("Record", "存证信息"), field_table(rows))


def persons(data: CertificateData) -> Html:
    """Who asked, who captured, where; names are masked unless the issuer says otherwise."""
    operator, issue = data.session.operator, data.issue
    rows: list[Row] = [
        (text("Applicant", "申请人"), _person(data, issue.applicant)),
        (text("Identification of the applicant", "身份核验方式"), or_absent(issue.applicant_identification)),
        (text("Operator", "操作人"), join([_person(data, operator.name), _role(data)], " · ")),
        (text("Operator's identity", "操作人身份核验"), _worded(operator.identity)),
        (text("Relationship to the matter", "与当事人关系"), both(_RELATIONSHIPS[operator.relationship])),
        (text("Environment control", "环境类型"), both(_CONTROLS[operator.environment_control])),
        (text("On whose behalf", "代表何人"), behalf(data)),
        (text("Purpose", "目的"), or_absent(operator.purpose)),
        (text("Lawful basis of handling personal data", "处理个人信息的合法性基础"), or_absent(operator.lawful_basis)),
        (text("Witness or notary", "见证人/公证员"), _person(data, issue.witness)),
        (text("Place, as stated", "操作地点（自述）"), or_absent(operator.place)),
        (text("Egress address, place", _PLACE[data.session.deposit is None]), _egress(data)),
    ]
    return section(text("Persons and place", "人员与地点"), field_table(rows))


def _egress(data: CertificateData) -> Html:
    """The address seen outside and its network: what the issuer states, else what the probe saw, else unknown."""
    if data.issue.egress:
        return escape(data.issue.egress)
    checks = () if data.environment is None else data.environment.checks
    seen = [check.reason for check in checks if check.id == _EGRESS and check.result in {"PASS", "WARN"}]
    return both(seen[0]) if seen else missing(text("unknown", "未知"))


def behalf(data: CertificateData) -> Html:
    """For whom the operator works, as stated."""
    return _person(data, data.session.operator.on_behalf_of)


def control_words(session: SessionFacts) -> Html:
    """Who controls the machine, where that is not the party."""
    return both(_CONTROLS[session.operator.environment_control])


def operator_line(data: CertificateData) -> Html:
    """Who worked, for whom, in which relation, known how: one line of page 1."""
    operator = data.session.operator
    parts = [_person(data, operator.name)]
    if operator.on_behalf_of:
        behalf = mask_name(operator.on_behalf_of) if data.issue.mask_names else operator.on_behalf_of
        parts.append(both(text(f"for {behalf}", f"代表 {behalf}")))
    identity = _WORDS.get(operator.identity)
    known = text(f"identity {identity.en}", f"身份{identity.zh}") if identity else None
    parts.append(both(_RELATIONSHIPS[operator.relationship]))
    parts.append(both(known) if known else escape(operator.identity))
    return join(parts, " · ")


def page_fields(page: PageResult) -> Html:
    """Fields of one page: addresses, title, answer, times, verdict."""
    verdict = text("as expected", "正常") if page.verdict == "ok" else page.verdict_reason
    hops = [join([escape_url(hop.url), own(f" → {hop.status}")]) for hop in page.redirects]
    rows: list[Row] = [
        (text("Requested URL", "取证网址"), escape_url(page.requested_url)),
        (text("Redirects", "跳转"), join(hops, "<br>") if hops else both(text("none", "无"))),
        (
            text("Final URL", "最终网址"),
            both(_SAME_URL) if page.final_url == page.requested_url else escape_url(page.final_url),
        ),
        (text("Title", "网页标题"), or_absent(page.title, absent=text("empty", "空"))),
        (
            text("Answer", "服务器响应"),
            join([or_absent(None if page.status is None else str(page.status)), or_absent(page.content_type)], " · "),
        ),
        (
            text("Server address, protocol", "服务器IP与协议"),
            join([or_absent(page.remote_address), or_absent(page.protocol)], " · "),
        ),
        (text("Started", "开始"), moment(page.started_at)),
        (text("Initial view", "初始画面"), moment(page.initial_at)),
        (text("Finished", "结束"), moment(page.finished_at)),
        (text("Page size", "页面尺寸"), own(f"{page.width_px} × {page.height_px} px")),
        (text("Result", "结果"), both(verdict)),
    ]
    return Html(f"<h3>{both(text(f'Page {page.id}', f'网页 {page.id}'))}</h3>{field_table(rows)}")


def pages(data: CertificateData) -> Html:
    """Fields of every page of the session."""
    listed = data.session.pages
    blocks = [page_fields(page) for page in listed[:PAGE_BLOCKS]]
    if len(listed) > PAGE_BLOCKS:
        left = len(listed) - PAGE_BLOCKS
        blocks.append(paragraph(text(f"{left} more pages: see report.html", f"另有 {left} 个网页，见 report.html")))
    return section(text("Pages", "取证对象"), *blocks)
