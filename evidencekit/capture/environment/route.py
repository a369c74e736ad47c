"""Whether the target can be reached, and by which way: a TCP connection, and datagrams whose life ends on the way.

No root is needed: Linux hands the routers' ICMP answers to the socket that sent (ip(7), IP_RECVERR), as tracepath does.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.capture.environment.names import is_unlawful
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

MOST_HOPS: Final = 20
_BASE_PORT: Final = 33434
_CONNECT_SHARE, _TRACE_SHARE = 0.5, 0.4
# linux/in.h, linux/in6.h; not in Python's socket module.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err, linux/errqueue.h
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3
_EXCEEDED = {_ORIGIN_ICMP: 11, _ORIGIN_ICMP6: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A router's answer: after how many hops, from where, and whether it was the target itself."""

    distance: int
    address: str
    arrived: bool


def probe_route(context: ProbeContext) -> Observation:
    """Connect to the first target and look for the routers before it."""
    if not context.targets:
        return not_performed("no target is known", "尚未指定目标")
    host, port = context.targets[0]
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return not_performed(f"{host} has no address here", f"{host} 在本机无法解析")
    address = str(found[0][4][0])
    observed: dict[str, JsonValue] = {"host": host, "address": address, "port": port}
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return passed("the target is this machine itself: no route", "目标即本机：无路由", observed)
    if is_unlawful(address) and not context.allow_private:
        return not_performed(
            f"{address} is not public and is not contacted", f"{address} 不是公网地址，未与其联系", observed
        )
    within_s = context.options.within_s
    took_ms = connect_time(address, port, within_s * _CONNECT_SHARE)
    hops = trace(address, within_s * _TRACE_SHARE)
    observed["connected_ms"] = took_ms
    observed["hops"] = None if hops is None else {str(n): each.address for n, each in sorted(hops.items())}
    raw = _listing(hops)
    way, way_zh = _describe(hops)
    if took_ms is None:
        return warned(
            f"{host}:{port} ({address}) could not be connected to; {way}",
            f"无法连接 {host}:{port}（{address}）；{way_zh}",
            observed,
            raw,
        )
    return passed(
        f"{host}:{port} ({address}) answers within {took_ms} ms; {way}",
        f"{host}:{port}（{address}）在 {took_ms} 毫秒内应答；{way_zh}",
        observed,
        raw,
    )


def connect_time(address: str, port: int, within_s: float) -> int | None:
    """Give the milliseconds that a TCP connection takes; `None` when there is none within `within_s` seconds."""
    begun = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=within_s):
            return max(1, round((time.monotonic() - begun) * 1000))
    except OSError:
        return None


def trace(address: str, within_s: float) -> Mapping[int, Hop] | None:
    """Send one empty datagram for each distance and collect the routers' answers.

    Args:
        address: IPv4 or IPv6.
        within_s: seconds for all together.

    Returns:
        Hops by distance, silent routers left out, nothing behind the target; `None` where the system cannot tell.
    """
    if not hasattr(socket, "MSG_ERRQUEUE"):
        return None
    six = ":" in address
    channels: dict[int, tuple[int, socket.socket]] = {}
    try:
        for distance in range(1, MOST_HOPS + 1):
            channel = _send(address, distance, six=six)
            channels[channel.fileno()] = (distance, channel)
        found = _collect(channels, time.monotonic() + within_s)
    except OSError:
        return None
    finally:
        for _, channel in channels.values():
            channel.close()
    arrived = min((n for n, hop in found.items() if hop.arrived), default=MOST_HOPS)
    return {n: hop for n, hop in found.items() if n <= arrived}


def _collect(channels: Mapping[int, tuple[int, socket.socket]], deadline: float) -> dict[int, Hop]:
    """Read the answers until the target and every router before it has answered, or until the deadline."""
    found: dict[int, Hop] = {}
    poller = select.poll()
    for descriptor in channels:
        poller.register(descriptor, select.POLLERR)
    while not _all_known(found) and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left * 1000):
            distance, channel = channels[descriptor]
            hop = _answer(channel, distance)
            poller.unregister(descriptor)
            if hop is not None:
                found[distance] = hop
    return found


def _send(address: str, distance: int, *, six: bool) -> socket.socket:
    channel = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        channel.setblocking(False)
        if six:
            channel.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, distance)
        else:
            channel.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            channel.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, distance)
        channel.sendto(b"", (address, _BASE_PORT + distance))
    except OSError:
        channel.close()
        raise
    return channel


def _answer(channel: socket.socket, distance: int) -> Hop | None:
    """Read one ICMP answer from the error queue (ip(7), ipv6(7))."""
    try:
        _, notes, _, _ = channel.recvmsg(512, 1024, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for _, _, data in notes:
        if len(data) < _ERROR.size + 8:
            continue
        _, origin, kind, _, _, _, _ = _ERROR.unpack_from(data)
        offender = data[_ERROR.size :]
        if origin == _ORIGIN_ICMP:
            address = socket.inet_ntop(socket.AF_INET, offender[4:8])
        elif origin == _ORIGIN_ICMP6 and len(offender) >= 24:  # noqa: PLR2004
            address = socket.inet_ntop(socket.AF_INET6, offender[8:24])
        else:
            continue
        return Hop(distance=distance, address=address, arrived=kind != _EXCEEDED[origin])
    return None


def _all_known(found: Mapping[int, Hop]) -> bool:
    """Whether every distance up to the target has answered."""
    arrived = [n for n, hop in found.items() if hop.arrived]
    return bool(arrived) and all(n in found for n in range(1, min(arrived)))


def _describe(hops: Mapping[int, Hop] | None) -> tuple[str, str]:
    if hops is None:
        return "the route cannot be seen on this system", "本系统上无法查看路由"
    if not hops:
        return "no router on the way answered", "途经路由器均未应答"
    return f"{len(hops)} of {max(hops)} hops on the way answered", f"途经 {max(hops)} 跳，其中 {len(hops)} 跳应答"


def _listing(hops: Mapping[int, Hop] | None) -> str:
    if not hops:
        return ""
    return "\n".join(f"{n:2}  {hops[n].address if n in hops else '*'}" for n in range(1, max(hops) + 1))


PROBE = Probe(
    id="network.route",
    name=Text(en="Reachability and route", zh="连通性与路由"),
    method=Text(
        en="one TCP connection; UDP datagrams of growing TTL, ICMP answers (as tracepath)",
        zh="建立一次 TCP 连接；发送 TTL 递增的 UDP 报文并读取 ICMP 应答（同 tracepath）",
    ),
    run=probe_route,
)
