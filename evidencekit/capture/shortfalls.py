"""What a session gave up, could not do or was kept from, as sentences for page 1: nothing is left out silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.capture.request import Mode
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.capture.recorder import Recorder
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.errors import CaptureError

_NO_NETLOG = Text(
    en="the browser's own network log was not kept: HTTP/2 and HTTP/3 header order is as the browser reports it",
    zh="未保留浏览器自身的网络日志：HTTP/2、HTTP/3 标头顺序以浏览器报告为准",
)
_NO_HANDSHAKES = Text(
    en="the servers' handshake signatures, DNS answers and connections were not kept (fast mode)",
    zh="未保留服务器握手签名、DNS 应答和连接信息(快速模式)",
)
_NO_COPIES = Text(en="MHTML and PDF of the pages were not made (fast mode)", zh="未生成网页的 MHTML 和 PDF(快速模式)")
_NO_WIRE = Text(
    en="bodies as encoded on the wire were not kept; they are decoded", zh="未保留传输编码形式的正文，仅有解码后的正文"
)
LIMITS = {
    "requests": Text(
        en="the limit of requests was reached; later requests were refused", zh="请求数达到上限；其后的请求被拒绝"
    ),
    "bytes_total": Text(
        en="the limit of bytes was reached; later requests were refused", zh="字节总数达到上限；其后的请求被拒绝"
    ),
}
"""Sentences by the name of the limit that was reached."""

BROWSER_DIED = Text(
    en="the browser ended unexpectedly after source and picture of every page had been kept; what was still under way "
    "or still to be made is missing",
    zh="浏览器在全部网页的源码和截图保存之后意外退出；尚在进行或尚未生成的内容缺失",
)
NOT_DRAINED = Text(en="some bodies did not arrive in time and are missing", zh="部分正文未及时到达，已缺失")


def unguarded(request: CaptureRequest, recorder: Recorder) -> tuple[Text, ...]:
    """Says so when the browser did not hold public pages off private addresses (its local-network checks)."""
    if request.allow_private or request.isolate or all("Block" in policy for policy in recorder.traffic.local_network):
        return ()
    return (
        Text(
            en="the browser's own local-network checks were not on: names, literals and peer addresses were checked, "
            "so one GET may have reached a private server before the page was given up",
            zh="浏览器自身的本地网络访问检查未启用：仅核对了域名、IP 字面值与对端地址，"
            "放弃页面之前可能已有一次 GET 到达内网服务器",
        ),
    )


def passed_over(error: CaptureError) -> Text:
    """A page that could not be captured beside others that could."""
    return Text(en=f"a page is missing: {error.en}", zh=f"缺少一个网页：{error.zh}")


def refused_downloads(count: int) -> Text:
    """Downloads that were cancelled."""
    return Text(
        en=f"{count} downloads that a page started were not kept: they did not end, there were too many, or their "
        "servers' addresses are unknown or private (DevTools does not report such downloads)",
        zh=f"网页发起的 {count} 个下载未保存：未能完成、数量过多，或服务器地址未知或属内网(DevTools 不报告此类下载)",
    )


def given_up(request: CaptureRequest) -> tuple[Text, ...]:
    """What this mode leaves out, for page 1; nothing is left out silently."""
    if request.mode is Mode.FORENSIC:
        return ()
    return (_NO_NETLOG, _NO_HANDSHAKES, _NO_COPIES, _NO_WIRE) if request.mode is Mode.FAST else (_NO_WIRE,)
