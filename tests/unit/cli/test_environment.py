"""The cleanliness check alone: what it prints, what it ends with, and what it says of real causes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.support.program import Program, leftovers, read_ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
ALONE = ("--no-third-party",)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(home=tmp_path / "home")


def results(checks: Sequence[dict[str, str]]) -> dict[str, str]:
    return {check["id"]: check["result"] for check in checks}


def test_json_follows_its_schema_and_nothing_is_written(program: Program) -> None:
    done = program.run("environment", "https://shop.invalid/", *ALONE, "--json")
    report = json.loads(done.out)
    schema = json.loads((ROOT / "docs" / "spec" / "command-output.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, schema)
    found = results(report["checks"])
    assert found["tool.selftest"] == "PASS"
    assert (found["network.dns"], found["clock.ntp"]) == ("NOT_PERFORMED", "NOT_PERFORMED")
    assert sum(report["counts"].values()) == len(report["checks"]) == len(found)
    assert "sign of forgery" in report["summary"]["en"]
    assert done.status == 0
    assert not program.home.exists()


def test_strict_does_not_call_an_unasked_question_answered(program: Program) -> None:
    assert program.run("environment", *ALONE, "--strict").status == 3


def test_a_preloaded_library_is_seen(tmp_path: Path) -> None:
    program = Program(home=tmp_path / "home", variables={"SSLKEYLOGFILE": str(tmp_path / "keys")})
    done = program.run("environment", *ALONE, "--json")
    assert results(json.loads(done.out)["checks"])["system.injection"] == "WARN"


def test_what_is_no_page_is_refused(program: Program) -> None:
    done = program.run("environment", "file:///etc/passwd", *ALONE)
    assert (done.status, done.out) == (11, "")
    assert "only http: and https: pages can be captured" in done.sentence


def test_chinese_never_calls_an_environment_clean(program: Program) -> None:
    done = program.run("--lang", "zh", "environment", *ALONE)
    assert "环境清洁" not in done.out
    assert "迹象" in done.out.splitlines()[-1]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="a hosts file of one's own takes root and unshare"
)
def test_a_forged_hosts_file_ends_with_status_1(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n203.0.113.9 shop.example\n")
    program = f"{sys.executable} -m evidencekit_cli environment https://shop.example/ --no-third-party --json"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec {program}"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "EVIDENCEKIT_HOME": str(tmp_path / "home")},
    )
    report = json.loads(done.stdout)
    assert results(report["checks"])["network.hosts"] == "FAIL"
    assert "signs of forgery were seen (Hosts file, DNS answers compared)" in report["summary"]["en"]
    assert done.returncode == 1


@pytest.mark.browser
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="a hosts file of one's own takes root and unshare"
)
def test_a_strict_capture_stops_before_a_page_is_opened(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n93.184.216.34 shop.example\n")
    home = tmp_path / "home"
    program = f"{sys.executable} -m evidencekit_cli capture https://shop.example/ --strict --no-third-party"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec {program}"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "EVIDENCEKIT_HOME": str(home), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1, done.stderr
    assert "network.hosts: the hosts file sends the target elsewhere: shop.example" in done.stderr
    assert "No page was opened" in done.stderr
    announced = read_ledger(home)
    assert (announced.unclosed, announced.reasons, announced.numbers) == ([], ["capture.environment"], [])
    assert not leftovers(home)


def test_the_settings_name_the_defaults_of_the_library() -> None:
    from evidencekit.capture.environment import probe
    from evidencekit_cli import settings

    assert settings.RESOLVERS == probe.RESOLVERS
    assert settings.TIME_SERVERS == probe.TIME_SERVERS
    assert settings.EGRESS_SERVERS == probe.EGRESS_SERVERS


def test_the_settings_say_whom_the_probes_ask(tmp_path: Path) -> None:
    from evidencekit.errors import ConfigError
    from evidencekit_cli.settings import read_settings
    from evidencekit_cli.surroundings import sources_of

    file = tmp_path / "config.toml"
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{'ab' * 32}  chromium 1\n")
    file.write_text(f'[environment]\nresolvers = ["10.0.0.53"]\negress_servers = []\nbrowser_digests = "{sums}"\n')
    sources = sources_of(read_settings(file))
    assert (sources.resolvers, sources.egress_servers) == (("10.0.0.53",), ())
    assert sources.browser_digests == {"ab" * 32: "chromium 1"}
    sums.unlink()
    with pytest.raises(ConfigError, match=r"environment\.browser_digests"):
        sources_of(read_settings(file))
