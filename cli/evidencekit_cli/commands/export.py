"""`evidencekit export`: from bundles to what a court, an expert or a declarant needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import json_option, language_option

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

PURPOSES = ("court", "expert", "902")
DEFAULT_MAX_FILE_MB = 50


@command(
    "export",
    en="""Make a folder for court, expert or FRE 902 from bundles.

    court: a list of evidence over all bundles, every screenshot on A4, the disc, room for translations.
    expert: raw logs, versions, commands, a script that hashes everything again. 902: drafts of the
    certifications under Fed. R. Evid. 902(13) and (14), with blanks for the declarant. A bundle that
    does not verify is not exported (status 1).
    """,
    zh="""由证据包生成供法院、鉴定人或 FRE 902 使用的文件夹。

    court:全部证据包的证据目录、每张截图的 A4 打印件、光盘内容、译文位置。expert:原始日志、版本、命令、
    第三方重算摘要的脚本。902:美国《联邦证据规则》902(13)、(14) 声明草稿,留白由声明人填写。
    未通过核验的证据包不会导出(退出状态 1)。
    """,
)
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="BUNDLE...")
@option("--for", "purpose", type=click.Choice(PURPOSES), required=True, en="What it is for.", zh="用途。")
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    en="New folder to write to.",
    zh="写入的新文件夹。",
)
@option("--matter", metavar="ID", en="Matter named on list and label.", zh="目录与标签上的案件编号。")
@option(
    "--max-file-mb",
    type=click.IntRange(1, 4096),
    default=DEFAULT_MAX_FILE_MB,
    show_default=True,
    metavar="N",
    en="Divide printed files larger than N MB.",
    zh="打印文件超过 N MB 时分册。",
)
@option("--pdf-only", is_flag=True, en="No docx and xlsx (needs no extra).", zh="不生成 docx 与 xlsx(无需附加组件)。")
@option(
    "--trust",
    "trust",
    multiple=True,
    metavar="self|PATH",
    en="Anchors, as for verify; may be repeated.",
    zh="信任锚,同 verify,可重复。",
)
@json_option
@language_option
@click.pass_obj
def export(  # noqa: PLR0913 - one argument an option
    session: Session,
    *,
    bundles: tuple[Path, ...],
    purpose: str,
    output: Path,
    matter: str | None,
    max_file_mb: int,
    pdf_only: bool,
    trust: tuple[str, ...],
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.exporting import ExportChoice, run_export

    choice = ExportChoice(
        purpose=purpose, output=output, matter=matter, max_bytes=max_file_mb << 20, office=not pdf_only, trust=trust
    )
    return run_export(session, bundles, choice)
