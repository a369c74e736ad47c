"""Run all probes beside the browser's start and write the report (docs/spec/environment.md).

The wording is bound to what was seen: no sign of forgery "was seen" (未发现…迹象); never "the environment is clean".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.environment import (
    clock,
    dependencies,
    egress,
    extensions,
    fonts,
    gateway,
    hosts,
    injection,
    integrity,
    interfaces,
    names,
    processes,
    profile,
    proxy,
    recording,
    registration,
    remote,
    roots,
    route,
    selftest,
    system,
    systemproxy,
    systemroots,
    tool,
    virtual,
)
from evidencekit.capture.environment.probe import (
    Check,
    Observation,
    Probe,
    ProbeContext,
    ProbeOptions,
    ProbeResult,
    not_performed,
)
from evidencekit.hashing.canonical import canonical_bytes, format_time
from evidencekit.model import JsonValue, Text

if TYPE_CHECKING:
    from evidencekit.capture.request import CaptureRequest

PROBES: tuple[Probe, ...] = (
    system.PROBE,
    virtual.PROBE,
    remote.PROBE,
    processes.PROBE,
    recording.PROBE,
    injection.PROBE,
    hosts.PROBE,
    names.PROBE,
    proxy.PROBE,
    systemproxy.PROBE,
    interfaces.PROBE,
    gateway.PROBE,
    egress.PROBE,
    route.PROBE,
    roots.PROBE,
    systemroots.PROBE,
    clock.PROBE,
    profile.BROWSER,
    integrity.PROBE,
    profile.PROFILE,
    profile.POLICIES,
    extensions.PROBE,
    fonts.PROBE,
    tool.PROBE,
    dependencies.PROBE,
    selftest.PROBE,
    registration.PROBE,
)
"""In the order of the report."""
_STEP_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentReport:
    """All checks in order; `connection` holds facts by origin, added after recording."""

    checks: tuple[Check, ...]
    connection: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    overrides: tuple[JsonValue, ...] = ()

    @property
    def counts(self) -> dict[ProbeResult, int]:
        """How many checks ended how."""
        return {result: sum(c.observation.result is result for c in self.checks) for result in ProbeResult}


def run_probes(
    request: CaptureRequest,
    *,
    options: ProbeOptions | None = None,
    probes: Sequence[Probe] = PROBES,
    ready: threading.Event | None = None,
) -> EnvironmentReport:
    """Run every probe in a thread of its own, all within `options.within_s` seconds; run it in a thread.

    A probe that raises, or is not done in time, is NOT_PERFORMED; it is never waited for. While something else is
    waited for anyway, the browser's start for one, those that hash files go on.

    Args:
        request: its URLs and permissions.
        options: where to look; this machine when left out.
        probes: which to run.
        ready: set when nothing else is waited for any more; left out: nothing ever is.
    """
    options = options or ProbeOptions()
    context = ProbeContext(
        options=options,
        hosts=_hosts(request.urls),
        allow_private=request.allow_private,
        third_party=request.third_party,
        targets=_targets(request.urls),
    )
    started = datetime.now(UTC)
    done: dict[str, Check] = {}
    threads = [threading.Thread(target=_run, args=(probe, context, done), daemon=True) for probe in probes]
    deadline = time.monotonic() + options.within_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if ready is not None:
        _go_on(threads, ready, deadline - options.within_s + options.hashing_s)
    finished = dict(done)
    return EnvironmentReport(
        checks=tuple(finished.get(probe.id) or _late(probe, started, options.within_s) for probe in probes)
    )


def _go_on(threads: Sequence[threading.Thread], ready: threading.Event, deadline: float) -> None:
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        if ready.wait(_STEP_S):
            return


def format_environment(report: EnvironmentReport, *, capture_id: str) -> bytes:
    """Write `environment.json`.

    Raises:
        FormatError: a value cannot be written as canonical JSON.
    """
    return canonical_bytes(environment_value(report, capture_id=capture_id))


def environment_value(report: EnvironmentReport, *, capture_id: str) -> dict[str, JsonValue]:
    """Give the report as JSON (docs/spec/environment.md); `capture_id` is empty when nothing was captured."""
    counts = report.counts
    facts = {check.id: dict(check.observation.observed) for check in report.checks}
    document: dict[str, JsonValue] = {
        "format": "evidencekit/environment",
        "version": 1,
        "capture_id": capture_id,
        "summary": _text(summarise(report)),
        "counts": {result.value: counts[result] for result in ProbeResult},
        "checks": [_check(check) for check in report.checks],
        "browser": facts.get("browser.program", {}),
        "tool": facts.get("tool.package", {}),
        "system": facts.get("system.facts", {}),
        "clock": facts.get("clock.ntp", {}),
        "connection": dict(report.connection),
        "overrides": list(report.overrides),
    }
    return {name: _whole(value) for name, value in document.items()}


def summarise(report: EnvironmentReport) -> Text:
    """Say in one sentence what the probes saw, and how much they did not see."""
    counts = report.counts
    signs = [c.name for c in report.checks if c.observation.result is ProbeResult.FAIL]
    notes = [c.name for c in report.checks if c.observation.result is ProbeResult.WARN]
    idle = counts[ProbeResult.NOT_PERFORMED]
    ran = len(report.checks) - idle
    en, zh = f"{ran} checks ran: ", f"已执行 {ran} 项检查："
    if signs:
        en += f"signs of forgery were seen ({', '.join(name.en for name in signs)})"
        zh += f"发现伪造迹象（{'、'.join(name.zh for name in signs)}）"
    else:
        en += "no sign of forgery was seen"
        zh += "未发现伪造迹象"
    if notes:
        en += f"; {len(notes)} need attention ({', '.join(name.en for name in notes)})"
        zh += f"；{len(notes)} 项需注意（{'、'.join(name.zh for name in notes)}）"
    if idle:
        en += f"; {idle} were not performed"
        zh += f"；{idle} 项未执行"
    return Text(en=en, zh=zh)


def _hosts(urls: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for url in urls:
        try:
            host = urlsplit(url).hostname
        except ValueError:
            continue
        if host:
            found[host] = None
    return tuple(found)


def _targets(urls: Sequence[str]) -> tuple[tuple[str, int], ...]:
    found: dict[tuple[str, int], None] = {}
    for url in urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            continue
        if host:
            found[host, port or (80 if parts.scheme == "http" else 443)] = None
    return tuple(found)


def _run(probe: Probe, context: ProbeContext, done: dict[str, Check]) -> None:
    started = datetime.now(UTC)
    try:
        observation = probe.run(context)
    except Exception as error:  # noqa: BLE001 - a probe that breaks says so and stops nothing (R06)
        observation = not_performed(
            f"the probe failed: {type(error).__name__}: {error}", f"检查未能完成：{type(error).__name__}: {error}"
        )
    done[probe.id] = _made(probe, started, datetime.now(UTC), observation)


def _late(probe: Probe, started: datetime, within_s: float) -> Check:
    observation = not_performed(f"not done in time ({within_s:g} s)", f"未在限时（{within_s:g} 秒）内完成")
    return _made(probe, started, datetime.now(UTC), observation)


def _made(probe: Probe, started: datetime, finished: datetime, observation: Observation) -> Check:
    return Check(
        id=probe.id, name=probe.name, method=probe.method, started=started, finished=finished, observation=observation
    )


def _check(check: Check) -> dict[str, JsonValue]:
    return {
        "id": check.id,
        "name": _text(check.name),
        "method": _text(check.method),
        "result": check.observation.result.value,
        "started": format_time(check.started),
        "finished": format_time(check.finished),
        "observed": dict(check.observation.observed),
        "raw": check.observation.raw,
        "reason": _text(check.observation.reason),
    }


def _text(text: Text) -> dict[str, JsonValue]:
    return {"en": text.en, "zh": text.zh}


def _whole(value: JsonValue) -> JsonValue:
    """Replace lone surrogates, which file names and arguments may hold: JSON in UTF-8 cannot (RFC 8785 §3.2.2.2)."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(_whole(key)): _whole(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_whole(item) for item in value]
    return value
