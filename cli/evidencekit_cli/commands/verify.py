"""`evidencekit verify`: judge a bundle as a stranger, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit.errors import StorageError, UsageError
from evidencekit_cli.bilingual import command, option
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.options import bundle_argument, json_option, language_option

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.model import VerificationReport
    from evidencekit_cli.output import Session


@command(
    "verify",
    en="""Check a bundle offline, as a stranger would.

    BUNDLE is a bundle file or an unpacked folder. Nothing is trusted but the anchors that --trust
    names: without one, who signed and when stays undecided (status 3). Status 1 means that the
    evidence does not verify, and nothing else.
    """,
    zh="""以陌生人的身份离线核验证据包。

    \b
    BUNDLE 为证据包文件或解开后的文件夹。只信任 --trust 指定的信任锚;
    不指定时,签署人与时间无从判定(退出状态 3)。退出状态 1 只表示证据未通过核验。
    """,
)
@bundle_argument
@option(
    "--trust",
    "trust",
    multiple=True,
    metavar="self|PATH",
    en="Anchors: a folder, or [signer=|tsa=|log=|policy=]FILE; may be repeated.",
    zh="信任锚:文件夹,或 [signer=|tsa=|log=|policy=]文件,可重复。",
)
@option(
    "--at",
    metavar="TIME",
    en="Judge as of this time (RFC 3339).  [default: the policy's, or now]",
    zh="核验时点,默认取策略所载,否则为现在。",
)
@option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    en="Also write the report to FILE (JSON when it ends in .json).",
    zh="另将核验报告写入文件(以 .json 结尾时为 JSON)。",
)
@option(
    "--ledger",
    "newer",
    metavar="URL|DIR",
    en="Newer copy of the log: was it corrected or revoked since?",
    zh="更新的日志:核查其后是否被更正或撤销。",
)
@option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    en="Your own copy of a deposited file: is it the very one? May be repeated.",
    zh="您手中的存证文件:是否与所存证的一致?可重复。",
)
@option(
    "--receipts",
    "receipts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    en="Anchor receipts that came later; may be repeated.",
    zh="其后取得的锚定回执,可重复。",
)
@option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    en="What to demand beside (docs/spec/policy.md).",
    zh="另行要求的事项(docs/spec/policy.md)。",
)
@option(
    "--online",
    is_flag=True,
    en="First fetch revocation lists, OCSP responses and the log's newer entries.",
    zh="先联网获取吊销列表、OCSP 答复与日志的新条目。",
)
@option(
    "--rerender",
    is_flag=True,
    en="Also show the record again in a second, offline browser and compare.",
    zh="另以第二个浏览器离线重现本记录并比对。",
)
@option("-v", "--verbose", is_flag=True, en="Show findings that passed, too.", zh="同时列出已通过的事项。")
@json_option
@language_option
@click.pass_obj
def verify(  # noqa: PLR0913 (one argument an option)
    session: Session,
    *,
    bundle: Path,
    trust: tuple[str, ...],
    at: str | None,
    report: Path | None,
    newer: str | None,
    files: tuple[Path, ...],
    receipts: tuple[Path, ...],
    policy: Path | None,
    online: bool,
    rerender: bool,
    verbose: bool,
) -> ExitCode:
    """Run the command."""
    from evidencekit.report.machine import report_json
    from evidencekit.report.terminal import render_text
    from evidencekit.verify.policy import load_policy
    from evidencekit.verify.trust import load_trust
    from evidencekit.verify.verifier import verify_bundle

    moment = _moment(at) if at is not None else None
    anchors = load_trust(trust)
    standing = None
    if newer is not None:
        from evidencekit.standing import standing_of
        from evidencekit_cli.places import source_of

        standing = standing_of(bundle, source_of(newer), anchors.logs)
    demanded = load_policy(policy) if policy is not None else None
    if online:
        from evidencekit.online import fetch_for

        fetched = fetch_for(bundle, anchors, standing=standing is None)
        anchors, standing = fetched.added_to(anchors), standing or fetched.standing
        for missed in fetched.missed:
            session.note(missed)
    beside = None
    if files or receipts or rerender:
        from evidencekit_cli.beside import read_beside

        beside = read_beside(files, receipts, rerender=bundle if rerender else None)
    verdict = verify_bundle(bundle, trust=anchors, at=moment, policy=demanded, standing=standing, beside=beside)
    if session.json:
        session.print_json(report_json(verdict))
    else:
        session.print(render_text(verdict, session.language.value, verbose=verbose).rstrip("\n"))
    if report is not None:
        _write_report(verdict, report, session)
    return exit_code_for_verdict(verdict)


def exit_code_for_verdict(report: VerificationReport) -> ExitCode:
    """Return 0 for PASSED, 1 for FAILED and 3 for everything between."""
    return {"PASSED": ExitCode.OK, "FAILED": ExitCode.FAILED}.get(report.overall.value, ExitCode.UNDECIDED)


def _moment(text: str) -> datetime:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_time(text) from error
    if moment.tzinfo is None:
        raise _bad_time(text)
    return moment.astimezone(UTC)


def _bad_time(text: str) -> UsageError:
    return UsageError(
        f"--at {text!r} is no time with a time zone; write it as 2026-11-23T03:04:05Z",
        f"--at {text!r} 不是带时区的时间;请写成 2026-11-23T03:04:05Z 的形式",
    )


def _write_report(verdict: VerificationReport, file: Path, session: Session) -> None:
    import json

    from evidencekit.report.machine import report_json
    from evidencekit.report.terminal import render_text

    if file.suffix == ".json":
        text = json.dumps(report_json(verdict), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    else:
        text = render_text(verdict, session.language.value, verbose=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"the report could not be written to {file}: {reason}; name a new file in a folder you may write to",
            f"无法将报告写入 {file}:{reason};请指定可写文件夹中的新文件名",
        ) from error
