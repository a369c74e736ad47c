"""The signs by which a page that is not the content is told: titles, prominent lines, markup, addresses.

Patterns for titles are anchored, for an honest page may speak of "404 errors" or "how to pass a safety check"; those
for lines are tried on short lines near the top only. Sites are not named; their standard words are.
"""

# ruff: noqa: E501 (regular expressions of words are read whole)

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

CHALLENGE: Final = "challenge"
LOGIN_WALL: Final = "login_wall"
DELETED: Final = "deleted"
SOFT_BLOCK: Final = "soft_block"
PARKED: Final = "parked"
HALF_RENDERED: Final = "half_rendered"

LITTLE = 120
SHORT = 500
MEDIUM = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What tells one verdict. A page with more than `most` characters of text has more to say than that.

    Attributes:
        verdict: its id.
        most: characters of visible text.
        title: tried on the whole title.
        line: tried on prominent lines.
        html: tried on the markup, where the text has at most `html_most` characters.
        html_most: see `html`.
    """

    verdict: str
    most: int = MEDIUM
    title: re.Pattern[str] | None = None
    line: re.Pattern[str] | None = None
    html: re.Pattern[str] | None = None
    html_most: int = LITTLE


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


def _titled(*patterns: str) -> re.Pattern[str]:
    """A title that says this and no more, but for the site's name behind a separator."""
    return re.compile(rf"^\W*(?:{'|'.join(patterns)})\W*(?:[-_|·–—]\s?.{{0,60}})?$", re.IGNORECASE)


_THING = "(?:内容|文章|商品|视频|帖子|页面|网页|账号|帐号|用户|笔记|宝贝|店铺|作品|微博|动态|回答|问题|链接|直播|职位|房源|图文|文档)"
_GONE = "(?:删除|下架|下柜|注销|封禁|冻结|隐藏|移除|屏蔽|关闭|失效|转移|迁移)"

