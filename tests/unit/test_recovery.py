"""What the next command makes of each state that a killed capture can leave."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle.privatearchive import private_path
from evidencekit.errors import LedgerError, StorageError
from evidencekit.hashing.digest import digest_bytes
from evidencekit.home import Home
from evidencekit.ledger.entry import CaptureEntry, format_capture_entry
from evidencekit.office import Announcement, Office, abandon, announce, open_office
from evidencekit.recovery import recover, write_intent, write_state
from evidencekit.signing.identity import key_id
from tests.support.program import read_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = "0123456789abcdef" * 2
SALT = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def office(home: Home) -> Iterator[Office]:
    with open_office(home=home, signer=None, tsas=(), ledger=None, number=None, clock=None, output=None) as opened:
        yield opened


@pytest.fixture
def workspace(home: Home) -> Path:
    with home.workspace(ID) as folder:
        return folder


def announced(office: Office, workspace: Path, output: Path) -> Announcement:
    write_intent(workspace, SALT)
    made = announce(office, ID, None, salt=SALT)
    write_state(workspace, made, output)
    return made


def enter(office: Office, made: Announcement) -> None:
    digests = digest_bytes(b"")
    office.ledger.append(
        format_capture_entry(
            CaptureEntry(
                key_id=key_id(office.signer.certificate),
                manifest=digests,
                number=made.number,
                open=made.index,
                seal=digests,
                time=datetime.now(UTC),
                timestamp=hashlib.sha256(b"").hexdigest(),
            )
        )
    )


def record_something(workspace: Path) -> None:
    (workspace / "capture" / "profile").mkdir(parents=True)
    (workspace / "capture" / "profile" / "Cookies").write_text("secret")
    (workspace / "worklog.jsonl").write_text("{}\n")


def check_gone(home: Home) -> None:
    assert not home.has_pending()
    assert recover(home) == ()


def test_nothing_to_do(home: Home) -> None:
    assert recover(home) == ()
    assert list((home.path / "keys").iterdir()) == [], "looking for what was left makes no keys"


def test_a_running_capture_is_left_alone(home: Home, office: Office, tmp_path: Path) -> None:
    with home.workspace(ID) as folder:
        announced(office, folder, tmp_path / "a.zip")
        assert recover(home) == ()
        assert (folder / "state.json").exists()
    assert read_ledger(home.path).unclosed == [0]


def test_killed_before_anything_was_written(home: Home, workspace: Path) -> None:
    assert workspace.is_dir()
    assert recover(home) == ()
    check_gone(home)


def test_killed_with_the_intent_written_and_nothing_announced(home: Home, office: Office, workspace: Path) -> None:
    announce(office, "f" * 32, None, salt=SALT)
    write_intent(workspace, SALT)
    assert recover(home) == ()
    check_gone(home)
    assert read_ledger(home.path).unclosed == [0], "another announcement is not ours to close"


def test_killed_between_announcement_and_state(home: Home, office: Office, workspace: Path) -> None:
    announce(office, "f" * 32, None, salt=SALT)
    write_intent(workspace, SALT)
    announce(office, ID, None, salt=SALT)
    (sentence,) = recover(home)
    assert sentence.en.startswith("the capture announced as entry 1 ended before it was sealed")
    assert sentence.zh.startswith("第 1 条登记的取证在封存前中断")
    ledger = read_ledger(home.path)
    assert (ledger.unclosed, ledger.reasons) == ([0], ["interrupted"])
    check_gone(home)


def test_killed_while_recording(home: Home, office: Office, workspace: Path, tmp_path: Path) -> None:
    made = announced(office, workspace, tmp_path / "a.zip")
    record_something(workspace)
    (sentence,) = recover(home)
    kept = home.path / "interrupted" / ID
    assert sentence.en == (
        f"the capture {made.number} ended before it was sealed and is no evidence; it stands in the ledger as "
        f"abandoned. What it had recorded is kept in {kept}; capture the page again"
    )
    assert str(kept) in sentence.zh
    assert (kept / "worklog.jsonl").read_text() == "{}\n"
    assert not (kept / "capture" / "profile").exists()
    assert read_ledger(home.path).reasons == ["interrupted"]
    check_gone(home)


def test_killed_after_it_was_abandoned(home: Home, office: Office, workspace: Path, tmp_path: Path) -> None:
    made = announced(office, workspace, tmp_path / "a.zip")
    assert abandon(office, made, "capture.navigation")
    (sentence,) = recover(home)
    assert "abandoned" in sentence.en
    assert read_ledger(home.path).reasons == ["capture.navigation"]
    check_gone(home)


def test_killed_while_packing(home: Home, office: Office, workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "[my] bundle.zip"
    enter(office, announced(office, workspace, out))
    record_something(workspace)
    parts = [tmp_path / f".{name}.0badcafe.part" for name in (out.name, private_path(out).name)]
    others = [tmp_path / ".other.zip.0badcafe.part", tmp_path / ".m bundle.zip.0badcafe.part"]
    for path in (*parts, *others):
        path.touch()
    (sentence,) = recover(home)
    assert "after it was entered in the ledger, and its bundle cannot be finished: " in sentence.en
    assert "manifest.json" in sentence.en
    assert str(home.path / "interrupted" / ID) in sentence.en
    assert [path.exists() for path in parts] == [False, False]
    assert [path.exists() for path in others] == [True, True]
    ledger = read_ledger(home.path)
    assert (ledger.unclosed, ledger.reasons, len(ledger.numbers)) == ([], [], 1)
    check_gone(home)


@pytest.mark.parametrize("remembered", [False, True])
def test_killed_with_the_bundle_finished(
    home: Home, office: Office, workspace: Path, tmp_path: Path, *, remembered: bool
) -> None:
    out = tmp_path / "a.zip"
    made = announced(office, workspace, out)
    enter(office, made)
    out.write_text("bundle")
    if remembered:
        home.remember(made.number, out)
    (sentence,) = recover(home)
    assert "nothing was lost" in sentence.en
    assert str(out) in sentence.en
    assert [(each.number, each.bundle) for each in home.captures()] == [(made.number, out)]
    assert out.read_text() == "bundle"
    assert list((home.path / "interrupted").iterdir()) == []
    check_gone(home)


def test_a_file_under_the_name_is_no_bundle_of_a_capture_never_sealed(
    home: Home, office: Office, workspace: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    announced(office, workspace, out)
    out.write_text("somebody else's")
    (sentence,) = recover(home)
    assert "is no evidence" in sentence.en
    assert home.captures() == ()
    assert out.read_text() == "somebody else's"


@pytest.mark.parametrize("state", ["", "{", "[]", '{"index": "x"}', '{"index": 1e999}', "\xff"])
def test_a_damaged_state_falls_back_on_the_intent(
    home: Home, office: Office, workspace: Path, tmp_path: Path, state: str
) -> None:
    announced(office, workspace, tmp_path / "a.zip")
    (workspace / "state.json").write_text(state, encoding="latin-1")
    (sentence,) = recover(home)
    assert "announced as entry 0" in sentence.en
    assert read_ledger(home.path).unclosed == []


@pytest.mark.parametrize("intent", ["", "null", '{"salt": "zz"}', '{"salt": "00"}', "[1]"])
def test_a_damaged_intent_and_something_recorded(home: Home, workspace: Path, intent: str) -> None:
    (workspace / "intent.json").write_text(intent)
    record_something(workspace)
    (sentence,) = recover(home)
    assert sentence.en.startswith("a capture was killed before it was announced. What it had recorded is kept in ")
    check_gone(home)


def test_a_ledger_that_refuses_leaves_everything_for_the_next_command(
    home: Home, office: Office, workspace: Path, tmp_path: Path
) -> None:
    announced(office, workspace, tmp_path / "a.zip")
    record_something(workspace)
    ledger = home.path / "ledger.sqlite"
    office.ledger.close()
    ledger.rename(tmp_path / "away")
    ledger.write_bytes(b"no database" * 1000)
    with pytest.raises((LedgerError, StorageError)):
        recover(home)
    ledger.unlink()
    (tmp_path / "away").rename(ledger)
    (sentence,) = recover(home)
    assert "is no evidence" in sentence.en
    assert read_ledger(home.path).reasons == ["interrupted"]
