"""A document as a list of blocks, from which both its printed form (HTML) and its editable form (docx) are made.

Foreign text goes through `markup` when it becomes HTML and through `visible` when it becomes an office document, so
that neither can hide what it says; a line feed in a cell is ours and begins a new line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.report.elements import both, grid, label, template
from evidencekit.report.markup import Html, escape, join, own

if TYPE_CHECKING:
    from evidencekit.model import Text

BLANK = "＿" * 16
"""What a person has to fill in; nothing is ever put there for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading of level 1 (the title) or 2."""

    text: Text
    level: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A sentence or more of ours; foreign values in it were made visible before."""

    text: Text
    note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A named line for a person to fill in by hand."""

    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Heads and rows of foreign text; `css` names the widths in the style sheet, `widths_mm` those of office tables."""

    heads: tuple[Text, ...]
    rows: tuple[tuple[str, ...], ...]
    css: str = ""
    widths_mm: tuple[int, ...] = ()


Block: TypeAlias = "Heading | Paragraph | Blank | Table"


def _cell(text: str) -> Html:
    return join([escape(line) for line in text.split("\n") if line], "<br>")


def _english_first(words: Text) -> Html:
    chinese = f' <span class="zh" lang="zh-CN">{escape(words.zh)}</span>' if words.zh != words.en else ""
    return Html(f'<span class="en" lang="en">{escape(words.en)}</span>{chinese}')


def _block_html(block: Block, *, english: bool) -> Html:
    say = _english_first if english else both
    match block:
        case Heading(text=words, level=1):
            title = _english_first(words) if english else label(words)
            return Html(f"<header><h1>{title}</h1></header>")
        case Heading(text=words):
            return Html(f"<h2>{_english_first(words) if english else label(words)}</h2>")
        case Paragraph(text=words, note=note):
            return Html(f'<p class="{"note" if note else ""}">{say(words)}</p>')
        case Blank(label=words):
            return Html(f'<p class="blank">{say(words)}<span class="line">{own(BLANK)}</span></p>')
        case Table():
            rows = [[_cell(cell) for cell in row] for row in block.rows]
            return grid(block.heads, rows, css=block.css)


def document_html(
    title: Text, blocks: tuple[Block, ...], *, landscape: bool = False, head: str = "", english: bool = False
) -> str:
    """Render blocks as one self-contained, inert page for printing.

    Args:
        title: Of the document.
        blocks: In order.
        landscape: A4 on its side, for wide tables.
        head: Further style rules of ours.
        english: English stands first and larger, for a court that reads it.
    """
    style = template("document.css").template + template("exports.css").template
    if landscape:
        style += "@page { size: A4 landscape; } body { max-width: none; }"
    return template("export.html").substitute(
        style=style + head,
        title=own(f"{title.en} {title.zh}" if english else f"{title.zh} {title.en}"),
        css="export english" if english else "export",
        body=join([_block_html(block, english=english) for block in blocks], "\n"),
    )
