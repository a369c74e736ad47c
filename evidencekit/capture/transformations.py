"""What was done to the page or the browser that a plain visit would not do, read back from the method log (R14)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.capture.methodlog import AlteringCall, MethodLog
    from evidencekit.capture.request import CaptureRequest

_MEANINGS = {
    "Page.addScriptToEvaluateOnNewDocument": ("script registered for every new document", "为每个新文档注册脚本"),
    "Page.createIsolatedWorld": ("isolated script world created", "建立隔离的脚本环境"),
    "Runtime.evaluate": ("script run in the page", "在网页中运行脚本"),
    "Runtime.callFunctionOn": ("script run in the page", "在网页中运行脚本"),
    "Browser.setDownloadBehavior": ("downloads sent to a folder of the recorder", "下载文件存入记录器的目录"),
    "Browser.setContentsSize": ("window size set", "设置窗口尺寸"),
    "Page.handleJavaScriptDialog": ("dialog answered", "回应对话框"),
    "Emulation.setScriptExecutionDisabled": ("scripts stopped after a limit was reached", "达到上限后停止脚本"),
    "Network.setBlockedURLs": ("further requests refused after a limit was reached", "达到上限后拒绝后续请求"),
}


def transformations_of(log: MethodLog) -> tuple[Transformation, ...]:
    """One entry for each altering command that differs, with how often it was sent, in order of the first."""
    first: dict[tuple[str, str, str], AlteringCall] = {}
    counts: dict[tuple[str, str, str], int] = {}
    for call in log.altering:
        key = (call.client, call.method, call.summary)
        first.setdefault(key, call)
        counts[key] = counts.get(key, 0) + 1
    return tuple(_transformation(call, counts[key]) for key, call in first.items())


def _transformation(call: AlteringCall, count: int) -> Transformation:
    en, zh = _MEANINGS.get(call.method, ("browser setting or input", "浏览器设置或输入"))
    summary = f": {call.summary}" if call.summary else ""
    times_en, times_zh = (f" ({count} times)", f"({count} 次)") if count > 1 else ("", "")
    return Transformation(
        time=call.time,
        kind=call.method,
        detail=Text(
            en=f"{en} by {call.client}{times_en}: {call.method}{summary}",
            zh=f"{zh}({call.client}){times_zh}:{call.method}{summary}",
        ),
    )


def chosen_transformations(request: CaptureRequest, options: BrowserOptions) -> tuple[Transformation, ...]:
    """What the caller chose that changes how pages are judged or reached."""
    now = datetime.now(UTC)
    chosen: list[tuple[str, Text]] = []
    if request.allow_tls_errors:
        en = "the browser was told to accept any certificate: the server's identity was not checked"
        chosen.append(("tls.errors_allowed", Text(en=en, zh="浏览器被设为接受任何证书：未核验服务器身份")))
    if options.home is not None:
        en = "the browser ran with another home folder, so with its own certificate store"
        chosen.append(("browser.home", Text(en=en, zh="浏览器使用了另一个主目录，因而使用该目录的证书库")))
    if options.profile is not None:
        en = f"the browser ran on a copy of the profile of {request.profile_owner}, signed in where that was"
        zh = f"浏览器使用 {request.profile_owner} 的配置副本运行，其登录状态随之有效"
        chosen.append(("browser.profile", Text(en=en[:500], zh=zh[:500])))
    for argument in options.extra_args:
        en, zh = f"the browser was started with {argument}", f"浏览器以 {argument} 启动"
        chosen.append(("browser.argument", Text(en=en[:500], zh=zh[:500])))
    return tuple(Transformation(time=now, kind=kind, detail=detail) for kind, detail in chosen)
