"""`evidencekit list`: the captures of this home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.options import json_option, language_option
from evidencekit_cli.output import Sentence, both, inert, table

if TYPE_CHECKING:
    from evidencekit_cli.output import Session

_HEADER = (Sentence("number", "编号"), Sentence("state", "状态"), Sentence("bundle", "证据包"))
_NONE = Sentence(
    "no captures yet; make one with: evidencekit capture URL",
    "尚无取证记录;新建:evidencekit capture 网址",
)


@command(
    "list",
    en="List the captures made with this home, oldest first.",
    zh="列出本数据目录中的取证记录,最早的在前。",
)
@json_option
@language_option
@click.pass_obj
def list_captures(session: Session) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.homes import open_home

    with open_home()[0] as home:
        if home.has_pending():
            from evidencekit.recovery import recover

            for lost in recover(home):
                session.note(lost)
        from evidencekit_cli.states import states_of

        captures = states_of(home)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/capture-list",
                "version": 1,
                "captures": [
                    {
                        "number": made.number,
                        "bundle": str(made.bundle),
                        "pending": [both(reason) for reason in made.pending],
                        "renew_by": made.renew_by.isoformat() if made.renew_by else None,
                    }
                    for made in captures
                ],
            }
        )
    elif captures:
        rows = [[inert(made.number), session.text(made.sentence), inert(str(made.bundle))] for made in captures]
        session.print(table([[session.text(heading) for heading in _HEADER], *rows]))
    else:
        session.say(_NONE)
    return ExitCode.OK
