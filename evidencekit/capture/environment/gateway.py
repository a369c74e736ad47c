"""The gateway: the next machine that everything passes (公安程序规定 66: the place and manner of making)."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.files import text_in
from evidencekit.capture.environment.interfaces import is_tunnel
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
    from evidencekit.capture.environment.probe import ProbeOptions
    from evidencekit.model import JsonValue

_MOST_LINES = 512
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the destination of a default route
_EIGHT = re.compile(r"[0-9A-F]{8}")
_THIRTY_TWO = re.compile(r"[0-9a-f]{32}")
_MAC_FIELD = re.compile(r"^\s*(gateway|interface):\s*(\S+)\s*$", re.MULTILINE)
_WINDOWS_ROW = re.compile(r"^\s*0\.0\.0\.0\s+0\.0\.0\.0\s+(\S+)\s+(\S+)\s+\d+\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A default route; `address` is `None` for a route straight onto the interface, as tunnels have."""

    address: str | None
    interface: str


def probe_gateway(context: ProbeContext) -> Observation:
    """Read the default routes; one that leaves through a tunnel is named."""
    options = context.options
    gateways = _gateways(options)
    if gateways is None:
        return not_performed("the routing table cannot be read", "无法读取路由表")
    hardware = _hardware(text_in(options.process_folder / "net" / "arp"))
    listed: list[JsonValue] = [
        {
            "address": each.address,
            "interface": each.interface,
            "hardware": hardware.get(each.address or ""),
        }
        for each in gateways
    ]
    raw = "\n".join(f"default via {each.address or '-'} dev {each.interface}" for each in gateways)
    if not gateways:
        return passed("there is no default route", "没有默认路由", {"gateways": []}, raw)
    tunnels = [each.interface for each in gateways if is_tunnel(options.network_folder / each.interface)]
    shown = ", ".join(f"{each.address or '-'} ({each.interface})" for each in gateways)
    observed: dict[str, JsonValue] = {"gateways": listed}
    if tunnels:
        return warned(f"everything leaves through a tunnel: {shown}", f"全部流量经隧道接口离开：{shown}", observed, raw)
    return passed(f"default gateway: {shown}", f"默认网关：{shown}", observed, raw)


def _gateways(options: ProbeOptions) -> list[Gateway] | None:
    """Give the default routes; `None` when nobody tells them."""
    if options.system == "darwin":
        said = output_of("route", "-n", "get", "default")
        return None if said is None else parse_macos(said)
    if options.system == "win32":
        said = output_of("route", "print", "-4", _ANYWHERE)
        return None if said is None else parse_windows(said)
    folder = options.process_folder / "net"
    four, six = text_in(folder / "route"), text_in(folder / "ipv6_route")
    return [*_ipv4(four), *_ipv6(six)] if four or six else None


def parse_macos(said: str) -> list[Gateway]:
    """Read `route -n get default` of macOS."""
    fields = dict(_MAC_FIELD.findall(said))
    if "interface" not in fields:
        return []
    return [Gateway(address=fields.get("gateway"), interface=fields["interface"])]


def parse_windows(said: str) -> list[Gateway]:
    """Read `route print -4 0.0.0.0` of Windows."""
    return [Gateway(address=gateway, interface=own) for gateway, own in _WINDOWS_ROW.findall(said)]


def _ipv4(table: str) -> list[Gateway]:
    """Default routes of /proc/net/route: the destination and the mask are zero (proc(5))."""
    found = []
    for line in table.splitlines()[1:_MOST_LINES]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and _EIGHT.fullmatch(fields[2]):  # noqa: PLR2004
            address = socket.inet_ntoa(struct.pack("<I", int(fields[2], 16)))
            found.append(Gateway(address=None if address == _ANYWHERE else address, interface=fields[0]))
    return found


def _ipv6(table: str) -> list[Gateway]:
    """Default routes of /proc/net/ipv6_route: ::/0 with a next hop, not on the loopback interface (proc(5))."""
    found = []
    for line in table.splitlines()[:_MOST_LINES]:
        fields = line.split()
        if len(fields) > 9 and set(fields[0]) == {"0"} and fields[1] == "00" and fields[9] != "lo":  # noqa: PLR2004
            hop = fields[4] if _THIRTY_TWO.fullmatch(fields[4]) else ""
            address = str(ipaddress.IPv6Address(int(hop, 16))) if hop.strip("0") else None
            found.append(Gateway(address=address, interface=fields[9]))
    return found


def _hardware(table: str) -> dict[str, str]:
    """Hardware addresses by IPv4 address, of /proc/net/arp."""
    rows = [line.split() for line in table.splitlines()[1:_MOST_LINES]]
    return {fields[0]: fields[3] for fields in rows if len(fields) > 3}  # noqa: PLR2004


PROBE = Probe(
    id="network.gateway",
    name=Text(en="Gateway", zh="网关"),
    method=Text(en="routing table and neighbours (/proc/net, route)", zh="读取路由表与邻居表（/proc/net、route 命令）"),
    run=probe_gateway,
)
