"""From an exception to one sentence and an exit status: the only such place (docs/cli.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evidencekit.errors import EvidenceError
from evidencekit_cli.exit_codes import ExitCode, exit_code_for
from evidencekit_cli.output import Sentence, both, inert
from evidencekit_cli.usage import usage_sentence

if TYPE_CHECKING:
    from evidencekit_cli.language import Bilingual
    from evidencekit_cli.output import Session

_ERROR = Sentence("error: ", "错误:")
_INTERRUPTED = Sentence(
    "interrupted; what was left unfinished is cleared up by the next command, which says what was lost",
    "已中断;未完成的工作由下一条命令清理,并说明丢失了什么",
)


def report_failure(session: Session, error: BaseException) -> ExitCode:
    """Say what happened, in one sentence on stderr and for machines as JSON on stdout; return the status.

    With `EVIDENCEKIT_DEBUG=1` the traceback comes first.
    """
    if os.environ.get("EVIDENCEKIT_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    sentence, status, code = _judged(error)
    session.note(Sentence(_ERROR.en + inert(sentence.en), _ERROR.zh + inert(sentence.zh)))
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


def _judged(error: BaseException) -> tuple[Bilingual, ExitCode, str]:
    if isinstance(error, EvidenceError):
        return error, exit_code_for(type(error)), error.code
    if isinstance(error, click.ClickException):
        return usage_sentence(error), ExitCode.USAGE, "usage"
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _INTERRUPTED, ExitCode.INTERRUPTED, "interrupted"
    return _bug(error), ExitCode.BUG, "bug"


def _bug(error: BaseException) -> Sentence:
    what = inert(f"{type(error).__name__}: {error}", 500)
    return Sentence(
        f"this is a defect of evidencekit, not of your input: {what}; "
        "please report it as CONTRIBUTING.md says, with the output of EVIDENCEKIT_DEBUG=1",
        f"这是 evidencekit 的缺陷,并非您的输入有误:{what};"
        "请按 CONTRIBUTING.md 报告,并附上 EVIDENCEKIT_DEBUG=1 时的输出",
    )
