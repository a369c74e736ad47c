"""The address under which this machine is seen outside, and whose it is (R20, FM3, FM12).

The address comes from STUN (RFC 8489 §5, one datagram to each server), its network and country from the published
table of origins that Team Cymru serves over DNS. Both ask third parties.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dns.exception

from evidencekit.capture.environment.names import ask
from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_asked,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import JsonValue, Text

if TYPE_CHECKING:
    from collections.abc import Sequence


_COOKIE = 0x2112A442
_REQUEST, _SUCCESS = 0x0001, 0x0101
_MAPPED, _XOR_MAPPED = 0x0001, 0x0020
_HEADER = struct.Struct(">HHI12s")
_PORT = 3478
_MOST_BYTES = 1500
_SHARE = 0.4
_FAMILIES = {1: 4, 2: 16}
_ORIGIN = "origin.asn.cymru.com"
_ORIGIN_6 = "origin6.asn.cymru.com"
_SYSTEM = "asn.cymru.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose network an address is in: AS number, prefix, country (of the registration), name of the AS."""

    asn: str
    prefix: str
    country: str
    name: str = ""


def probe_egress(context: ProbeContext) -> Observation:
    """Ask the STUN servers at the same time, then one resolver for the network."""
    if not context.third_party:
        return not_asked()
    options = context.options
    within_s = options.within_s * _SHARE
    seen = _ask_all(options.egress_servers, within_s)
    observed: dict[str, JsonValue] = {"asked": list(options.egress_servers), "answers": dict[str, JsonValue](seen)}
    raw = "\n".join(f"{server}: {address}" for server, address in sorted(seen.items()))
    addresses = sorted(set(seen.values()))
    if not addresses:
        return not_performed("no server told the egress address", "没有服务器告知出口地址", observed)
    origins = {each: origin for each in addresses if (origin := find_origin(each, options.resolvers, within_s))}
    observed["addresses"] = [
        {
            "address": each,
            "asn": origin.asn if (origin := origins.get(each)) else None,
            "country": origin.country if origin else None,
            "prefix": origin.prefix if origin else None,
            "network": origin.name if origin else None,
        }
        for each in addresses
    ]
    shown = ", ".join(_describe(each, origins.get(each)) for each in addresses)
    if len(addresses) > 1 and len({ipaddress.ip_address(each).version for each in addresses}) < len(addresses):
        return warned(
            f"servers see this machine under different addresses ({shown}): traffic leaves by several ways",
            f"不同服务器看到的本机出口地址不一致（{shown}）：流量经多条路径离开",
            observed,
            raw,
        )
    if len(origins) < len(addresses):
        return passed(
            f"egress address {shown}; whose network it is could not be asked",
            f"出口地址 {shown}；未能查询其所属网络",
            observed,
            raw,
        )
    return passed(f"egress address {shown}", f"出口地址 {shown}", observed, raw)


def seen_address(server: str, within_s: float) -> str | None:
    """Give the address under which a STUN server sees this machine; `None` when no lawful answer came.

    Args:
        server: `host` or `host:port`.
        within_s: seconds to wait.
    """
    host, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
    number = secrets.token_bytes(12)
    try:
        found = socket.getaddrinfo(host, int(port or _PORT), type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as channel:
            channel.settimeout(within_s)
            channel.connect(found[4])
            channel.send(_HEADER.pack(_REQUEST, 0, _COOKIE, number))
            return _read_answer(channel.recv(_MOST_BYTES), number)
    except (OSError, ValueError, struct.error):
        return None


def find_origin(address: str, resolvers: Sequence[str], within_s: float) -> Origin | None:
    """Ask the resolvers in turn for the network of a public address; `None` when none tells."""
    parsed = ipaddress.ip_address(address)
    if not parsed.is_global:
        return None
    labels = parsed.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    name = f"{labels}.{_ORIGIN if parsed.version == 4 else _ORIGIN_6}"  # noqa: PLR2004
    for server in resolvers:
        try:
            line = _first(ask(name, "TXT", server, within_s))
            fields = [field.strip() for field in line.split("|")]
            if len(fields) < 3 or not fields[0]:  # noqa: PLR2004
                continue
            asn = fields[0].split()[0]
            named = _first(ask(f"AS{asn}.{_SYSTEM}", "TXT", server, within_s))
        except (OSError, ValueError, dns.exception.DNSException):
            continue
        return Origin(asn=asn, prefix=fields[1], country=fields[2], name=named.rpartition("|")[2].strip()[:200])
    return None


def _first(records: Sequence[str]) -> str:
    return records[0].strip('"') if records else ""


def _describe(address: str, origin: Origin | None) -> str:
    return address if origin is None else f"{address} · AS{origin.asn} {origin.name} · {origin.country}"


def _ask_all(servers: Sequence[str], within_s: float) -> dict[str, str]:
    seen: dict[str, str] = {}

    def ask_one(server: str) -> None:
        address = seen_address(server, within_s)
        if address is not None:
            seen[server] = address

    threads = [threading.Thread(target=partial(ask_one, server), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(seen)


def _read_answer(data: bytes, number: bytes) -> str | None:
    """Read a Binding success response (RFC 8489 §14.1, §14.2); it must echo our transaction id."""
    kind, length, cookie, echoed = _HEADER.unpack_from(data)
    if (kind, cookie, echoed) != (_SUCCESS, _COOKIE, number) or _HEADER.size + length > len(data):
        return None
    found: dict[int, str] = {}
    at, end = _HEADER.size, _HEADER.size + length
    while at + 4 <= end:
        attribute, size = struct.unpack_from(">HH", data, at)
        value = data[at + 4 : at + 4 + size]
        at += 4 + size + (-size % 4)
        width = _FAMILIES.get(value[1]) if len(value) > 1 else None
        if attribute in {_MAPPED, _XOR_MAPPED} and width and len(value) == 4 + width:
            octets = value[4:]
            if attribute == _XOR_MAPPED:
                mask = (struct.pack(">I", _COOKIE) + number)[:width]
                octets = bytes(a ^ b for a, b in zip(octets, mask, strict=True))
            found[attribute] = str(ipaddress.ip_address(octets))
    return found.get(_XOR_MAPPED) or found.get(_MAPPED)


PROBE = Probe(
    id="network.egress",
    name=Text(en="Egress address and its network", zh="出口 IP 与归属"),
    method=Text(
        en="STUN (RFC 8489) to several servers; origin of the network over DNS",
        zh="向多个服务器作 STUN 查询（RFC 8489）；经 DNS 查询所属网络",
    ),
    run=probe_egress,
)
