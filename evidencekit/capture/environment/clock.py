"""The clock against several NTP servers, by one SNTP query each (RFC 4330; FM7)."""

from __future__ import annotations

import secrets
import socket
import statistics
import struct
import threading
import time
from typing import TYPE_CHECKING

from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_asked,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

TOLERATED_S = 2.0
_SHARE = 0.8
_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_PORT = 123
_PACKET = 48
_REQUEST_FLAGS = 0x23  # version 4, client
_SERVER_MODE = 4
_MOST_STRATUM = 15


def probe_clock(context: ProbeContext) -> Observation:
    """Ask all servers at the same time; the middle offset counts."""
    if not context.third_party:
        return not_asked()
    offsets: dict[str, float] = {}
    within_s = context.options.within_s * _SHARE

    def ask(server: str) -> None:
        offset = query_offset(server, within_s)
        if offset is not None:
            offsets[server] = offset

    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for server in context.options.time_servers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(offsets)
    observed: dict[str, JsonValue] = {
        "offsets_s": {server: round(offset, 3) for server, offset in sorted(found.items())},
        "tolerated_s": TOLERATED_S,
        "asked": list(context.options.time_servers),
    }
    if not found:
        return not_performed("no time server answered", "没有时间服务器应答", observed)
    raw = "\n".join(f"{server}: {offset:+.3f} s" for server, offset in sorted(found.items()))
    middle = statistics.median(found.values())
    if any(abs(offset) > TOLERATED_S for offset in found.values()):
        return warned(
            f"the clock differs from time servers: middle offset {middle:+.3f} s of {len(found)}",
            f"本机时钟与时间服务器有偏差：{len(found)} 个服务器的中位偏差 {middle:+.3f} 秒",
            observed,
            raw,
        )
    return passed(
        f"the clock agrees with {len(found)} time servers: middle offset {middle:+.3f} s",
        f"本机时钟与 {len(found)} 个时间服务器一致：中位偏差 {middle:+.3f} 秒",
        observed,
        raw,
    )


def query_offset(server: str, within_s: float) -> float | None:
    """Give server time minus system time in seconds, or `None` when no lawful answer came.

    Args:
        server: `host` or `host:port`.
        within_s: seconds to wait.
    """
    host, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
    nonce = secrets.token_bytes(8)
    request = struct.pack(">B39s8s", _REQUEST_FLAGS, bytes(39), nonce)
    try:
        address = socket.getaddrinfo(host, int(port or _PORT), type=socket.SOCK_DGRAM)[0]
        with socket.socket(address[0], socket.SOCK_DGRAM) as channel:
            channel.settimeout(within_s)
            channel.connect(address[4])
            sent, sent_ticks = time.time(), time.monotonic()
            channel.send(request)
            reply = channel.recv(512)
            received = sent + time.monotonic() - sent_ticks
    except (OSError, ValueError):
        return None
    return _offset(reply, nonce, sent, received)


def _offset(reply: bytes, nonce: bytes, sent: float, received: float) -> float | None:
    """RFC 4330 §5: the answer must echo our number, come from a server and say that it is synchronised."""
    if len(reply) < _PACKET or reply[24:32] != nonce or reply[0] & 7 != _SERVER_MODE or reply[0] >> 6 == 3:  # noqa: PLR2004
        return None
    if not 1 <= reply[1] <= _MOST_STRATUM:
        return None
    arrived, left = (_seconds(reply[at : at + 8]) for at in (32, 40))
    if not left:
        return None
    return ((arrived - sent) + (left - received)) / 2


def _seconds(field: bytes) -> float:
    whole, fraction = struct.unpack(">II", field)
    if whole == 0:
        return 0.0
    # RFC 4330 §3: without the top bit the count began again in 2036.
    era = 0 if whole & 0x80000000 else 1 << 32
    return float(whole + era - _EPOCH) + float(fraction) / float(1 << 32)


PROBE = Probe(
    id="clock.ntp",
    name=Text(en="Offset of the clock", zh="系统时间偏差"),
    method=Text(en="SNTP queries to several servers", zh="向多个服务器作 SNTP 查询"),
    run=probe_clock,
)
