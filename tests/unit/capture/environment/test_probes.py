"""Each probe against a real cause; what cannot be seen is NOT_PERFORMED, never PASS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.environment import (
    clock,
    fonts,
    hosts,
    injection,
    interfaces,
    names,
    processes,
    profile,
    proxy,
    roots,
    selftest,
    tool,
)
from evidencekit.capture.environment.probe import (
    BrowserFacts,
    Observation,
    Probe,
    ProbeContext,
    ProbeOptions,
    ProbeResult,
    passed,
)
from evidencekit.capture.environment.run import PROBES, format_environment, run_probes, summarise
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.url_policy import host_resolver_rules
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.model import JsonValue, Text
from tests.support.udp import resolver, time_server, udp_server

if TYPE_CHECKING:
    from collections.abc import Callable

PASS, WARN, FAIL, IDLE = ProbeResult.PASS, ProbeResult.WARN, ProbeResult.FAIL, ProbeResult.NOT_PERFORMED


def _context(
    options: ProbeOptions | None = None,
    *,
    host: str = "shop.test",
    allow_private: bool = False,
    third_party: bool = True,
) -> ProbeContext:
    return ProbeContext(
        options=options or ProbeOptions(),
        hosts=(host,),
        allow_private=allow_private,
        third_party=third_party,
    )


def _browser(*arguments: str) -> BrowserFacts:
    return BrowserFacts(path=Path("/b"), name="Chromium", version="1", sha256="00", arguments=arguments)


# --- hosts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("127.0.0.1 localhost\n", PASS),
        ("10.0.0.1 www.shop.test notshop.test # shop.test\n#10.0.0.1 shop.test\n", PASS),
        ("10.0.0.1 other.test SHOP.test. # forged\n", FAIL),
        ("\ufeff\x00\xff", PASS),
    ],
)
def test_hosts_file(tmp_path: Path, text: str, result: ProbeResult) -> None:
    (tmp_path / "hosts").write_text(text)
    seen = hosts.probe_hosts(_context(ProbeOptions(hosts_file=tmp_path / "hosts")))
    assert seen.result is result
    assert "localhost" not in seen.raw, "lines about other names are not quoted"


def test_hosts_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert hosts.probe_hosts(_context(ProbeOptions(hosts_file=tmp_path / "none"))).result is IDLE


# --- DNS -----------------------------------------------------------------------------------------


def test_loopback_answer_is_a_sign_of_forgery() -> None:
    assert names.probe_names(_context(host="localhost", third_party=False)).result is FAIL
    assert names.probe_names(_context(host="localhost", third_party=False, allow_private=True)).result is IDLE


def test_address_needs_no_dns() -> None:
    assert names.probe_names(_context(host="192.0.2.1")).result is PASS


def test_silent_resolvers_are_not_a_pass() -> None:
    with udp_server(lambda _: None) as server:
        options = ProbeOptions(resolvers=(server,), within_s=0.5)
        begun = time.monotonic()
        seen = names.probe_names(_context(options, host="localhost", allow_private=True))
    assert seen.result is IDLE
    assert time.monotonic() - begun < 1.5


def test_disagreeing_resolver_is_a_warning_and_agreeing_one_a_pass() -> None:
    with udp_server(resolver("203.0.113.9")) as liar, udp_server(resolver("127.0.0.1")) as honest:
        different = ProbeOptions(resolvers=(liar,))
        same = ProbeOptions(resolvers=(honest, liar))
        assert names.probe_names(_context(different, host="localhost", allow_private=True)).result is WARN
        seen = names.probe_names(_context(same, host="localhost", allow_private=True))
    assert seen.result is PASS
    assert seen.observed["localhost"] is not None


@pytest.mark.parametrize("address", ["198.18.0.9", "28.1.2.3", "10.1.1.1", "::1", "fe80::1%eth0", "240.0.0.1", "x"])
def test_fake_addresses(address: str) -> None:
    assert names.is_unlawful(address)


def test_public_addresses_are_lawful() -> None:
    assert not names.is_unlawful("93.184.216.34")
    assert not names.is_unlawful("2606:2800:220:1:248:1893:25c8:1946")


_IN_NAMESPACE = """
import sys
from evidencekit.capture.environment.run import run_probes
from evidencekit.capture.environment.probe import ProbeOptions
from evidencekit.capture.request import CaptureRequest
request = CaptureRequest(urls=("https://forged.example/",), third_party=False)
report = run_probes(request, options=ProbeOptions(within_s=8))
print({c.id: c.observation.result.value for c in report.checks if c.id.startswith("network.")})
"""


def test_forged_hosts_entry_and_tunnel_in_a_namespace(tmp_path: Path) -> None:
    """The machine itself is forged, in a mount and network namespace of its own."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("namespaces need root, unshare and ip")
    (tmp_path / "hosts").write_text("10.9.8.7 forged.example\n")
    script = (
        f"mount --bind {tmp_path}/hosts /etc/hosts && mount -t sysfs none /sys && ip tuntap add mode tun name ek0 "
        f'&& exec {sys.executable} -c "$SCRIPT"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SCRIPT": _IN_NAMESPACE},
    )
    if "mount" in done.stderr or "ip:" in done.stderr or "ioctl" in done.stderr or "Operation not" in done.stderr:
        pytest.skip(f"no namespaces of this kind here: {done.stderr.strip()[:200]}")
    seen = json.loads(done.stdout.replace("'", '"'))
    assert seen["network.hosts"] == "FAIL"
    assert seen["network.dns"] == "FAIL"
    assert seen["network.interfaces"] == "WARN"


