"""The course of a session in times: every stage with the time since the one before, and what took too long (FM6).

The times are those of the logs, by the system's clock, but for the time-stamps, which are their authorities'.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from evidencekit.model import Text
from evidencekit.report.elements import both, grid, moment, text
from evidencekit.report.fields import Stage
from evidencekit.report.markup import Html, escape, own

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evidencekit.report.fields import TokenFacts, WorkLogLine

LATE_S = 60.0
"""Seconds between the fixing of digests and each act that secures them, past which a reader is warned."""

_STAGES: dict[str, Text] = {
    "open": text("work log begins, the attempt being announced in the ledger", "工作记录启动（本次取证已在账本登记）"),
    "environment.probes": text("cleanliness check done", "清洁性检查完成"),
    "page.navigate": text("navigation begins", "开始访问"),
    "page.loaded": text("loaded and quiet", "加载完成并趋于静止"),
    "page.root": text("digests fixed", "固定摘要"),
    "page.rendered": text("rendered", "页面呈现完成"),
    "session.end": text("recording closed", "记录结束"),
    "manifest": text("manifest written", "清单生成"),
    "sealed": text("sealed", "封存签名"),
    "stamped": text("seal time-stamped", "封存时间戳取得"),
    "entered": text("entered in the ledger", "账本登记"),
}
_ROLES = {
    "open": text("T_open, by its authority", "启动时间戳（由时间戳机构给出）"),
    "capture": text("T_capture, by its authority", "取证时间戳（由时间戳机构给出）"),
    "seal": text("T_seal, by its authority", "封存时间戳（由时间戳机构给出）"),
}
_SECURING = ("manifest", "sealed", "stamped", "entered")
_FIXED = "page.root"


def stages_of(lines: Iterable[WorkLogLine], tokens: Iterable[TokenFacts]) -> tuple[Stage, ...]:
    """Pick the moments that matter from both logs and the time-stamps, in order of time.

    Args:
        lines: of the work log and the custody log.
        tokens: all inner time-stamps.
    """
    found: list[Stage] = []
    for line in lines:
        name = _STAGES.get(line.step)
        if name is not None:
            try:
                time = datetime.fromisoformat(line.beijing)
            except ValueError:
                continue
            about = line.object if line.step.startswith("page.") else ""
            found.append(Stage(step=line.step, name=name, about=about, time=time))
    found += [
        Stage(
            step=f"token.{token.role}",
            name=_ROLES.get(token.role, text(token.role, token.role)),
            about=token.path,
            time=token.gen_time,
            stamped=True,
        )
        for token in tokens
    ]
    return tuple(sorted(found, key=lambda stage: stage.time))


def late_steps(stages: Sequence[Stage]) -> tuple[Text, ...]:
    """Say what came later than `LATE_S` seconds after the digests were fixed, or after the act before it."""
    warnings: list[Text] = []
    fixed = [stage for stage in stages if stage.step == _FIXED]
    for root in fixed:
        stamps = [stage.time for stage in stages if stage.step == "token.capture" and root.about in stage.about]
        if stamps:
            _note(warnings, root.name, _ROLES["capture"], (min(stamps) - root.time).total_seconds())
    before = next((stage for stage in stages if stage.step == "session.end"), None)
    for step in _SECURING:
        now = next((stage for stage in stages if stage.step == step), None)
        if before is not None and now is not None:
            _note(warnings, before.name, now.name, (now.time - before.time).total_seconds())
        before = now or before
    return tuple(dict.fromkeys(warnings))


def _note(warnings: list[Text], first: Text, second: Text, took_s: float) -> None:
    if took_s > LATE_S:
        warnings.append(
            Text(
                en=f"{took_s:.0f} s lie between “{first.en}” and “{second.en}” (more than {LATE_S:.0f} s)",
                zh=f"“{first.zh}”与“{second.zh}”相隔 {took_s:.0f} 秒（超过 {LATE_S:.0f} 秒）",
            )
        )


def stage_grid(stages: Sequence[Stage], *, limit: int) -> Html:
    """The moments as a table, each with the time since the one before of the same clock."""
    heads = (
        text("Stage", "环节"),
        text("Time", "时间"),
        text("Since the stage before", "距上一环节"),
    )
    rows: list[tuple[Html, ...]] = []
    before: datetime | None = None
    for stage in stages[:limit]:
        name = both(stage.name) if not stage.about else Html(f"{both(stage.name)}<br>{escape(stage.about)}")
        if stage.stamped:
            since = both(text("another clock", "时钟不同，不计间隔"))
        else:
            since = own("–") if before is None else own(f"{(stage.time - before).total_seconds():.3f} s")
            before = stage.time
        rows.append((name, moment(stage.time), since))
    return grid(heads, rows, css="stages")
