"""The machine and its programs: changed files, remote use, added roots, forced extensions, recorders, tracers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment import (
    dependencies,
    extensions,
    integrity,
    knownbrowsers,
    processlist,
    profile,
    recording,
    remote,
    selftest,
    system,
    systemroots,
    vectors,
    virtual,
)
from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.probe import BrowserFacts, ProbeContext, ProbeOptions, ProbeResult
from tests.support.tools import program

if TYPE_CHECKING:
    import pytest

PASS, WARN, FAIL, IDLE = ProbeResult.PASS, ProbeResult.WARN, ProbeResult.FAIL, ProbeResult.NOT_PERFORMED


def _context(options: ProbeOptions) -> ProbeContext:
    return ProbeContext(options=options, hosts=("shop.test",), allow_private=False, third_party=False)


# --- the browser's files -------------------------------------------------------------------------


def _installed(folder: Path) -> tuple[BrowserFacts, Path]:
    """A program, a library beside it, and their package's record, as dpkg lays them down."""
    place = folder / "usr" / "lib" / "chromium"
    place.mkdir(parents=True)
    (place / "chromium").write_bytes(b"\x7fELF program" * 1000)
    (place / "resources.pak").write_bytes(b"pictures" * 1000)
    records = folder / "info"
    records.mkdir()
    for package, name in (("chromium", "chromium"), ("chromium-common", "resources.pak")):
        digest = hashlib.md5((place / name).read_bytes(), usedforsecurity=False).hexdigest()
        (records / f"{package}.md5sums").write_text(f"{digest}  {str(place / name)[1:]}\n{'0' * 32}  usr/share/doc/x\n")
    digest = hashlib.sha256((place / "chromium").read_bytes()).hexdigest()
    return BrowserFacts(path=place / "chromium", name="Chromium", version="1", sha256=digest), records


def test_a_changed_browser_is_a_sign_of_forgery(tmp_path: Path) -> None:
    browser, records = _installed(tmp_path)
    options = ProbeOptions(browser=browser, package_folder=records)
    seen = integrity.probe_integrity(_context(options))
    assert (seen.result, seen.observed["compared"], seen.observed["package"]) == (PASS, 2, "chromium")
    beside = browser.path.parent / "resources.pak"
    beside.write_bytes(beside.read_bytes()[:-1] + b"X")
    seen = integrity.probe_integrity(_context(options))
    assert (seen.result, seen.observed["different"]) == (FAIL, [str(beside)])
    beside.unlink()
    assert integrity.probe_integrity(_context(options)).result is FAIL, "a missing file is a different one"


def test_what_cannot_be_compared_is_not_performed(tmp_path: Path) -> None:
    browser, records = _installed(tmp_path)
    late = ProbeOptions(browser=browser, package_folder=records, hashing_s=-1.0)
    assert integrity.probe_integrity(_context(late)).result is IDLE
    unowned = ProbeOptions(browser=browser, package_folder=tmp_path / "nothing")
    assert integrity.probe_integrity(_context(unowned)).result is IDLE
    assert integrity.probe_integrity(_context(ProbeOptions())).result is IDLE


def test_a_published_digest_is_enough(tmp_path: Path) -> None:
    browser, _ = _installed(tmp_path)
    sums = tmp_path / "SHA256SUMS"
    listed = subprocess.run(["sha256sum", browser.path.name], cwd=browser.path.parent, capture_output=True, check=True)
    sums.write_bytes(b"# what the office rolls out\n" + listed.stdout)
    known = knownbrowsers.read_digests(sums)
    assert known == {browser.sha256: "chromium"}
    options = ProbeOptions(browser=browser, package_folder=tmp_path / "nothing", browser_digests=known)
    seen = integrity.probe_integrity(_context(options))
    assert (seen.result, seen.observed["published"]) == (PASS, "chromium")
    beside = browser.path.parent / "resources.pak"
    beside.write_bytes(b"changed")
    owned = ProbeOptions(browser=browser, package_folder=tmp_path / "info", browser_digests=known)
    seen = integrity.probe_integrity(_context(owned))
    assert (seen.result, seen.observed["different"]) == (FAIL, [str(beside)])
    assert all(len(digest) == 64 and where for digest, where in knownbrowsers.PUBLISHED.items())