ALL_SIGNS: Final = (
    Signs(
        verdict=CHALLENGE,
        title=_titled(
            r"just a moment\.*",
            r"attention required!?(?: \| .{0,40})?",
            r"(?:please )?verify(?:ing)? (?:that )?you are (?:a |not a )?(?:human|robot)",
            r"(?:are you a )?(?:human|robot)(?: verification| check)?\??",
            r"security (?:check|verification)",
            r"pardon our interruption",
            r"ddos-guard",
            r"(?!如何|怎|关于|什么|取消|关闭|开启)(?:.{1,6})?(?:人机|安全|滑动|滑块|访问|身份|登录)?验证(?:码|中心|中间页|页面)?",
        ),
        line=_any(
            r"verify(?:ing)? (?:that )?you are (?:a |not a )?(?:human|robot)",
            r"checking (?:your browser|if the site connection is secure)",
            r"enable javascript and cookies to continue",
            r"access to this page has been denied because we believe",
            r"pardon our interruption",
            r"press (?:&|and) hold to confirm",
            r"complete the (?:security check|captcha|challenge)",
            r"(?:请|需要?|亲，?请)(?:先)?(?:在?(?:下方|以下|下列))?(?:完成|进行|通过)(?:下方|以下|下列|安全|人机|滑块|滑动|图形)*(?:的)?(?:验证|校验)",
            r"(?:拖动|按住|向右滑动|拖拽|点击).{0,12}(?:滑块|拼图|图形验证)",
            r"环境异常.{0,6}完成验证后即可继续访问|当前环境异常",
            r"^(?:去验证|点击验证|开始验证)$",
        ),
        html=_any(
            r"/cdn-cgi/challenge-platform/[^\"']{0,200}orchestrate",
            r"cf-chl-|_cf_chl_opt",
            r"_incapsula_resource",
            r"px-captcha",
            r"captcha-delivery\.com",
            r"class=[\"']?geetest_|id=[\"']nc_1_|baxia-dialog|/punish\?",
            r"class=[\"'](?:g-recaptcha|h-captcha|cf-turnstile)",
            r"id=[\"']?tcaptcha|turing\.captcha",
        ),
    ),
    Signs(
        verdict=DELETED,
        title=_titled(
            r"(?:the |this |sorry, (?:the |this )?)?(?:page|content|post|video|item|listing|article) (?:(?:could |can)?(?:not|n'?t)(?: be)? found|is unavailable|(?:has been|was) (?:removed|deleted)|does(?: not|n'?t) exist|no longer exists)",
            r"(?:error )?404(?: error)?\W*(?:(?:page )?not found|error|gone|页面.{0,10}|错误.{0,6}|找不到.{0,8}|未找到.{0,8}|出错.{0,6})?",
            r"(?:page )?not found",
            r"410 gone",
            rf"(?:抱歉，?|很抱歉，?|您访问的|你访问的|该|此)*{_THING}?(?:不存在|已?被?删除|已下架|找不到了?|无法访问|不见了|走丢了)了?",
            r"(?:出错|迷路)(?:啦|了)",
        ),
        line=_any(
            r"(?:this|the) (?:post|tweet|page|content|video|listing|item|account|product|article|story) (?:(?:has|have) been|was) (?:deleted|removed|suspended|taken down)",
            r"(?:this|the) (?:page|content|video|item|account|post|product) (?:is no longer|is not|isn[’']?t) available",
            r"(?:sorry, )?(?:we (?:could|can)(?:n[’']?t| not) find|there is nothing at) (?:this|that|the) (?:page|address)",
            r"(?:this|the) (?:page|account|video) (?:does(?: not|n[’']?t) exist|no longer exists)",
            r"^video unavailable",
            rf"(?:该|此|这篇|这条|本|当前|原)(?:公众号)?{_THING}?(?:已经?|因.{{1,20}}|暂)?(?:被)?(?:发布者|作者|用户|平台|卖家|商家|系统|投诉.{{0,10}})?(?:自行|自主)?{_GONE}",
            rf"(?:您|你)(?:所)?(?:访问|查看|要找|浏览|寻找)的{_THING}(?:已经?|可能|暂时)?(?:被)?(?:不存在|找不到|{_GONE})",
            rf"(?:该|此|当前){_THING}(?:暂时|暂|已)?(?:不存在|无法(?:浏览|查看|访问|显示)|不可见|找不到)",
            r"此(?:内容|账号|帐号|商品|文章|页面).{0,12}(?:违规|违反|投诉|侵权).{0,14}(?:无法查看|屏蔽|删除|停止访问|停止使用|限制)",
            rf"^(?:抱歉，?|很抱歉，?|啊叻？?|糟糕！?)?(?:{_THING})(?:不存在|不见了|走丢了|找不到了?|已?失效|已过期|{_GONE}了?)",
            r"(?:链接|页面|商品)已(?:过期|失效|下架)",
            r"^404$",
        ),
    ),
    Signs(
        verdict=SOFT_BLOCK,
        title=_titled(
            r"access denied",
            r"(?:your )?(?:request|access|ip)? ?(?:has been |was )?blocked",
            r"(?:error )?(?:403|429)\W*(?:forbidden|access denied|too many requests|禁止.{0,6})?",
            r"too many requests",
            r"访问(?:被拒绝|受限|异常|过于频繁|出错)",
            r"(?:系统|网络|服务器)(?:繁忙|开小差了?)",
            r"访问被(?:阻断|拦截)",
        ),
        line=_any(
            r"(?:your (?:request|access|ip(?: address)?)|you) (?:has been|have been|was|were|are) (?:blocked|denied|banned|rate.?limited)",
            r"(?:unusual|suspicious) (?:traffic|activity) from your",
            r"^too many requests",
            r"you don[’']?t have permission to access",
            r"not available in your (?:country|region|area|location)",
            r"(?:访问|请求|操作)(?:过于|太)频繁",
            r"(?:您的|你的|当前)(?:访问|请求|ip|网络).{0,8}(?:被拒绝|被阻断|被拦截|存在异常|已被限制|异常)",
            r"(?:当前|所在|您所在的)(?:地区|区域|国家).{0,8}(?:无法|不能|暂不|不).{0,6}(?:访问|播放|提供|支持)",
            r"(?:系统|服务器|网络)(?:繁忙|开小差).{0,12}(?:稍后|重试)",
        ),
    ),
    Signs(
        verdict=PARKED,
        title=_titled(
            r".{0,60}domain (?:name )?(?:is )?for sale",
            r".{0,40}域名(?:出售|转让|停放)",
            r"parked (?:domain|page)",
            r"welcome to nginx!?",
            r"apache2 .{0,20}default page.{0,20}",
            r"iis windows(?: server)?",
        ),
        line=_any(
            r"(?:this|the) domain (?:name )?(?:is|may be|has) (?:for sale|parked|available|expired)",
            r"^buy this domain",
            r"该?域名(?:正在|可)?(?:出售|转让|停放)",
            r"(?:域名|网站)(?:已|暂)(?:过期|未备案|停止解析)",
            r"^welcome to nginx!",
        ),
        html=_any(r"sedoparking\.com", r"parkingcrew\.net", r"bodis\.com", r"dan\.com/buy-domain"),
        html_most=SHORT,
    ),
    Signs(
        verdict=LOGIN_WALL,
        most=SHORT,
        title=_titled(
            r"(?:please )?(?:log|sign) ?in(?: to .{1,40})?",
            r"(?!如何|怎|关于|什么|取消)(?:.{1,8})?(?:用户|账号|扫码|会员|统一)?登[录陆](?:页面?)?",
        ),
        line=_any(
            r"(?:please |you (?:must|need to) )?(?:log|sign) in to (?:continue|view|see|read)",
            r"(?:请|需要?)(?:您|你)?先登[录陆]|(?:请|需要?)(?:您|你)?登[录陆](?:后|才|再|以)",
            r"登[录陆]后(?:即可|可以?|才能|方可)?(?:查看|浏览|继续|访问|阅读)",
            r"^(?:微信|手机)?扫码登[录陆]",
        ),
        html=_any(r"<input[^>]{1,200}type=[\"']?password"),
        html_most=LITTLE,
    ),
    Signs(
        verdict=HALF_RENDERED,
        most=LITTLE,
        line=_any(
            r"^(?:loading|please wait|正在加载|加载中|请稍[候后]|努力加载)(?:中|[.。…!！]){0,8}$",
            r"you need to enable javascript to run this app",
            r"(?:please )?enable javascript|(?:请|需要?)(?:启用|开启|打开).{0,6}javascript",
        ),
        html=_any(r"class=[\"'][^\"']{0,200}(?:skeleton|shimmer|placeholder-glow)"),
        html_most=LITTLE,
    ),
)

LOGIN_ADDRESS: Final = re.compile(r"(?i)(?:^|[./_-])(?:log-?in|sign-?in|passport|sso|accounts?)(?:[./_-]|$)")
CHALLENGE_ADDRESS: Final = re.compile(
    r"(?i)(?:^|[./_-])(?:captcha|challenge|antispider|antibot|punish|verifycenter|waf|wappoc_appmsgcaptcha)(?:[./_-]|$)"
)
PICTURE: Final = re.compile(r"(?i)<(?:img|picture|video|audio|canvas|svg|iframe|embed|object)\b|background-image\s*:")
