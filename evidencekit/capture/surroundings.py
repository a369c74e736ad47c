"""The environment report of a session: probes before, connections and DevTools facts after."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.connection import add_connections
from evidencekit.capture.environment.probe import (
    BrowserFacts,
    Check,
    Observation,
    ProbeOptions,
    ProbeResult,
    failed,
    passed,
    warned,
)
from evidencekit.capture.environment.run import EnvironmentReport, run_probes
from evidencekit.capture.launcher import find_browser
from evidencekit.capture.tlschain import chain_path, tls_origins
from evidencekit.errors import BrowserError, EnvironmentFailedError
from evidencekit.model import Text

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from evidencekit.capture.environment.probe import ProbeSources
    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.launcher import BrowserBinary, Launch
    from evidencekit.capture.methodlog import MethodLog
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.model import JsonValue

_METHOD = Text(
    en="count of clients let in to the debugging pipe, refused connections, answers to commands that we did not send, "
    "and the browser's arguments",
    zh="统计接入调试管道的客户端、被拒绝的连接、对非本程序命令的应答以及浏览器启动参数",
)


def browser_facts(binary: BrowserBinary | None = None, arguments: tuple[str, ...] = ()) -> BrowserFacts | None:
    """Say which browser would run, `binary` or the one that is found; None when there is none."""
    if binary is None:
        try:
            binary = find_browser()
        except BrowserError:
            return None
    return BrowserFacts(
        path=binary.path, name=binary.name, version=binary.version, sha256=binary.sha256, arguments=arguments
    )


def probed_places(
    binary: BrowserBinary, launch: Launch, home: Path | None, profile: Path, sources: ProbeSources
) -> ProbeOptions:
    """Say where the probes of one capture look, and whom they ask."""
    return ProbeOptions(
        browser=browser_facts(binary, launch.arguments),
        profile=profile,
        profile_ready_at=datetime.fromtimestamp(profile.stat().st_ctime, UTC),
        home=home or Path.home(),
        resolvers=sources.resolvers,
        time_servers=sources.time_servers,
        egress_servers=sources.egress_servers,
        browser_digests=sources.browser_digests,
    )


def probe_surroundings(request: CaptureRequest, where: ProbeOptions, ready: threading.Event) -> EnvironmentReport:
    """Run all probes; they bound themselves. Blocks: run it in a thread, and set `ready` once the browser stands."""
    return run_probes(request, options=where, ready=ready)


def refuse_forged(report: EnvironmentReport) -> None:
    """Stop when a probe saw a sign of forgery.

    Raises:
        EnvironmentFailedError: one did; the message names each and what it saw.
    """
    seen = [check for check in report.checks if check.observation.result is ProbeResult.FAIL]
    if seen:
        en = "; ".join(f"{check.id}: {check.observation.reason.en}" for check in seen)
        zh = "；".join(f"{check.id}：{check.observation.reason.zh}" for check in seen)
        raise EnvironmentFailedError(
            f"the environment shows signs of forgery, and --strict stops then: {en}. No page was opened. Correct it, "
            "check with `evidencekit environment URL`, and capture again; without --strict it is captured and the "
            "signs are sealed into the record",
            f"取证环境存在伪造迹象，已按 --strict 停止：{zh}。未打开任何网页。请排除后用 "
            "`evidencekit environment 网址` 复查并重新取证；不加 --strict 则继续取证，并将所见迹象封存于记录",
        )


def complete_report(
    report: EnvironmentReport,
    exchanges: Sequence[Exchange],
    chains: Iterable[str],
    devtools: Check,
    *,
    allow_private: bool,
) -> EnvironmentReport:
    """Add what is known only after recording; `chains` are the bundle paths of the chains that were kept."""
    kept = set(chains)
    by_origin = {origin: chain_path(origin) for origin in tls_origins(exchanges) if chain_path(origin) in kept}
    whole = add_connections(report, exchanges, by_origin, allow_private=allow_private)
    return replace(whole, checks=(*whole.checks, devtools))


def devtools_check(log: MethodLog, arguments: Iterable[str]) -> Check:
    """The check `devtools.exclusive`: could anyone but recorder and Playwright reach the browser's DevTools?"""
    now = datetime.now(UTC)
    return Check(
        id="devtools.exclusive",
        name=Text(en="Debugging channel of the browser", zh="浏览器调试通道"),
        method=_METHOD,
        started=now,
        finished=now,
        observation=_judge(log, tuple(arguments)),
    )


def _judge(log: MethodLog, arguments: Sequence[str]) -> Observation:
    observed: dict[str, JsonValue] = {
        "clients": log.accepted,
        "refused": log.refused,
        "foreign_answers": log.foreign,
        "unowned_events": log.unowned,
        "unread": log.broken,
        "commands": log.methods(),
        "commands_not_passed_on": dict(sorted(log.withheld.items())),
    }
    if log.foreign:
        return failed(
            f"the browser answered {log.foreign} DevTools commands that this program did not send: another process "
            "wrote to the debugging pipe and may have changed the page",
            f"浏览器应答了 {log.foreign} 条并非本程序发出的 DevTools 命令：有其他进程写入调试管道，网页可能被改动",
            observed,
        )
    ports = [each for each in arguments if each.startswith(("--remote-debugging-port", "--remote-allow-origins"))]
    if ports or log.accepted > 1:
        return failed(
            f"the browser was open to other DevTools clients: {', '.join(ports) or 'a second client'}",
            f"浏览器可被其他 DevTools 客户端接入：{'、'.join(ports) or '第二个客户端'}",
            observed,
        )
    if log.refused:
        return warned(
            f"{log.refused} attempts to reach the browser's DevTools were refused",
            f"有 {log.refused} 次接入浏览器 DevTools 的尝试被拒绝",
            observed,
        )
    return passed(
        "the debugging pipe was ours alone; one client was let in, no port was open",
        "调试管道由本程序独占；仅有一个客户端接入，未开放任何端口",
        observed,
    )
