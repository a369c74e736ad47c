"""The program `evidencekit`: its commands, and the one place where errors become exit statuses."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from evidencekit.errors import EvidenceError
from evidencekit.version import __version__
from evidencekit_cli.bilingual import BilingualGroup
from evidencekit_cli.commands.capture import capture
from evidencekit_cli.commands.config import config
from evidencekit_cli.commands.doctor import doctor
from evidencekit_cli.commands.inspect import inspect
from evidencekit_cli.commands.list import list_captures
from evidencekit_cli.commands.verify import verify
from evidencekit_cli.exit_codes import ExitCode, exit_code_for
from evidencekit_cli.interruption import end_on_termination
from evidencekit_cli.language import Bilingual, language_from_environment
from evidencekit_cli.options import language_option
from evidencekit_cli.output import Sentence, Session, both, close_streams, inert, prepare_streams
from evidencekit_cli.usage import usage_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERROR = Sentence("error: ", "错误:")
_INTERRUPTED = Sentence(
    "interrupted; what was left unfinished is cleared up by the next command, which says what was lost",
    "已中断;未完成的工作由下一条命令清理,并说明丢失了什么",
)


@click.group(
    cls=BilingualGroup,
    invoke_without_command=True,
    context_settings={"max_content_width": 100},
    help="Preserve web pages as evidence that others can check offline.",
    zh="把网页固定为他人可离线核验的证据。",
)
@click.version_option(__version__, prog_name="evidencekit", message="%(prog)s %(version)s")
@language_option
@click.pass_context
def evidencekit(context: click.Context) -> int | None:
    """Show the help when no command was given."""
    if context.invoked_subcommand is not None:
        return None
    click.echo(context.get_help(), err=True)
    return ExitCode.USAGE


for _command in (capture, verify, inspect, list_captures, doctor, config):
    evidencekit.add_command(_command)


def run() -> None:
    """Run the program and end the process with its exit status."""
    prepare_streams()
    with end_on_termination():
        status = main(sys.argv[1:])
    close_streams()
    sys.exit(status)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; only this function turns errors into one."""
    session = Session(language=language_from_environment(os.environ))
    try:
        result = evidencekit.main(list(arguments), prog_name="evidencekit", standalone_mode=False, obj=session)
    except EvidenceError as error:
        return _report(session, error, exit_code_for(type(error)), error.code)
    except click.ClickException as error:
        return _report(session, usage_sentence(error), ExitCode.USAGE, "usage")
    except (KeyboardInterrupt, click.Abort):
        return _report(session, _INTERRUPTED, ExitCode.INTERRUPTED, "interrupted")
    except Exception as error:  # noqa: BLE001  whatever else is raised is a bug, and must not end as status 1
        return _report(session, _bug(error), ExitCode.BUG, "bug")
    return int(result) if isinstance(result, int) else ExitCode.OK


def _bug(error: Exception) -> Sentence:
    what = inert(f"{type(error).__name__}: {error}", 500)
    return Sentence(
        f"this is a defect of evidencekit, not of your input: {what}; "
        "please report it as CONTRIBUTING.md says, with the output of EVIDENCEKIT_DEBUG=1",
        f"这是 evidencekit 的缺陷,并非您的输入有误:{what};"
        "请按 CONTRIBUTING.md 报告,并附上 EVIDENCEKIT_DEBUG=1 时的输出",
    )


def _report(session: Session, sentence: Bilingual, status: ExitCode, code: str) -> ExitCode:
    """Say what happened: one sentence on stderr, for machines also as JSON on stdout."""
    if os.environ.get("EVIDENCEKIT_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    session.note(Sentence(_ERROR.en + sentence.en, _ERROR.zh + sentence.zh))
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/error",
                "version": 1,
                "code": code,
                "exit_status": int(status),
                "message": both(sentence),
            }
        )
    return status
