"""Block pages, walls and empty pages are named; honest pages that mention them are not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from evidencekit.capture.exploration import PictureCount
from evidencekit.capture.verdict import PageFacts, judge_page

_ARTICLE = "本文介绍如何完成安全验证、登录后查看订单,以及该内容已被删除时怎么办。" * 80
_NEWS = (
    "记者了解到,多个账号因违规已被平台封禁,其发布的文章提示“该内容已被发布者删除”,部分商品已下架,用户访问时被要求先登录后查看,"
    "并在页面完成安全验证。平台表示,访问过于频繁的请求会被拒绝,相关链接已失效,后续将公布处理结果,提醒用户注意甄别,不要点击来历"
    "不明的链接,以免造成损失。多位用户说,系统繁忙时请稍后重试即可。"
)
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
        # As large sites say it, with the furniture around it.
        ({"title": "", "text": "该内容已被发布者删除\n微信扫一扫\n关注该公众号"}, "deleted"),
        ({"title": "", "text": "此内容因违规无法查看\n由用户投诉并经平台审核,涉嫌违反相关法律法规和政策"}, "deleted"),
        ({"title": "", "text": "该公众号已迁移\n确定"}, "deleted"),
        ({"title": "微博正文", "text": "首页\n发现\n抱歉,此微博已被作者删除。查看帮助\n返回首页"}, "deleted"),
        (
            {"title": "商品", "text": "首页\n购物车\n很抱歉,您查看的宝贝不存在,可能已下架或者被转移\n猜你喜欢"},
            "deleted",
        ),
        ({"title": "啊叻?视频不见了?", "text": "首页\n番剧\n视频不见了"}, "deleted"),
        ({"title": "页面不存在 - 某某网", "text": "首页\n" + "推荐\n" * 80}, "deleted"),
        ({"title": "404 - 页面未找到", "text": "返回首页"}, "deleted"),
        ({"title": "Page not found | Shop", "text": "Home\nCategories\nSorry, we couldn't find that page"}, "deleted"),
        ({"title": "Shop", "text": "Menu\nThis item is no longer available\nYou may also like"}, "deleted"),
        ({"title": "", "text": "环境异常\n当前环境异常,完成验证后即可继续访问。\n去验证"}, "challenge"),
        ({"title": "百度安全验证", "text": "网络不给力,请稍后重试"}, "challenge"),
        ({"title": "滑动验证页面", "text": "亲,请拖动下方滑块完成验证"}, "challenge"),
        (
            {"title": "Pardon Our Interruption", "text": "As you were browsing something made us think you are a bot"},
            "challenge",
        ),
        (
            {"title": "shop", "text": "Access to this page has been denied because we believe you use automation"},
            "challenge",
        ),
        ({"title": "Access Denied", "text": "You don't have permission to access /item on this server."}, "soft_block"),
        ({"title": "提示", "text": "首页\n当前地区暂不支持播放该视频"}, "soft_block"),
        ({"title": "登录 - 某某", "text": "手机号登录\n密码登录\n注册"}, "login_wall"),
        ({"title": "笔记", "text": "登录后查看更多精彩内容\n手机号登录\n扫码"}, "login_wall"),
        ({"title": "Welcome to nginx!", "text": "Welcome to nginx!\nIf you see this page"}, "parked"),
        ({"title": "App", "text": "加载中..."}, "half_rendered"),
        ({"title": "App", "text": "You need to enable JavaScript to run this app."}, "half_rendered"),
        ({"title": "App", "text": "", "html": "<div class='card skeleton-line'></div><svg>"}, "half_rendered"),
        ({"pictures": PictureCount(shown=8, broken=5, loading=0, waiting=0)}, "half_rendered"),
        ({"pictures": PictureCount(shown=2, broken=0, loading=0, waiting=9)}, "half_rendered"),
        # Honest pages that use the same words.
        ({"pictures": PictureCount(shown=8, broken=1, loading=1, waiting=0)}, "ok"),
        ({"title": "多平台清理违规账号", "text": f"要闻\n{_NEWS}\n{_NEWS}"}, "ok"),
        ({"title": "某平台称内容已删除 当事人回应", "text": f"{_NEWS}\n责任编辑"}, "ok"),
        ({"title": "如何关闭安全验证 - 帮助中心", "text": f"帮助中心\n{_NEWS}"}, "ok"),
        (
            {"title": "How to fix the verify you are human loop", "text": "Steps\n" + "Clear the cache of it. " * 30},
            "ok",
        ),
        ({"title": "404 errors explained", "text": "Guide\n" + "A 404 means that a page was not found. " * 12}, "ok"),
        (
            {
                "title": "Access denied: a history of censorship",
                "text": "Essay\n" + "Long ago access was denied. " * 20,
            },
            "ok",
        ),
        ({"title": "帖子:周末去哪", "text": "周末去哪玩\n" + "公园不错\n" * 14 + "该内容已被作者删除\n回复"}, "ok"),
        (
            {
                "title": "红色连衣裙",
                "text": "你好,请登录 免费注册\n购物车\n红色连衣裙 ¥199\n加入购物车\n" + "好评\n" * 30,
            },
            "ok",
        ),
        (
            {
                "title": "联系我们",
                "text": "联系我们\n姓名\n邮箱\n留言\n" + "营业时间\n" * 30,
                "html": "<div class='g-recaptcha'>",
            },
            "ok",
        ),
        (
            {"title": "商店", "text": "连衣裙\n" + "商品\n" * 60, "html": "<form hidden><input name=p type=password>"},
            "ok",
        ),
        ({"title": "Sign in Japanese: a guide", "text": "Guide\n" + "Signs are everywhere. " * 10}, "ok"),
        ({"title": "验证码的原理", "text": f"科普\n{_NEWS}"}, "ok"),
        ({"title": "Loading docks for sale", "text": "Loading docks\nOur docks are strong\nCall us"}, "ok"),
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
