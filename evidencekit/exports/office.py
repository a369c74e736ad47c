"""Blocks as docx and rows as xlsx, for those who have to fill in and rearrange them (extra `[office]`).

python-docx and openpyxl write Office Open XML (ISO/IEC 29500), which LibreOffice and WPS read too.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from evidencekit.errors import StorageError, UsageError
from evidencekit.report.blocks import BLANK, Blank, Block, Heading, Paragraph, Table
from evidencekit.report.markup import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.model import Text

_CHINESE_FONT = "SimSun"
_LATIN_FONT = "Times New Roman"
_CELL_CHARS = 32_000  # Excel takes 32,767
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def require_office() -> None:
    """Make sure that the extra is installed.

    Raises:
        UsageError: it is not.
    """
    if any(importlib.util.find_spec(name) is None for name in ("docx", "openpyxl")):
        raise UsageError(
            "Editable documents need the extra: pip install 'evidencekit[office]'; or leave them out with --pdf-only.",
            "生成可编辑文档需要附加组件：pip install 'evidencekit[office]'；或使用 --pdf-only 不生成。",
        )


def write_docx(blocks: Sequence[Block], out: Path, *, landscape: bool = False, english: bool = False) -> None:
    """Write blocks as a docx on A4; with `english`, English stands before Chinese.

    Raises:
        StorageError: the disk refuses.
    """
    import docx  # noqa: PLC0415 - an extra
    from docx.enum.section import WD_ORIENT  # noqa: PLC0415
    from docx.shared import Mm, Pt  # noqa: PLC0415

    document: Any = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = (Mm(297), Mm(210)) if landscape else (Mm(210), Mm(297))
    if landscape:
        section.orientation = WD_ORIENT.LANDSCAPE
    section.left_margin = section.right_margin = Mm(16)
    section.top_margin = section.bottom_margin = Mm(15)
    _set_fonts(document.styles["Normal"], Pt(9.5))
    for block in blocks:
        _add(document, block, Mm, Pt, english=english)
    try:
        document.save(str(out))
    except OSError as error:
        raise _refused(out, error) from error


def write_xlsx(heads: Sequence[Text], rows: Sequence[Sequence[str]], out: Path, *, widths_mm: Sequence[int]) -> None:
    """Write one sheet; every cell is text, so that nothing foreign is ever a formula.

    Raises:
        StorageError: the disk refuses.
    """
    import openpyxl  # noqa: PLC0415 - an extra
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "证据目录"
    sheet.append([f"{head.zh}\n{head.en}" for head in heads])
    for row in rows:
        sheet.append([None] * len(row))
        for column, text in enumerate(row, 1):
            cell = sheet.cell(row=sheet.max_row, column=column)
            cell.value, cell.data_type = _lines(text)[:_CELL_CHARS], "s"
            # Excel then shows the text as it is, whatever it begins with.
            cell.quotePrefix = text.startswith(_FORMULA)
    for column, width in enumerate(widths_mm, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width / 1.9
    for line in sheet.iter_rows():
        for cell in line:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "A2"
    sheet.page_setup.orientation, sheet.page_setup.paperSize, sheet.page_setup.fitToHeight = "landscape", 9, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    try:
        book.save(str(out))
    except OSError as error:
        raise _refused(out, error) from error


def _add(document: Any, block: Block, mm: Any, pt: Any, *, english: bool) -> None:  # noqa: ANN401 - no types there
    match block:
        case Heading(text=words, level=level):
            heading = document.add_heading(level=0 if level == 1 else 2)
            _run(heading, " ".join(_in_order(words, english=english)))
        case Paragraph(text=words, note=note):
            paragraph = document.add_paragraph()
            first, second = _in_order(words, english=english)
            for text in (f"{visible(first)}\n", visible(second)):
                _run(paragraph, text).font.size = pt(8) if note else None
        case Blank(label=words):
            named = " ".join(_in_order(words, english=english))
            _run(document.add_paragraph(), f"{named}{': ' if english else '：'}{BLANK}{BLANK}")
        case Table():
            _add_table(document, block, mm, pt, english=english)


def _in_order(words: Text, *, english: bool) -> tuple[str, str]:
    return (words.en, words.zh) if english else (words.zh, words.en)


def _add_table(document: Any, block: Table, mm: Any, pt: Any, *, english: bool) -> None:  # noqa: ANN401
    table = document.add_table(rows=1, cols=len(block.heads))
    table.style = "Table Grid"
    table.autofit = False
    for cell, head in zip(table.rows[0].cells, block.heads, strict=True):
        _run(cell.paragraphs[0], "\n".join(_in_order(head, english=english))).bold = True
    for row in block.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            _run(cell.paragraphs[0], _lines(text)).font.size = pt(8)
    for row in table.rows:
        for cell, width in zip(row.cells, block.widths_mm, strict=False):
            cell.width = mm(width)


def _run(paragraph: Any, text: str) -> Any:  # noqa: ANN401
    run = paragraph.add_run(text)
    _set_fonts(run, None)
    return run


def _set_fonts(styled: Any, size: Any) -> None:  # noqa: ANN401
    from docx.oxml.ns import qn  # noqa: PLC0415

    styled.font.name = _LATIN_FONT
    if size is not None:
        styled.font.size = size
    styled.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), _CHINESE_FONT)


def _lines(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


def _refused(out: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(
        f"cannot write {out.name} of the export: {reason}; make room or name another folder",
        f"无法写入导出文件 {out.name}：{reason}；请腾出空间或另选文件夹",
    )
