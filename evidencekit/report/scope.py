"""Closing parts of the certificate: evidence list, what is and is not proved, how to check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.deposit import ITEM_ROLE
from evidencekit.report.claims import NOT_NOTARIAL, NOT_QUALIFIED, NOTARIAL_REFERENCE, judge_all
from evidencekit.report.elements import (
    both,
    both_digests,
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
from evidencekit.report.issues import KINDS, PARTY_HOST, controlled_by_party
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own
from evidencekit.report.qr import qr_payload
from evidencekit.report.rolenames import ROLES, named
from evidencekit.report.wording import OUTCOMES, check_of

if TYPE_CHECKING:
    from evidencekit.model import VerificationReport
    from evidencekit.report.claims import Judged
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import ArtifactFacts, CertificateData

ARTIFACT_ROWS = 400
"""Rows of the evidence list that the certificate prints; the report and the manifest hold all."""

_REACHED = text("reached", "达到")
_MISSED = text("Not reached", "未达到")
_RENEWAL = text(
    "Renewal of ageing keys and hashes (RFC 4998): not performed; keep the bundle and renew in time.",
    "密钥与算法老化后的续期（RFC 4998）：未执行；请妥善保存证据包并及时续期。",
)


def artifact_row(number: int, artifact: ArtifactFacts) -> tuple[Html, ...]:
    """One row of the evidence list: number, file, kind, size, time of hashing, both digests."""
    origin = artifact.derived_from
    kind = text("derived", "派生") if origin else text("original", "原始")
    from_ = Html(f'<br><span class="en">← {escape(", ".join(origin), limit=200)}</span>') if origin else Html("")
    if artifact.digests is None:
        why = ", ".join(artifact.withheld) or "-"
        sums = both(text(f"withheld ({why})", f"不予公开（{why}）"))
    else:
        sums = both_digests(artifact.digests)
    page = own(f" · {artifact.page}") if artifact.page else Html("")
    return (
        own(str(number)),
        Html(f"{escape_url(artifact.path)}{from_}"),
        Html(f"{named(ROLES, artifact.role)}{page}<br>{escape(artifact.media_type)}<br>{both(kind)}"),
        Html(f"{size(artifact.size)}<br>{moment(artifact.hashed_at)}"),
        sums,
    )


def evidence_list(data: CertificateData) -> Html:
    """The evidence list with both digests of every file."""
    heads = (
        text("No.", "序号"),
        text("File", "名称"),
        text("Kind", "类别与格式"),
        text("Size, hashed at", "大小与摘要时间"),
        text("Digests", "摘要值"),
    )
    # Deposited files are listed with the deposit, by the names that they came with.
    listed = [each for each in data.artifacts if each.role != ITEM_ROLE]
    shown = listed[:ARTIFACT_ROWS]
    rows = [artifact_row(number, artifact) for number, artifact in enumerate(shown, start=1)]
    parts = [grid(heads, rows, css="artifacts")]
    left = len(listed) - len(shown)
    if left > 0:
        parts.append(paragraph(text(f"{left} more files: see report.html", f"另有 {left} 个文件，见 report.html")))
    return section(text("Evidence list", "证据清单"), *parts)


def _scope_row(judged: Judged) -> tuple[Html, ...]:
    claim = judged.claim
    if judged.granted:
        return both(claim.layer), join([tag("passed", _REACHED), both(claim.says)], " "), both(claim.limits)
    chinese = [f"{check_of(finding_id).name.zh}：{OUTCOMES[outcome].zh}" for finding_id, outcome in judged.missing]
    english = [f"{finding_id}: {OUTCOMES[outcome].en}" for finding_id, outcome in judged.missing]
    why = both(text("; ".join(english), "；".join(chinese)))
    worst = "FAILED" if any(outcome == "FAILED" for _, outcome in judged.missing) else "INDETERMINATE"
    words = KINDS[worst] if worst == "FAILED" else _MISSED
    return both(claim.layer), join([tag(worst, words), why], " "), both(claim.limits)


def scope(data: CertificateData) -> Html:
    """What each layer proves here, printed only as the findings allow, and what it never proves."""
    notes = [paragraph(_RENEWAL, "note")]
    if controlled_by_party(data.session):
        notes.append(paragraph(PARTY_HOST, "note strong"))
    return scope_of(data.report, *notes)


def scope_of(report: VerificationReport, *notes: Html) -> Html:
    """The same of any report."""
    heads = (text("Layer", "层次"), text("Proved here", "本次证明"), text("Not proved", "不证明"))
    rows = [_scope_row(judged) for judged in judge_all(report)]
    denials = (paragraph(NOT_NOTARIAL, "note"), paragraph(NOT_QUALIFIED, "note"))
    title = text("Scope and limits of proof", "证明范围与限制")
    return section(title, grid(heads, rows, css="scope"), *notes, *denials)


def verification(data: CertificateData) -> Html:
    """How to check the record, and the fields that only an issuer can fill."""
    issue = data.issue
    how = text(
        "With your own copy of a verifier and anchor fingerprints obtained elsewhere, run the command "
        "evidencekit verify <file>; or by hand with unzip, sha256sum and openssl as VERIFY.md describes.",
        "请使用自备的核验程序和另行取得的信任锚指纹：执行命令 evidencekit verify <文件>；"
        "亦可按 VERIFY.zh-CN.md 以 unzip、sha256sum、openssl 逐项核验。",
    )
    rows: list[Row] = [
        (text("Verify", "核验方法"), both(how)),
        (text("Content of the QR code", "二维码内容"), digest(qr_payload(data.session.number, data.manifest.sha256))),
        (text("Verify URL", "核验网址"), escape_url(issue.verify_url) if issue.verify_url else missing()),
        (text("Retained until", "保管期限"), or_absent(issue.retention)),
        (text("Storage", "存储位置"), or_absent(issue.storage)),
        (NOTARIAL_REFERENCE, or_absent(issue.notarial_number)),
        (
            text("Seal", "签章"),
            both(
                text(
                    "the CMS signature seal/manifest.p7s over manifest.json",
                    "manifest.json 的 CMS 签名 seal/manifest.p7s",
                )
            ),
        ),
    ]
    return section(text("Verification and custody", "核验与保管"), field_table(rows))
