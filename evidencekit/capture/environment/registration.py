"""Who registered the target's domain, as its registry tells; context, no proof (FM13).

RDAP (RFC 9082, 9083) or WHOIS (RFC 3912); registries are third parties. The first target's domain counts.
"""

from __future__ import annotations

import json
import re
import socket
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from evidencekit.capture.environment.names import is_address
from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, not_asked, not_performed, passed
from evidencekit.errors import TransportError
from evidencekit.model import Text
from evidencekit.transport.http import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import JsonValue

_SHARE: Final = 0.8
_MOST_BYTES: Final = 1 << 18
_PORT: Final = 43
_VALUE_CHARS: Final = 300
# Second levels under which names are registered one level lower.
_SHARED: Final = frozenset({"ac", "co", "com", "edu", "gov", "mil", "net", "org", "ne", "or"})
_FIELDS: Final = {
    "registrar": ("registrar", "sponsoring registrar"),
    "registrant": ("registrant organization", "registrant", "registrant name"),
    "created": ("creation date", "registration time"),
    "expires": ("registry expiry date", "registrar registration expiration date", "expiration time"),
}
_EVENTS: Final = {"registration": "created", "expiration": "expires"}
_LINE: Final = re.compile(r"^[ \t]*([A-Za-z][A-Za-z /]{2,40}):[ \t]*(\S.{0,300})$", re.MULTILINE)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?")


def probe_registration(context: ProbeContext) -> Observation:
    """Ask the registry of the first target's top-level domain."""
    host = next((host for host in context.hosts if not is_address(host)), "")
    domain = registered_domain(host)
    if not domain:
        return not_performed("the target is no registered domain name", "目标不是注册域名")
    if not context.third_party:
        return not_asked()
    server = context.options.registries.get(domain.rpartition(".")[2], "")
    if not server:
        return not_performed(f"no registry is known for {domain}", f"未配置 {domain} 的注册局查询地址")
    within_s = context.options.within_s * _SHARE
    try:
        if server.startswith(("https://", "http://")):
            answer = get(f"{server}domain/{quote(domain)}", accept="application/rdap+json", timeout_s=within_s)
            raw = answer.body.decode("utf-8", "replace")
            found = read_rdap(raw) if answer.status == 200 else {}  # noqa: PLR2004
        else:
            raw = ask_whois(server, domain, within_s)
            found = read_whois(raw)
    except (OSError, ValueError, TransportError) as error:
        return not_performed(f"the registry did not answer about {domain}: {error}", f"注册局未应答 {domain}：{error}")
    observed: dict[str, JsonValue] = {"domain": domain, "asked": server, **found}
    if not found:
        return not_performed(
            f"the registry tells nothing about {domain}", f"注册局未提供 {domain} 的登记信息", observed, raw
        )
    shown = "; ".join(f"{name} {value}" for name, value in found.items())
    return passed(
        f"{domain}: {shown} (context; who publishes the page is not proved by it)",
        f"{domain}：{shown}（背景信息，不证明网页发布者身份）",
        observed,
        raw,
    )


def registered_domain(host: str) -> str:
    """Give the name under which a host was most likely registered; empty when there is none."""
    try:
        labels = host.rstrip(".").lower().encode("idna").decode("ascii").split(".")
    except UnicodeError:
        return ""
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004
        return ""
    shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED  # noqa: PLR2004
    return ".".join(labels[-3 if shared else -2 :])


def ask_whois(server: str, domain: str, within_s: float) -> str:
    """Ask a WHOIS server; `server` is `host` or `host:port`.

    Raises:
        OSError: no answer in time, or more than 256 KiB.
    """
    host, _, port = server.partition(":")
    deadline = time.monotonic() + within_s
    received = bytearray()
    with socket.create_connection((host, int(port or _PORT)), timeout=within_s) as connection:
        connection.sendall(f"{domain}\r\n".encode("ascii"))
        while True:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            piece = connection.recv(1 << 14)
            if not piece:
                return received.decode("utf-8", "replace")
            received += piece
            if len(received) > _MOST_BYTES or time.monotonic() > deadline:
                raise TimeoutError("the answer does not end")


def read_whois(text: str) -> dict[str, JsonValue]:
    """Read the fields that registries name alike; the first of each counts."""
    lines: dict[str, str] = {}
    for name, value in _LINE.findall(text):
        lines.setdefault(name.strip().lower(), value.strip()[:_VALUE_CHARS])
    return {
        field: next(lines[name] for name in names if name in lines)
        for field, names in _FIELDS.items()
        if any(name in lines for name in names)
    }


def read_rdap(text: str) -> dict[str, JsonValue]:
    """Read a domain object (RFC 9083 §5.3); what is no such gives nothing."""
    try:
        value = json.loads(text[:_MOST_BYTES])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    found: dict[str, JsonValue] = {}
    for entity in _objects(value, "entities"):
        roles = entity.get("roles")
        for role in ("registrar", "registrant"):
            if isinstance(roles, list) and role in roles and (name := _name_of(entity)):
                found.setdefault(role, name)
    for event in _objects(value, "events"):
        field = _EVENTS.get(str(event.get("eventAction")))
        if field:
            found.setdefault(field, str(event.get("eventDate"))[:_VALUE_CHARS])
    return found


def _name_of(entity: Mapping[str, object]) -> str:
    """The `fn` of an entity's jCard (RFC 7095 §3.3)."""
    card = entity.get("vcardArray")
    rows = card[1] if isinstance(card, list) and len(card) > 1 else ()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) > 3 and row[0] == "fn":  # noqa: PLR2004
            return str(row[3])[:_VALUE_CHARS]
    return ""


def _objects(value: Mapping[str, object], name: str) -> list[dict[str, object]]:
    listed = value.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


PROBE = Probe(
    id="site.registration",
    name=Text(en="Registration of the domain", zh="域名注册信息"),
    method=Text(
        en="RDAP (RFC 9082) or WHOIS (RFC 3912) of the registry", zh="向注册局查询 RDAP（RFC 9082）或 WHOIS（RFC 3912）"
    ),
    run=probe_registration,
)
