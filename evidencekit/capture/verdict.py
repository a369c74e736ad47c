"""An honest word about what a page is, so that a block page is never sealed silently as content (R16, FM11).

The verdict looks at status, address, title, visible text and markup. Words that also occur on honest pages count only
where the page has little else to say. A verdict other than `ok` is a warning, not a judgement on the page's content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from evidencekit.model import Text

OK = "ok"
HTTP_ERROR = "http_error"
CHALLENGE = "challenge"
LOGIN_WALL = "login_wall"
DELETED = "deleted"
SOFT_BLOCK = "soft_block"
PARKED = "parked"
EMPTY = "empty"

_SCANNED = 1 << 20
_SHORT_TEXT = 500
_MEDIUM_TEXT = 2000
_HTTP_ERROR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the verdict looks at; `text` is the visible text, `html` the serialised DOM."""

    requested_url: str
    final_url: str
    status: int | None
    content_type: str
    title: str
    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`ok`, or the id of a warning, with its reason."""

    id: str
    reason: Text


@dataclass(frozen=True, slots=True)
class _Signs:
    """Patterns for title, text and markup; a page with more text than `most` characters has more to say."""

    verdict: str
    most: int
    title: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    html: re.Pattern[str] | None = None


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ALL_SIGNS = (
    _Signs(
        CHALLENGE,
        _MEDIUM_TEXT,
        title=_any(
            r"^just a moment",
            r"^attention required",
            r"verify you are (?:a )?human",
            r"robot check",
            r"(?:人机|安全|滑动|滑块|访问|身份)验证",
            r"^验证码",
            r"ddos-guard",
        ),
        text=_any(
            r"verify(?:ing)? (?:that )?you are (?:a |not a )?(?:human|robot)",
            r"checking your browser before",
            r"enable javascript and cookies to continue",
            r"(?:请|需要)(?:先)?(?:完成|进行|通过)(?:下方|以下|下列|安全|人机|滑块|滑动)*(?:验证|校验)",
            r"(?:拖动|按住|向右滑动).{0,12}(?:滑块|验证|拼图)",
            r"press (?:&|and) hold to confirm",
        ),
    ),
    _Signs(
        CHALLENGE,
        _SHORT_TEXT,
        html=_any(
            r"/cdn-cgi/challenge-platform/[^\"']*orchestrate",
            r"cf-chl-|_cf_chl_opt",
            r"_incapsula_resource",
            r"px-captcha|perimeterx",
            r"captcha-delivery\.com",
            r"geetest_|gt\.js",
            r"id=[\"']nc_1_|nocaptcha|baxia-dialog|/punish\?",
            r"g-recaptcha|h-captcha|cf-turnstile",
            r"tcaptcha|turing\.captcha",
        ),
    ),
    _Signs(
        DELETED,
        _MEDIUM_TEXT,
        title=_any(
            r"(?:page|content|post|video|item) (?:not found|is unavailable|has been (?:removed|deleted))",
            r"^404\b|\b404 not found",
            r"(?:页面|内容|商品|文章|视频|帖子)(?:不存在|已删除|已下架|找不到)",
        ),
        text=_any(
            r"(?:this|the) (?:post|page|content|video|listing|item|account) (?:has been|was) "
            r"(?:deleted|removed|suspended)",
            r"(?:this|the) (?:page|content|video|item) (?:is no longer|isn'?t) available",
            r"该(?:内容|文章|商品|视频|帖子|页面|账号|笔记|宝贝)(?:已|已经)?(?:被)?(?:发布者|作者|用户|平台)?"
            r"(?:删除|下架|注销|封禁)",
            r"(?:您|你)(?:访问|查看|要找)的(?:页面|商品|内容|宝贝|文章|视频)(?:已)?(?:不存在|失效|下架|被删除|找不到)",
            r"此(?:内容|账号|商品|文章).{0,8}(?:违规|违反|投诉).{0,10}(?:无法查看|屏蔽|删除|停止访问)",
            r"(?:链接|页面|商品)已(?:过期|失效|下架)",
        ),
    ),
    _Signs(
        SOFT_BLOCK,
        _MEDIUM_TEXT,
        title=_any(
            r"^access denied", r"^(?:request )?blocked", r"^403\b", r"访问(?:被拒绝|受限|异常)", r"^(?:系统|网络)繁忙"
        ),
        text=_any(
            r"(?:your (?:request|access|ip)|you) (?:has been|have been|was) (?:blocked|denied|rate.?limited)",
            r"unusual traffic from your",
            r"too many requests",
            r"not available in your (?:country|region|area)",
            r"(?:访问|请求|操作)(?:过于|太)频繁",
            r"(?:您的)?(?:访问|请求|ip).{0,8}(?:被拒绝|被阻断|被拦截|存在异常|已被限制)",
            r"(?:当前|所在)(?:地区|区域).{0,8}(?:无法|不能|暂不).{0,6}(?:访问|播放|提供)",
        ),
    ),
    _Signs(
        PARKED,
        _MEDIUM_TEXT,
        title=_any(r"domain (?:name )?(?:is )?for sale", r"域名(?:出售|转让)", r"parked (?:domain|page)"),
        text=_any(
            r"(?:this|the) domain (?:name )?(?:is|may be) (?:for sale|parked|available)",
            r"buy this domain",
            r"该?域名(?:正在|可)?(?:出售|转让|停放)",
            r"(?:域名|网站)(?:已|暂)(?:过期|未备案|停止解析)",
        ),
        html=_any(r"sedoparking\.com", r"parkingcrew\.net", r"bodis\.com", r"dan\.com/buy-domain"),
    ),
    _Signs(
        LOGIN_WALL,
        _SHORT_TEXT,
        title=_any(r"^(?:log|sign) ?in\b", r"^(?:用户|账号|扫码)?登[录陆]"),
        text=_any(
            r"(?:please )?(?:log|sign) in to (?:continue|view|see)",
            r"(?:请|需)(?:您)?(?:先)?登[录陆](?:后|才|再|以)?",
            r"登[录陆]后(?:即可|可以?|才能|方可)?(?:查看|浏览|继续|访问)",
            r"扫码登[录陆]",
        ),
        html=_any(r"<input[^>]{1,200}type=[\"']?password"),
    ),
)

_REASONS = {
    CHALLENGE: (
        "a challenge (CAPTCHA or browser check) was shown instead of the page",
        "所示为人机验证页面，而非网页内容",
    ),
    DELETED: ("the site says that the content is gone", "网站提示内容已删除或不存在"),
    SOFT_BLOCK: ("the site says that access was refused or limited", "网站提示访问被拒绝或受限"),
    PARKED: ("the domain seems to be parked or for sale", "域名疑似停放或待售"),
    LOGIN_WALL: ("a login is asked for instead of the page", "所示为登录页面，而非网页内容"),
}
_LOGIN_ADDRESS = re.compile(r"(?i)(?:^|[./_-])(?:log-?in|sign-?in|passport|sso|accounts?)(?:[./_-]|$)")
_CHALLENGE_ADDRESS = re.compile(
    r"(?i)(?:^|[./_-])(?:captcha|challenge|antispider|antibot|punish|verifycenter|waf)(?:[./_-]|$)"
)
_PICTURE = re.compile(r"(?i)<(?:img|picture|video|audio|canvas|svg|iframe|embed|object)\b|background-image\s*:")


def judge_page(facts: PageFacts) -> Verdict:
    """Say what was captured: `ok`, or the most telling warning.

    A challenge or login wall is named as such even when it comes with an error status, for it says more.
    """
    found = _moved(facts) or _shown(facts)
    if found in {CHALLENGE, LOGIN_WALL}:
        return _verdict(found, facts)
    if facts.status is not None and facts.status >= _HTTP_ERROR:
        return Verdict(
            id=HTTP_ERROR,
            reason=Text(en=f"the server answered with status {facts.status}", zh=f"服务器返回状态码 {facts.status}"),
        )
    if found is not None:
        return _verdict(found, facts)
    if _is_html(facts) and not facts.text.strip() and not _PICTURE.search(facts.html[:_SCANNED]):
        return Verdict(id=EMPTY, reason=Text(en="the page shows nothing", zh="页面没有可见内容"))
    return Verdict(id=OK, reason=Text(en="the page was shown", zh="页面已显示"))


def _verdict(name: str, facts: PageFacts) -> Verdict:
    en, zh = _REASONS[name]
    status = f" (status {facts.status})" if facts.status is not None and facts.status >= _HTTP_ERROR else ""
    status_zh = f"(状态码 {facts.status})" if status else ""
    return Verdict(id=name, reason=Text(en=en + status, zh=zh + status_zh))


def _is_html(facts: PageFacts) -> bool:
    return "html" in facts.content_type.lower() or not facts.content_type


def _shown(facts: PageFacts) -> str | None:
    if not _is_html(facts):
        return None
    text, html, size = facts.text[:_SCANNED], facts.html[:_SCANNED], len(facts.text.strip())
    for signs in _ALL_SIGNS:
        if size <= signs.most and (
            (signs.title and signs.title.search(facts.title.strip()))
            or (signs.text and signs.text.search(text))
            or (signs.html and signs.html.search(html))
        ):
            return signs.verdict
    return None


def _moved(facts: PageFacts) -> str | None:
    """Judge by the address the visit ended at, when it is not the one that was asked for."""
    final, requested = _place(facts.final_url), _place(facts.requested_url)
    if final == requested or len(facts.text.strip()) > _MEDIUM_TEXT:
        return None
    for name, pattern in ((CHALLENGE, _CHALLENGE_ADDRESS), (LOGIN_WALL, _LOGIN_ADDRESS)):
        if pattern.search(final) and not pattern.search(requested):
            return name
    return None


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.hostname or ''}{parts.path}"
