"""A process in the certificate: each shot with what it is meant to show, and what its rights template lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from evidencekit.hashing.process import Deed, HumanDeed, Marker, Process, Shot
from evidencekit.report.course import LISTED_SHOTS, course

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
BOUGHT = Process(
    capture_id="0" * 32,
    kind="record",
    account_owner="湖畔公司 <李明>",
    rights="trademark",
    started_at=AT,
    ended_at=AT,
    ended_by="operator",
    shots=(
        Shot(n=1, page="0002", tab=1, time=AT, marker=Marker.LISTING),
        Shot(n=2, page="0003", tab=2, time=AT, marker=Marker.PRICE),
        Shot(n=3, page="0004", tab=2, time=AT, marker=None),
    ),
    deeds=(HumanDeed(time=AT, deed=Deed.LOGIN),),
    steps=(),
    notes=0,
    video=None,
)


def test_shots_deeds_and_what_the_template_lacks_are_printed() -> None:
    shown = course(BOUGHT)
    for words in ("商品或侵权使用的页面", "价格", "操作人自述：本人登录", "操作人结束", "商标", "本人操作浏览器"):
        assert words in shown
    assert "湖畔公司 &lt;李明&gt;" in shown
    lacking = shown.partition("通常应有而未截取的画面")[2].partition("须另行提交")[0]
    assert "付款" in lacking
    assert "经营者及所示证照" in lacking
    assert "价格" not in lacking
    assert "商标注册证、核定类别与有效期" in shown


def test_a_process_without_template_and_with_many_shots() -> None:
    shot = BOUGHT.shots[0]
    many = replace(BOUGHT, rights=None, shots=tuple(replace(shot, n=n) for n in range(1, LISTED_SHOTS + 4)))
    shown = course(many)
    assert "另有 3 张截图" in shown
    assert "须另行提交" not in shown
