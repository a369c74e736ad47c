"""`evidencekit redact`: an edition of a bundle that withholds named parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import bundle_argument, json_option, language_option

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "redact",
    en="""Make an edition of BUNDLE that withholds named parts; what remains still proves.

    RULE is record:000012.response, exchange:000012, url:PATTERN or file:PATTERN, where * stands for anything.
    The original is not changed. Verifying the edition says WITHHELD(redacted) for what is missing. Pictures and
    texts of the page may still show what a withheld record held: withhold them with file:PATTERN.
    """,
    zh="""制作 BUNDLE 的遮盖版:指明的部分不公开,其余仍可证明。

    RULE 为 record:000012.response、exchange:000012、url:模式 或 file:模式,* 代表任意字符。原证据包不变。
    核验遮盖版时,缺少的部分显示 WITHHELD(redacted)。网页的截图与文本可能仍显示被遮盖记录的内容,请用 file:模式 遮盖。
    """,
)
@bundle_argument
@option(
    "--withhold",
    "rules",
    multiple=True,
    required=True,
    metavar="RULE",
    en="What to withhold; may be repeated.",
    zh="不公开的内容,可重复。",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    en="New file.  [default: <bundle>.redacted.zip]",
    zh="新文件。[默认:<证据包>.redacted.zip]",
)
@option("--tsa", "tsas", multiple=True, metavar="auto|none|URL", en="As for capture.", zh="同 capture。")
@json_option
@language_option
@click.pass_obj
def redact(
    session: Session, *, bundle: Path, rules: tuple[str, ...], output: Path | None, tsas: tuple[str, ...]
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.redacting import run_redact

    return run_redact(session, bundle, rules, output, tsas)
