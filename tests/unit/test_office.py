"""Who does the work of a session, its announcement, and its end when it came to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.home import Home
from evidencekit.ledger.entry import AbandonedEntry, OpenEntry, open_commitment, parse_entry
from evidencekit.ledger.log import Ledger
from evidencekit.numbering import parse_number
from evidencekit.office import Office, abandon, announce, open_office
from evidencekit.signing.identity import key_id
from tests.support.assembly import Keys, make_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SALT = bytes(range(32))
ID = "0123456789abcdef" * 2
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(
        home=Home.open(tmp_path / "home"), signer=None, tsas=(), ledger=None, number=None, clock=None, output=None
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


def test_an_announcement_names_no_url_and_is_opened_by_its_salt(office: Office) -> None:
    announced = announce(office, ID, None, salt=SALT)
    entry = parse_entry(announced.entry)
    assert isinstance(entry, OpenEntry)
    assert entry.commitment == open_commitment(SALT, ID)
    assert entry.key_id == key_id(office.signer.certificate)
    assert (entry.matter, announced.attempt, announced.salt) == (None, 1, SALT)
    assert list(office.ledger.entries(0)) == [announced.entry]
    number = parse_number(announced.number)
    assert (number.sequence, number.year) == (announced.index + 1, entry.time.year)


def test_attempts_are_counted_by_matter(office: Office) -> None:
    attempts = [
        announce(office, ID, matter, salt=bytes([n]) * 32).attempt
        for n, matter in enumerate(["case 1", "case 2", None, "case 1", "case 1"])
    ]
    assert attempts == [1, 1, 1, 2, 3]
    assert b"case" not in b"".join(office.ledger.entries(0))


def test_an_abandoned_session_is_closed_with_its_reason(office: Office) -> None:
    announced = announce(office, ID, None, salt=SALT)
    assert abandon(office, announced, "capture.navigation")
    entry = parse_entry(list(office.ledger.entries(0))[-1])
    assert isinstance(entry, AbandonedEntry)
    assert (entry.open, entry.reason) == (announced.index, "capture.navigation")


def test_a_ledger_that_refuses_is_told(office: Office) -> None:
    announced = announce(office, ID, None, salt=SALT)
    office.ledger.close()
    assert not abandon(office, announced, "capture")


def test_no_home_is_touched_when_all_is_given(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    with Ledger.open(tmp_path / "log", keys.log, create=True, clock=lambda: NOW) as ledger:
        office = open_office(
            home=None,
            signer=keys.signer,
            tsas=(),
            ledger=ledger,
            number=lambda prefix, year, sequence: f"OFFICE-{len(prefix)}-{year}-{sequence}",
            clock=lambda: NOW,
            output=tmp_path / "out.zip",
        )
        with office, office.workspace(ID) as folder:
            announced = announce(office, ID, "case", salt=SALT)
            office.remember(announced.number, tmp_path / "out.zip")
            assert folder.is_dir()
        assert not folder.exists()
        assert announced.number.startswith("OFFICE-")
        assert announced.number.endswith("-2026-1")
        assert (office.recipient(), office.captures_folder) == (None, tmp_path)
        assert ledger.size == 1, "the caller's ledger stays open"
    assert not (tmp_path / "home").exists()


def test_a_given_ledger_keeps_the_homes_other_keys(keys: Keys, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    with Ledger.open(tmp_path / "log", keys.log, create=True) as ledger:
        with open_office(
            home=home, signer=None, tsas=(), ledger=ledger, number=None, clock=None, output=None
        ) as office:
            assert office.ledger is ledger
            assert office.signer.certificate == home.keys().seal.signer.certificate
            assert office.vkey.startswith(f"{ledger.origin}+")
        assert ledger.size == 0
    assert not (home.path / "ledger.sqlite").exists()
