"""Whether the screen is being recorded: recorded, not judged; a recording helps the one who made it honestly (R18)."""

from __future__ import annotations

from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, not_performed, passed
from evidencekit.capture.environment.processlist import running_programs
from evidencekit.model import JsonValue, Text

_RECORDERS = (
    "obs",
    "obs64",
    "simplescreenrecorder",
    "recordmydesktop",
    "kazam",
    "vokoscreen",
    "vokoscreenng",
    "peek",
    "wf-recorder",
    "gpu-screen-recorder",
    "screencapture",
    "screenflow",
    "camtasia",
    "bandicam",
    "evcapture",
    "ffmpeg",
)
_KNOWN = {name[:15].lower() for name in _RECORDERS}


def probe_recording(context: ProbeContext) -> Observation:
    """Look for known screen recorders among the running programs."""
    names = running_programs(context.options.process_folder, context.options.system)
    if names is None:
        return not_performed("running programs cannot be listed here", "无法在此列出正在运行的程序")
    found = sorted({name for name in names if name[:15].lower() in _KNOWN})
    observed: dict[str, JsonValue] = {"recorders": list(found)}
    if found:
        listed = ", ".join(found)
        return passed(
            f"a program that can record the screen runs: {listed}; what it records is not known here",
            f"正在运行可录屏的程序：{listed}；其录制内容不在本检查范围内",
            observed,
            listed,
        )
    return passed(
        "no known screen recorder was seen running; nothing judged",
        "未发现已知的录屏程序正在运行；仅记录状态，不作判断",
        observed,
        f"{len(names)} running programs, no known recorder",
    )


PROBE = Probe(
    id="system.recording",
    name=Text(en="Screen recording", zh="录屏状态"),
    method=Text(en="names of running programs", zh="读取正在运行的程序名称"),
    run=probe_recording,
)
