"""What the steps of the work log and the custody log are called in a report; the log itself keeps their ids."""

from __future__ import annotations

from typing import Final

from evidencekit.model import Text
from evidencekit.report.rolenames import ROLES

_PARTIAL: Final = "page.partial."
_MISSED: Final[dict[str, tuple[str, str]]] = {
    "behaviours": ("scrolling and unfolding came to no end", "滚动与展开未能完成"),
    "glyphs": ("characters without a font", "部分字符没有字体"),
    "height": ("the picture does not reach the whole height", "截图未达全部高度"),
    "load": ("the load event did not come", "页面未加载完成"),
    "quiet": ("the page did not fall quiet", "页面未趋于静止"),
    "scripts": ("the page's script was ended", "页面脚本被终止"),
}

_NAMES: Final = {
    "open": ("announced in the ledger", "账本登记启动"),
    "session.start": ("session begins", "取证开始"),
    "session.archive": ("archive of the network written", "写入网络归档"),
    "session.end": ("session ends", "取证结束"),
    "environment": ("environment examined", "环境检查"),
    "environment.probes": ("cleanliness check done", "清洁性检查完成"),
    "browser.start": ("browser starts", "启动浏览器"),
    "browser.interfaces": ("interfaces of the browser asked for", "核对浏览器接口"),
    "browser.isolated": ("browser isolated from private networks", "浏览器与专用网络隔离"),
    "browser.profile_copied": ("browser profile copied", "复制浏览器配置"),
    "browser.argument": ("argument of the browser", "浏览器启动参数"),
    "browser.packets": ("packets recorded", "记录网络数据包"),
    "browser.log": ("message of the browser", "浏览器消息"),
    "browser.drained": ("last answers taken in", "收取剩余应答"),
    "browser.died": ("the browser ended unexpectedly", "浏览器意外终止"),
    "drained": ("last answers taken in", "收取剩余应答"),
    "navigate": ("address opened", "打开网址"),
    "page.resolve": ("name resolved", "解析域名"),
    "page.navigate": ("address opened", "打开网址"),
    "page.committed": ("page arrived", "页面到达"),
    "page.loaded": ("page loaded", "页面加载完毕"),
    "page.root": ("digests of the page fixed", "固定页面摘要"),
    "page.behaviours": ("page scrolled and unfolded", "滚动并展开页面"),
    "page.rendered": ("page kept", "保存页面"),
    "page.popup": ("window opened by the page", "页面弹出窗口"),
    "page.downloads": ("files downloaded", "下载文件"),
    "page.failed": ("page failed", "页面失败"),
    "page.passed_over": ("page passed over", "略过页面"),
    "page.pdf": ("print of the page", "页面打印件"),
    "page.mhtml": ("page as one file", "页面单文件副本"),
    "network.log": ("network log of the browser read", "读取浏览器网络日志"),
    "process.start": ("recording of the process begins", "过程录制开始"),
    "process.end": ("recording of the process ends", "过程录制结束"),
    "process.step": ("step carried out", "执行步骤"),
    "process.step_failed": ("step failed", "步骤失败"),
    "process.shot": ("picture taken", "截图"),
    "process.shot_failed": ("picture failed", "截图失败"),
    "process.shot_refused": ("picture refused", "拒绝截图"),
    "process.note": ("note of the operator", "操作人备注"),
    "process.screen": ("screen", "屏幕"),
    "process.film": ("film kept", "保存录像"),
    "process.film_started": ("film begins", "录像开始"),
    "process.film_ended_early": ("film ended early", "录像提前结束"),
    "process.film_unstamped": ("part of the film without time-stamp", "录像片段未取得时间戳"),
    "process.download": ("file downloaded", "下载文件"),
    "process.dialog": ("dialogue shown", "出现对话框"),
    "process.dialog_closed": ("dialogue closed", "关闭对话框"),
    "process.navigation_asked": ("navigation asked for", "请求跳转"),
    "process.navigated": ("another page", "转到新页面"),
    "process.navigated_within": ("another place of the page", "页面内跳转"),
    "process.popup": ("window opened by the page", "页面弹出窗口"),
    "process.tab_opened": ("tab opened", "打开标签页"),
    "process.tab_closed": ("tab closed", "关闭标签页"),
    "corroboration": ("record compared with itself", "记录相互印证"),
    "hashed": ("digest taken", "计算摘要"),
    "linked": ("linked with an earlier record", "关联在先记录"),
    "clock.step": ("the system's clock was set", "系统时钟被调整"),
    "close": ("work log closed", "工作记录结束"),
    "manifest": ("manifest written", "写成清单"),
    "signer": ("signer's certificate", "签署人证书"),
    "signed": ("manifest signed", "签署清单"),
    "sealed": ("sealed", "封存"),
    "stamped": ("time-stamped", "加盖时间戳"),
    "entered": ("entered in the ledger", "账本登记"),
    "witnessed": ("witnesses asked", "请求见证"),
    "anchored": ("anchored elsewhere", "外部锚定"),
    "documents": ("documents made", "制作文书"),
    "assembled": ("bundle assembled", "组装证据包"),
    "resumed": ("continued by a later command", "由后续命令续办"),
}


def step_name(step: str) -> Text:
    """Name a step; one that is not known keeps its id."""
    if step.startswith(_PARTIAL):
        what = step.removeprefix(_PARTIAL)
        en, zh = _MISSED.get(what, (f"could not be had: {what}", f"未能取得：{ROLES.get(what, what)}"))
        return Text(en=en, zh=zh)
    en, zh = _NAMES.get(step, (step, step))
    return Text(en=en, zh=zh)
