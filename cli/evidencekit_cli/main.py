"""The program `evidencekit`: its commands, and the one place where errors become exit statuses.

What a command needs is imported when it runs: `evidencekit --help` may cost five empty interpreters,
and click alone costs almost four.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import BilingualGroup, Member, option
from evidencekit_cli.language import language_from_environment
from evidencekit_cli.options import language_option
from evidencekit_cli.output import Session, close_streams, prepare_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMBERS = (
    Member(
        "capture",
        "evidencekit_cli.commands.capture:capture",
        en="Capture pages as one evidence bundle.",
        zh="把网页固定为一个证据包。",
    ),
    Member(
        "record",
        "evidencekit_cli.commands.record:record",
        en="Record a process that you carry out in a browser.",
        zh="过程取证:录制您在浏览器中的操作。",
    ),
    Member(
        "deposit",
        "evidencekit_cli.commands.deposit:deposit",
        en="Deposit files made elsewhere, or their digests.",
        zh="存证在外部形成的文件,或仅存其摘要。",
    ),
    Member(
        "verify",
        "evidencekit_cli.commands.verify:verify",
        en="Check a bundle offline, as a stranger would.",
        zh="以陌生人的身份离线核验证据包。",
    ),
    Member(
        "inspect",
        "evidencekit_cli.commands.inspect:inspect",
        en="Show what a bundle says of itself, unverified.",
        zh="显示证据包自述的内容,不作核验。",
    ),
    Member(
        "compare",
        "evidencekit_cli.commands.compare:compare",
        en="Seal a table of captures of the same address.",
        zh="将同一网址的多次取证对照成表并封存。",
    ),
    Member(
        "redact",
        "evidencekit_cli.commands.redact:redact",
        en="Make an edition that withholds named parts.",
        zh="制作不公开指定部分的遮盖版。",
    ),
    Member(
        "export",
        "evidencekit_cli.commands.export:export",
        en="Make a folder for court, expert or FRE 902.",
        zh="生成供法院、鉴定人或 FRE 902 使用的文件夹。",
    ),
    Member(
        "timestamp",
        "evidencekit_cli.commands.timestamp:timestamp",
        en="Stamp, check and renew; run the home's own TSA.",
        zh="盖时间戳、核验、续期;运行自带的时间戳服务。",
    ),
    Member(
        "list",
        "evidencekit_cli.commands.list:list_captures",
        en="List the captures made here.",
        zh="列出本机的取证记录。",
    ),
    Member(
        "amend",
        "evidencekit_cli.commands.amend:amend",
        en="Enter that a record was corrected or revoked.",
        zh="登记某项记录已更正或撤销。",
    ),
    Member(
        "ledger",
        "evidencekit_cli.commands.ledger:ledger",
        en="Look at, prove, check, publish and watch the ledger.",
        zh="查看、证明、检查、公布与监看账本。",
    ),
    Member(
        "environment",
        "evidencekit_cli.commands.environment:environment",
        en="Look for signs of forgery on this machine.",
        zh="检查本机有无伪造迹象。",
    ),
    Member(
        "doctor",
        "evidencekit_cli.commands.doctor:doctor",
        en="Say what is missing on this machine.",
        zh="检查本机还缺什么。",
    ),
    Member(
        "sign",
        "evidencekit_cli.commands.sign:sign",
        en="Sign a bundle as assistant, notary or witness.",
        zh="以助理、公证员或见证人身份签名。",
    ),
    Member(
        "identity",
        "evidencekit_cli.commands.identity:identity",
        en="Show, make, import, back up and replace the keys.",
        zh="查看、创建、导入、备份与更换密钥。",
    ),
    Member(
        "config",
        "evidencekit_cli.commands.config:config",
        en="Show the standing settings.",
        zh="查看长期设置。",
    ),
)


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from evidencekit.version import __version__

        click.echo(f"evidencekit {__version__}")
        context.exit()


@click.group(
    cls=BilingualGroup,
    members=_MEMBERS,
    invoke_without_command=True,
    context_settings={"max_content_width": 100},
    help="Preserve web pages as evidence that others can check offline.",
    zh="把网页固定为他人可离线核验的证据。",
)
@option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    en="Show the version and exit.",
    zh="显示版本。",
)
@language_option
@click.pass_context
def evidencekit(context: click.Context) -> int | None:
    """Make signals end a command with its clean-up; show the help when no command was given."""
    if context.invoked_subcommand is not None:
        from evidencekit_cli.interruption import end_on_termination

        context.with_resource(end_on_termination())
        return None
    from evidencekit_cli.exit_codes import ExitCode

    click.echo(context.get_help(), err=True)
    return ExitCode.USAGE


def run() -> None:
    """Run the program and end the process with its exit status."""
    prepare_streams()
    status = main(sys.argv[1:])
    close_streams()
    sys.exit(status)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status.

    Commands return their status; only this function turns errors, interruptions and bugs into one.
    """
    session = Session(language=language_from_environment(os.environ))
    try:
        result = evidencekit.main(list(arguments), prog_name="evidencekit", standalone_mode=False, obj=session)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a bug must not end as Python's status 1
        from evidencekit_cli.failure import report_failure

        return report_failure(session, error)
    return int(result) if isinstance(result, int) else 0
