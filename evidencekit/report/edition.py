"""The certificate of a redacted edition: 遮盖版证书, one self-contained HTML page.

It says of which bundle it is an edition, what it withholds and by which rules, and what the rest still proves. It is
told from the edition's own files and from what a stranger finds in them, so it cannot repeat what was withheld; it is
rendered before the edition is sealed, so it says nothing of the seal around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.report.certificate import assurance, document, issue_list
from evidencekit.report.elements import (
    both,
    field_table,
    grid,
    label,
    moment,
    paragraph,
    section,
    size,
    text,
)
from evidencekit.report.issues import finding_issues, ranked
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own
from evidencekit.report.qr import qr_payload, qr_svg
from evidencekit.report.scope import scope_of

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.model import Digests, VerificationReport
    from evidencekit.report.elements import Row

TITLE = text("Certificate of a Redacted Edition", "电子数据存证证书（遮盖版）")
MOST_ROWS = 400
"""Withheld parts that the certificate lists; `redaction.json` holds all."""

_WHY = text(
    "Withheld at the request of whoever sealed this edition, by the rules below; the edition states no other ground. "
    "The leaf of each part stands in the signed manifest's tree: whoever holds the original bundle can show the part, "
    "and its digests and salt open that leaf.",
    "由封存本遮盖版者按下列规则要求不公开；本遮盖版未载明其他理由。各部分的叶值仍在已签署清单的树中："
    "持有原证据包者可出示该部分，其摘要值与盐值可打开该叶值。",
)
_URL_RULE = text("a rule over addresses, which is not repeated here", "按网址的规则（此处不再重复）")
_PICTURES = text(
    "Pictures and texts of the page are withheld only by a rule of their own, and may show what a withheld request "
    "held.",
    "网页的截图与文本仅在另有规则时才不公开，可能仍显示不公开请求中的内容。",
)
_HOW = text(
    "With your own copy of a verifier and anchor fingerprints obtained elsewhere, run evidencekit verify <file>: what "
    "is missing reads WITHHELD(redacted), never FAILED, and never passes for bytes that are not there.",
    "请使用自备的核验程序和另行取得的信任锚指纹，执行 evidencekit verify <文件>：缺少的部分显示 "
    "WITHHELD(redacted)，既不判为未通过，也不因缺失的字节而判为通过。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A withheld file or record, and its leaf (hex)."""

    name: str
    leaf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionData:
    """Everything that the certificate prints. `report` is the verdict of a stranger who has the edition alone.

    `files` and `records` are (open, all) of the signed manifest; `withheld_before` counts what the original bundle
    withheld already.
    """

    number: str
    issued_at: datetime
    manifest: Digests
    original_sha256: str
    original_size: int
    rules: tuple[str, ...]
    parts: tuple[Part, ...]
    files: tuple[int, int]
    records: tuple[int, int]
    withheld_before: int
    report: VerificationReport


def render_edition(data: EditionData) -> str:
    """Renders the certificate of an edition.

    Returns:
        HTML as of `render_certificate`: inert, self-contained, A4.
    """
    body = [
        _front(data),
        assurance(data.report),
        issue_list(ranked(finding_issues(data.report))),
        _withheld(data),
        _left(data),
        scope_of(data.report),
        section(text("Verification", "核验方法"), paragraph(_HOW)),
    ]
    return document(TITLE, data.number, body)


def _front(data: EditionData) -> Html:
    rows: list[Row] = [
        (text("Edition of certificate no.", "原证书编号"), Html(f"<strong>{escape(data.number)}</strong>")),
        (text("Edition issued", "遮盖版出具时间"), moment(data.issued_at)),
        (
            text("Original bundle", "原证据包"),
            Html(f"SHA-256 {digest(data.original_sha256)}<br>{size(data.original_size)}"),
        ),
    ]
    drawing = qr_svg(qr_payload(data.number, data.manifest.sha256), label="QR: number and manifest SHA-256")
    caption = both(text("number and manifest SHA-256", "编号与清单摘要"))
    return Html(
        f'<div class="front">{field_table(rows)}<figure class="code">{drawing}'
        f"<figcaption>{caption}</figcaption></figure></div>"
    )


def _withheld(data: EditionData) -> Html:
    rules = join([Html(f"<li>{_rule(rule)}</li>") for rule in data.rules])
    heads = (text("No.", "序号"), text("Withheld part", "不公开的部分"), text("Its leaf in the tree", "树中叶值"))
    rows = [
        (own(str(number)), escape_url(part.name), digest(part.leaf))
        for number, part in enumerate(data.parts[:MOST_ROWS], start=1)
    ]
    parts = [
        paragraph(_WHY),
        Html(f'<div class="kind"><div>{label(text("Rules", "规则"))}</div><ul>{rules}</ul></div>'),
        grid(heads, rows),
    ]
    left = len(data.parts) - MOST_ROWS
    if left > 0:
        parts.append(paragraph(text(f"{left} more: see redaction.json", f"另有 {left} 项，见 redaction.json")))
    return section(text("What is withheld, and why", "不公开的内容及原因"), *parts, paragraph(_PICTURES, "note"))


def _rule(rule: str) -> Html:
    return both(_URL_RULE) if rule.startswith("url:") else escape_url(rule)


def _left(data: EditionData) -> Html:
    before = data.withheld_before
    rows: list[Row] = [
        (text("Files in this edition", "本遮盖版所含文件"), _of(data.files)),
        (text("Request and response records", "请求与响应记录"), _of(data.records)),
        (text("Withheld by the original already", "原证据包本已不公开"), own(str(before))),
        (text("SHA-256 of the manifest", "清单 SHA-256"), digest(data.manifest.sha256)),
    ]
    return section(text("What is left", "保留的内容"), field_table(rows))


def _of(counts: tuple[int, int]) -> Html:
    return both(text(f"{counts[0]} of {counts[1]}", f"{counts[0]} 项，共 {counts[1]} 项"))
