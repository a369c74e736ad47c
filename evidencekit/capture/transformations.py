"""What was done to the page or the browser that a plain visit would not do, read back from the method log (R14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from evidencekit.capture.methodlog import AlteringCall, MethodLog

_MEANINGS = {
    "Page.addScriptToEvaluateOnNewDocument": ("script registered for every new document", "为每个新文档注册脚本"),
    "Page.createIsolatedWorld": ("isolated script world created", "建立隔离的脚本环境"),
    "Runtime.evaluate": ("script run in the page", "在网页中运行脚本"),
    "Runtime.callFunctionOn": ("script run in the page", "在网页中运行脚本"),
    "Browser.setDownloadBehavior": ("downloads refused", "禁止下载"),
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
