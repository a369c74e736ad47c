"""Keeps one network namespace: a program of its own, so that it outlives a run that is killed, and clears up.

    python -m evidencekit.capture.netkeeper

It says one line of JSON when the namespace stands (or why it does not), and one more when its standard input has
ended, after everything is undone. Linux and root only: `unshare(2)` and `setns(2)`, and the programs `ip` and `nft`.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import ipaddress
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evidencekit.capture.dnsrelay import DnsRelay, nameservers
from evidencekit.capture.egress import (
    INNER_DEVICE,
    OUTER_PREFIX,
    RELAY,
    TABLE_PREFIX,
    Link,
    rules_inside,
    rules_outside,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TextIO

_CLONE_NEWNET: Final = 0x40000000
_OWN_NAMESPACE: Final = "/proc/self/ns/net"
_FORWARDING: Final = "/proc/sys/net/ipv4/conf/{}/forwarding"
_STATE: Final = Path("/run/evidencekit-forwarding")
"""Which devices forward only because of us, one a line; locked while it is read and written."""

_LINK_RANGE: Final = ipaddress.IPv4Network("198.18.0.0/15")
"""Addresses of links are taken from here (RFC 2544: never on the public network, seldom inside)."""

_TIMEOUT_S: Final = 10.0
_OUR_DEVICE: Final = re.compile(rf"^{OUTER_PREFIX}[0-9a-f]{{8}}$")


class KeeperError(Exception):
    """The namespace cannot be made; the sentence says what the system said."""


def main() -> int:
    """Make the namespace, serve names, undo everything when standard input ends."""
    with ExitStack() as stack:
        try:
            link, namespace, sockets = _make(stack)
        except (KeeperError, OSError) as error:
            _say({"error": str(error)})
            return 1
        relay = DnsRelay(nameservers(Path("/etc/resolv.conf")))
        _say({"pid": os.getpid(), "netns": f"/proc/{os.getpid()}/fd/{namespace}", "device": INNER_DEVICE})
        asyncio.run(_keep(relay, *sockets))
        refused = _refused(namespace)
    _say({"refused": refused, "lookups": relay.asked, "dropped": relay.dropped, "link": link.name})
    return 0


def _make(stack: ExitStack) -> tuple[Link, int, tuple[socket.socket, socket.socket]]:
    """The namespace with its rules first and its way out last; what is made is undone by `stack`."""
    _clear_leftovers()
    link = _plan()
    outside = os.open(_OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    _check(_libc().unshare(_CLONE_NEWNET), "unshare")
    try:
        namespace = os.open(_OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        _ip("link", "set", "lo", "up")
        _nft(rules_inside())
        sockets = _listen()
    finally:
        _check(_libc().setns(outside, _CLONE_NEWNET), "setns")
        os.close(outside)
    stack.callback(os.close, namespace)
    stack.callback(_quietly, ["nft", "delete", "table", "inet", link.table])
    _nft(rules_outside(link))
    stack.enter_context(_forwarding(link))
    stack.callback(_quietly, ["ip", "link", "delete", link.device])
    place = f"/proc/{os.getpid()}/fd/{namespace}"
    _ip("link", "add", link.device, "mtu", _mtu(link.exit), "type", "veth", "peer", "name", INNER_DEVICE)
    _ip("link", "set", INNER_DEVICE, "netns", place)
    _ip("address", "add", f"{link.outer}/30", "dev", link.device)
    _ip("link", "set", link.device, "up")
    Path(_FORWARDING.format(link.device)).write_text("1")
    inside = ["nsenter", f"--net={place}", "ip"]
    for words in (
        ["link", "set", INNER_DEVICE, "mtu", _mtu(link.exit)],
        ["address", "add", f"{link.inner}/30", "dev", INNER_DEVICE],
        ["link", "set", INNER_DEVICE, "up"],
        ["route", "add", "default", "via", link.outer],
    ):
        _run([*inside, *words])
    return link, namespace, sockets


def _plan() -> Link:
    """Choose a name, addresses that this machine does not use, and the way out."""
    routes = _listed("-4", "route", "show", "default")
    if not routes or "dev" not in routes[0]:
        raise KeeperError("this machine has no default IPv4 route")
    used = {each["local"] for device in _listed("-4", "address") for each in device.get("addr_info", ())}
    while True:
        base = _LINK_RANGE.network_address + 4 * secrets.randbelow(_LINK_RANGE.num_addresses // 4)
        if not {str(base + 1), str(base + 2)} & used:
            break
    leads_on = str(routes[0]["dev"])
    return Link(
        name=secrets.token_hex(4),
        outer=str(base + 1),
        inner=str(base + 2),
        exit=leads_on,
        opened=Path(_FORWARDING.format(leads_on)).read_text().strip() == "0" or leads_on in _opened_by_us(),
    )


def _listen() -> tuple[socket.socket, socket.socket]:
    """The relay's sockets; they stay in the namespace that they are made in."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((RELAY, 53))
    datagrams.setblocking(False)
    streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    streams.bind((RELAY, 53))
    streams.listen(16)
    streams.setblocking(False)
    return datagrams, streams


