"""What the recorded connections add: peer, protocol, cipher and chain of each origin, against the DNS answers (R12)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.environment.names import is_address, is_unlawful
from evidencekit.capture.environment.probe import Check, Observation, failed, not_performed, passed, warned
from evidencekit.model import JsonValue, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evidencekit.capture.environment.run import EnvironmentReport
    from evidencekit.capture.exchanges import Exchange

MOST_ORIGINS = 500
_PEER = re.compile(r"\[?([0-9A-Fa-f.:]+?)\]?:\d+")
_STATES = {"secure": True, "insecure": False, "insecure-broken": False}
"""What `Security.SecurityState` of DevTools says of the certificate; other states say nothing."""
_NAMES_CHECK = "network.dns"


def add_connections(
    report: EnvironmentReport,
    exchanges: Iterable[Exchange],
    chains: Mapping[str, str],
    *,
    allow_private: bool = False,
) -> EnvironmentReport:
    """Give the report with `connection` filled and the check `connection.peer` appended.

    Args:
        report: what the probes saw.
        exchanges: all of them, in order.
        chains: bundle path of the certificate chain by origin.
        allow_private: private peers were allowed by request.
    """
    started = datetime.now(UTC)
    answers = _answers(report)
    connection: dict[str, JsonValue] = {}
    for exchange in exchanges:
        origin = _origin(exchange.url)
        if origin and origin not in connection and exchange.remote_address and len(connection) < MOST_ORIGINS:
            host = urlsplit(exchange.url).hostname or ""
            security = exchange.security or {}
            connection[origin] = {
                "dns": list(answers.get(host, ())),
                "peer": exchange.remote_address,
                "protocol": exchange.protocol,
                "tls": security.get("protocol"),
                "verified": _STATES.get(str(security.get("state"))),
                "cipher": security.get("cipher"),
                "chain": chains.get(origin),
            }
    check = Check(
        id="connection.peer",
        name=Text(en="Connected addresses", zh="实际连接地址"),
        method=Text(en="connected addresses against DNS answers", zh="连接地址与 DNS 结果对比"),
        started=started,
        finished=datetime.now(UTC),
        observation=_judge(connection, allow_private=allow_private),
    )
    return replace(report, connection=connection, checks=(*report.checks, check))


def _judge(connection: Mapping[str, JsonValue], *, allow_private: bool) -> Observation:
    if not connection:
        return not_performed("no connection was recorded", "没有记录到任何连接")
    peers = {origin: _peer_of(facts) for origin, facts in connection.items()}
    private = [f"{origin} → {peer}" for origin, (peer, _) in peers.items() if peer and is_unlawful(peer)]
    observed: dict[str, JsonValue] = {"origins": len(peers)}
    if private and not allow_private:
        shown = ", ".join(private[:5])
        return failed(f"connected to a private address: {shown}", f"连接到内网地址：{shown}", observed)
    other = [f"{origin} → {peer}" for origin, (peer, dns) in peers.items() if dns and peer not in dns]
    unverified = [line for line in other if _is_unverified(connection[line.partition(" → ")[0]])]
    if unverified:
        shown = ", ".join(unverified[:5])
        return failed(
            f"the connected address is in no DNS answer, and its certificate was not accepted: {shown}",
            f"连接地址不在 DNS 结果之中，且其证书未通过浏览器校验：{shown}",
            observed,
        )
    if other:
        shown = ", ".join(other[:5])
        return warned(
            f"the connected address is in no DNS answer: {shown}", f"连接地址不在 DNS 结果之中：{shown}", observed
        )
    if not any(dns for _, dns in peers.values()):
        return not_performed("there are no DNS answers to compare with", "没有可供对比的 DNS 结果", observed)
    return passed("the connected addresses are among the DNS answers", "连接地址与 DNS 结果一致", observed)


def _is_unverified(facts: JsonValue) -> bool:
    return isinstance(facts, dict) and facts.get("verified") is False


def _peer_of(facts: JsonValue) -> tuple[str, Sequence[JsonValue]]:
    if not isinstance(facts, dict):
        return "", ()
    match = _PEER.fullmatch(str(facts.get("peer")))
    answers = facts.get("dns")
    return (match[1] if match else ""), (answers if isinstance(answers, list) else ())


def _answers(report: EnvironmentReport) -> dict[str, list[str]]:
    """DNS answers by host, from every resolver that was asked."""
    found: dict[str, list[str]] = {}
    for check in report.checks:
        if check.id != _NAMES_CHECK:
            continue
        for host, servers in check.observation.observed.items():
            if isinstance(servers, dict):
                lists = [addresses for addresses in servers.values() if isinstance(addresses, list)]
                found[host] = sorted({str(address) for addresses in lists for address in addresses})
    return found


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or parts.scheme not in {"http", "https", "ws", "wss"}:
        return ""
    name = f"[{host}]" if is_address(host) and ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}"
