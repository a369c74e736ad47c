"""DNS: what this system answers for the target, against independent resolvers (R08, FM2)."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import dns.exception
import dns.resolver

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    failed,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evidencekit.model import JsonValue

MOST_HOSTS = 3
_DNS_PORT = 53
_SHARE = 0.8
_FAKE = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("28.0.0.0/8"))
"""Ranges that transparent proxies answer with (RFC 2544 benchmarking space, and one they misuse)."""


def probe_names(context: ProbeContext) -> Observation:
    """Resolve each name here and at the resolvers, all at the same time."""
    hosts = [host for host in context.hosts if not is_address(host)][:MOST_HOSTS]
    if not hosts:
        return passed("the target is an address, no name is resolved", "目标为 IP 地址，无需解析域名")
    answers = _ask_everyone(context, hosts)
    system = {host: answers.get((host, ""), []) for host in hosts}
    observed: dict[str, JsonValue] = {
        host: {server or "system": list(found) for (name, server), found in answers.items() if name == host}
        for host in hosts
    }
    unlawful = [f"{host} → {address}" for host, found in system.items() for address in found if is_unlawful(address)]
    if unlawful and not context.allow_private:
        shown = ", ".join(unlawful)
        return failed(
            f"this system answers with a private, loopback or fake address: {shown}",
            f"本机解析结果为内网、环回或虚假地址：{shown}",
            observed,
        )
    return _compare(context, hosts, answers, observed)


def is_address(host: str) -> bool:
    """Say whether a host is an IP address."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def is_unlawful(address: str) -> bool:
    """Say whether an answer cannot be a public server."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    return not parsed.is_global or any(parsed.version == network.version and parsed in network for network in _FAKE)


def _compare(
    context: ProbeContext,
    hosts: Sequence[str],
    answers: dict[tuple[str, str], list[str]],
    observed: dict[str, JsonValue],
) -> Observation:
    if not context.third_party:
        return not_performed(
            "independent resolvers are not asked: --no-third-party", "未询问独立解析服务器：已禁止第三方", observed
        )
    independent = {
        host: {a for (name, server), found in answers.items() if name == host and server for a in found}
        for host in hosts
    }
    silent = [host for host in hosts if not independent[host]]
    if silent:
        names = ", ".join(silent)
        return not_performed(
            f"no independent resolver answered for {names}", f"没有独立解析服务器应答：{names}", observed
        )
    different = [host for host in hosts if not independent[host] & set(answers.get((host, ""), []))]
    if different:
        names = ", ".join(different)
        return warned(
            f"this system and the independent resolvers give different addresses for {names}; sites that answer by "
            "region do so, too",
            f"本机与独立解析服务器对 {names} 的结果不同；按地区应答的网站也会如此",
            observed,
        )
    return passed("this system and independent resolvers agree", "本机与独立解析服务器的结果一致", observed)


def _ask_everyone(context: ProbeContext, hosts: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Ask in daemon threads: the system's resolver cannot be given a time limit."""
    answers: dict[tuple[str, str], list[str]] = {}
    within_s = context.options.within_s * _SHARE
    threads: list[threading.Thread] = []

    def ask(host: str, server: str, resolve: Callable[[], list[str]]) -> None:
        try:
            answers[host, server] = resolve()
        except (OSError, ValueError, dns.exception.DNSException):
            answers[host, server] = []

    for host in hosts:
        jobs: list[tuple[str, Callable[[], list[str]]]] = [("", partial(_system, host))]
        if context.third_party:
            jobs += [(server, partial(_independent, host, server, within_s)) for server in context.options.resolvers]
        threads += [threading.Thread(target=ask, args=(host, server, resolve), daemon=True) for server, resolve in jobs]
    for thread in threads:
        thread.start()
    _join(threads, within_s)
    return dict(answers)


def _join(threads: Sequence[threading.Thread], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _system(host: str) -> list[str]:
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def _independent(host: str, server: str, within_s: float) -> list[str]:
    resolver = dns.resolver.Resolver(configure=False)
    address, separator, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
    resolver.nameservers = [address]
    resolver.port = int(port) if separator else _DNS_PORT
    resolver.lifetime = resolver.timeout = within_s
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += [record.to_text() for record in resolver.resolve(host, kind, search=False)]
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            continue
    return sorted(found)


PROBE = Probe(
    id="network.dns",
    method=Text(en="the system's resolver against independent resolvers", zh="本机解析与独立解析服务器对比"),
    run=probe_names,
)
