"""`evidencekit ledger`: the commands against real ledgers, published directories, web servers and witnesses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from evidencekit.home import Home
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.policy import check_policy, parse_policy
from evidencekit.ledger.proof import check_proof
from evidencekit.ledger.publishers.directory import publish_directory
from evidencekit.signing.note import VerifierKey, format_vkey, parse_vkey
from evidencekit.signing.notesigner import Ed25519NoteSigner
from evidencekit_cli.main import main
from tests.unit.cli.test_docs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
VKEY = format_vkey(KEY.verifier)
SCHEMA = json.loads((ROOT / "docs" / "spec" / "command-output.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    opened = Home.open()
    with opened.ledger(opened.keys().ledger) as ledger:
        ledger.append_many([b"entry %d" % index for index in range(300)])
    return opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve tmp_path/log as any static web server would."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    (tmp_path / "log").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "log")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main([*arguments, "--json"])
    value = json.loads(capsys.readouterr().out)
    jsonschema.validate(
        value, {**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{value['format'].removeprefix('evidencekit/')}"}]}
    )
    return status, value


def write_log(path: Path, entries: list[bytes]) -> None:
    with Ledger.open(path, KEY, create=True, clock=lambda: datetime(2026, 11, 23, tzinfo=UTC)) as ledger:
        ledger.append_many(entries)


@pytest.mark.usefixtures("home")
def test_status_says_that_a_rollback_is_undetectable(capsys: pytest.CaptureFixture[str]) -> None:
    status, value = run_json(capsys, "ledger", "status")
    assert (status, value["size"], value["rollback"]) == (0, 300, "undetectable")
    assert main(["--lang", "en", "ledger", "status"]) == 0
    assert "rollback undetectable" in capsys.readouterr().out


def test_a_head_mirror_makes_a_rollback_known(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = tmp_path / "mirror"
    (home.path / "config.toml").write_text(f"[ledger]\nhead_mirror = '{mirror}'\n")
    old = home.ledger_file.read_bytes()
    from evidencekit_cli.homes import open_home

    opened = open_home()[0]
    with opened.ledger(opened.keys().ledger) as ledger:
        ledger.append(b"one more")
    assert run_json(capsys, "ledger", "status")[1]["rollback"] == "detectable"
    for file in home.path.glob("ledger.sqlite*"):
        file.unlink()
    home.ledger_file.write_bytes(old)
    status, value = run_json(capsys, "ledger", "status")
    assert (status, value["code"]) == (14, "ledger.rollback")


@pytest.mark.usefixtures("home")
def test_a_proof_is_printed_and_checks(capsys: pytest.CaptureFixture[str]) -> None:
    status, value = run_json(capsys, "ledger", "prove", "17")
    key = parse_vkey(run_json(capsys, "ledger", "status")[1]["key"])
    assert status == 0
    assert check_proof(value["proof"].encode(), b"entry 17", [key]).proves
    assert not check_proof(value["proof"].encode(), b"entry 18", [key]).proves
    assert run_json(capsys, "ledger", "prove", "300")[0] == 2


@pytest.mark.usefixtures("home")
def test_publish_then_fsck_against_directory_and_server(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    assert run_json(capsys, "ledger", "publish", str(log))[1]["size"] == 300
    for place in (str(log), site):
        status, value = run_json(capsys, "ledger", "fsck", "--against", place)
        assert (status, value["size"], value["published_size"], value["problems"]) == (0, 300, 300, [])
    tile = log / "tile" / "0" / "000"
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.chmod(0o644)
    tile.write_bytes(data)
    assert run_json(capsys, "ledger", "fsck", "--against", site)[0] == 1


def test_fsck_ends_with_1_when_the_database_was_changed(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    with sqlite3.connect(home.ledger_file) as database:
        database.execute("UPDATE entry SET data = x'00' WHERE idx = 5")
    database.close()
    status, value = run_json(capsys, "ledger", "fsck")
    assert status == 1
    assert any("Entry 5" in problem["en"] for problem in value["problems"])


def test_the_monitor_follows_and_ends_with_1_on_a_fork(
    tmp_path: Path, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = tmp_path / "log", tmp_path / "state"
    entries = [b"%d" % index for index in range(700)]
    watch = ("ledger", "monitor", site, "--key", VKEY, "--state", str(state), "--audit")
    for size, sighting in ((260, "first"), (260, "same"), (520, "grown")):
        write_log(tmp_path / "true", entries[:size])
        with Ledger.open(tmp_path / "true", KEY) as ledger:
            publish_directory(ledger, log)
        status, value = run_json(capsys, *watch)
        assert (status, value["sighting"], value["size"]) == (0, sighting, size)
    kept = state.read_bytes()
    write_log(tmp_path / "forged", [b"another", *entries[1:]])
    with Ledger.open(tmp_path / "forged", KEY) as ledger:
        publish_directory(ledger, tmp_path / "split")
        forged = ledger.checkpoint()
    split = ("ledger", "monitor", str(tmp_path / "split"), "--key", VKEY, "--state", str(state))
    status, value = run_json(capsys, *split)
    assert (status, value["sighting"]) == (1, "fork")
    assert (value["before"].encode(), value["now"].encode()) == (kept, forged)
    assert main(["--lang", "en", *split]) == 1
    printed = capsys.readouterr().out
    assert kept.decode() in printed
    assert forged.decode() in printed
    assert state.read_bytes() == kept


def test_the_monitor_ends_with_3_when_the_log_shows_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [b"%d" % index for index in range(20)]
    for name, count in (("new", 20), ("old", 10)):
        write_log(tmp_path / f"{name}.sqlite", entries[:count])
        with Ledger.open(tmp_path / f"{name}.sqlite", KEY) as ledger:
            publish_directory(ledger, tmp_path / name)
    watch = ("--key", VKEY, "--state", str(tmp_path / "state"))
    assert run_json(capsys, "ledger", "monitor", str(tmp_path / "new"), *watch)[0] == 0
    assert run_json(capsys, "ledger", "monitor", str(tmp_path / "old"), *watch)[0] == 3


def test_the_monitor_refuses_another_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path / "l.sqlite", [b"x"])
    with Ledger.open(tmp_path / "l.sqlite", KEY) as ledger:
        publish_directory(ledger, tmp_path / "log")
    other = format_vkey(Ed25519NoteSigner("example.com/log", bytes(32)).verifier)
    arguments = ("ledger", "monitor", str(tmp_path / "log"), "--key", other, "--state", str(tmp_path / "s"))
    assert run_json(capsys, *arguments)[1]["code"] == "ledger.corrupt"
    assert not (tmp_path / "s").exists()


class Office:
    """A notary office: a home, and its witness as a process of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = Home.open(folder / name)
        with self.home.ledger(self.home.keys().ledger) as ledger:
            ledger.append(name.encode())
            verifier = ledger.verifier
        assert isinstance(verifier, VerifierKey)
        self.vkey = format_vkey(verifier)
        self.name = name

    def serve(self, *logs: str) -> dict[str, str]:
        command = [sys.executable, "-m", "evidencekit_cli", "ledger", "witness", "serve", "--listen", "127.0.0.1:0"]
        command += [part for log in logs for part in ("--log", log)] + [
            "--json",
            "--name",
            f"{self.name}.example/witness",
        ]
        environment = os.environ | {"EVIDENCEKIT_HOME": str(self.home.path)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "}\n")
        said: dict[str, str] = json.loads("".join(lines) + "}")
        return said

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 130
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def offices(tmp_path: Path) -> Iterator[tuple[Office, Office]]:
    tianjin, beijing = Office(tmp_path, "tianjin"), Office(tmp_path, "beijing")
    for own, other in ((tianjin, beijing), (beijing, tianjin)):
        said = other.serve(own.vkey, VKEY)
        policy = f"log {own.vkey}\nwitness {other.name} {said['key']} {said['url']}\nquorum {other.name}\n"
        (own.home.path / "policy.txt").write_text(policy)
        (own.home.path / "config.toml").write_text(f"[ledger]\nwitness_policy = '{own.home.path / 'policy.txt'}'\n")
    yield tianjin, beijing
    for office in (tianjin, beijing):
        if office.process.poll() is None:
            office.stop()


