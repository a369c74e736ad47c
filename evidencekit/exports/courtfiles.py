"""The small files of a court export: label of the disc, folder for translations, what is what."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Final

from evidencekit.exports.exhibit import write_file
from evidencekit.model import Text
from evidencekit.report.claims import NOT_NOTARIAL
from evidencekit.report.elements import template
from evidencekit.report.markup import Html, digest, escape, join, own

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.exports.exhibit import Exhibit

_BEIJING: Final = timezone(timedelta(hours=8))
_LABEL = Text(en="Electronic data evidence, disc label", zh="电子数据证据光盘标签")
_NUMBERS: Final = 6
_README: Final = """证据材料 / Evidence

1-catalogue.*    证据目录（PDF；docx、xlsx 可编辑）。“证明目的”“译文”两栏请自行填写。
                 List of evidence (PDF; docx and xlsx to edit). Fill in purpose and translations yourself.
2-paper/         纸质卷：逐份打印，页码全卷连续。截图按 A4 分幅，相邻两页有重叠。单个文件不超过 {limit} MB，超过则分册。
                 The printed volume, pages numbered throughout; files over {limit} MB are divided.
3-disc/          刻入光盘的全部内容；SHA256SUMS、SM3SUMS 为文件清单。证据包（.zip）为原件，勿解压后重新打包。
                 What goes on the disc, with lists of files. The bundles (.zip) are the originals: never re-pack them.
3-disc-label.pdf 光盘标签 / label of the disc.
4-translations/  外文证据的中文译本放此处（民事诉讼法要求外文书证附译本）。/ Put translations here.

核对 / Check:    sha256sum -c SHA256SUMS        cksum -a sm3 -c SM3SUMS
核验 / Verify:   evidencekit verify 3-disc/<编号>.zip   （请使用自备的程序与信任锚 / use your own copy and anchors）

{denial_zh} / {denial_en}
"""
_SLOT: Final = """外文材料的中文译本请放入本文件夹，文件名以证据序号开头，例如 1-3-译文.pdf，并填入证据目录“译文”一栏。
译文由有资质的翻译机构或当事人提供；本程序不翻译。

Put translations here; begin the file name with the number of the exhibit, e.g. 1-3-translation.pdf, and name it in
the column "Translation" of the list of evidence. This program translates nothing.
"""


def beijing(moment: datetime) -> str:
    """Write a time for a Chinese court: Beijing time to the second, named as such."""
    return f"{moment.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}（北京时间 UTC+8）"


def both_times(moment: datetime) -> Text:
    """The same time for either language."""
    local = f"{moment.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}"
    return Text(en=f"{local} (Beijing time, UTC+8)", zh=f"{local}（北京时间 UTC+8）")


def readme(max_bytes: int) -> str:
    """Say what is what, in both languages."""
    return _README.format(limit=max_bytes >> 20, denial_zh=NOT_NOTARIAL.zh, denial_en=NOT_NOTARIAL.en)


def write_translations(folder: Path) -> None:
    """Make the place for translations."""
    write_file(folder / "README.txt", _SLOT.encode())


def label_html(exhibits: Sequence[Exhibit], matter: str | None, made: datetime, sums_sha256: str) -> str:
    """Draw the label: 120 mm, matter, numbers, date, and the digest of the disc's list of files."""
    numbers = [escape(exhibit.number) for exhibit in exhibits[:_NUMBERS]]
    if len(exhibits) > _NUMBERS:
        numbers.append(own(f"… 共 {len(exhibits)} 份"))
    heading = f"案件编号 Matter：{escape(matter or '＿＿＿＿＿＿', limit=60)}"
    body = Html(
        f'<div class="disc"><div class="upper"><h2>证据光盘 Evidence</h2><p>{heading}</p>'
        f'<p>{join(numbers, "<br>")}</p></div><div class="hole"></div><div class="lower"><p>{own(beijing(made))}</p>'
        f"<p>SHA256SUMS 的摘要 SHA-256<br>{digest(sums_sha256)}</p>"
        "<p>提交人 Submitted by：＿＿＿＿＿＿＿＿</p></div></div>"
    )
    style = template("document.css").template + template("exports.css").template
    return template("export.html").substitute(style=style, title=own(_LABEL.zh), css="export", body=body)
