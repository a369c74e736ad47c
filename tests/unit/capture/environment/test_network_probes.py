"""Where traffic goes: lying resolvers, egress seen by several servers, routes, gateways and system proxies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.environment import egress, gateway, names, route, systemproxy
from evidencekit.capture.environment.probe import ProbeContext, ProbeOptions, ProbeResult
from tests.support.udp import resolver, stun_server, udp_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PASS, WARN, FAIL, IDLE = ProbeResult.PASS, ProbeResult.WARN, ProbeResult.FAIL, ProbeResult.NOT_PERFORMED
ROOT = Path(__file__).parents[4]
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}


def _context(options: ProbeOptions, *, target: str = "192.0.2.1", third_party: bool = True) -> ProbeContext:
    return ProbeContext(
        options=options,
        hosts=(target,),
        allow_private=True,
        third_party=third_party,
        targets=((target, 8000),),
    )


def _needs(*programs: str) -> None:
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in programs):
        pytest.skip(f"namespaces need root and {', '.join(programs)}")


# --- DNS -----------------------------------------------------------------------------------------

_LIED_TO = """
import sys
from evidencekit.capture.environment import names
from evidencekit.capture.environment.probe import ProbeContext, ProbeOptions
from tests.support.udp import resolver, udp_server
with udp_server(resolver(sys.argv[1]), 53), udp_server(resolver("93.184.216.34")) as independent:
    options = ProbeOptions(resolvers=(independent,), within_s=4)
    context = ProbeContext(options=options, hosts=("shop.example",), allow_private=False, third_party=True)
    print(names.probe_names(context).result.value)
"""


@pytest.mark.parametrize(
    ("answer", "result"),
    [("10.0.0.9", FAIL), ("127.0.0.1", FAIL), ("198.18.0.5", FAIL), ("1.1.1.1", WARN), ("93.184.216.34", PASS)],
)
def test_the_systems_own_resolver_lies(tmp_path: Path, answer: str, result: ProbeResult) -> None:
    _needs("unshare", "ip")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = (
        f"ip link set lo up && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && "
        f'exec {sys.executable} -c "$SCRIPT" {answer}'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**HERE, "SCRIPT": _LIED_TO},
        cwd=ROOT,
    )
    if "mount" in done.stderr or "Operation not" in done.stderr:
        pytest.skip(f"no namespaces of this kind here: {done.stderr.strip()[:200]}")
    assert done.stdout.strip() == result.value, done.stderr


def test_dnssec_status_is_recorded_and_differing_resolvers_are_explained() -> None:
    with udp_server(resolver("203.0.113.9", validated=True)) as one, udp_server(resolver("203.0.113.10")) as two:
        options = ProbeOptions(resolvers=(one, two))
        context = ProbeContext(options=options, hosts=("localhost",), allow_private=True, third_party=True)
        seen = names.probe_names(context)
    assert seen.result is WARN
    assert "GeoDNS" in seen.reason.en
    assert "among themselves" in seen.reason.en
    assert seen.observed["_dnssec"] == {"localhost": {one: "validated", two: "unsigned"}}
    assert f"localhost @{one}: 203.0.113.9 [DNSSEC validated]" in seen.raw


# --- egress --------------------------------------------------------------------------------------

_CYMRU = {
    "8.8.8.8.origin.asn.cymru.com": "15169 | 8.8.8.0/24 | US | arin | 2023-12-28",
    "AS15169.asn.cymru.com": "15169 | US | arin | 2000-03-30 | GOOGLE, US",
}


def test_egress_address_and_its_network() -> None:
    with udp_server(stun_server("8.8.8.8")) as stun, udp_server(resolver("192.0.2.1", texts=_CYMRU)) as dns:
        seen = egress.probe_egress(_context(ProbeOptions(egress_servers=(stun,), resolvers=(dns,))))
    assert seen.result is PASS
    assert seen.reason.en == "egress address 8.8.8.8 · AS15169 GOOGLE, US · US"
    assert seen.observed["addresses"] == [
        {"address": "8.8.8.8", "asn": "15169", "country": "US", "network": "GOOGLE, US", "prefix": "8.8.8.0/24"}
    ]
    assert seen.raw == f"{stun}: 8.8.8.8"


def test_several_egress_addresses_are_a_warning_but_two_families_are_not() -> None:
    with (
        udp_server(stun_server("8.8.8.8")) as one,
        udp_server(stun_server("8.8.4.4", plain=True)) as other,
        udp_server(stun_server("2606:4700::1111")) as six,
    ):
        split = ProbeOptions(egress_servers=(one, other), resolvers=())
        both = ProbeOptions(egress_servers=(one, six), resolvers=())
        assert egress.probe_egress(_context(split)).result is WARN
        seen = egress.probe_egress(_context(both))
    assert seen.result is PASS
    assert "2606:4700::1111" in seen.reason.en


@pytest.mark.parametrize("lie", [b"", b"\x01\x01", bytes(40), b"\x01\x01\xff\xff" + bytes(16)])
def test_unlawful_stun_answers_do_not_count(lie: bytes) -> None:
    with udp_server(lambda _: lie) as one, udp_server(stun_server("8.8.8.8", echo=False)) as stranger:
        options = ProbeOptions(egress_servers=(one, stranger), resolvers=(), within_s=1.0)
        assert egress.probe_egress(_context(options)).result is IDLE


def test_nobody_is_asked_for_the_egress_without_third_parties() -> None:
    asked: list[bytes] = []

    def note(data: bytes) -> None:
        asked.append(data)

    with udp_server(note) as server:
        seen = egress.probe_egress(_context(ProbeOptions(egress_servers=(server,)), third_party=False))
    assert (seen.result, asked) == (IDLE, [])


# --- gateway and route ---------------------------------------------------------------------------

_ON_THE_WAY = """
import json
from evidencekit.capture.environment import gateway, route
from evidencekit.capture.environment.probe import ProbeContext, ProbeOptions
def seen(probe, port):
    context = ProbeContext(options=ProbeOptions(), hosts=("10.77.2.2",), allow_private=True, third_party=False,
                           targets=(("10.77.2.2", port),))
    found = probe(context)
    return [found.result.value, dict(found.observed)]
