"""证据目录, the list of evidence that a party hands in: one over any number of bundles (R61).

The purpose of proof (证明目的) and translations stay empty: what an exhibit is to prove is for the party to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.model import Text
from evidencekit.report.blocks import Blank, Block, Heading, Paragraph, Table
from evidencekit.report.claims import NOT_NOTARIAL
from evidencekit.report.markup import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.model import Digests

TITLE = Text(en="List of evidence", zh="证据目录")
HEADS = (
    Text(en="No.", zh="序号"),
    Text(en="Name", zh="证据名称"),
    Text(en="Source", zh="证据来源"),
    Text(en="Purpose", zh="证明目的"),
    Text(en="Formed", zh="形成时间"),
    Text(en="Pages", zh="页码"),
    Text(en="Original or copy", zh="原件或复制件"),
    Text(en="SHA-256 of the file", zh="文件摘要 SHA-256"),
    Text(en="Translation", zh="译文"),
)
_SOURCE_CHARS = 400
_MANY_FILES = "多个文件，见 3-disc/SHA256SUMS / several files, see 3-disc/SHA256SUMS"
WIDTHS_MM = (10, 42, 44, 28, 30, 16, 22, 50, 18)
ORIGINAL = Text(en="original (electronic data)", zh="原件（电子数据）")
PRINT = Text(en="print-out", zh="打印件")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRow:
    """One exhibit: `file` is its path in the export, `pages` the range in the printed volume or None."""

    number: str
    name: Text
    source: str
    formed: str
    pages: tuple[int, int] | None
    kind: Text
    file: str
    digests: Digests | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What is listed; `verdicts` are (number, headline) of the verification of each bundle, `trust` its anchors."""

    matter: str | None
    rows: tuple[CatalogueRow, ...]
    total_pages: int
    made: Text
    verdicts: tuple[tuple[str, Text], ...]
    trust: Text


def rows_of(rows: Iterable[CatalogueRow]) -> list[tuple[str, ...]]:
    """Give the rows as text; a source that was named before is named by the first exhibit that has it."""
    first: dict[str, str] = {}
    return [_cells(row, first.setdefault(row.source, row.number)) for row in rows]


def _cells(row: CatalogueRow, same_as: str) -> tuple[str, ...]:
    """Give a row in the order of `HEADS`; purpose and translation are empty."""
    own_source = row.number == same_as or not row.source
    return (
        row.number,
        f"{row.name.zh} {row.name.en}\n{row.file}",
        visible(row.source, limit=_SOURCE_CHARS) if own_source else f"同 {same_as} / same as {same_as}",
        "",
        row.formed,
        _range(row.pages),
        f"{row.kind.zh} {row.kind.en}",
        _MANY_FILES if row.digests is None else row.digests.sha256,
        "",
    )


def _range(pages: tuple[int, int] | None) -> str:
    if pages is None:
        return "—"
    return str(pages[0]) if pages[0] == pages[1] else f"{pages[0]}–{pages[1]}"


def catalogue_blocks(catalogue: Catalogue) -> tuple[Block, ...]:
    """Lay the catalogue out."""
    stated = visible(catalogue.matter, limit=_SOURCE_CHARS) if catalogue.matter else None
    matter = Text(en=stated or "not provided", zh=stated or "未提供")
    verdicts = tuple(
        Paragraph(text=Text(en=f"{number}: {said.en}", zh=f"{number}：{said.zh}"), note=True)
        for number, said in catalogue.verdicts
    )
    return (
        Heading(text=TITLE, level=1),
        Paragraph(
            text=Text(
                en=f"Matter: {matter.en}. Made: {catalogue.made.en}. Printed volume: {catalogue.total_pages} pages.",
                zh=f"案件编号：{matter.zh}。编制时间：{catalogue.made.zh}。纸质卷共 {catalogue.total_pages} 页。",
            )
        ),
        Table(heads=HEADS, rows=tuple(rows_of(catalogue.rows)), css="catalogue", widths_mm=WIDTHS_MM),
        Paragraph(
            text=Text(
                en="A digest is that of the file named in the row, or of the file a print-out was made from. "
                "Print-outs show the picture files unchanged but for scale; neighbouring sheets overlap, as marks in "
                "the margin show.",
                zh="摘要为该行所列文件的摘要；打印件所列为其所据文件的摘要。打印件除缩放外未改动图像，"
                "相邻页有重叠，页边有标记。",
            ),
            note=True,
        ),
        Heading(text=Text(en="Verification", zh="核验结论")),
        *verdicts,
        Paragraph(
            text=Text(en=f"Trust anchors: {catalogue.trust.en}", zh=f"所用信任锚：{catalogue.trust.zh}"), note=True
        ),
        Paragraph(text=NOT_NOTARIAL, note=True),
        Blank(label=Text(en="Submitted by", zh="提交人")),
        Blank(label=Text(en="Date", zh="日期")),
    )
