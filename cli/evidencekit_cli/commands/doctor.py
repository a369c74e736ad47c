"""`evidencekit doctor`: what is missing on this machine before a capture is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import json_option, language_option
from evidencekit_cli.output import both, table

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "doctor",
    en="""Check this machine: browser, fonts, keys, ledger, disk, clock, TSAs.

    Changes nothing. Status 0: ready; 3: ready with warnings; otherwise the status that a capture
    would end with.
    """,
    zh="""检查本机:浏览器、字体、密钥、账本、磁盘、时钟、时间戳机构。

    \b
    不作任何改动。退出状态 0:就绪;3:就绪但有提示;其他:取证将以该状态失败。
    """,
)
@option("--no-third-party", is_flag=True, en="Ask no time-stamping authority.", zh="不联系任何时间戳机构。")
@json_option
@language_option
@click.pass_obj
def doctor(session: Session, *, no_third_party: bool) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.diagnosis import exit_status, run_checks
    from evidencekit_cli.examination import all_checks

    diagnoses = run_checks(all_checks(third_party=not no_third_party))
    status = exit_status(diagnoses)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/diagnosis",
                "version": 1,
                "exit_status": int(status),
                "checks": [
                    {"id": found.id, "condition": found.condition.value, "message": both(found.sentence)}
                    for found in diagnoses
                ],
            }
        )
    else:
        session.print(table([[found.condition.value, found.id, session.text(found.sentence)] for found in diagnoses]))
    return status
