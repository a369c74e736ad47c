"""Running programs that control a screen remotely, intercept traffic or instrument other programs (R09, FM3, FM4)."""

from __future__ import annotations

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.capture.environment.processlist import running_programs
from evidencekit.model import JsonValue, Text

_NAMED = {
    "remote control": (
        "x11vnc",
        "Xvnc",
        "vncserver",
        "winvnc",
        "tvnserver",
        "teamviewerd",
        "teamviewer",
        "anydesk",
        "rustdesk",
        "todesk",
        "sunloginclient",
        "screensharingd",
        "xrdp",
    ),
    "interception": (
        "mitmproxy",
        "mitmdump",
        "mitmweb",
        "burpsuite",
        "charles",
        "fiddler",
        "bettercap",
        "ettercap",
        "squid",
    ),
    "tunnel": (
        "clash",
        "clash-verge",
        "mihomo",
        "v2ray",
        "v2rayn",
        "xray",
        "sing-box",
        "ss-local",
        "trojan",
        "openvpn",
        "tor",
    ),
    "instrumentation": ("frida-server", "gdb", "lldb", "strace", "ltrace"),
}
# The kernel cuts names to 15 bytes (proc(5), /proc/pid/comm).
_KINDS = {name[:15].lower(): kind for kind, names in _NAMED.items() for name in names}


def probe_processes(context: ProbeContext) -> Observation:
    """Look at the names of running processes."""
    names = running_programs(context.options.process_folder, context.options.system)
    if names is None:
        return not_performed("running programs cannot be listed here", "无法在此列出正在运行的程序")
    found = {name: kind for name in names if (kind := _KINDS.get(name[:15].lower()))}
    observed: dict[str, JsonValue] = {"processes": len(names), "found": dict[str, JsonValue](found)}
    raw = "\n".join(f"{name}: {kind}" for name, kind in sorted(found.items()))
    if found:
        listed = ", ".join(sorted(found))
        return warned(f"running beside the capture: {listed}", f"取证时同时运行：{listed}", observed, raw)
    return passed(
        "no known remote-control, interception or instrumentation program was seen",
        "未发现已知的远程控制、流量拦截或调试程序",
        observed,
        f"{len(names)} running programs, none of the names looked for",
    )


PROBE = Probe(
    id="system.processes",
    name=Text(en="Running programs", zh="运行中的程序"),
    method=Text(
        en="names of running programs (/proc, ps, tasklist)", zh="读取正在运行的程序名称（/proc、ps、tasklist）"
    ),
    run=probe_processes,
)
