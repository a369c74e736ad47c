"""`evidencekit environment`: the cleanliness check (清洁性检查) alone, before anything is captured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import json_option, language_option
from evidencekit_cli.output import inert, table

if TYPE_CHECKING:
    from evidencekit.capture.environment.run import EnvironmentReport
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

_PATIENCE_S = 5.0
"""For all probes together: nobody waits for a page here, so silent resolvers and time servers get longer."""


@command(
    "environment",
    en="""Check this machine for signs of forgery: hosts, DNS, proxy, route, roots, clock, programs.

    The same probes that a capture runs and seals, without a capture; what needs a running browser is
    left out. URL says whose names are looked up. Writes nothing.

    Status 0: no sign of forgery was seen; 1: a probe FAILED; 3, with --strict: a probe warns or could
    not look. It never says that the environment is clean: only what these probes saw.
    """,
    zh="""检查本机有无伪造迹象:hosts、DNS、代理、路由、根证书、时钟、程序。

    \b
    与取证时运行并封存的检查相同,但不取证;需要浏览器运行的检查不在其中。
    URL 指明查询哪个网站的域名。不写入任何内容。
    退出状态 0:未发现伪造迹象;1:有检查未通过;3(加 --strict 时):有检查告警或无法进行。
    本命令从不声称环境清洁,只说明各项检查所见。
    """,
)
@click.argument("url", required=False)
@option(
    "--strict",
    is_flag=True,
    en="Status 3 when a probe warns or could not look.",
    zh="有检查告警或无法进行时以状态 3 退出。",
)
@option("--allow-private", is_flag=True, en="Expect private and loopback addresses.", zh="允许私有与回环地址。")
@option(
    "--no-third-party",
    is_flag=True,
    en="Ask no resolver, time server or egress server.",
    zh="不询问第三方解析器、时间服务器与出口地址服务器。",
)
@json_option
@language_option
@click.pass_obj
def environment(
    session: Session, *, url: str | None, strict: bool, allow_private: bool, no_third_party: bool
) -> ExitCode:
    """Run the command."""
    from evidencekit.capture.environment.probe import ProbeOptions
    from evidencekit.capture.environment.run import environment_value, run_probes, summarise
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.surroundings import browser_facts
    from evidencekit.capture.url_policy import check_url
    from evidencekit.home import default_home
    from evidencekit_cli.settings import CONFIG_FILE, read_settings
    from evidencekit_cli.surroundings import sources_of

    if url is not None:
        check_url(url, allow_private=True)
    request = CaptureRequest(
        urls=() if url is None else (url,), allow_private=allow_private, third_party=not no_third_party
    )
    sources = sources_of(read_settings(default_home() / CONFIG_FILE))
    options = ProbeOptions(
        browser=browser_facts(),
        resolvers=sources.resolvers,
        time_servers=sources.time_servers,
        egress_servers=sources.egress_servers,
        browser_digests=sources.browser_digests,
        within_s=_PATIENCE_S,
    )
    report = run_probes(request, options=options)
    if session.json:
        session.print_json(environment_value(report, capture_id=""))
    else:
        session.print(table(_rows(session, report)))
        session.say(summarise(report))
    return _status(report, strict=strict)


def _rows(session: Session, report: EnvironmentReport) -> list[list[str]]:
    return [
        [
            check.observation.result.value,
            check.id,
            session.text(check.name),
            inert(session.text(check.observation.reason)),
        ]
        for check in report.checks
    ]


def _status(report: EnvironmentReport, *, strict: bool) -> ExitCode:
    from evidencekit.capture.environment.probe import ProbeResult
    from evidencekit_cli.exit_codes import ExitCode

    counts = report.counts
    if counts[ProbeResult.FAIL]:
        return ExitCode.FAILED
    if strict and counts[ProbeResult.WARN] + counts[ProbeResult.NOT_PERFORMED]:
        return ExitCode.UNDECIDED
    return ExitCode.OK
