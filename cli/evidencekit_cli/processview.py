"""What `inspect` shows of a recorded process: who, what was shot, what its template still lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import format_time
from evidencekit.hashing.rights import RIGHTS, SHOT_NAMES, missing_shots
from evidencekit_cli.output import Sentence, both, inert, table

if TYPE_CHECKING:
    from evidencekit.hashing.process import Process
    from evidencekit.model import JsonValue
    from evidencekit_cli.output import Session

PROCESS_MEMBER = "capture/process.json"
_HEADING = Sentence("Process, with what its operator says of it", "过程(含操作人自述)")
_MISSING = Sentence(
    "Usually held by a process about this right, and not shot here",
    "此类权利的取证通常应有、而本次没有的截图",
)
_FACTS = Sentence("To bring from elsewhere", "须另行准备")


def show_process(session: Session, process: Process) -> None:
    """Print what a process says of itself."""
    session.print("\n" + session.text(_HEADING))
    video = process.video
    rows = [
        (Sentence("acts", "方式"), process.kind),
        (Sentence("account of", "账号所有人"), inert(process.account_owner or "-")),
        (Sentence("ended by", "结束方式"), process.ended_by),
        (Sentence("notes", "备注"), str(process.notes)),
        (Sentence("film", "录像"), "-" if video is None else f"{inert(video.path)}, {len(video.segments)} digests"),
        *((Sentence(each.deed.value, each.deed.value), format_time(each.time)) for each in process.deeds),
    ]
    session.print(table([[f"  {session.text(label)}", value] for label, value in rows]))
    shots = [
        [
            f"  {shot.n}",
            shot.page,
            f"tab {shot.tab}",
            format_time(shot.time),
            "-" if shot.marker is None else shot.marker,
        ]
        for shot in process.shots
    ]
    session.print(table(shots))
    template = RIGHTS.get(process.rights or "")
    if template is None:
        return
    missing = missing_shots(process)
    if missing:
        session.print("\n" + session.text(_MISSING))
        for marker in missing:
            session.print(f"  {marker}: {session.text(SHOT_NAMES[marker])}")
    session.print("\n" + session.text(_FACTS))
    for fact in template.facts:
        session.print(f"  {session.text(fact)}")


def process_json(process: Process) -> dict[str, JsonValue]:
    """Give what a process says of itself, and which shots of its template are missing."""
    template = RIGHTS.get(process.rights or "")
    return {
        "kind": process.kind,
        "account_owner": process.account_owner,
        "ended_by": process.ended_by,
        "shots": [{"n": shot.n, "page": shot.page, "marker": shot.marker} for shot in process.shots],
        "rights": process.rights,
        "missing": list(missing_shots(process)),
        "facts": [] if template is None else [both(fact) for fact in template.facts],
    }
