"""`evidencekit inspect`: what a bundle says of itself, without judging any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command
from evidencekit_cli.options import bundle_argument, json_option, language_option

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "inspect",
    en="""Show what a bundle says of itself; nothing of it is verified.

    Number, times, operator, pages, and the members with their sizes. To judge it: evidencekit verify.
    """,
    zh="""显示证据包自述的内容;不作任何核验。

    包括编号、时间、操作人、网页,以及各成员文件与大小。如需判断真伪:evidencekit verify。
    """,
)
@bundle_argument
@json_option
@language_option
@click.pass_obj
def inspect(session: Session, *, bundle: Path) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.description import describe

    return describe(session, bundle)