# --- clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset_s", "result"), [(0.0, PASS), (1.0, PASS), (-3600.0, WARN), (300.0, WARN), (20 * 365 * 86400.0, WARN)]
)
def test_clock_against_honest_and_lying_servers(offset_s: float, result: ProbeResult) -> None:
    with udp_server(time_server(0)) as honest, udp_server(time_server(offset_s)) as other:
        assert clock.probe_clock(_context(ProbeOptions(time_servers=(honest, other)))).result is result
        measured = clock.query_offset(other, 1.0)
    assert measured == pytest.approx(offset_s, abs=0.2)


@pytest.mark.parametrize(
    "answer",
    [lambda _: b"", lambda _: bytes(48), time_server(0, echo=False), time_server(0, stratum=0), lambda _: None],
)
def test_unlawful_time_answers_do_not_count(answer: Callable[[bytes], bytes | None]) -> None:
    with udp_server(answer) as server:
        assert clock.probe_clock(_context(ProbeOptions(time_servers=(server,), within_s=0.4))).result is IDLE


def test_no_time_server_is_asked_without_third_parties() -> None:
    asked: list[bytes] = []

    def note(data: bytes) -> None:
        asked.append(data)

    with udp_server(note) as server:
        seen = clock.probe_clock(_context(ProbeOptions(time_servers=(server,)), third_party=False))
    assert (seen.result, asked) == (IDLE, [])


# --- proxy, injection, interfaces, processes ------------------------------------------------------


def test_proxy_variables_and_arguments() -> None:
    clean = ProbeOptions(
        environment={}, browser=_browser("--headless", f"--host-resolver-rules={host_resolver_rules()}")
    )
    assert proxy.probe_proxy(_context(clean)).result is PASS
    seen = proxy.probe_proxy(_context(ProbeOptions(environment={"HTTPS_PROXY": "http://li:geheim@10.0.0.1:3128"})))
    assert seen.result is WARN
    assert "geheim" not in repr(seen)
    assert "10.0.0.1:3128" in repr(seen)
    for argument in ("--proxy-server=10.0.0.1:1", "--proxy-pac-url=http://x/", "--host-resolver-rules=MAP * 10.0.0.1"):
        options = ProbeOptions(environment={}, browser=_browser(argument))
        assert proxy.probe_proxy(_context(options)).result is WARN, argument


@pytest.mark.parametrize("name", ["LD_PRELOAD", "SSLKEYLOGFILE", "FAKETIME"])
def test_injection_by_variable(name: str, tmp_path: Path) -> None:
    options = ProbeOptions(environment={name: "/tmp/x.so"}, preload_file=tmp_path / "none")
    seen = injection.probe_injection(_context(options))
    assert seen.result is WARN
    assert name in seen.reason.en