print(json.dumps([seen(route.probe_route, 8000), seen(route.probe_route, 8001), seen(gateway.probe_gateway, 8000)]))
"""


@contextmanager
def _three_networks() -> Iterator[str]:
    """A client, a router and a server in network namespaces of their own; gives the prefix of their names."""
    prefix = f"ek{os.getpid()}"
    spaces = [f"{prefix}{role}" for role in "crs"]
    made: list[str] = []
    try:
        for space in spaces:
            done = subprocess.run(["ip", "netns", "add", space], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr.strip()[:200]}")
            made.append(space)
        c, r, s = spaces
        for line in (
            f"link add c0 netns {c} type veth peer name r0 netns {r}",
            f"link add s0 netns {s} type veth peer name r1 netns {r}",
            f"-n {c} addr add 10.77.1.2/24 dev c0",
            f"-n {r} addr add 10.77.1.1/24 dev r0",
            f"-n {r} addr add 10.77.2.1/24 dev r1",
            f"-n {s} addr add 10.77.2.2/24 dev s0",
            *(f"-n {space} link set {name} up" for space, name in ((c, "c0"), (r, "r0"), (r, "r1"), (s, "s0"))),
            f"-n {c} route add default via 10.77.1.1",
            f"-n {s} route add default via 10.77.2.1",
        ):
            subprocess.run(["ip", *line.split()], check=True, capture_output=True)
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        if subprocess.run(["ip", "netns", "exec", r, "sh", "-c", forward], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets no namespace route")
        yield prefix
    finally:
        for space in made:
            subprocess.run(["ip", "netns", "del", space], check=False)


def test_routers_on_the_way_are_seen_without_root_rights() -> None:
    _needs("ip")
    with _three_networks() as prefix:
        serve = "import socket; s = socket.create_server(('10.77.2.2', 8000)); print('up', flush=True); input()"
        server = subprocess.Popen(
            ["ip", "netns", "exec", f"{prefix}s", sys.executable, "-c", serve],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            done = subprocess.run(
                ["ip", "netns", "exec", f"{prefix}c", sys.executable, "-c", _ON_THE_WAY],
                capture_output=True,
                text=True,
                check=True,
                env=HERE,
                cwd=ROOT,
            )
        finally:
            server.kill()
            server.communicate()
    reached, refused, way = json.loads(done.stdout)
    assert reached[0] == "PASS"
    assert reached[1]["hops"] == {"1": "10.77.1.1", "2": "10.77.2.2"}
    assert reached[1]["connected_ms"] >= 1
    assert (refused[0], refused[1]["connected_ms"]) == ("WARN", None)
    assert way[0] == "PASS"
    assert (way[1]["gateways"][0]["address"], way[1]["gateways"][0]["interface"]) == ("10.77.1.1", "c0")


def test_private_targets_are_not_contacted_and_loopback_has_no_route() -> None:
    private = ProbeContext(
        options=ProbeOptions(), hosts=("x",), allow_private=False, third_party=True, targets=(("10.255.255.1", 80),)
    )
    assert route.probe_route(private).result is IDLE
    assert route.probe_route(_context(ProbeOptions(), target="127.0.0.1")).result is PASS
    unknown = ProbeContext(options=ProbeOptions(), hosts=(), allow_private=False, third_party=True)
    assert route.probe_route(unknown).result is IDLE


def test_a_default_route_through_a_tunnel_is_named(tmp_path: Path) -> None:
    """A tun device of this system, with the default route on it, in a network namespace."""
    _needs("unshare", "ip")
    script = (
        "mount -t sysfs none /sys && ip tuntap add mode tun name ek0 && ip addr add 10.8.0.2/24 dev ek0 && "
        f'ip link set ek0 up && ip route add default dev ek0 && exec {sys.executable} -c "$SCRIPT"'
    )
    code = (
        "from evidencekit.capture.environment import gateway; "
        "from evidencekit.capture.environment.probe import ProbeContext, ProbeOptions; "
        "c = ProbeContext(options=ProbeOptions(), hosts=(), allow_private=False, third_party=False); "
        "seen = gateway.probe_gateway(c); print(seen.result.value, seen.raw)"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**HERE, "SCRIPT": code},
        cwd=tmp_path,
    )
    if any(word in done.stderr for word in ("mount", "ip:", "ioctl", "Operation not", "RTNETLINK")):
        pytest.skip(f"no namespaces of this kind here: {done.stderr.strip()[:200]}")
    assert done.stdout.strip() == "WARN default via - dev ek0"


def test_routes_as_other_systems_print_them() -> None:
    macos = (
        "   route to: default\ndestination: default\n    gateway: 192.168.1.1\n  interface: en0\n      flags: <UP>\n"
    )
    assert gateway.parse_macos(macos) == [gateway.Gateway(address="192.168.1.1", interface="en0")]
    assert gateway.parse_macos("route: writing to routing socket: not in table\n") == []
    windows = (
        "Network Destination        Netmask          Gateway       Interface  Metric\n"
        "          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.23     25\n"
    )
    assert gateway.parse_windows(windows) == [gateway.Gateway(address="192.168.1.1", interface="192.168.1.23")]
    nowhere = ProbeOptions(process_folder=Path("/nonexistent"))
    assert gateway.probe_gateway(_context(nowhere)).result is IDLE


# --- the system's proxy --------------------------------------------------------------------------


def test_a_proxy_for_the_whole_system_is_seen(tmp_path: Path) -> None:
    options = ProbeOptions(environment_file=tmp_path / "environment", home=tmp_path)
    assert systemproxy.probe_system_proxy(_context(options)).result is PASS
    (tmp_path / "environment").write_text('PATH="/bin"\nexport HTTPS_PROXY="http://li:geheim@10.0.0.1:3128"\n')
    seen = systemproxy.probe_system_proxy(_context(options))
    assert seen.result is WARN
    assert seen.observed["found"] == {"environment https_proxy": "http://10.0.0.1:3128"}
    assert "geheim" not in repr(seen)
    (tmp_path / "environment").unlink()
    (tmp_path / ".config").mkdir()
    kde = tmp_path / ".config" / "kioslaverc"
    kde.write_text("[Proxy Settings]\nProxyType=2\nProxy Config Script=http://wpad/proxy.pac\n")
    assert systemproxy.probe_system_proxy(_context(options)).observed["found"] == {"KDE PAC": "http://wpad/proxy.pac"}
    kde.write_text("[Proxy Settings\n\x00")
    assert systemproxy.probe_system_proxy(_context(options)).result is PASS


def test_proxies_as_other_systems_print_them() -> None:
    macos = (
        "<dictionary> {\n  HTTPEnable : 1\n  HTTPPort : 8080\n  HTTPProxy : 127.0.0.1\n  HTTPSEnable : 0\n"
        "  ProxyAutoConfigEnable : 1\n  ProxyAutoConfigURLString : http://wpad/p.pac\n}\n"
    )
    assert systemproxy.parse_scutil(macos) == {"HTTP proxy": "127.0.0.1:8080", "PAC": "http://wpad/p.pac"}
    windows = (
        "\nHKEY_CURRENT_USER\\Software\n    ProxyEnable    REG_DWORD    0x1\n"
        "    ProxyServer    REG_SZ    127.0.0.1:7890\n    AutoConfigURL    REG_SZ    http://wpad/p.pac\n"
    )
    assert systemproxy.parse_internet_settings(windows) == {"proxy": "127.0.0.1:7890", "PAC": "http://wpad/p.pac"}
    assert systemproxy.parse_internet_settings(windows.replace("0x1", "0x0").replace("AutoConfigURL", "X")) == {}
    gnome = (
        "org.gnome.system.proxy autoconfig-url ''\norg.gnome.system.proxy mode 'manual'\n"
        "org.gnome.system.proxy.https host '10.0.0.1'\norg.gnome.system.proxy.https port 3128\n"
    )
    assert systemproxy.parse_gsettings(gnome) == {"GNOME https": "10.0.0.1:3128"}
    assert systemproxy.parse_gsettings(gnome.replace("manual", "auto")) == {"GNOME PAC": "WPAD"}
    assert systemproxy.parse_gsettings(gnome.replace("manual", "none")) == {}
