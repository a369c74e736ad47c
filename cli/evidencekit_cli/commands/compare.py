"""`evidencekit compare`: captures of one address, side by side, as evidence of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import circumstance_options, json_option, language_option, output_option, tsa_option

if TYPE_CHECKING:
    from evidencekit_cli.comparing import CompareOptions
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "compare",
    en="""Seal a table of several captures of the same address.

    Verifies the BUNDLES, made at different times, places or machines, and seals a table of where each was made
    and what differs, linked to each of them in the ledger's order. Which one is right it does not say. Status 3:
    sealed, but something is pending.
    """,
    zh="""将对同一网址的多次取证对照成表并封存。

    \b
    先核验各证据包(可在不同时间、地点或设备制作),列出各自的来源与不一致之处,
    封存为新的证据包,并与原证据包关联。不判断何者为真。退出状态 3:已封存,但有待补项目。
    """,
)
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUNDLE...")
@output_option
@tsa_option
@option("--matter", metavar="ID", en="Matter the set belongs to.", zh="所属案件编号。")
@option("--operator", metavar="NAME", en="Who compares.", zh="操作人姓名。")
@circumstance_options
@option("--no-third-party", is_flag=True, en="Ask no third party.", zh="不联系任何第三方。")
@json_option
@language_option
@click.pass_obj
def compare(session: Session, **options: Unpack[CompareOptions]) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.comparing import compare_bundles

    return compare_bundles(session, options)