def test_two_offices_cosign_each_other(
    offices: tuple[Office, Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for own, other in (offices, offices[::-1]):
        monkeypatch.setenv("EVIDENCEKIT_HOME", str(own.home.path))
        status, value = run_json(capsys, "ledger", "checkpoint", "--witness")
        assert (status, value["witnesses"], value["quorum_met"]) == (0, [other.name], True)
        policy = parse_policy((own.home.path / "policy.txt").read_bytes())
        assert check_policy(policy, value["checkpoint"].encode()).is_satisfied
        assert run_json(capsys, "ledger", "publish", str(tmp_path / f"published-{own.name}"))[0] == 0
        published = (tmp_path / f"published-{own.name}" / "checkpoint").read_bytes()
        assert check_policy(policy, published).is_satisfied


def test_without_the_quorum_nothing_is_published_unless_asked_for(
    offices: tuple[Office, Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tianjin, beijing = offices
    beijing.stop()
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tianjin.home.path))
    assert run_json(capsys, "ledger", "checkpoint", "--witness")[0] == 3
    status, value = run_json(capsys, "ledger", "publish", str(tmp_path / "out"))
    assert (status, value["code"]) == (14, "ledger")
    assert not (tmp_path / "out").exists()
    with (tianjin.home.path / "config.toml").open("a") as file:
        file.write("fail_open = true\n")
    assert run_json(capsys, "ledger", "publish", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out" / "checkpoint").exists()
