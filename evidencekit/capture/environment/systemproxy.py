"""The proxy that a desktop sets for all programs, with PAC and WPAD: GNOME, KDE, macOS, Windows (R09, FM3)."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.files import text_in
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
    from collections.abc import Mapping

    from evidencekit.model import JsonValue

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]*@")
_VALUE_CHARS = 300
_WINDOWS_KEY = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"
_KDE_KINDS = {"1": "manual", "2": "PAC", "3": "WPAD", "4": "environment"}
_ENVIRONMENT_LINE = re.compile(
    r"^\s*(?:export\s+)?((?:https?|all|ftp|auto|socks)_proxy)\s*=\s*\"?([^\"\n]+)", re.IGNORECASE | re.MULTILINE
)
_MACOS_LINE = re.compile(r"^\s*(\w+) : (.+?)\s*$", re.MULTILINE)


def probe_system_proxy(context: ProbeContext) -> Observation:
    """Read the settings that apply to every program of this user."""
    options = context.options
    if context.options.system == "darwin":
        said = output_of("scutil", "--proxy")
        found = None if said is None else parse_scutil(said)
    elif context.options.system == "win32":
        said = output_of("reg", "query", _WINDOWS_KEY)
        found = None if said is None else parse_internet_settings(said)
    else:
        found = {
            **parse_environment_file(text_in(options.environment_file)),
            **parse_kde(text_in(options.home / ".config" / "kioslaverc")),
            **_gnome(),
        }
    if found is None:
        return not_performed("the system's proxy settings cannot be read", "无法读取系统代理设置")
    shown: dict[str, JsonValue] = {
        name: _CREDENTIALS.sub("", value)[:_VALUE_CHARS] for name, value in sorted(found.items())
    }
    raw = "\n".join(f"{name} = {value}" for name, value in shown.items())
    if shown:
        listed = ", ".join(f"{name} = {value}" for name, value in shown.items())
        return warned(f"the system sets a proxy: {listed}", f"系统设置了代理：{listed}", {"found": shown}, raw)
    return passed(
        "no system proxy, PAC file or automatic discovery was seen",
        "未发现系统代理、PAC 文件或自动发现设置",
        {"found": {}},
    )


def parse_environment_file(text: str) -> dict[str, str]:
    """Read proxy variables of /etc/environment (pam_env(8))."""
    return {f"environment {name.lower()}": value.strip() for name, value in _ENVIRONMENT_LINE.findall(text)}


def parse_kde(text: str) -> dict[str, str]:
    """Read KDE's kioslaverc; ProxyType 0 is none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    if not parser.has_section("Proxy Settings"):
        return {}
    settings = parser["Proxy Settings"]
    kind = settings.get("ProxyType", "0")
    if kind not in _KDE_KINDS:
        return {}
    where = settings.get("Proxy Config Script", "") if kind == "2" else settings.get("httpsProxy", "")
    return {f"KDE {_KDE_KINDS[kind]}": where}


def parse_scutil(text: str) -> dict[str, str]:
    """Read `scutil --proxy` of macOS."""
    values = dict(_MACOS_LINE.findall(text))
    found = {}
    for kind in ("HTTP", "HTTPS", "SOCKS"):
        if values.get(f"{kind}Enable") == "1":
            found[f"{kind} proxy"] = f"{values.get(f'{kind}Proxy', '')}:{values.get(f'{kind}Port', '')}"
    if values.get("ProxyAutoConfigEnable") == "1":
        found["PAC"] = values.get("ProxyAutoConfigURLString", "")
    if values.get("ProxyAutoDiscoveryEnable") == "1":
        found["WPAD"] = "on"
    return found


def parse_internet_settings(text: str) -> dict[str, str]:
    """Read the registry's Internet Settings as `reg query` prints them."""
    values = {}
    for line in text.splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[1].startswith("REG_"):  # noqa: PLR2004
            values[fields[0]] = fields[2].strip()
    found = {}
    if values.get("ProxyEnable", "0x0") != "0x0":
        found["proxy"] = values.get("ProxyServer", "")
    if values.get("AutoConfigURL"):
        found["PAC"] = values["AutoConfigURL"]
    return found


def _gnome() -> Mapping[str, str]:
    listed = output_of("gsettings", "list-recursively", "org.gnome.system.proxy")
    return {} if listed is None else parse_gsettings(listed)


def parse_gsettings(listed: str) -> dict[str, str]:
    """Read `gsettings list-recursively org.gnome.system.proxy`; mode 'none' is none."""
    values = {}
    for line in listed.splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3:  # noqa: PLR2004
            values[f"{fields[0].removeprefix('org.gnome.system.proxy')}.{fields[1]}".lstrip(".")] = fields[2].strip("'")
    mode = values.get("mode", "none")
    if mode == "auto":
        return {"GNOME PAC": values.get("autoconfig-url", "") or "WPAD"}
    if mode == "manual":
        return {
            f"GNOME {kind}": f"{values[f'{kind}.host']}:{values.get(f'{kind}.port', '')}"
            for kind in ("http", "https", "socks")
            if values.get(f"{kind}.host")
        }
    return {}


PROBE = Probe(
    id="network.system_proxy",
    name=Text(en="System proxy, PAC", zh="系统代理与 PAC"),
    method=Text(
        en="gsettings, kioslaverc, /etc/environment; scutil --proxy; Internet Settings",
        zh="读取 gsettings、kioslaverc、/etc/environment；scutil --proxy；Internet Settings",
    ),
    run=probe_system_proxy,
)