def test_policies_as_windows_prints_them_and_forced_extensions(tmp_path: Path) -> None:
    listed = "\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Google\\Chrome\n    ProxySettings    REG_SZ    {}\n"
    assert profile.policy_values(listed) == ["ProxySettings"]
    policies, external = tmp_path / "policies", tmp_path / "extensions"
    options = ProbeOptions(policy_folders=(policies,), extension_folders=(external,))
    assert extensions.probe_extensions(_context(options)).result is PASS
    (policies / "managed").mkdir(parents=True)
    value = {
        "ExtensionInstallForcelist": ["aapbdbdomjkkjkaonfhkkikfgjllcleb;https://x/", 7],
        "ExtensionSettings": {"bb": {"installation_mode": "force_installed"}, "cc": {"installation_mode": "allowed"}},
    }
    (policies / "managed" / "a.json").write_text(json.dumps(value))
    (policies / "managed" / "b.json").write_text("[" * 100_000)
    external.mkdir()
    (external / "dd.json").write_text("{}")
    seen = extensions.probe_extensions(_context(options))
    assert seen.result is WARN
    assert seen.observed == {"forced": ["aapbdbdomjkkjkaonfhkkikfgjllcleb", "bb"], "external": ["dd"]}


# --- libraries -----------------------------------------------------------------------------------


