"""The building blocks of the HTML documents: bilingual labels, field tables, grids, times, sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.model import Outcome, Text
from evidencekit.report.markup import Html, digest, escape, join, own
from evidencekit.report.wording import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evidencekit.model import Digests

Row: TypeAlias = tuple[Text, Html]
"""A label and its value."""

NOT_PROVIDED = Text(en="not provided", zh="未提供")
NOT_PERFORMED = Text(en="not performed", zh="未执行")

_BEIJING = timezone(timedelta(hours=8))
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_UNIT_STEP = 1024


def text(en: str, zh: str) -> Text:
    """A sentence of ours in both languages."""
    return Text(en=en, zh=zh)


def both(value: Text) -> Html:
    """Chinese first, English after it in smaller type; either may hold foreign text."""
    chinese = value.zh or value.en
    english = f' <span class="en" lang="en">{escape(value.en)}</span>' if value.en and value.en != chinese else ""
    return Html(f'<span class="zh" lang="zh-CN">{escape(chinese)}</span>{english}')


def label(value: Text) -> Html:
    """A field's name: Chinese above English."""
    return Html(f'<span class="zh">{own(value.zh)}</span><span class="en" lang="en">{own(value.en)}</span>')


def or_absent(value: str | None, *, absent: Text = NOT_PROVIDED) -> Html:
    """Foreign text, or the word for its absence."""
    return escape(value) if value else missing(absent)


def missing(absent: Text = NOT_PROVIDED) -> Html:
    """The word for an absent fact; a field is never left blank."""
    return Html(f'<span class="absent">{both(absent)}</span>')


def moment(value: datetime) -> Html:
    """A time in Beijing time and in UTC, milliseconds and microseconds kept."""
    beijing = value.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    utc = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Html(
        f'<span class="time"><span class="whole">{beijing} 北京时间</span> <span class="en">{utc}</span></span>'
    )


def size(value: int | None) -> Html:
    """A number of bytes, exact, with a rounded unit beside it."""
    if value is None:
        return missing(text("withheld", "不予公开"))
    amount, unit = float(value), 0
    while amount >= _UNIT_STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _UNIT_STEP, unit + 1
    rounded = f" ({amount:.1f} {_UNITS[unit]})" if unit else ""
    return own(f"{value:,} B{rounded}")


def both_digests(value: Digests) -> Html:
    """SHA-256 and SM3 of a file, each in two lines of 32 digits where the column is that wide."""
    rows = (("SHA-256", value.sha256), ("SM3", value.sm3))
    return join([Html(f'<div class="sum"><span class="en">{name}</span>{digest(hexa)}</div>') for name, hexa in rows])


def badge(outcome: Outcome) -> Html:
    """An outcome as a word in a box; the word, not a colour, carries the meaning."""
    return tag(outcome.value, OUTCOMES[outcome])


def tag(kind: str, words: Text) -> Html:
    """A short boxed word of the class `kind`."""
    css = "".join(char for char in kind.lower() if char.isalnum() or char == "_")
    return Html(
        f'<span class="tag {css}"><span class="zh">{own(words.zh)}</span> '
        f'<span class="en" lang="en">{own(words.en)}</span></span>'
    )


def field_table(rows: Iterable[Row]) -> Html:
    """A two-column table of labels and values."""
    body = join([Html(f'<tr><th scope="row">{label(name)}</th><td>{value}</td></tr>') for name, value in rows])
    return Html(f'<table class="fields"><tbody>{body}</tbody></table>')


def grid(heads: Sequence[Text], rows: Iterable[Sequence[Html]], *, css: str = "") -> Html:
    """A table with a repeated head; `css` names its column widths in the style sheet."""
    head = join([Html(f'<th scope="col">{label(name)}</th>') for name in heads])
    body = join([Html("<tr>" + join([Html(f"<td>{cell}</td>") for cell in row]) + "</tr>") for row in rows])
    return Html(f'<table class="grid {css}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def section(title: Text, *parts: Html, anchor: str = "") -> Html:
    """A titled section."""
    ident = f' id="{anchor}"' if anchor else ""
    return Html(f"<section{ident}><h2>{label(title)}</h2>{join(list(parts))}</section>")


def paragraph(value: Text, css: str = "") -> Html:
    """A paragraph in both languages."""
    return Html(f'<p class="{css}">{both(value)}</p>')


def template(name: str) -> Template:
    """Reads a packaged template; `$name` marks its places."""
    return Template(files("evidencekit.report").joinpath("templates", name).read_text(encoding="utf-8"))