def test_injection_by_preload_file_and_loaded_library(tmp_path: Path) -> None:
    (tmp_path / "ld.so.preload").write_text("/usr/lib/evil.so\n")
    assert (
        injection.probe_injection(
            _context(ProbeOptions(environment={}, preload_file=tmp_path / "ld.so.preload"))
        ).result
        is WARN
    )
    assert (
        injection.probe_injection(_context(ProbeOptions(environment={}, preload_file=tmp_path / "no"))).result is PASS
    )
    if shutil.which("faketime"):
        script = (
            "from evidencekit.capture.environment import injection, probe;"
            "c = probe.ProbeContext(options=probe.ProbeOptions(environment={}), hosts=(), allow_private=False,"
            "third_party=False); print(injection.probe_injection(c).result.value)"
        )
        done = subprocess.run(
            ["faketime", "-f", "+0", sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "WARN"


def test_interfaces(tmp_path: Path) -> None:
    (tmp_path / "eth0").mkdir()
    (tmp_path / "eth0" / "type").write_text("1\n")
    assert interfaces.probe_interfaces(_context(ProbeOptions(network_folder=tmp_path))).result is PASS
    (tmp_path / "vpn-x").mkdir()
    (tmp_path / "vpn-x" / "type").write_text("65534\n")
    seen = interfaces.probe_interfaces(_context(ProbeOptions(network_folder=tmp_path)))
    assert (seen.result, seen.observed["tunnels"]) == (WARN, ["vpn-x"])
    assert interfaces.probe_interfaces(_context(ProbeOptions(network_folder=tmp_path / "no"))).result is IDLE


def test_a_running_interception_program_is_seen(tmp_path: Path) -> None:
    program = tmp_path / "mitmdump"
    shutil.copy("/bin/sleep", program)
    running = subprocess.Popen([str(program), "30"])
    try:
        comm = Path(f"/proc/{running.pid}/comm")
        while comm.read_text().strip() != "mitmdump":
            time.sleep(0.01)
        seen = processes.probe_processes(_context())
    finally:
        running.kill()
        running.wait()
    assert seen.result is WARN
    found = seen.observed["found"]
    assert isinstance(found, dict)
    assert found["mitmdump"] == "interception"
    assert processes.probe_processes(_context(ProbeOptions(process_folder=tmp_path))).result is IDLE


# --- browser --------------------------------------------------------------------------------------


def test_an_added_root_is_seen(tmp_path: Path) -> None:
    if not shutil.which("certutil") or not shutil.which("openssl"):
        pytest.skip("certutil and openssl are needed to add a root")
    options = ProbeOptions(home=tmp_path)
    assert roots.probe_roots(_context(options)).result is PASS
    folder = tmp_path / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"], check=True, capture_output=True)
    assert roots.probe_roots(_context(options)).result is PASS
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Added -keyout {tmp_path}/k "
        f"-out {tmp_path}/c.pem".split(),
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["certutil", "-A", "-d", f"sql:{folder}", "-n", "added", "-t", "C,,", "-i", str(tmp_path / "c.pem")],
        check=True,
        capture_output=True,
    )
    der = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "c.pem"), "-outform", "DER"], check=True, capture_output=True
    ).stdout
    import hashlib

    seen = roots.probe_roots(_context(options))
    assert seen.result is WARN
    assert seen.observed["certificates"] == [{"label": "added", "sha256": hashlib.sha256(der).hexdigest()}]
    (folder / "cert9.db").write_bytes(b"no database" * 100)
    assert roots.probe_roots(_context(options)).result is IDLE


def test_a_used_profile_is_seen(tmp_path: Path) -> None:
    ready = datetime.now(UTC) - timedelta(seconds=5)
    options = ProbeOptions(profile=tmp_path, profile_ready_at=ready, browser=_browser())
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Cookies").write_text("new")
    assert profile.probe_profile(_context(options)).result is PASS
    old = (ready - timedelta(days=1)).timestamp()
    os.utime(tmp_path / "Default" / "Cookies", (old, old))
    seen = profile.probe_profile(_context(options))
    assert (seen.result, seen.observed["examples"]) == (WARN, ["Default/Cookies"])
    extended = ProbeOptions(profile=tmp_path / "x", profile_ready_at=ready, browser=_browser("--load-extension=/x"))
    assert profile.probe_profile(_context(extended)).result is WARN
    assert profile.probe_profile(_context()).result is IDLE


def test_managed_policies_are_seen(tmp_path: Path) -> None:
    options = ProbeOptions(policy_folders=(tmp_path,))
    assert profile.probe_policies(_context(options)).result is PASS
    (tmp_path / "managed").mkdir()
    (tmp_path / "managed" / "a.json").write_text('{"ProxySettings": {}, "ExtensionInstallForcelist": []}')
    (tmp_path / "managed" / "b.json").write_text("[" * 100_000)
    seen = profile.probe_policies(_context(options))
    assert seen.result is WARN
    assert seen.observed["policies"] == {
        str(tmp_path / "managed" / "a.json"): ["ExtensionInstallForcelist", "ProxySettings"],
        str(tmp_path / "managed" / "b.json"): ["unreadable"],
    }


def test_browser_program_is_recorded() -> None:
    seen = profile.probe_browser(_context(ProbeOptions(browser=_browser("--x"))))
    assert (seen.result, seen.observed["sha256"], seen.observed["arguments"]) == (PASS, "00", ["--x"])
    assert profile.probe_browser(_context()).result is IDLE


# --- tool ----------------------------------------------------------------------------------------


