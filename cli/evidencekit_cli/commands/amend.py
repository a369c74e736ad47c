"""`evidencekit amend`: enter what became of a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.options import STATUSES, bundle_argument, json_option, language_option
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from evidencekit_cli.output import Session


@command(
    "amend",
    en="""Enter in the ledger that a record was corrected, revoked, explained or superseded.

    The record itself is never changed. The reason goes into a file beside the bundles, the ledger holds its
    digests. Who verifies with --ledger and a newer copy of the log sees it.
    """,
    zh="""在账本中登记某项记录已更正、撤销、补正说明或被替代。

    \b
    原记录从不改动。理由写入另一文件,账本只登记其摘要。
    核验时以 --ledger 提供更新的日志,即可看到该登记。
    """,
)
@bundle_argument
@option(
    "--status",
    type=click.Choice(STATUSES),
    required=True,
    metavar="STATUS",
    en=f"What became of it: {', '.join(STATUSES)}.",
    zh=f"状态:{'、'.join(STATUSES)}。",
)
@option("--reason", required=True, metavar="TEXT", en="Why.", zh="理由。")
@option(
    "--by",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    en="The bundle that takes its place.",
    zh="替代它的证据包。",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    en="Folder for the two files.",
    zh="两份文件的存放文件夹。",
)
@json_option
@language_option
@click.pass_obj
def amend(
    session: Session, *, bundle: Path, status: str, reason: str, by: Path | None, output: Path | None
) -> ExitCode:
    """Run the command."""
    from evidencekit.amending import amend as enter
    from evidencekit.ledger.entry import Status
    from evidencekit_cli.homes import open_home

    done = enter(bundle, Status(status), reason, successor=by, home=open_home()[0], output=output)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/amendment",
                "version": 1,
                "number": done.number,
                "status": done.status.value,
                "index": done.index,
                "document": str(done.document),
                "proof": str(done.proof),
            }
        )
    session.say(
        Sentence(
            f"{done.number}: {status}, entered as {done.index}\n  reason  {done.document}\n  proof   {done.proof}",
            f"{done.number}:{status},登记为第 {done.index} 条\n  理由  {done.document}\n  证明  {done.proof}",
        )
    )
    return ExitCode.OK
