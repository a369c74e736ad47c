"""The home's log in PostgreSQL, in a bucket, and held against what is published: by the commands, on real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import LedgerError, LedgerRollbackError
from evidencekit.ledger.fsck import fsck
from evidencekit_cli.homes import open_home
from evidencekit_cli.main import main
from tests.support.buckets import ACCESS, SECRET, Store, ceph
from tests.support.postgres import Server, postgres
from tests.unit.cli.test_ledger import run_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.home import Home

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the settings file of a home that is not there yet."""
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home" / "config.toml"


def configure(config: Path, **settings: str | list[str]) -> Home:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    config.write_text("\n".join(["[ledger]", *lines, ""]))
    return open_home()[0]


def append(home: Home, *entries: bytes) -> list[int]:
    with home.ledger(home.keys().ledger) as ledger:
        return [each.index for each in ledger.append_many(entries)]


def test_every_command_works_on_a_log_in_postgresql(
    server: Server, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = configure(config, postgres=server.conninfo, schema="office", head_mirror=str(tmp_path / "mirror"))
    status, value = run_json(capsys, "doctor", "--no-third-party")
    found = {each["id"]: each["condition"] for each in value["checks"]}
    assert found["ledger"] == found["ledger.mirror"] == "INFO"
    file = tmp_path / "poem.txt"
    file.write_text("床前明月光")
    deposit = ("deposit", str(file), "--tsa", "none", "-o", str(tmp_path / "out.zip"))
    assert main([*deposit]) == 0
    assert not home.ledger_file.exists()
    assert server.sql("SELECT count(*) FROM entry", "office") == "2"
    status, value = run_json(capsys, "ledger", "status")
    assert (status, value["store"], value["size"], value["rollback"]) == (0, "postgresql", 2, "detectable")
    assert "host" not in json.dumps(value)
    assert run_json(capsys, "ledger", "checkpoint")[0] == 0
    assert run_json(capsys, "ledger", "prove", "1")[0] == 0
    assert run_json(capsys, "ledger", "publish", str(tmp_path / "log"))[1]["size"] == 2
    status, value = run_json(capsys, "ledger", "fsck", "--against", str(tmp_path / "log"))
    assert (status, value["size"], value["published_size"]) == (0, 2, 2)
    assert main(["verify", str(tmp_path / "out.zip"), "--ledger", str(tmp_path / "log")]) == 3
    status, value = run_json(capsys, "doctor", "--no-third-party")
    found = {each["id"]: each["condition"] for each in value["checks"]}
    assert found["ledger"] == found["ledger.mirror"] == "PASS"
    server.sql("UPDATE entry SET data = '\\x00' WHERE idx = 0", "office")
    assert run_json(capsys, "ledger", "fsck")[0] == 1
    status, value = run_json(capsys, "doctor", "--no-third-party")
    assert {each["id"]: each["condition"] for each in value["checks"]}["ledger"] == "FAIL"


def test_one_key_never_signs_a_log_in_each_store(server: Server, config: Path) -> None:
    home = configure(config)
    assert append(home, b"in the file") == [0]
    home = configure(config, postgres=server.conninfo, schema="second")
    with pytest.raises(LedgerError, match="rotate ledger"):
        append(home, b"elsewhere")
    assert server.sql("SELECT to_regnamespace('second') IS NULL") == "t"
    assert main(["identity", "rotate", "ledger"]) == 0
    assert not home.ledger_file.exists()
    kept = next((home.path / "retired").glob("ledger-*"))
    assert fsck(kept / "ledger.sqlite").size == 2  # the entry, and where the log goes on
    with home.ledger(home.keys().ledger) as ledger:
        assert json.loads(ledger.entry(0))["kind"] == "origin"
    assert append(home, b"in the database") == [1]
    home = configure(config)
    with pytest.raises(LedgerError, match=r"ledger\.postgres"):
        append(home, b"elsewhere")
    assert not home.ledger_file.exists()
    home = configure(config, postgres=server.conninfo, schema="second")
    assert main(["identity", "rotate", "ledger"]) == 0
    assert server.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'second-ledger-%'") == "1"
    with home.ledger(home.keys().ledger) as ledger:
        assert ledger.size == 1
        first = json.loads(ledger.entry(0))
    assert first["kind"] == "origin"
    assert "\n3\n" in first["checkpoint"]


def test_a_password_in_the_settings_is_refused_and_not_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for conninfo in ("host=db password=hush dbname=x", "postgresql://office:hush@db/x"):
        config.write_text(f"[ledger]\npostgres = '{conninfo}'\n")
        assert main(["ledger", "status"]) == 2
        assert main(["config", "show"]) == 2
        printed = capsys.readouterr()
        assert "hush" not in printed.out + printed.err
        assert ".pgpass" in printed.err


def test_what_is_published_is_asked_whenever_the_log_is_opened(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    home = configure(config, published=[str(log)])
    append(home, b"one")
    old = home.ledger_file.read_bytes()
    append(home, b"two", b"three")
    assert run_json(capsys, "ledger", "publish", str(log))[1]["size"] == 3
    status, value = run_json(capsys, "ledger", "status")
    assert (value["rollback"], value["published"]) == ("detectable", [str(log)])
    status, value = run_json(capsys, "doctor", "--no-third-party")
    assert {each["id"]: each["condition"] for each in value["checks"]}["ledger.mirror"] == "PASS"
    for file in home.path.glob("ledger.sqlite*"):
        file.unlink()
    with pytest.raises(LedgerRollbackError, match="3 entries of it are published"):
        append(home, b"anew")
    home.ledger_file.write_bytes(old)
    status, value = run_json(capsys, "ledger", "status")
    assert (status, value["code"]) == (14, "ledger.rollback")
    with pytest.raises(LedgerRollbackError):
        append(home, b"four")
    status, value = run_json(capsys, "doctor", "--no-third-party")
    assert {each["id"]: each["condition"] for each in value["checks"]}["ledger.mirror"] == "FAIL"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with ceph() as running:
        yield running


@pytest.mark.xdist_group("s3")
def test_a_bucket_is_published_into_and_held_against(
    store: Store, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = store.make_bucket(lock=True)
    place = f"s3://{bucket}/log"
    home = configure(config, published=[place], s3_endpoint=store.endpoint)
    append(home, b"one")
    old = home.ledger_file.read_bytes()
    append(home, *(b"%d" % number for number in range(300)))
    status, value = run_json(capsys, "ledger", "publish", place, "--retain-days", "1")
    assert (status, value["size"]) == (0, 301)
    status, value = run_json(capsys, "ledger", "fsck", "--against", place)
    assert (status, value["published_size"]) == (0, 301)
    home.ledger_file.write_bytes(old)
    status, value = run_json(capsys, "ledger", "status")
    assert (status, value["code"]) == (14, "ledger.rollback")
    plain = store.make_bucket()
    config.unlink()
    refused = ("ledger", "publish", f"s3://{plain}/log", "--endpoint", store.endpoint, "--retain-days", "1")
    assert run_json(capsys, *refused)[1]["code"] == "storage"
    assert run_json(capsys, "ledger", "publish", "/tmp", "--retain-days", "1")[0] == 2
