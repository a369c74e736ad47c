"""Fields of certificate and report about a deposit: what was deposited, what its depositor says, what it rests on.

A statement is printed as the depositor's word and never as a fact (R33, R66).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.deposit import OUTSIDE, REQUIRED, DepositKind, Medium, RightType
from evidencekit.report.elements import both, both_digests, field_table, grid, missing, paragraph, section, size, text
from evidencekit.report.markup import Html, digest, escape, escape_url, join, own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.hashing.deposit import Deposit, Item
    from evidencekit.model import Text
    from evidencekit.report.elements import Row
    from evidencekit.report.fields import CertificateData

ITEM_ROWS = 400
"""Items that a document lists one by one; `deposit/items.jsonl` holds all."""

KINDS = {
    DepositKind.FILE: text("deposit of files", "电子数据存证"),
    DepositKind.ORIGINAL_WORK: text("deposit of an original work", "原创作品数据保管"),
    DepositKind.LICENCE: text("record of a licence", "许可使用记录存证"),
    DepositKind.TRANSFER: text("record of a transfer", "权利转让记录存证"),
    DepositKind.PLEDGE: text("record of a pledge", "质押记录存证"),
    DepositKind.FORENSIC: text("deposit of forensic data captured elsewhere", "外部取证数据存证"),
    DepositKind.OBJECT: text("deposit about an object purchased", "购买取证实物存证"),
}
_RIGHTS = {
    RightType.COPYRIGHT: text("copyright", "著作权"),
    RightType.PATENT: text("patent", "专利权"),
    RightType.TRADEMARK: text("trademark", "商标权"),
    RightType.TRADE_SECRET: text("trade secret", "商业秘密"),
    RightType.OTHER: text("other", "其他"),
}
_MEDIA = {
    Medium.PHONE_SCREEN: text("phone screen recording", "手机录屏"),
    Medium.CALL_AUDIO: text("call recording", "通话录音"),
    Medium.SITE_AUDIO: text("audio recorded on site", "现场录音"),
    Medium.PHOTO: text("photograph", "拍照"),
    Medium.PHONE_VIDEO: text("phone video", "手机录像"),
    Medium.PC_SCREEN: text("computer screen recording", "电脑录屏"),
}
_LABELS = {
    "title": text("Title", "名称"),
    "creator": text("Creator", "作者"),
    "completed": text("Completed on (claimed)", "完成日期（自述）"),
    "first_published": text("First published on (claimed)", "首次发表日期（自述）"),
    "right_type": text("Right", "权利类型"),
    "warranty": text("Warranty", "真实性与原创性保证"),
    "scope": text("Scope", "范围"),
    "medium": text("Medium", "取证方式"),
    "device": text("Device", "设备"),
    "cleanliness": text("Cleanliness (stated)", "清洁性说明（自述）"),
    "recorded": text("Recorded on (claimed)", "录制日期（自述）"),
    "order_number": text("Order", "订单号"),
    "waybill": text("Waybill", "运单号"),
    "seal_number": text("Seal no. of the package", "封签编号"),
    "custodian": text("Custodian", "保管人"),
}
_PARTIES = {
    DepositKind.LICENCE: (text("Licensor", "许可人"), text("Licensee", "被许可人")),
    DepositKind.TRANSFER: (text("Transferor", "转让人"), text("Transferee", "受让人")),
    DepositKind.PLEDGE: (text("Pledgor", "出质人"), text("Pledgee", "质权人")),
}
SAID = text(
    "stated by the depositor, not observed and not verified",
    "以下由存证人自行陈述，未经观察与核实",
)
_HASH_ONLY = text(
    "digests alone: neither the files nor their names are kept here; compare your own copy: "
    "evidencekit verify BUNDLE --file FILE",
    "仅存摘要：文件及文件名均未保存；请以您手中的文件比对：evidencekit verify 证据包 --file 文件",
)


def kind_words(deposit: Deposit) -> Text:
    """The name of a kind of deposit."""
    return KINDS[deposit.kind]


def right_and_title(facts: Deposit, absent: tuple[Html, Html]) -> tuple[Html, Html]:
    """The right and the name of the data as the depositor states them, else what stands for an absent one."""
    right, title = facts.statement.get("right_type"), facts.statement.get("title")
    said = both(_RIGHTS[RightType(right)]) if right else absent[0]
    return said, escape(title, limit=2000) if title else absent[1]


def front_line(deposit: Deposit) -> Html:
    """What stands on page 1 in place of a URL."""
    count = text(f"{deposit.files} files", f"{deposit.files} 个文件")
    parts = [both(kind_words(deposit)), both(count), size(deposit.size)]
    if deposit.hash_only:
        parts.append(both(text("digests alone", "仅存摘要")))
    return join(parts, " · ")


def deposit(data: CertificateData) -> Html:
    """Everything about the deposit: kind, label, statement, links, items."""
    facts = data.session.deposit
    if facts is None:
        return section(text("Deposit", "存证内容"), missing())
    rows: list[Row] = [
        (text("Kind", "存证种类"), both(kind_words(facts))),
        (text("Origin of the files", "文件来源"), Html(f"<strong>{both(OUTSIDE)}</strong>")),
        (text("Files, size", "文件数量与大小"), join([own(str(facts.files)), size(facts.size)], " · ")),
    ]
    if facts.hash_only:
        rows.append((text("Kept", "保存方式"), both(_HASH_ONLY)))
    parts = [
        field_table(rows),
        Html(f"<h3>{both(text('Statement', '存证人陈述'))}</h3>"),
        paragraph(SAID, "note strong"),
    ]
    parts.append(field_table(_statement(facts)) if facts.statement else missing())
    if facts.links:
        parts.append(_links(facts))
    parts.append(_items(data))
    return section(text("Deposit", "存证内容"), *parts)


def _statement(facts: Deposit) -> list[Row]:
    words: Mapping[str, Mapping[str, Text]] = {
        "right_type": {kind.value: said for kind, said in _RIGHTS.items()},
        "medium": {kind.value: said for kind, said in _MEDIA.items()},
    }
    parties = _PARTIES.get(facts.kind)
    labels = _LABELS if parties is None else _LABELS | dict(zip(("grantor", "grantee"), parties, strict=True))
    first = [name for name in ("title", *REQUIRED[facts.kind]) if name in facts.statement]
    names = [*first, *sorted(set(facts.statement) - set(first))]
    rows: list[Row] = []
    for name in names:
        value = facts.statement[name]
        said = words.get(name, {}).get(value)
        rows.append((labels.get(name, text(name, name)), both(said) if said else escape(value, limit=2000)))
    return rows


def _links(facts: Deposit) -> Html:
    heads = (
        text("Rests on", "关联的在先记录"),
        text("Kind", "种类"),
        text("Ledger, index", "账本与序号"),
        text("Manifest, SHA-256", "清单摘要"),
    )
    rows = [
        (
            escape(link.number),
            _kind_of(link.kind),
            join([escape(link.origin), own(str(link.index))], "<br>"),
            digest(link.manifest_sha256),
        )
        for link in facts.links
    ]
    return grid(heads, rows, css="links")


def _kind_of(kind: str) -> Html:
    known = {each.value: said for each, said in KINDS.items()} | {"capture": text("capture of web pages", "网页取证")}
    return both(known[kind]) if kind in known else escape(kind)


def _items(data: CertificateData) -> Html:
    heads = (
        text("No.", "序号"),
        text("Name given, file", "原文件名与包内文件"),
        text("Size", "大小"),
        text("Digests", "摘要值"),
    )
    rows = [_item_row(item) for item in data.session.items[:ITEM_ROWS]]
    left = (data.session.deposit.files if data.session.deposit else 0) - len(rows)
    more = text(f"{left} more: see deposit/items.jsonl", f"另有 {left} 个，见 deposit/items.jsonl")
    return join([grid(heads, rows, css="items"), *([paragraph(more)] if left > 0 else [])])


def _item_row(item: Item) -> tuple[Html, ...]:
    name = escape(item.name, limit=300) if item.name is not None else both(text("name withheld", "文件名未保存"))
    file = escape_url(item.path) if item.path is not None else both(text("not in the bundle", "不在证据包内"))
    return (
        own(str(item.n)),
        join([name, file], "<br>"),
        size(item.size),
        both_digests(item.digests),
    )
