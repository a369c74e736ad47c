"""DNS: what this system answers for the target, against independent resolvers (R08, FM2)."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.rdatatype

from evidencekit.capture.environment.probe import (
    RAW_CHARS,
    Observation,
    Probe,
    ProbeContext,
    failed,
    not_asked,
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
_PAYLOAD = 1232  # bytes of UDP that pass everywhere (DNS flag day 2020)
_STATUSES = ("validated", "signed", "unsigned")
_DNSSEC = "_dnssec"  # no host bears this name: an underscore is not lawful in one (RFC 1123 §2.1)
_SHARE = 0.8
_Answers = dict[tuple[str, str], tuple[list[str], str]]
"""Addresses and DNSSEC status by host and server; the server is empty for this system."""
_NOTHING: tuple[list[str], str] = ([], "")
_FAKE = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("28.0.0.0/8"))
"""Ranges that transparent proxies answer with (RFC 2544 benchmarking space, and one they misuse)."""


def probe_names(context: ProbeContext) -> Observation:
    """Resolve each name here and at the resolvers, all at the same time."""
    hosts = [host for host in context.hosts if not is_address(host)][:MOST_HOSTS]
    if not hosts:
        return passed("the target is an address, no name is resolved", "目标为 IP 地址，无需解析域名")
    answers = _ask_everyone(context, hosts)
    system = {host: answers.get((host, ""), _NOTHING)[0] for host in hosts}
    observed: dict[str, JsonValue] = {
        host: {server or "system": list(found) for (name, server), (found, _) in answers.items() if name == host}
        for host in hosts
    }
    observed[_DNSSEC] = {
        host: {server: status for (name, server), (_, status) in answers.items() if name == host and status}
        for host in hosts
    }
    raw = "\n".join(
        f"{name} @{server or 'system'}: {', '.join(found) or 'no answer'}{f' [DNSSEC {status}]' if status else ''}"
        for (name, server), (found, status) in sorted(answers.items())
    )
    unlawful = [f"{host} → {address}" for host, found in system.items() for address in found if is_unlawful(address)]
    if unlawful and not context.allow_private:
        shown = ", ".join(unlawful)
        return failed(
            f"this system answers with a private, loopback or fake address: {shown}",
            f"本机解析结果为内网、环回或虚假地址：{shown}",
            observed,
            raw,
        )
    return replace(_compare(context, hosts, answers, observed), raw=raw[:RAW_CHARS])


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
    answers: _Answers,
    observed: dict[str, JsonValue],
) -> Observation:
    if not context.third_party:
        return not_asked(observed)
    independent = {
        host: [set(found) for (name, server), (found, _) in answers.items() if name == host and server and found]
        for host in hosts
    }
    silent = [host for host in hosts if not independent[host]]
    if silent:
        names = ", ".join(silent)
        return not_performed(
            f"no independent resolver answered for {names}", f"没有独立解析服务器应答：{names}", observed
        )
    different = [
        host for host in hosts if not set().union(*independent[host]) & set(answers.get((host, ""), _NOTHING)[0])
    ]
    if different:
        return _explain(different, independent, observed)
    return passed("this system and independent resolvers agree", "本机与独立解析服务器的结果一致", observed)


def _explain(
    different: Sequence[str], independent: dict[str, list[set[str]]], observed: dict[str, JsonValue]
) -> Observation:
    """Public answers differ: sites that answer by region or load do so, and the resolvers may differ as well."""
    names = ", ".join(different)
    among = all(len(independent[host]) > 1 and not set.intersection(*independent[host]) for host in different)
    if among:
        return warned(
            f"this system and the independent resolvers give different public addresses for {names}, and so do these "
            "among themselves: the site answers by region or load (GeoDNS); the connection's certificate decides",
            f"本机与独立解析服务器对 {names} 给出不同的公网地址，各独立服务器之间亦不相同：网站按地区或负载应答"
            "（GeoDNS）；以连接所用证书为准",
            observed,
        )
    return warned(
        f"this system and the independent resolvers give different public addresses for {names}; sites that answer by "
        "region (GeoDNS) do so, too; the connection's certificate decides",
        f"本机与独立解析服务器对 {names} 给出不同的公网地址；按地区应答的网站（GeoDNS）也会如此；以连接所用证书为准",
        observed,
    )


def _ask_everyone(context: ProbeContext, hosts: Sequence[str]) -> _Answers:
    """Ask in daemon threads: the system's resolver cannot be given a time limit."""
    answers: _Answers = {}
    within_s = context.options.within_s * _SHARE
    threads: list[threading.Thread] = []

    def ask_one(host: str, server: str, resolve: Callable[[], tuple[list[str], str]]) -> None:
        try:
            answers[host, server] = resolve()
        except (OSError, ValueError, dns.exception.DNSException):
            answers[host, server] = _NOTHING

    for host in hosts:
        jobs: list[tuple[str, Callable[[], tuple[list[str], str]]]] = [("", partial(_system, host))]
        if context.third_party:
            jobs += [(server, partial(_independent, host, server, within_s)) for server in context.options.resolvers]
        threads += [
            threading.Thread(target=ask_one, args=(host, server, resolve), daemon=True) for server, resolve in jobs
        ]
    for thread in threads:
        thread.start()
    _join(threads, within_s)
    return dict(answers)