async def _keep(relay: DnsRelay, datagrams: socket.socket, streams: socket.socket) -> None:
    serving = asyncio.create_task(relay.serve(datagrams, streams))
    await asyncio.to_thread(sys.stdin.buffer.read)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def _refused(namespace: int) -> int | None:
    """Packets that the rules inside have refused; None when nobody tells."""
    words = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{namespace}", "nft", "--json", "list", "counters"]
    try:
        listed = json.loads(_run(words))["nftables"]
        return next(int(each["counter"]["packets"]) for each in listed if "counter" in each)
    except (KeeperError, ValueError, KeyError, TypeError, StopIteration):
        return None


# --- what is the machine's -------------------------------------------------------------------------


@contextmanager
def _forwarding(link: Link) -> Generator[None]:
    """Let the way out forward; the last namespace that ends takes back what the first one changed."""
    setting = Path(_FORWARDING.format(link.exit))
    with _state() as opened:
        if setting.read_text().strip() == "0":
            opened.add(link.exit)
            setting.write_text("1")
    try:
        yield
    finally:
        with _state() as opened:
            if link.exit in opened and not _our_devices():
                opened.discard(link.exit)
                setting.write_text("0")


@contextmanager
def _state() -> Generator[set[str]]:
    """The devices named in the state file, written back at the end; nobody else has it meanwhile."""
    with _locked() as file:
        opened = set(file.read().split())
        yield opened
        file.seek(0)
        file.truncate()
        file.write("".join(f"{device}\n" for device in sorted(opened)))
        file.flush()
        if not opened:
            _STATE.unlink(missing_ok=True)


def _locked() -> TextIO:
    """The state file at its start, locked; one that its last user has meanwhile removed does not count."""
    while True:
        file = _STATE.open("a+")
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if _STATE.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.seek(0)
                return file
        file.close()


def _opened_by_us() -> set[str]:
    try:
        return set(_STATE.read_text().split())
    except OSError:
        return set()


def _our_devices() -> set[str]:
    return {name for each in _listed("link") if _OUR_DEVICE.fullmatch(name := str(each.get("ifname")))}


def _clear_leftovers() -> None:
    """Undo what a keeper left that was itself killed: tables without their device, devices that forward for nobody."""
    devices = _our_devices()
    for line in _run(["nft", "list", "tables", "inet"]).splitlines():
        table = line.split()[-1]
        if table.startswith(TABLE_PREFIX) and OUTER_PREFIX + table.removeprefix(TABLE_PREFIX) not in devices:
            _quietly(["nft", "delete", "table", "inet", table])
    if devices or not _STATE.exists():
        return
    with _state() as opened:
        for device in tuple(opened):
            with suppress(OSError):
                Path(_FORWARDING.format(device)).write_text("0")
            opened.discard(device)


def _mtu(device: str) -> str:
    """Longest packet of a device; not from /sys, which shows the namespace that it was mounted in."""
    return str(_listed("link", "show", "dev", device)[0]["mtu"])


def _listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run(["ip", "-json", *words]) or "[]")
    return found


# --- programs and system calls ---------------------------------------------------------------------


def _run(words: list[str], *, given: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 (fixed words, names and addresses that we chose)
            words, input=given, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise KeeperError(f"{words[0]} does not run: {error}") from error
    if done.returncode:
        raise KeeperError(f"{' '.join(words)[:200]}: {done.stderr.strip()[:300]}")
    return done.stdout


def _quietly(words: list[str]) -> None:
    with suppress(KeeperError):
        _run(words)


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _nft(rules: str) -> None:
    _run(["nft", "-f", "-"], given=rules)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise KeeperError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
