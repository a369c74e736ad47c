"""The browser: which program it is, and whether its profile is fresh (R10, R11, FM1)."""

from __future__ import annotations

import json
import plistlib
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
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

    from evidencekit.capture.profilecopy import HeldProfile
    from evidencekit.model import JsonValue

_MOST_FILES = 20_000
_MOST_NAMED = 20
_POLICY_BYTES = 1 << 20
_WINDOWS_KEYS = tuple(
    rf"{root}\SOFTWARE\Policies\{name}"
    for root in ("HKLM", "HKCU")
    for name in (r"Google\Chrome", "Chromium", r"Microsoft\Edge")
)
_MACOS_FILES = tuple(
    Path(f"/Library/Managed Preferences/{name}.plist")
    for name in ("com.google.Chrome", "org.chromium.Chromium", "com.microsoft.Edge")
)
_EXTENSION_ARGUMENTS = ("--load-extension", "--disable-extensions-except", "--user-data-dir-extension")


def probe_browser(context: ProbeContext) -> Observation:
    """Record name, version and digest of the program."""
    browser = context.options.browser
    if browser is None:
        return not_performed("no browser is known", "尚未确定浏览器")
    observed: dict[str, JsonValue] = {
        "name": browser.name,
        "version": browser.version,
        "path": str(browser.path),
        "sha256": browser.sha256,
        "arguments": list(browser.arguments),
    }
    return passed("program recorded by digest", "已记录浏览器程序的摘要", observed)


def probe_profile(context: ProbeContext) -> Observation:
    """Look for files that were in the profile before the capture, and for extensions."""
    options = context.options
    if options.profile is None or options.profile_ready_at is None:
        return not_performed("no profile is known", "尚未确定浏览器配置目录")
    if options.held is not None:
        return _of_copy(options.held)
    before = options.profile_ready_at.timestamp()
    old, seen = [], 0
    for file in _files(options.profile):
        seen += 1
        if file.lstat().st_mtime < before:
            old.append(str(file.relative_to(options.profile)))
    arguments = options.browser.arguments if options.browser else ()
    extensions = [argument for argument in arguments if argument.startswith(_EXTENSION_ARGUMENTS)]
    observed: dict[str, JsonValue] = {
        "files": seen,
        "older": len(old),
        "examples": list(sorted(old)[:_MOST_NAMED]),
        "extensions": list(extensions),
    }
    if old or extensions:
        return warned(
            f"the profile was used before: {len(old)} older files, {len(extensions)} extension arguments",
            f"浏览器配置此前已被使用：{len(old)} 个旧文件，{len(extensions)} 个扩展参数",
            observed,
        )
    return passed(
        "the profile is new: no cache, no history, no extension", "浏览器配置为全新：无缓存、无历史、无扩展", observed
    )


def _of_copy(held: HeldProfile) -> Observation:
    """A copy of somebody's profile: what it held, by count; never a value."""
    count, history = sum(held.cookies.values()), "?" if held.history is None else str(held.history)
    observed: dict[str, JsonValue] = {
        "copied_files": held.files,
        "cookies": dict(held.cookies),
        "extensions": list(held.extensions),
        "history": held.history,
    }
    return warned(
        f"the session ran on a copy of a profile that was used before: {count} cookies of {len(held.cookies)} hosts, "
        f"{len(held.extensions)} extensions (not loaded), "
        f"{history} addresses in its history; caches were left behind",
        f"使用了既有浏览器配置的副本：{len(held.cookies)} 个主机的 {count} 个 Cookie、"
        f"{len(held.extensions)} 个扩展(未加载)、历史记录 {history} 条；缓存未复制",
        observed,
    )


def probe_policies(context: ProbeContext) -> Observation:
    """Look for managed policies, which can force extensions, proxies and certificates on the browser."""
    found = _elsewhere(context.options.system)
    for folder in context.options.policy_folders:
        for file in sorted(folder.glob("*/*.json"))[:_MOST_NAMED] if folder.is_dir() else ():
            found[str(file)] = _policy_names(file)
    raw = "\n".join(f"{where}: {names}" for where, names in found.items())
    if found:
        return warned(
            f"managed policies apply: {len(found)} files",
            f"存在受管策略：{len(found)} 个文件",
            {"policies": found},
            raw,
        )
    return passed("no managed browser policy was seen", "未发现受管的浏览器策略", {"policies": found})


def _elsewhere(system: str) -> dict[str, JsonValue]:
    """Policies in the registry of Windows and in the managed preferences of macOS."""
    found: dict[str, JsonValue] = {}
    for key in _WINDOWS_KEYS if system == "win32" else ():
        listed = output_of("reg", "query", key, "/s")
        if listed is not None and (names := policy_values(listed)):
            found[key] = list(names)
    for file in _MACOS_FILES if system == "darwin" else ():
        if file.exists():
            found[str(file)] = _plist_names(file)
    return found


def policy_values(listed: str) -> list[str]:
    """Read the names of values that `reg query` prints."""
    rows = [line.split() for line in listed.splitlines()]
    return sorted({fields[0] for fields in rows if len(fields) > 1 and fields[1].startswith("REG_")})[:_MOST_NAMED]


def _files(folder: Path) -> Iterator[Path]:
    waiting, seen = [folder], 0
    while waiting:
        try:
            entries = list(waiting.pop().iterdir())
        except OSError:
            continue  # the browser removes files while it starts
        for entry in entries:
            seen += 1
            if seen > _MOST_FILES:
                return
            if entry.is_dir() and not entry.is_symlink():
                waiting.append(entry)
            elif entry.exists():
                yield entry


def _plist_names(file: Path) -> list[JsonValue]:
    try:
        with file.open("rb") as source:
            value = plistlib.loads(source.read(_POLICY_BYTES))
    except (OSError, ValueError, RecursionError):
        return ["unreadable"]
    return [str(name) for name in sorted(value)[:_MOST_NAMED]] if isinstance(value, dict) else ["unreadable"]


def _policy_names(file: Path) -> list[JsonValue]:
    try:
        with file.open("rb") as source:
            value = json.loads(source.read(_POLICY_BYTES))
    except (OSError, ValueError, RecursionError):
        return ["unreadable"]
    return sorted(value)[:_MOST_NAMED] if isinstance(value, dict) else ["unreadable"]


BROWSER = Probe(
    id="browser.program",
    name=Text(en="Browser program", zh="浏览器程序"),
    method=Text(en="digest of the program file", zh="计算程序文件摘要"),
    run=probe_browser,
)
PROFILE = Probe(
    id="browser.profile",
    name=Text(en="Profile and cache of the browser", zh="浏览器配置与缓存"),
    method=Text(en="files of the profile", zh="检查配置目录中的文件"),
    run=probe_profile,
)
POLICIES = Probe(
    id="browser.policies",
    name=Text(en="Managed policies", zh="浏览器受管策略"),
    method=Text(en="managed policy files (registry on Windows)", zh="检查受管策略文件（Windows 为注册表）"),
    run=probe_policies,
)
