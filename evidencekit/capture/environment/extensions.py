"""Extensions that somebody else than the capture gives to the browser: by policy or by the system's folders (R10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import JsonValue

_MOST_FILES = 200
_MOST_BYTES = 1 << 20
_FORCED_MODES = ("force_installed", "normal_installed")


def probe_extensions(context: ProbeContext) -> Observation:
    """Look for forced extensions in policies, and for external extensions of the system."""
    if context.options.system == "win32":
        return not_performed("extensions set in the registry are not read", "未读取注册表中的扩展设置")
    forced = sorted({name for file in _policies(context) for name in forced_extensions(_json(file))})
    external = sorted(
        file.stem
        for folder in context.options.extension_folders
        if folder.is_dir()
        for file in sorted(folder.glob("*.json"))[:_MOST_FILES]
    )
    observed: dict[str, JsonValue] = {"forced": list(forced), "external": list(external)}
    raw = "\n".join([*(f"forced by policy: {name}" for name in forced), *(f"external: {name}" for name in external)])
    if forced or external:
        listed = ", ".join([*forced, *external])
        return warned(
            f"the system gives the browser extensions: {listed} (the capture starts it with extensions off)",
            f"系统为浏览器指定了扩展：{listed}（取证时已关闭扩展）",
            observed,
            raw,
        )
    return passed("no forced or external extension was seen", "未发现强制安装或外部安装的扩展", observed, raw)


def forced_extensions(policy: JsonValue) -> Iterator[str]:
    """Give the ids of extensions that a policy installs (ExtensionInstallForcelist, ExtensionSettings)."""
    if not isinstance(policy, dict):
        return
    listed = policy.get("ExtensionInstallForcelist")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str):
            yield entry.partition(";")[0][:80]
    settings = policy.get("ExtensionSettings")
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if isinstance(value, dict) and value.get("installation_mode") in _FORCED_MODES:
            yield name[:80]


def _policies(context: ProbeContext) -> Iterator[Path]:
    for folder in context.options.policy_folders:
        if folder.is_dir():
            yield from sorted(folder.glob("*/*.json"))[:_MOST_FILES]


def _json(file: Path) -> JsonValue:
    try:
        with file.open("rb") as source:
            value: JsonValue = json.loads(source.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return value


PROBE = Probe(
    id="browser.extensions",
    name=Text(en="Extensions", zh="浏览器扩展"),
    method=Text(en="policy files and folders of external extensions", zh="检查策略文件与外部扩展文件夹"),
    run=probe_extensions,
)
