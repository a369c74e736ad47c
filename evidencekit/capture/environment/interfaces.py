"""Tunnel and VPN interfaces, and the default gateway (Linux; R09, FM3)."""

from __future__ import annotations

import re
import socket
import struct
from typing import TYPE_CHECKING

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
    from pathlib import Path

    from evidencekit.model import JsonValue

_MOST = 256
_NAMES = re.compile(
    r"(?:tun|tap|wg|ppp|utun|ipsec|vti|zt|tailscale|nordlynx|proton|warp|cscotun|gpd|wintun|clash|mihomo|meta)\w*"
)
_PPP = "512"  # ARPHRD_PPP, linux/if_arp.h
_NO_HARDWARE = "65534"  # ARPHRD_NONE: tun and WireGuard


def probe_interfaces(context: ProbeContext) -> Observation:
    """Look at the kernel's list of interfaces."""
    folder = context.options.network_folder
    try:
        entries = sorted(folder.iterdir())[:_MOST]
    except OSError:
        return not_performed("this system does not list its interfaces here", "本系统无法在此列出网络接口")
    interfaces: list[JsonValue] = [
        {"name": e.name, "state": text_in(e / "operstate", 40).strip()} for e in entries if e.is_dir()
    ]
    tunnels = [entry.name for entry in entries if entry.is_dir() and is_tunnel(entry)]
    observed: dict[str, JsonValue] = {
        "interfaces": interfaces,
        "tunnels": list(tunnels),
        "gateway": _gateway(context.options.process_folder / "net" / "route"),
    }
    if tunnels:
        names = ", ".join(tunnels)
        return warned(f"tunnel or VPN interfaces: {names}", f"存在隧道或 VPN 接口：{names}", observed)
    return passed("no tunnel or VPN interface was seen", "未发现隧道或 VPN 接口", observed)


def is_tunnel(entry: Path) -> bool:
    """Say whether an interface (its folder in /sys/class/net) is a tunnel, by kind or by name."""
    if (entry / "tun_flags").exists() or _NAMES.fullmatch(entry.name):
        return True
    return text_in(entry / "type", 40).strip() in {_PPP, _NO_HARDWARE}


def _gateway(table: Path) -> str | None:
    """The IPv4 default route of the kernel's table (proc(5))."""
    try:
        lines = table.read_text("ascii", "replace").splitlines()[1:_MOST]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000" and re.fullmatch(r"[0-9A-F]{8}", fields[2]):  # noqa: PLR2004
            return socket.inet_ntoa(struct.pack("<I", int(fields[2], 16)))
    return None


PROBE = Probe(
    id="network.interfaces",
    name=Text(en="VPN and tunnel interfaces", zh="VPN 与隧道接口"),
    method=Text(en="the kernel's list of interfaces and routes", zh="读取内核网络接口与路由表"),
    run=probe_interfaces,
)