def _join(threads: Sequence[threading.Thread], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _system(host: str) -> tuple[list[str], str]:
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}), ""


def ask(name: str, kind: str, server: str, within_s: float) -> list[str]:
    """Ask one resolver for the records of one kind; empty when it says that there are none.

    Args:
        name: a domain name.
        kind: A, AAAA, TXT.
        server: `address` or `address:port`.
        within_s: seconds to wait.

    Raises:
        dns.exception.DNSException: no lawful answer. OSError, ValueError: the server cannot be asked.
    """
    return _look_up(name, kind, server, within_s)[0]


def _look_up(name: str, kind: str, server: str, within_s: float) -> tuple[list[str], str]:
    """Records, and what the answer says of DNSSEC: validated by the resolver, signed, or unsigned (RFC 4035 §3.2.3)."""
    # It loads QUIC and more where that is installed, and a capture that asks no third party needs none of it.
    from dns.resolver import NXDOMAIN, NoAnswer, Resolver  # noqa: PLC0415

    resolver = Resolver(configure=False)
    address, separator, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
    resolver.nameservers = [address]
    resolver.port = int(port) if separator else _DNS_PORT
    resolver.lifetime = resolver.timeout = within_s
    resolver.use_edns(0, dns.flags.DO, _PAYLOAD)
    resolver.flags = dns.flags.RD | dns.flags.AD
    try:
        answer = resolver.resolve(name, kind, search=False)
    except (NoAnswer, NXDOMAIN):
        return [], ""
    signed = any(found.rdtype == dns.rdatatype.RRSIG for found in answer.response.answer)
    status = "validated" if answer.response.flags & dns.flags.AD else "signed" if signed else "unsigned"
    return [record.to_text() for record in answer], status


def _independent(host: str, server: str, within_s: float) -> tuple[list[str], str]:
    found: list[str] = []
    statuses: list[str] = []
    for kind in ("A", "AAAA"):
        records, status = _look_up(host, kind, server, within_s)
        found += records
        statuses += [status] if status else []
    # The weakest status counts: an address that nobody signed is as good as unsigned.
    return sorted(found), max(statuses, key=_STATUSES.index, default="")


PROBE = Probe(
    id="network.dns",
    name=Text(en="DNS answers compared", zh="DNS 解析对比"),
    method=Text(
        en="the system's resolver against independent resolvers, with the DNSSEC status",
        zh="本机解析结果与独立解析服务器对比，并记录 DNSSEC 状态",
    ),
    run=probe_names,
)
