"""The hosts file: an entry for the target sends the browser elsewhere (R07, FM2)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

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
    from evidencekit.model import JsonValue

_MOST_BYTES = 8 << 20


def probe_hosts(context: ProbeContext) -> Observation:
    """Look for the names of the URLs, and for parents of them, in the hosts file."""
    path = context.options.hosts_file
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        return not_performed(f"{path} cannot be read: {error.strerror}", f"无法读取 {path}:{error.strerror}")
    if len(data) > _MOST_BYTES:
        return not_performed(f"{path} is larger than {_MOST_BYTES} bytes", f"{path} 超过 {_MOST_BYTES} 字节")
    text = data.decode("utf-8", "replace")
    entries = [line.partition("#")[0].split() for line in text.splitlines()]
    names = [(name.rstrip(".").lower(), fields[0]) for fields in entries if len(fields) > 1 for name in fields[1:]]
    wanted = {host.rstrip(".").lower() for host in context.hosts}
    hits: dict[str, JsonValue] = {name: address for name, address in names if name in wanted}
    # Only lines about the target are quoted: the rest is nobody's business, its digest says what was read.
    raw = "\n".join(line for line in text.splitlines() if wanted & set(line.partition("#")[0].lower().split()[1:]))
    observed: dict[str, JsonValue] = {
        "path": str(path),
        "names": len(names),
        "targets": hits,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if not hits:
        return passed("the hosts file has no entry for the target", "hosts 文件中未发现目标域名的条目", observed, raw)
    shown = ", ".join(f"{name} → {address}" for name, address in hits.items())
    if context.allow_private:
        return warned(
            f"the hosts file sends {shown}; allowed by request", f"hosts 文件指定 {shown}；已按请求允许", observed, text
        )
    return failed(
        f"the hosts file sends the target elsewhere: {shown}",
        f"hosts 文件改写了目标域名的指向：{shown}",
        observed,
        text,
    )


PROBE = Probe(
    id="network.hosts",
    name=Text(en="Hosts file", zh="hosts 文件"),
    method=Text(en="reading the hosts file", zh="读取 hosts 文件"),
    run=probe_hosts,
)
