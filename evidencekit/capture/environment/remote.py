"""Whether somebody uses this machine from elsewhere: sessions, and ports of remote-control programs (FM4)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import JsonValue, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


_VARIABLES = ("SSH_CONNECTION", "SSH_CLIENT", "RDP_SESSION", "CHROME_REMOTE_DESKTOP_SESSION")
_PORTS = {
    3389: "RDP",
    5938: "TeamViewer",
    7070: "AnyDesk",
    21118: "RustDesk",
    **dict.fromkeys(range(5900, 5910), "VNC"),
}
_LISTENING, _ESTABLISHED = "0A", "01"  # linux/include/net/tcp_states.h
_MOST_LINES = 20_000
_RECORD = struct.Struct("<h2xi32s4s32s256s")  # utmp(5): type, pid, line, id, user, host
_RECORD_BYTES = 384
_USER_PROCESS = 7
_MOST_BYTES = 1 << 20


def probe_remote(context: ProbeContext) -> Observation:
    """Look at session variables, at utmp, and at the ports of well-known remote-control programs."""
    options = context.options
    variables = [name for name in _VARIABLES if options.environment.get(name)]
    if options.environment.get("SESSIONNAME", "").upper().startswith("RDP"):
        variables.append("SESSIONNAME")
    tables = [options.process_folder / "net" / name for name in ("tcp", "tcp6")]
    readable = any(table.exists() for table in tables)
    ports = _ports(tables)
    sessions = _remote_sessions(options.session_file)
    observed: dict[str, JsonValue] = {
        "variables": list(variables),
        "ports": dict[str, JsonValue](ports) if readable else None,
        "remote_logins": sessions,
    }
    found = [*variables, *(f"{kind} ({state})" for kind, state in ports.items())]
    if sessions:
        found.append(f"{sessions} remote logins")
    raw = "\n".join(found)
    if found:
        listed = ", ".join(found)
        return warned(
            f"this machine is, or can be, used from elsewhere: {listed}",
            f"本机正在或可能被远程使用：{listed}",
            observed,
            raw,
        )
    if not readable and os.name != "nt":
        return not_performed(
            "no session variable is set; open ports cannot be listed here",
            "未见远程会话变量；本系统上无法列出开放端口",
            observed,
        )
    return passed("no sign of remote use was seen", "未发现远程使用的迹象", observed, raw)


def _ports(tables: list[Path]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for port, state in _sockets(tables):
        kind = _PORTS.get(port)
        if kind and (state == _ESTABLISHED or kind not in found):
            found[kind] = "connected" if state == _ESTABLISHED else "listening"
    return found


def _sockets(tables: list[Path]) -> Iterator[tuple[int, str]]:
    """Give local port and state of every listening or connected socket (proc(5), /proc/net/tcp)."""
    for table in tables:
        try:
            lines = table.read_text("ascii", "replace").splitlines()[1:_MOST_LINES]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] in {_LISTENING, _ESTABLISHED}:  # noqa: PLR2004
                yield int(fields[1].rpartition(":")[2], 16), fields[3]


def _remote_sessions(file: Path) -> int:
    """Count the logins of utmp that name a host; names of people and hosts are nobody's business here."""
    try:
        with file.open("rb") as source:
            data = source.read(_MOST_BYTES)
    except OSError:
        return 0
    count = 0
    for at in range(0, len(data) - _RECORD_BYTES + 1, _RECORD_BYTES):
        kind, _, _, _, _, host = _RECORD.unpack_from(data, at)
        name = host.split(b"\0", 1)[0]
        count += kind == _USER_PROCESS and bool(name) and not name.startswith(b":")
    return count


PROBE = Probe(
    id="system.remote",
    name=Text(en="Remote use", zh="远程使用"),
    method=Text(en="session variables, logins (utmp), open ports", zh="会话变量、登录记录（utmp）、开放端口"),
    run=probe_remote,
)
