"""Fields of the certificate about proof: times, signature, ledger, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.manifest import UNVERIFIED_CLOCK
from evidencekit.report.chronology import stage_grid
from evidencekit.report.claims import NOT_BLOCKCHAIN
from evidencekit.report.elements import (
    NOT_PERFORMED,
    both,
    field_table,
    grid,
    missing,
    moment,
    or_absent,
    paragraph,
    section,
    size,
    text,
)
from evidencekit.report.hints import hint_grid
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own

if TYPE_CHECKING:
    from evidencekit.model import Text
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import CertificateData, TokenFacts

_ROLES = {
    "open": text("opening", "启动"),
    "capture": text("capture", "取证"),
    "seal": text("seal", "封存"),
}
_UNVERIFIED = text(UNVERIFIED_CLOCK, "系统时钟，未经核验")
_STAGES = 40
"""Rows of the course of a session that the certificate prints; the report's logs hold all."""
_RESULTS = {
    "PASS": text("pass", "通过"),
    "WARN": text("warning", "提示"),
    "FAIL": text("fail", "未通过"),
    "NOT_PERFORMED": text("not performed", "未执行"),
}


def _count(result: str, number: int) -> Html:
    words = _RESULTS.get(result, text(result, result))
    return both(text(f"{words.en} {number}", f"{words.zh} {number}"))


def token_grid(tokens: tuple[TokenFacts, ...]) -> Html:
    """The table of time-stamp tokens; a self-issued one says so."""
    heads = (
        text("Role", "用途"),
        text("Time (genTime), accuracy", "时间与精度"),
        text("Authority, policy, serial", "机构、策略、序列号"),
        text("Over, token", "对象与文件"),
    )
    own_token = text("self-issued, not independent", "自行签发，非独立第三方")
    rows: list[tuple[Html, ...]] = []
    for token in tokens:
        accuracy = text("accuracy not stated", "未声明精度")
        if token.accuracy_s is not None:
            accuracy = text(f"± {token.accuracy_s:g} s", f"± {token.accuracy_s:g} 秒")
        note = [Html(f"<strong>{both(own_token)}</strong>")] if token.self_issued else []
        rows.append(
            (
                both(_ROLES.get(token.role, text(token.role, token.role))),
                join([moment(token.gen_time), both(accuracy)], "<br>"),
                join([escape(token.tsa), escape(token.policy), digest(token.serial), *note], "<br>"),
                join([escape(token.over), escape(token.path)], "<br>"),
            )
        )
    return grid(heads, rows, css="tokens")


def times(data: CertificateData) -> Html:
    """Times, their source, and the time-stamp tokens."""
    session = data.session
    stamped = [token.gen_time for token in data.tokens]
    interval = join([moment(min(stamped)), moment(max(stamped))], " – ") if stamped else missing(NOT_PERFORMED)
    started, finished = text("Capture started", "取证开始"), text("Capture finished", "取证结束")
    if session.deposit is not None:
        started, finished = text("Deposit started", "存证开始"), text("Deposit finished", "存证结束")
    rows: list[Row] = [
        (started, moment(session.started_at)),
        (finished, moment(session.finished_at)),
        (
            text("Source of these times", "上述时间来源"),
            both(_UNVERIFIED) if session.time_source == UNVERIFIED_CLOCK else escape(session.time_source),
        ),
        (text("Interval between time-stamps", "时间戳区间"), interval),
    ]
    rows.append((text("Hints of others in the connections", "连接中的第三方时间线索"), both(_hint_count(data))))
    tokens = token_grid(data.tokens) if data.tokens else missing(NOT_PERFORMED)
    course = [stage_grid(data.stages, limit=_STAGES)] if data.stages else []
    return section(text("Times", "时间"), field_table(rows), tokens, *course)


def _hint_count(data: CertificateData) -> Text:
    count = len(data.hints)
    if data.session.deposit is not None or not count:
        return text("none", "无")
    return text(
        f"{count}, listed in report.html; none of them binds the content",
        f"{count} 项，逐项列于 report.html；均不约束网页内容",
    )


def hints(data: CertificateData) -> Html:
    """The times that third parties stated, one by one."""
    title = text("Time hints of third parties", "第三方时间线索")
    return section(title, hint_grid(data.hints) if data.hints else both(text("none", "无")))


