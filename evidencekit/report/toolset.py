"""The section of the report on tools and system: what was used, in words and in whole lines instead of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from evidencekit.report.elements import both, field_table, missing, section, text
from evidencekit.report.markup import Html, escape, join

if TYPE_CHECKING:
    from evidencekit.model import JsonValue, Text
    from evidencekit.report.fields import EnvironmentFacts

_LINES: Final = 60
_LIMIT: Final = 400
_NONE: Final = text("none", "无")
_UNKNOWN: Final = text("unknown", "未知")
_YES: Final = text("yes", "是")
_NO: Final = text("no", "否")
_LABELS: Final = {
    "arguments": "启动参数",
    "changed": "与安装时不同的文件",
    "container": "容器内运行",
    "dependencies": "所用程序库及版本",
    "display": "显示器",
    "host_name": "主机名",
    "machine": "处理器架构",
    "machine_id": "设备标识(摘要)",
    "machine_product": "设备型号",
    "machine_vendor": "设备厂商",
    "name": "名称",
    "offset": "偏差",
    "os_release": "操作系统发行版",
    "package_sha256": "程序文件摘要",
    "path": "路径",
    "processors": "处理器数",
    "product": "产品",
    "python": "Python 版本",
    "release": "内核版本",
    "sha256": "SHA-256",
    "system": "系统",
    "time_zone": "时区(相对 UTC)",
    "version": "版本",
}


def tools(facts: EnvironmentFacts | None) -> Html:
    """Browser, program, system and clock as the record describes them."""
    title = text("Tools and system", "工具清单与运行环境")
    if facts is None:
        return section(title, missing())
    groups = (
        (text("Tool", "工具"), facts.tool),
        (text("Browser", "浏览器"), facts.browser),
        (text("System", "系统"), facts.system),
        (text("Clock", "时钟"), facts.clock),
    )
    blocks: list[Html] = []
    for name, pairs in groups:
        rows = [(_name(key), _shown(value)) for key, value in pairs]
        blocks += [Html(f"<h3>{both(name)}</h3>"), field_table(rows) if rows else missing()]
    return section(title, *blocks)


def _name(key: str) -> Text:
    return text(key, _LABELS.get(key, key))


def _shown(value: str) -> Html:
    """A value by its kind; a list, a table and a text of several lines take a line for each part."""
    try:
        parsed: JsonValue = json.loads(value)
    except (ValueError, RecursionError):
        parsed = value
    if isinstance(parsed, bool):
        return both(_YES if parsed else _NO)
    if parsed is None:
        return missing(_UNKNOWN)
    if isinstance(parsed, list | dict):
        parts = [f"{key} {part}" for key, part in parsed.items()] if isinstance(parsed, dict) else map(str, parsed)
        return _lines(list(parts)) if parsed else both(_NONE)
    return _lines(value.rstrip("\n").split("\n"))


def _lines(parts: list[str]) -> Html:
    shown = [escape(part, limit=_LIMIT) for part in parts[:_LINES]]
    left = len(parts) - len(shown)
    more = [both(text(f"… {left} more lines", f"……另有 {left} 行"))] if left > 0 else []
    return join([*shown, *more], "<br>")
