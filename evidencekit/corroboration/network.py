"""`corroboration.network`: peer, certificate and DNS of the same connections, as three witnesses have them.

The witnesses are the DevTools protocol (`exchanges.jsonl`, `capture/tls/`), the browser's network log
(`network.json`, handshakes) and the environment report. All three ran on the capturing machine.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from evidencekit.corroboration.record import Judgement
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evidencekit.corroboration.record import Record
    from evidencekit.model import JsonValue

NETWORK: Final = "capture/network.json"
ENVIRONMENT: Final = "capture/environment.json"
_TLS: Final = "capture/tls/"
_MAX_BYTES: Final = 64 << 20
_MAX_FILES: Final = 1_000
_SHOWN: Final = 3
_PEER = re.compile(r"\[?([0-9A-Fa-f:.]+)\]?:(\d+)")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_AGREED = Text(
    en="peers, certificates and DNS answers agree between DevTools, the browser's network log and the environment "
    "report",
    zh="对端地址、证书与域名解析结果在 DevTools、浏览器网络日志与环境报告之间一致",
)


def judge_network(record: Record) -> Judgement:
    """Compare what the witnesses say of every host that was connected to."""
    judged = Judgement("corroboration.network", "capture", _AGREED)
    log, report = _object(record, NETWORK), _object(record, ENVIRONMENT)
    if not log:
        judged.skip(
            "the browser's network log was not kept: fast mode, or a browser without it",
            "未保留浏览器的网络日志：快速模式，或浏览器不支持",
        )
        return judged
    _compare_peers(judged, record, log, report)
    _compare_certificates(judged, record, log)
    _compare_proxy(judged, record, log, report)
    return judged


def _compare_peers(
    judged: Judgement, record: Record, log: Mapping[str, JsonValue], report: Mapping[str, JsonValue]
) -> None:
    """Every peer of a name must be among the answers that anybody got for the name, where anybody got one."""
    answers = _answers(log, report)
    peers: dict[str, set[str]] = {}
    for line in record.lines:
        host, match = _host(line.url), _PEER.fullmatch(line.peer)
        if host and match and not line.cached:
            peers.setdefault(host, set()).add(match[1])
    for each in _objects(log.get("connections")):
        match = _PEER.fullmatch(str(each.get("address")))
        host = _host(f"https://{each.get('host')}")
        if match and host:
            peers.setdefault(host, set()).add(match[1])
    strange = sorted(
        f"{host} → {peer}"
        for host, found in peers.items()
        for peer in found
        if answers.get(host) and not _among(peer, answers[host]) and not _is_address(host)
    )
    if strange:
        shown = ", ".join(strange[:_SHOWN])
        judged.open(
            f"{len(strange)} peers are in no DNS answer for their name: {shown}",
            f"{len(strange)} 个对端地址不在其域名的任何解析结果之中：{shown}",
        )
    judged.details.update(hosts=len(peers), hosts_with_answers=sum(bool(answers.get(host)) for host in peers))


def _answers(log: Mapping[str, JsonValue], report: Mapping[str, JsonValue]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in _objects(log.get("dns")):
        addresses = each.get("addresses")
        for address in addresses if isinstance(addresses, list) else ():
            match = _PEER.fullmatch(str(address))
            found.setdefault(str(each.get("host")).lower(), set()).add(match[1] if match else str(address))
    connection = report.get("connection")
    for origin, facts in connection.items() if isinstance(connection, dict) else ():
        told = facts.get("dns") if isinstance(facts, dict) else None
        for address in told if isinstance(told, list) else ():
            found.setdefault(_host(origin), set()).add(str(address))
    return found


def _compare_certificates(judged: Judgement, record: Record, log: Mapping[str, JsonValue]) -> None:
    """The leaf that DevTools gave, the leaf of the network log and that of the signed handshake are one."""
    received = {
        str(chain[0])
        for each in _objects(log.get("certificates"))
        for chain in (each.get("received"), each.get("verified"))
        if isinstance(chain, list) and chain
    }
    strange = []
    files = sorted(name for name in record.names if name.startswith(_TLS) and name.endswith(".pem"))[:_MAX_FILES]
    for name in files:
        leaf = _PEM.search(record.read(name) or b"")
        if leaf is None:
            continue
        digest = hashlib.sha256(base64.b64decode(leaf[1])).hexdigest()
        if received and digest not in received:
            strange.append(name)
    if strange:
        shown = ", ".join(strange[:_SHOWN])
        judged.open(f"the network log does not know the certificates of {shown}", f"网络日志中没有以下证书：{shown}")
    private = _private_roots(log)
    far = [host for host, peer in private if not _is_private(peer)]
    if far:
        shown = ", ".join(far[:_SHOWN])
        judged.open(
            f"the certificates of {len(far)} public servers lead to a root that is not the browser's own, as behind an "
            f"intercepting proxy: {shown}",
            f"{len(far)} 个公网服务器的证书所链接的根证书并非浏览器自带，与经拦截代理访问时相同：{shown}",
        )
    judged.details.update(certificates=len(files), private_roots=sorted({host for host, _ in private})[:50])


def _private_roots(log: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    certificates = list(_objects(log.get("certificates")))
    found = []
    for each in _objects(log.get("connections")):
        index = each.get("certificate")
        if isinstance(index, int) and 0 <= index < len(certificates) and certificates[index].get("known_root") is False:
            match = _PEER.fullmatch(str(each.get("address")))
            found.append((str(each.get("host")), match[1] if match else ""))
    return found


def _compare_proxy(
    judged: Judgement, record: Record, log: Mapping[str, JsonValue], report: Mapping[str, JsonValue]
) -> None:
    """A proxy stands between browser and server: what it sent is what was recorded."""
    peers = {line.peer for line in record.lines} | {
        str(each.get("address")) for each in _objects(log.get("connections"))
    }
    ports = {(match[1], match[2]) for peer in peers if (match := _PEER.fullmatch(peer))}
    used = sorted(name for name, value in _proxies(report) if _is_used(value, ports))
    if used:
        judged.open(
            f"the browser went through a proxy ({', '.join(used)}): what was recorded is what the proxy sent, peers "
            "and certificates are the proxy's",
            f"浏览器经代理访问({'、'.join(used)})：所记录的是代理发来的内容，对端与证书均属于代理",
        )


def _proxies(report: Mapping[str, JsonValue]) -> Iterable[tuple[str, str]]:
    """Settings that name a proxy, by name, as the probe `network.proxy` saw them."""
    for each in _objects(report.get("checks")):
        observed = each.get("observed")
        found = observed.get("found") if each.get("id") == "network.proxy" and isinstance(observed, dict) else None
        for name, value in found.items() if isinstance(found, dict) else ():
            if "proxy" in name:
                yield name, str(value)


def _is_used(value: str, peers: set[tuple[str, str]]) -> bool:
    """Whether somebody was connected to at a proxy's address; a proxy's name and a script's choice are not resolved."""
    for each in re.split(r"[;,\s]+", value):
        target = each.rpartition("=")[2]
        try:
            parts = urlsplit(target if "://" in target else f"http://{target}")
            host, port = parts.hostname or "", str(parts.port or 80)
        except ValueError:
            continue
        near = {"127.0.0.1", "::1"} if host == "localhost" else {host}
        if any(port == of and (peer in near or not _is_address(host)) for peer, of in peers):
            return True
    return False


def _object(record: Record, name: str) -> Mapping[str, JsonValue]:
    data = record.read(name) if name in record.names else None
    if data is None or len(data) > _MAX_BYTES:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}  # another finding says so
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> Iterable[dict[str, JsonValue]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _among(peer: str, answers: set[str]) -> bool:
    return any(_same(peer, answer) for answer in answers)


def _same(one: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return one == other


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_private(peer: str) -> bool:
    try:
        return not ipaddress.ip_address(peer).is_global
    except ValueError:
        return True