def signature(data: CertificateData) -> Html:
    """Digests of the manifest and the certificate that sealed it."""
    signer = data.signer
    note = text("self-signed: integrity only, no identity", "自签名证书：仅证明完整性，不证明身份")
    rows: list[Row] = [
        (text("Manifest SHA-256", "清单摘要 SHA-256"), digest(data.manifest.sha256)),
        (text("Manifest SM3", "清单摘要 SM3"), digest(data.manifest.sm3)),
        (
            text("Signature", "数字签名"),
            join([own("seal/manifest.p7s · CMS (CAdES)"), escape(signer.algorithm)], " · "),
        ),
        (text("Signer", "签署人"), escape(signer.subject)),
        (text("Certificate issuer", "证书签发者"), escape(signer.issuer)),
        (text("Certificate serial no.", "证书序列号"), digest(signer.serial)),
        (text("Certificate SHA-256", "证书指纹 SHA-256"), digest(signer.certificate_sha256)),
        (text("Certificate valid", "证书有效期"), join([moment(signer.not_before), moment(signer.not_after)], " – ")),
    ]
    if signer.self_signed:
        rows.append((text("Identity", "身份"), Html(f"<strong>{both(note)}</strong>")))
    return section(text("Digests and signature", "摘要与签名"), field_table([*rows, *_second_signature(data)]))


def _second_signature(data: CertificateData) -> list[Row]:
    """Name the post-quantum signature, where there is one."""
    signer = data.second_signer
    if signer is None:
        return []
    file = own("seal/manifest.ml-dsa-65.p7s · CMS (CAdES)")
    return [
        (text("Second signature", "第二签名"), join([file, escape(signer.algorithm), own("FIPS 204")], " · ")),
        (text("Its certificate SHA-256", "其证书指纹 SHA-256"), digest(signer.certificate_sha256)),
    ]


def ledger(data: CertificateData) -> Html:
    """Where the record stands in the ledger."""
    title = text("Ledger", "账本")
    anchor: Row = (text("External anchor", "外部锚定"), missing(NOT_PERFORMED))
    if data.ledger is None:
        return section(title, field_table([(text("Ledger entry", "账本条目"), missing(NOT_PERFORMED)), anchor]))
    facts = data.ledger
    rows: list[Row] = [
        (text("Ledger (origin)", "账本编号"), escape(facts.origin)),
        (text("Ledger key", "账本公钥"), escape_url(facts.key)),
        (text("Index", "序号"), own(str(facts.index))),
        (text("Tree size", "树大小"), own(str(facts.size))),
        (text("Root hash", "根哈希"), digest(facts.root)),
        (text("Inclusion proof", "包含证明"), own("proof/entry.tlog-proof")),
        anchor,
    ]
    return section(title, field_table(rows), paragraph(NOT_BLOCKCHAIN, "note"))


def environment(data: CertificateData) -> Html:
    """Counts of the probes and how every request ended."""
    done, facts = data.session.completeness, data.environment
    counts = missing(NOT_PERFORMED)
    summary = missing(NOT_PERFORMED)
    if facts is not None:
        counts = join([_count(result, number) for result, number in facts.counts.items()], " · ")
        summary = both(facts.summary)
    ends = text(
        f"{done.requests} requests: {done.recorded} recorded, {done.partial} partial, {done.failed} failed, "
        f"{done.withheld} withheld, {done.not_retrievable} not retrievable",
        f"共 {done.requests} 次请求：已记录 {done.recorded}，部分 {done.partial}，失败 {done.failed}，"
        f"不予公开 {done.withheld}，无法取得 {done.not_retrievable}",
    )
    reasons = "; ".join(f"{reason} × {n}" for reason, n in sorted(done.reasons.items()))
    rows: list[Row] = [
        (text("Result of the probes", "清洁性检查结论"), summary),
        (text("Counts", "检查计数"), counts),
        (text("Completeness", "完整性说明"), both(ends)),
        (text("Reasons", "原因"), or_absent(reasons, absent=text("none", "无"))),
        (text("Bytes of content kept", "保存的内容字节"), size(done.body_bytes)),
    ]
    return section(text("Environment and completeness", "环境与完整性"), field_table(rows))