def test_a_changed_library_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of click as it was installed, then with one byte more, in front of everything else."""
    patient = ProbeOptions(hashing_s=60)
    assert dependencies.probe_dependencies(_context(patient)).result is PASS
    installed = metadata.distribution("click")
    home = Path(str(installed.locate_file("")))
    for folder in ("click", f"click-{installed.version}.dist-info"):
        shutil.copytree(home / folder, tmp_path / folder)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert dependencies.probe_dependencies(_context(patient)).result is PASS
    with (tmp_path / "click" / "core.py").open("a") as file:
        file.write("\n")
    seen = dependencies.probe_dependencies(_context(patient))
    assert (seen.result, seen.observed["changed"]) == (WARN, ["click/core.py"])
    assert dependencies.probe_dependencies(_context(ProbeOptions(hashing_s=-1))).result is not PASS


def test_needed_packages_are_those_of_the_package_and_of_what_it_needs() -> None:
    needed = dependencies.needed_packages("evidencekit")
    assert {"click", "cryptography", "cffi", "dnspython", "urllib3"} <= set(needed)
    assert "psycopg" not in needed, "extras are not needed"


def test_a_broken_hash_fails_the_selftest(monkeypatch: pytest.MonkeyPatch) -> None:
    context = _context(ProbeOptions())
    assert selftest.probe_selftest(context).result is PASS
    monkeypatch.setattr(vectors, "HASHES", (*vectors.HASHES[:-1], ("sm3", "00" * 32)))
    seen = selftest.probe_selftest(context)
    assert seen.result is FAIL
    assert "sm3: WRONG" in seen.raw
    monkeypatch.undo()
    monkeypatch.setattr(vectors, "SM2", (b"another message", *vectors.SM2[1:]))
    assert "SM2" in selftest.probe_selftest(context).reason.en


# --- remote use ----------------------------------------------------------------------------------


def test_an_open_remote_desktop_port_is_seen(tmp_path: Path) -> None:
    clean = ProbeOptions(environment={}, session_file=tmp_path / "utmp")
    before = remote.probe_remote(_context(clean)).observed["ports"]
    with socket.create_server(("127.0.0.1", 5909)):
        seen = remote.probe_remote(_context(clean))
    assert isinstance(before, dict)
    assert (seen.result, seen.observed["ports"]) == (WARN, before | {"VNC": "listening"})
    for name, value in (("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"), ("SESSIONNAME", "RDP-Tcp#3")):
        options = ProbeOptions(environment={name: value}, session_file=tmp_path / "utmp")
        assert remote.probe_remote(_context(options)).observed["variables"] == [name]
        assert "10.0.0.1" not in repr(remote.probe_remote(_context(options))), "addresses of people stay out"


def test_logins_from_elsewhere_are_counted(tmp_path: Path) -> None:
    def login(kind: int, host: bytes) -> bytes:
        return struct.pack("<h2xi32s4s32s256s", kind, 1, b"pts/0", b"", b"li", host).ljust(384, b"\0")

    file = tmp_path / "utmp"
    file.write_bytes(login(7, b"192.0.2.7") + login(7, b":0") + login(8, b"192.0.2.8") + login(7, b"") + b"torn")
    seen = remote.probe_remote(_context(ProbeOptions(environment={}, session_file=file)))
    assert (seen.result, seen.observed["remote_logins"]) == (WARN, 1)
    assert "192.0.2.7" not in repr(seen)
    nowhere = ProbeOptions(environment={}, session_file=tmp_path / "no", process_folder=tmp_path)
    assert remote.probe_remote(_context(nowhere)).result is IDLE


def test_virtual_machines_are_recorded_not_judged(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu hypervisor sse\n")
    (tmp_path / "sys_vendor").write_text("QEMU\n")
    seen = virtual.probe_virtual(_context(ProbeOptions(process_folder=tmp_path, firmware_folder=tmp_path)))
    assert seen.result is PASS
    assert seen.observed["signs"] == ["sys_vendor: QEMU", "cpuinfo: hypervisor"]
    elsewhere = ProbeOptions(system="win32")
    assert virtual.probe_virtual(_context(elsewhere)).result is IDLE


def test_a_running_recorder_is_recorded(tmp_path: Path) -> None:
    shutil.copy("/bin/sleep", tmp_path / "obs")
    running = subprocess.Popen([str(tmp_path / "obs"), "30"])
    try:
        while Path(f"/proc/{running.pid}/comm").read_text().strip() != "obs":
            time.sleep(0.01)
        seen = recording.probe_recording(_context(ProbeOptions()))
    finally:
        running.kill()
        running.wait()
    assert seen.result is PASS
    assert seen.observed["recorders"] == ["obs"]
    nowhere = ProbeOptions(process_folder=tmp_path)
    assert recording.probe_recording(_context(nowhere)).result is IDLE


def test_programs_as_other_systems_list_them() -> None:
    assert processlist.parse_ps("launchd\nGoogle Chrome\n\n") == ("launchd", "Google Chrome")
    assert processlist.parse_tasklist('"System","4","Services","0","8 K"\n"obs64.exe","9","Console","1","9 K"\n') == (
        "System",
        "obs64",
    )


def test_a_traced_process_knows() -> None:
    code = (
        "from evidencekit.capture.environment import injection, probe; "
        "c = probe.ProbeContext(options=probe.ProbeOptions(environment={}), hosts=(), allow_private=False, "
        "third_party=False); print(injection.probe_injection(c).observed['found'])"
    )
    done = subprocess.run(
        [program("strace"), "-o", "/dev/null", "-e", "trace=none", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    )
    assert "TracerPid" in done.stdout


# --- roots, facts, commands ----------------------------------------------------------------------


def test_a_root_added_to_the_system_is_seen(tmp_path: Path) -> None:
    options = ProbeOptions(root_folders=(tmp_path,))
    assert systemroots.probe_system_roots(_context(options)).result is PASS
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Added -keyout {tmp_path}/k "
        f"-out {tmp_path}/ca.crt".split(),
        check=True,
        capture_output=True,
    )
    der = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "ca.crt"), "-outform", "DER"], check=True, capture_output=True
    ).stdout
    seen = systemroots.probe_system_roots(_context(options))
    assert seen.result is WARN
    assert hashlib.sha256(der).hexdigest() in seen.raw
    assert systemroots.probe_system_roots(_context(ProbeOptions(system="win32"))).result is IDLE


def test_the_machine_is_told_apart_without_its_id() -> None:
    facts = system.system_facts()
    assert facts["host_name"] == socket.gethostname()
    machine = Path("/etc/machine-id")
    if machine.exists() and machine.read_text().strip():
        assert isinstance(facts["machine_id"], str)
        assert len(facts["machine_id"]) == 32
        assert machine.read_text().strip() not in repr(facts)


def test_a_program_is_never_waited_for() -> None:
    begun = time.monotonic()
    assert output_of("sleep", "20", within_s=0.2) is None
    assert output_of("no-such-program-anywhere") is None
    assert output_of("false") is None
    assert output_of("echo", "seen") == "seen\n"
    assert time.monotonic() - begun < 10, os.getloadavg()
