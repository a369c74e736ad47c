"""The state on disk: made once, private, listed durably, refused when a newer version made it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.bundle.privatearchive import recipient_of
from evidencekit.errors import StorageError
from evidencekit.home import HOME_VARIABLE, Home, Sealed, default_home

if TYPE_CHECKING:
    from evidencekit.home import Keys

unix = pytest.mark.skipif(sys.platform == "win32", reason="file modes")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


def fingerprints(keys: Keys) -> tuple[object, ...]:
    return (keys.seal.signer.certificate, keys.tsa.signer.certificate, keys.ledger.signer.verifier.public_key)


def test_the_variable_names_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "named"))
    assert default_home() == tmp_path / "named"
    assert not (tmp_path / "named").exists()
    assert Home.open().path == tmp_path / "named"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/mine")
    assert default_home() == tmp_path / "mine"
    monkeypatch.delenv(HOME_VARIABLE)
    assert default_home().name == "evidencekit"


@unix
def test_nobody_else_can_read_it(home: Home) -> None:
    home.keys()
    home.matter_key()
    home.holder()
    for path in (home.path, *home.path.glob("*/")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    for name in ("ledger.key", "matter.key", "holder.age"):
        assert stat.S_IMODE((home.path / "keys" / name).stat().st_mode) == 0o600


def test_keys_are_made_once_and_differ(home: Home, tmp_path: Path) -> None:
    made, loaded = home.keys(), Home.open(home.path).keys()
    assert (made.created, loaded.created) == (True, False)
    assert fingerprints(made) == fingerprints(loaded)
    assert made.seal.signer.certificate != made.tsa.signer.certificate
    other = Home.open(tmp_path / "other").keys()
    assert not set(fingerprints(made)) & set(fingerprints(other))
    assert home.matter_key() == home.matter_key() != Home.open(tmp_path / "other").matter_key()
    assert home.holder() == home.holder() != Home.open(tmp_path / "other").holder()


def test_the_holder_can_open_what_is_encrypted_to_it(home: Home) -> None:
    recipient = home.holder()
    assert recipient_of((home.path / "keys" / "holder.age").read_text()) == recipient


@pytest.mark.parametrize(("found", "said"), [("2", "made by a newer version"), ("one", "which is no version")])
def test_a_version_that_is_not_ours(home: Home, found: str, said: str) -> None:
    (home.path / "version").write_text(found)
    with pytest.raises(StorageError, match=said):
        Home.open(home.path)


def test_a_home_of_this_version_opens_again(home: Home) -> None:
    assert (home.path / "version").read_text() == "1\n"
    assert Home.open(home.path).path == home.path


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        Home.open(tmp_path / "file")


def test_the_list_survives_a_torn_line(home: Home) -> None:
    assert home.captures() == ()
    home.remember("A-1", Path("a.zip"))
    with (home.captures_folder / "index.jsonl").open("ab") as file:
        file.write(b'{"bundle": "/x')
    assert home.captures() == (Sealed(number="A-1", bundle=Path("a.zip").absolute()),)
    home.remember("A-2", Path("/b.zip"))
    assert [each.number for each in home.captures()] == ["A-1", "A-2"]


@given(name=st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_bundle_name_is_listed_as_it_is(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    home = Home.open(tmp_path_factory.mktemp("home"))
    bundle = Path("/evidence") / f"x{name}.zip"
    home.remember("N", bundle)
    home.remember("M", bundle)
    assert [each.bundle for each in home.captures()] == [bundle, bundle]


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not text")
def test_a_name_that_is_no_text_is_listed(home: Home) -> None:
    bundle = Path(os.fsdecode(b"/evidence/\xff.zip"))
    home.remember("N", bundle)
    assert home.captures() == (Sealed(number="N", bundle=bundle),)


def test_a_workspace_in_use_is_nobodys_left_over(home: Home) -> None:
    assert not home.has_pending()
    with home.workspace("a" * 32) as folder:
        assert home.has_pending()
        assert list(home.left_over()) == []
        folder.rmdir()
    assert list((home.path / "pending").iterdir()) == []


def test_a_workspace_that_was_left_is_found_until_it_is_gone(home: Home) -> None:
    with home.workspace("a" * 32) as folder:
        (folder / "part").touch()
    assert [each.name for each in home.left_over()] == ["a" * 32]
    for each in home.left_over():
        assert home.set_aside(each) == home.path / "interrupted" / each.name
    assert not home.has_pending()
    assert list((home.path / "pending").iterdir()) == []


def test_a_profile_and_an_empty_workspace_are_not_kept(home: Home) -> None:
    with home.workspace("a" * 32) as folder:
        for place in ("capture/profile", "printing-profile"):
            (folder / place).mkdir(parents=True)
            (folder / place / "Cookies").touch()
        (folder / "intent.json").touch()
        (folder / "state.json").touch()
    assert home.set_aside(folder) is None
    assert not folder.exists()
