"""Running programs that control a screen remotely, intercept traffic or instrument other programs (Linux)."""

from __future__ import annotations

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import JsonValue, Text

_MOST = 4096
# The kernel cuts names to 15 bytes (proc(5), /proc/pid/comm).
_NAMED = {
    "remote control": (
        "x11vnc",
        "Xvnc",
        "vncserver",
        "teamviewerd",
        "anydesk",
        "rustdesk",
        "todesk",
        "sunloginclient",
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
    "tunnel": ("clash", "mihomo", "v2ray", "xray", "sing-box", "ss-local", "trojan", "openvpn", "tor"),
    "instrumentation": ("frida-server", "gdb", "strace", "ltrace"),
}
_KINDS = {name[:15].lower(): kind for kind, names in _NAMED.items() for name in names}


def probe_processes(context: ProbeContext) -> Observation:
    """Look at the names of running processes."""
    folder = context.options.process_folder
    if not (folder / "self").exists():
        return not_performed("this system has no /proc", "本系统没有 /proc")
    found: dict[str, str] = {}
    seen = 0
    for entry in folder.iterdir():
        if not entry.name.isdigit() or seen >= _MOST:
            continue
        try:
            name = (entry / "comm").read_text("utf-8", "replace").strip()
        except OSError:
            continue  # it ended meanwhile
        seen += 1
        if kind := _KINDS.get(name.lower()):
            found[name] = kind
    observed: dict[str, JsonValue] = {"processes": seen, "found": dict[str, JsonValue](found)}
    if found:
        names = ", ".join(sorted(found))
        return warned(f"running beside the capture: {names}", f"取证时同时运行：{names}", observed)
    return passed(
        "no known remote-control, interception or instrumentation program was seen",
        "未发现已知的远程控制、流量拦截或调试程序",
        observed,
    )


PROBE = Probe(id="system.processes", method=Text(en="names in /proc", zh="读取 /proc 中的进程名"), run=probe_processes)
