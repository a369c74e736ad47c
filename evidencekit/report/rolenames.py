"""Words for what the bundle names in one word: outcomes of requests, roles of artifacts.

What stands here is shown beside the name itself, never in its place.
"""

from __future__ import annotations

from typing import Final

from evidencekit.report.elements import both, text
from evidencekit.report.markup import Html, escape

REQUESTS: Final = {
    "recorded": "已记录",
    "partial": "部分记录",
    "failed": "失败",
    "withheld": "不予公开",
    "not-retrievable": "无法取得",
}

ROLES: Final = {
    "accessibility": "无障碍树",
    "archive": "网页归档",
    "console": "控制台输出",
    "deposit": "存证文件",
    "deposit.items": "条目清单",
    "dom": "网页源码",
    "dom.initial": "初始源码",
    "dom.snapshot": "布局快照",
    "environment": "环境报告",
    "exchanges": "请求记录",
    "favicon": "网站图标",
    "har": "请求记录（HAR）",
    "media": "媒体清单",
    "media.playable": "流媒体可播放副本",
    "mhtml": "单文件网页",
    "operator.notes": "操作人备注",
    "other": "其他",
    "pdf": "打印版",
    "process": "过程记录",
    "rendering": "呈现参数",
    "screenshot": "完整截图",
    "screenshot.initial": "初始截图",
    "screenshot.pdf": "截图分页版",
    "screenshot.tile": "截图分幅",
    "screenshot.tiles": "截图分幅清单",
    "text": "可见文字",
    "tls": "TLS 记录",
    "video": "屏幕录像",
    "window": "窗口截图",
    "worklog": "工作记录",
}
"""Roles of artifacts (docs/spec/manifest.md)."""


def named(words: dict[str, str], name: str) -> Html:
    """Chinese word above the name as it stands in the file; the name alone where there is no word for it."""
    return both(text(name, words[name])) if name in words else escape(name)
