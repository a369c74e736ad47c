"""Page 1 tells open items in words a reader knows."""

from __future__ import annotations

from dataclasses import replace

from evidencekit.model import Finding, Outcome, Text
from evidencekit.report.issues import open_issues
from tests.unit.report.report_samples import environment, plain_data


def test_probes_are_told_by_their_names_and_not_by_their_ids() -> None:
    checks = (
        replace(environment().checks[0], id="system.roots", name=Text(en="Roots of the system", zh="系统根证书")),
        replace(environment().checks[1], id="system.root", name=Text(en="Another", zh="另一项")),
    )
    finding = Finding(
        id="environment.report",
        outcome=Outcome.INDETERMINATE,
        subject="capture/environment.json",
        reason=Text(en="system.roots, old.probe saw something", zh="system.roots、old.probe 发现需要注意的情况"),
    )
    data = plain_data()
    data = replace(
        data,
        environment=replace(environment(), checks=checks),
        report=replace(data.report, findings=(finding,)),
    )
    (issue,) = (each for each in open_issues(data) if each.about[0].en == "environment.report")
    assert issue.reason.en == "Roots of the system, old.probe saw something"
    assert issue.reason.zh == "系统根证书、old.probe 发现需要注意的情况"
