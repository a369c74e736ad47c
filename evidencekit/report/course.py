"""The course of a recorded process in the documents: whose account, what each shot is meant to show, the template.

Markers and deeds are the operator's word; shots that a rights template asks for and nobody took are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.process import Deed
from evidencekit.hashing.rights import RIGHTS, SHOT_NAMES, missing_shots
from evidencekit.report.elements import both, field_table, grid, moment, or_absent, paragraph, section, text
from evidencekit.report.markup import Html, escape, join

if TYPE_CHECKING:
    from evidencekit.hashing.process import Process, Shot
    from evidencekit.report.elements import Row

LISTED_SHOTS = 100
_TITLE = text("Course of the process", "操作过程")
_KINDS = {"record": text("a person at the browser", "本人操作浏览器"), "script": text("a declared script", "既定脚本")}
_ENDS = {
    "operator": text("ended by the operator", "操作人结束"),
    "timeout": text("the time set ran out", "到达设定时间"),
    "browser closed": text("the browser was closed", "浏览器被关闭"),
    "script": text("all steps done", "步骤全部完成"),
    "step failed": text("a step failed", "步骤失败"),
}
_DEEDS = {
    Deed.LOGIN: text("signed in, as the operator says", "操作人自述：本人登录"),
    Deed.CHALLENGE: text("solved a challenge, as the operator says", "操作人自述：本人完成验证"),
}
_HEADS = (
    text("Shot", "截图"),
    text("Meant to show", "拟证明内容"),
    text("Page", "页"),
    text("Tab", "标签页"),
    text("Time", "时间"),
)


def course(process: Process) -> Html:
    """The section about a process: its circumstances, its shots, and what its rights template lacks."""
    template = RIGHTS.get(process.rights or "")
    rows: list[Row] = [
        (text("Acts", "方式"), both(_KINDS.get(process.kind, text(process.kind, process.kind)))),
        (text("Account of", "账号所有人"), or_absent(process.account_owner or None)),
        (text("End", "结束"), both(_ENDS.get(process.ended_by, text(process.ended_by, process.ended_by)))),
        *((both_deed, moment(each.time)) for each in process.deeds for both_deed in (_DEEDS[each.deed],)),
    ]
    if template is not None:
        rows.append((text("Right", "所涉权利"), both(template.name)))
        lacking = [both(SHOT_NAMES[marker]) for marker in missing_shots(process)]
        none = both(text("none", "无"))
        rows.append(
            (text("Shots usually held that are missing", "通常应有而未截取的画面"), join(lacking, "; ") or none)
        )
        facts = [both(fact) for fact in template.facts]
        rows.append((text("To bring from elsewhere", "须另行提交"), join(facts, "; ")))
    shots = [_shot(each) for each in process.shots[:LISTED_SHOTS]]
    parts = [field_table(rows), grid(_HEADS, shots)]
    left = len(process.shots) - LISTED_SHOTS
    if left > 0:
        parts.append(
            paragraph(
                text(f"{left} more shots: see capture/process.json", f"另有 {left} 张截图，见 capture/process.json")
            )
        )
    return section(_TITLE, *parts)


def _shot(shot: Shot) -> tuple[Html, ...]:
    meant = or_absent(None) if shot.marker is None else both(SHOT_NAMES[shot.marker])
    return Html(str(shot.n)), meant, escape(shot.page), Html(str(shot.tab)), moment(shot.time)