def test_selftest_and_tool() -> None:
    assert selftest.probe_selftest(_context()).result is PASS
    tool.package_digest.cache_clear()
    seen = tool.probe_tool(_context())
    digest = seen.observed["package_sha256"]
    assert isinstance(digest, str)
    root = Path(tool.__file__).resolve().parents[2]
    listing = "find . -type f -not -path '*/__pycache__/*' -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum"
    listed = subprocess.run(
        ["sh", "-c", f"{listing} | sha256sum"], cwd=root, capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[0] == digest, "sha256sum gives the same"
    dependencies = seen.observed["dependencies"]
    assert isinstance(dependencies, dict)
    assert dependencies["cryptography"]


def test_fonts_are_those_of_the_system() -> None:
    if not shutil.which("fc-list"):
        pytest.skip("fontconfig is not installed")
    assert fonts.missing_glyphs("plain text\n") == ""
    assert fonts.missing_glyphs("a\U0010fffd") in {"\U0010fffd", ""}
    coverage = fonts.FontCoverage(((0x20, 0x7E),))
    assert coverage.missing("aé中aé \t") == "é中"
    has_cjk = (
        "zh" in subprocess.run(["fc-list", ":lang=zh-cn", "lang"], capture_output=True, text=True, check=True).stdout
    )
    assert fonts.has_cjk_font() is has_cjk


# --- the run -------------------------------------------------------------------------------------


def _probe(name: str, run: Callable[[ProbeContext], Observation]) -> Probe:
    return Probe(id=name, name=Text(en=name, zh=name), method=Text(en="test", zh="测试"), run=run)


def _raise(_: ProbeContext) -> Observation:
    raise RuntimeError("broken \udcff")


def _sleep(_: ProbeContext) -> Observation:
    time.sleep(5)
    return passed("late", "迟")


def test_a_probe_that_raises_or_hangs_is_not_performed() -> None:
    request = CaptureRequest(urls=("https://shop.test/",))
    fine = _probe("fine", lambda context: passed("seen", "见", {"hosts": list(context.hosts)}))
    begun = time.monotonic()
    report = run_probes(
        request,
        options=ProbeOptions(within_s=0.3),
        probes=(_probe("broken", _raise), _probe("hung", _sleep), fine),
    )
    assert time.monotonic() - begun < 1
    assert [check.observation.result for check in report.checks] == [IDLE, IDLE, PASS]
    assert summarise(report).zh == "已执行 1 项检查：未发现伪造迹象；2 项未执行"
    document = parse_canonical(format_environment(report, capture_id="ab" * 16), limit=1 << 20, what="environment.json")
    assert isinstance(document, dict)
    assert document["counts"] == {"PASS": 1, "WARN": 0, "FAIL": 0, "NOT_PERFORMED": 2}
    checks = document["checks"]
    assert isinstance(checks, list)
    assert [check["id"] for check in checks if isinstance(check, dict)] == ["broken", "hung", "fine"]


def _count(_: ProbeContext) -> Observation:
    time.sleep(0.6)
    return passed("hashed", "已计算")


def test_what_hashes_files_goes_on_while_the_browser_starts() -> None:
    request = CaptureRequest(urls=("https://shop.test/",))
    slow = (_probe("slow", _count),)
    short = ProbeOptions(within_s=0.1)
    ready = threading.Event()
    late = threading.Timer(5, ready.set)
    late.start()
    assert run_probes(request, options=short, probes=slow, ready=ready).checks[0].observation.result is PASS
    late.cancel()
    ready.set()
    assert run_probes(request, options=short, probes=slow, ready=ready).checks[0].observation.result is IDLE


def test_all_probes_end_in_time_and_are_written() -> None:
    begun = time.monotonic()
    report = run_probes(
        CaptureRequest(urls=("https://shop.test/", "https://[::1]:9/", "bad:[")), options=ProbeOptions()
    )
    assert time.monotonic() - begun < 2
    assert [check.id for check in report.checks] == [probe.id for probe in PROBES]
    document = parse_canonical(format_environment(report, capture_id="ab" * 16), limit=1 << 20, what="environment.json")
    assert isinstance(document, dict)
    system: JsonValue = document["system"]
    assert isinstance(system, dict)
    assert system["system"]
    assert "clean" not in json.dumps(document["summary"])


def test_the_specification_names_every_probe() -> None:
    ids = {probe.id for probe in PROBES} | {"connection.peer", "devtools.exclusive"}
    spec = (Path(__file__).parents[4] / "docs" / "spec" / "environment.md").read_text("utf-8")
    rows = {line.split("`")[1] for line in spec.splitlines() if line.startswith("| `")}
    assert rows == ids
