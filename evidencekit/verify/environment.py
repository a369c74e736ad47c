"""What the probes of the environment saw (docs/spec/environment.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.model import Finding, JsonValue, Outcome, Text
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.verify.case import Case

MAX_BYTES: Final = 16 << 20
DEVTOOLS: Final = "devtools.exclusive"
_RESULTS: Final = ("PASS", "WARN", "FAIL", "NOT_PERFORMED")
_OUTCOMES: Final = {
    "PASS": Outcome.PASSED,
    "WARN": Outcome.INDETERMINATE,
    "FAIL": Outcome.FAILED,
    "NOT_PERFORMED": Outcome.NOT_PERFORMED,
}


def check_environment(case: Case) -> Finding:
    """`environment.report`: each probe's result counts as it stands; the counts must be those of the probes."""
    tally = Tally("environment.report", paths.ENVIRONMENT)
    report = _open_report(case)
    results = {probe.text("id"): _result(probe) for probe in report.items("checks")}
    if len(results) != len(report.items("checks")):
        tally.fail("a probe is listed twice", "有检查项重复")
    counts = {result: sum(found == result for found in results.values()) for result in _RESULTS}
    stated = report.counts("counts")
    if any(stated.get(result, 0) != count for result, count in counts.items()):
        tally.fail("the counts are not those of the probes listed", "计数与所列检查项不符")
    if report.text("capture_id") != case.manifest.capture_id:
        tally.fail("the report is of another capture", "该报告属于另一次取证")
    tally.details["counts"] = dict[str, JsonValue](counts)
    _note_results(tally, results)
    return tally.close(
        f"{counts['PASS']} probes ran and saw no sign of forgery", f"{counts['PASS']} 项检查已执行，未发现伪造迹象"
    )


def check_devtools(case: Case) -> Finding:
    """`devtools.exclusive`: the result of the probe of that name."""
    tally = Tally(DEVTOOLS, paths.ENVIRONMENT)
    found = [probe for probe in _open_report(case).items("checks") if probe.text("id") == DEVTOOLS]
    if len(found) != 1:
        tally.skip(
            "the environment report says nothing about other DevTools clients",
            "环境报告未说明是否有其他 DevTools 客户端",
        )
    for probe in found[:1]:
        outcome = _OUTCOMES[_result(probe)]
        if outcome is not Outcome.PASSED:
            tally.note(outcome, probe.bilingual("reason"))
    return tally.close("no sign of another DevTools client was seen", "未发现其他 DevTools 客户端接入的迹象")


def _open_report(case: Case) -> Fields:
    report = Fields(
        parse_canonical(case.data(paths.ENVIRONMENT, limit=MAX_BYTES), limit=MAX_BYTES, what=paths.ENVIRONMENT),
        paths.ENVIRONMENT,
    )
    check_version(report, "environment")
    return report


def _result(probe: Fields) -> str:
    result = probe.text("result")
    if result not in _RESULTS:
        probe.refuse(
            "result", "is none of PASS, WARN, FAIL, NOT_PERFORMED", "不是 PASS、WARN、FAIL、NOT_PERFORMED 之一"
        )
    return result


def _note_results(tally: Tally, results: Mapping[str, str]) -> None:
    if not results:
        tally.skip("no probe ran", "没有执行任何检查")
    for result, en, zh in (
        ("FAIL", "saw signs of forgery", "发现伪造迹象"),
        ("WARN", "saw something to look at", "发现需要注意的情况"),
    ):
        names = [name for name, found in results.items() if found == result]
        if names:
            tally.note(_OUTCOMES[result], Text(en=f"{', '.join(names)} {en}", zh=f"{'、'.join(names)} {zh}"))
    idle = [name for name, found in results.items() if found == "NOT_PERFORMED"]
    if idle:
        tally.doubt(f"not performed: {', '.join(idle)}", f"未执行：{'、'.join(idle)}")
