"""Tools, system and logs stand in the report in words, not as JSON; what is no JSON stays as it is."""

from __future__ import annotations

from dataclasses import replace

from evidencekit.report.chronicle import log
from evidencekit.report.elements import text
from evidencekit.report.fields import WorkLogLine
from evidencekit.report.stepnames import step_name
from evidencekit.report.toolset import tools
from tests.unit.report.report_samples import environment

LINE = WorkLogLine(
    n=3,
    beijing="2026-11-23T11:04:05.678901+08:00",
    step="browser.start",
    object="Chromium",
    outcome="ok",
    detail='{"version":"156","missing":[],"<b>":{"deep":"<i>"}}',
    previous="ab" * 32,
)


def test_values_are_shown_by_their_kind() -> None:
    facts = replace(
        environment(),
        browser=(("arguments", '["--a","--<b>"]'), ("path", "/usr/bin/chromium")),
        tool=(("dependencies", '{"click":"8.5"}'), ("changed", "[]")),
        system=(
            ("container", "true"),
            ("machine_vendor", "null"),
            ("os_release", 'NAME="X"\nID=x\n'),
            ("odd", "[" * 9),
        ),
        clock=(("list", str(list(range(100)))),),
    )
    page = str(tools(facts))
    assert "<bdi>--a</bdi><br><bdi>--&lt;b&gt;</bdi>" in page
    assert "click 8.5" in page
    assert "无" in page
    assert "是" in page
    assert "未知" in page
    assert "NAME=&quot;X&quot;</bdi><br><bdi>ID=x</bdi><" in page
    assert "[" * 9 in page
    assert "另有 40 行" in page
    assert "启动参数" in page


def test_a_step_is_told_in_words_beside_its_id() -> None:
    page = str(log(text("Work log", "工作记录"), (LINE,)))
    for part in ("启动浏览器", "browser.start", "2026-11-23<br>11:04:05.678901", "完成", "&lt;b&gt;", "&lt;i&gt;"):
        assert part in page
    assert "<b>" not in page


def test_what_is_no_table_or_time_or_known_step_stays_as_it_is() -> None:
    page = str(
        log(text("Work log", "工作记录"), (replace(LINE, detail="[1", beijing="noon", step="x.y", outcome="?"),))
    )
    for part in ("[1", "noon", "x.y"):
        assert part in page
    assert step_name("page.partial.xyz").zh == "未能取得：xyz"
