"""What doctor finds in data folders that are whole, missing, open to others, or damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import BrowserError, ConfigError, LedgerCorruptError, SigningError, StorageError
from evidencekit.ledger.log import Ledger
from evidencekit.signing.identity import create_ledger_key, create_sealing_identity, create_tsa_identity
from evidencekit_cli import diagnosis
from evidencekit_cli.diagnosis import Check, Condition, Diagnosis, exit_status, informed, passed, run_checks, warned
from evidencekit_cli.examination import (
    check_home,
    check_ledger,
    check_rollback,
    check_settings,
    check_tsas,
)
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.keychecks import check_keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with its keys and a ledger of three entries."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    now = datetime.now(UTC)
    create_sealing_identity(folder / "keys", now=now)
    create_tsa_identity(folder / "keys", now=now)
    key = create_ledger_key(folder / "keys")
    with Ledger.open(folder / "ledger.sqlite", key.signer, create=True) as ledger:
        for entry in (b"one", b"two", b"three"):
            ledger.append(entry)
    return folder


def test_a_whole_home_passes(home: Path) -> None:
    for found in (check_home(home), check_settings(home), check_keys(home), check_ledger(home)):
        assert found.condition is Condition.PASS, found
    assert "3 entries" in check_ledger(home).sentence.en
    assert "self-signed" in check_keys(home).sentence.en


def test_before_the_first_capture_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for found in (check_home(nowhere), check_keys(nowhere), check_ledger(nowhere)):
        assert found.condition is Condition.INFO
    assert check_settings(nowhere).condition is Condition.PASS
    assert not nowhere.exists()


def test_a_home_that_others_may_enter_is_a_warning(home: Path) -> None:
    home.chmod(0o755)
    found = check_home(home)
    assert found.condition is Condition.WARN
    assert f"chmod 700 {home}" in found.sentence.zh


def test_a_file_in_place_of_the_home_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="EVIDENCEKIT_HOME"):
        check_home(tmp_path / "home")


def test_keys_that_others_may_read_are_an_error(home: Path) -> None:
    (home / "keys" / "sealing.key.pem").chmod(0o644)
    with pytest.raises(SigningError, match="chmod"):
        check_keys(home)


@pytest.mark.parametrize(
    ("gone", "role"), [("sealing.key.pem", "seal"), ("tsa.key.pem", "tsa"), ("ledger.key", "ledger")]
)
def test_each_lost_key_is_named_with_what_to_do(home: Path, gone: str, role: str) -> None:
    (home / "keys" / gone).unlink()
    with pytest.raises(SigningError, match=f"{gone} is gone.*identity rotate {role} --lost") as caught:
        check_keys(home)
    assert f"{gone} 已丢失" in caught.value.zh


def test_all_lost_keys_are_named_at_once(home: Path) -> None:
    for name in ("sealing.cert.pem", "tsa.key.pem", "ledger.key", "ledger.vkey"):
        (home / "keys" / name).unlink()
    with pytest.raises(SigningError) as caught:
        check_keys(home)
    assert [name in caught.value.en for name in ("sealing.cert.pem", "tsa.key.pem", "ledger.key")] == [True] * 3


@pytest.mark.parametrize(
    ("file", "other", "role"),
    [("sealing.cert.pem", "tsa.cert.pem", "seal"), ("tsa.key.pem", "sealing.key.pem", "tsa")],
)
def test_halves_of_two_keys_are_told_apart(home: Path, file: str, other: str, role: str) -> None:
    (home / "keys" / file).write_bytes((home / "keys" / other).read_bytes())
    with pytest.raises(SigningError, match=f"do not work together.*identity rotate {role} --lost"):
        check_keys(home)


@pytest.mark.parametrize(("file", "role"), [("sealing.key.pem", "seal"), ("ledger.key", "ledger")])
def test_a_damaged_key_is_named(home: Path, file: str, role: str) -> None:
    (home / "keys" / file).write_bytes(b"not a key")
    with pytest.raises(SigningError, match=f"{file}.*identity rotate {role} --lost"):
        check_keys(home)


def test_the_key_of_private_archives_is_missed(home: Path) -> None:
    (home / "captures").mkdir()
    (home / "captures" / "1.private.zip.age").touch()
    found = check_keys(home)
    assert found.condition is Condition.WARN
    assert "holder.age" in found.sentence.en
    (home / "keys" / "holder.age").write_bytes(b"not an age key")
    (home / "keys" / "holder.age").chmod(0o600)
    assert "holder.age" in check_keys(home).sentence.zh


def test_a_changed_entry_is_found(home: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as database, database:
        database.execute("UPDATE entry SET data = ? WHERE idx = 1", (b"other",))
    with pytest.raises(LedgerCorruptError, match="damaged"):
        check_ledger(home)


def test_wrong_settings_are_an_error(home: Path) -> None:
    (home / "config.toml").write_text("[capture]\nmode = 'slow'\n")
    with pytest.raises(ConfigError):
        check_settings(home)


def test_what_cannot_be_found_is_said(tmp_path: Path) -> None:
    assert check_rollback(tmp_path).condition is Condition.INFO
    assert "undetectable" in check_rollback(tmp_path).sentence.en


def test_without_third_parties_no_authority_is_asked(home: Path) -> None:
    assert check_tsas(home, third_party=False).condition is Condition.NOT_PERFORMED
    (home / "config.toml").write_text("[capture]\nthird_party = false\n")
    assert check_tsas(home, third_party=True).condition is Condition.NOT_PERFORMED
    (home / "config.toml").write_text('[capture]\ntsa = ["none"]\n')
    assert check_tsas(home, third_party=True).condition is Condition.INFO


def test_an_authority_that_does_not_answer_is_a_warning(home: Path) -> None:
    (home / "config.toml").write_text('[capture]\ntsa = ["http://127.0.0.1:1/tsa"]\n')
    found = check_tsas(home, third_party=True)
    assert found.condition is Condition.WARN
    assert "PENDING" in found.sentence.en


def test_this_machine_computes_sm3_and_has_a_clock_and_a_disk(tmp_path: Path) -> None:
    assert diagnosis.check_sm3().condition is Condition.PASS
    assert diagnosis.check_clock().condition is Condition.PASS
    assert str(tmp_path) in diagnosis.check_disk(tmp_path / "not" / "there").sentence.en


def test_variables_that_a_capture_records_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    found = diagnosis.check_environment()
    assert found.condition is Condition.WARN
    assert "HTTPS_PROXY" in found.sentence.en


def test_no_font_tool_is_a_warning_with_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    found = diagnosis.check_fonts()
    assert found.condition is Condition.WARN
    assert "apt-get install" in found.sentence.zh


def fail_for_want_of_a_browser() -> Diagnosis:
    raise BrowserError("no browser", "没有浏览器")


def test_a_failing_check_stops_no_other_and_gives_its_status() -> None:
    found = run_checks(
        [
            Check(id="first", look=lambda: warned("first", "w", "w")),
            Check(id="browser", look=fail_for_want_of_a_browser),
            Check(id="last", look=lambda: passed("last", "p", "p")),
        ]
    )
    assert [(one.id, one.condition.value) for one in found] == [
        ("first", "WARN"),
        ("browser", "FAIL"),
        ("last", "PASS"),
    ]
    assert exit_status(found) is ExitCode.CAPTURE


def test_warnings_are_3_and_information_is_0() -> None:
    calm = [passed("a", "p", "p"), informed("b", "i", "i")]
    assert exit_status(calm) is ExitCode.OK
    assert exit_status([*calm, warned("c", "w", "w")]) is ExitCode.UNDECIDED


def test_what_a_recording_needs_is_named_and_changes_no_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ffmpeg", "setpriv"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    found = diagnosis.check_recording()
    assert found.condition is Condition.INFO
    assert "apt-get install pulseaudio xvfb" in found.sentence.en
    monkeypatch.setenv("DISPLAY", ":7")
    (tmp_path / "pulseaudio").symlink_to(tmp_path / "ffmpeg")
    assert diagnosis.check_recording().condition is Condition.PASS
    assert exit_status([found]) == 0
