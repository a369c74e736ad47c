"""Block pages, walls and empty pages are named; honest pages that mention them are not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from evidencekit.capture.verdict import PageFacts, judge_page

_ARTICLE = "本文介绍如何完成安全验证、登录后查看订单,以及该内容已被删除时怎么办。" * 80
_PAGE = PageFacts(
    requested_url="https://shop.test/item/1",
    final_url="https://shop.test/item/1",
    status=200,
    content_type="text/html; charset=utf-8",
    title="红色连衣裙 - 商店",
    text="红色连衣裙 ¥199 加入购物车",
    html="<html><body><p>红色连衣裙</p></body></html>",
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "ok"),
        ({"status": 404}, "http_error"),
        ({"status": 503}, "http_error"),
        ({"status": 403, "title": "Just a moment...", "text": "Verifying you are human."}, "challenge"),
        ({"title": "安全验证", "text": "请完成下方验证"}, "challenge"),
        ({"text": "拖动滑块完成拼图", "title": ""}, "challenge"),
        ({"text": "x", "html": '<div id="nc_1_wrapper">'}, "challenge"),
        ({"final_url": "https://shop.test/captcha/v2?u=1", "text": "..."}, "challenge"),
        ({"final_url": "https://passport.shop.test/x", "text": "手机号 密码"}, "login_wall"),
        ({"text": "请先登录", "title": "商店"}, "login_wall"),
        ({"text": "Email Password", "html": '<form><input name=p type="password"></form>', "title": "X"}, "login_wall"),
        ({"text": "该内容已被发布者删除"}, "deleted"),
        ({"title": "404 Not Found", "text": "nginx"}, "deleted"),
        ({"text": "您访问的商品已下架"}, "deleted"),
        ({"text": "This post has been removed by its author."}, "deleted"),
        ({"title": "Access Denied", "text": "Reference #18"}, "soft_block"),
        ({"text": "您的访问过于频繁,请稍后再试"}, "soft_block"),
        ({"text": "This domain is for sale. Make an offer"}, "parked"),
        ({"text": " \n", "html": "<html><body></body></html>", "title": ""}, "empty"),
        ({"text": "", "html": "<body><img src=a.png></body>", "title": ""}, "ok"),
        ({"text": "", "html": "", "content_type": "application/pdf", "title": ""}, "ok"),
        ({"text": _ARTICLE, "html": '<input type="password"><div class="g-recaptcha">'}, "ok"),
        ({"requested_url": "https://shop.test/login", "final_url": "https://shop.test/login"}, "ok"),
        ({"final_url": "https://shop.test/blog/1", "text": "会员登录 | 注册 " + "商品" * 400}, "ok"),
    ],
)
def test_verdicts(changes: dict[str, object], verdict: str) -> None:
    judged = judge_page(replace(_PAGE, **changes))  # type: ignore[arg-type]
    assert judged.id == verdict
    assert judged.reason.en
    assert judged.reason.zh


def test_the_status_stays_visible_beside_a_challenge() -> None:
    judged = judge_page(replace(_PAGE, status=403, title="人机验证", text="请完成验证"))
    assert "403" in judged.reason.en
    assert "403" in judged.reason.zh


def test_hostile_text_takes_no_time() -> None:
    begun = time.process_time()
    judge_page(replace(_PAGE, text="访问" * 900, html="<input " + "x" * (1 << 20), title="验" * 10_000))
    judge_page(replace(_PAGE, text="该内容已" * 400_000, html="<input a=" * 200_000))
    judge_page(replace(_PAGE, text="", html="<input a=" * 200_000))
    assert time.process_time() - begun < 3
