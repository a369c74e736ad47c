"""A session on a copy of a profile that has signed in: the owner is named, what it held is counted, values stay out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.market import SESSION, open_market
from tests.support.program import Program, leftovers
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALONE = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party")

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def market() -> Iterator[str]:
    with open_market() as url:
        yield url


def sign_in(profile: Path, url: str) -> None:
    """A browser of its own that was used before: a cookie that stays, a history."""
    chromium = browser()
    flags = ("--headless=new", "--no-sandbox", "--no-first-run", "--password-store=basic", "--dump-dom")
    subprocess.run(
        [chromium.path, *flags, f"--user-data-dir={profile}", f"{url}enter"],
        check=True,
        capture_output=True,
        timeout=120,
    )


def tree_digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def test_a_copy_is_signed_in_and_counted_and_the_original_untouched(tmp_path: Path, market: str) -> None:
    profile, bundle = tmp_path / "profile", tmp_path / "signed-in.zip"
    sign_in(profile, market)
    before = tree_digest(profile)
    program = Program(home=tmp_path / "home")
    command = ("capture", market, "--browser-profile", str(profile), "-o", str(bundle), *ALONE)
    done = program.run(*command, "--account-owner", "湖畔公司", "--json")
    assert done.status in {0, 3}, done.err
    assert tree_digest(profile) == before
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert "您好" in members["capture/pages/0001/text.txt"].decode()
    assert [name for name, data in members.items() if SESSION.encode() in data] == []
    checks = {each["id"]: each for each in json.loads(members["capture/environment.json"])["checks"]}
    found = checks["browser.profile"]
    assert found["result"] == "WARN"
    assert found["observed"]["cookies"] == {"127.0.0.1": 1}
    assert found["observed"]["history"] >= 1
    manifest = json.loads(members["manifest.json"])
    assert manifest["request"]["profile_owner"] == "湖畔公司"
    assert "browser.profile" in {each["kind"] for each in manifest["transformations"]}
    assert [each["id"] for each in json.loads(done.out)["stranger"]["findings"] if each["outcome"] == "FAILED"] == []
    assert leftovers(program.home) == []


def test_without_an_owner_or_on_no_profile_nothing_is_announced(tmp_path: Path, market: str) -> None:
    program = Program(home=tmp_path / "home")
    (tmp_path / "profile" / "Default").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    unnamed = program.run("capture", market, "--browser-profile", str(tmp_path / "profile"), *ALONE)
    assert (unnamed.status, "--account-owner" in unnamed.sentence) == (2, True)
    named = ("--account-owner", "li", *ALONE)
    nothing = program.run("capture", market, "--browser-profile", str(tmp_path / "empty"), *named)
    assert (nothing.status, "no Chromium profile" in nothing.sentence) == (2, True)
    (tmp_path / "profile" / "SingletonLock").symlink_to(f"host-{os.getpid()}")
    busy = program.run("capture", market, "--browser-profile", str(tmp_path / "profile"), *named)
    assert (busy.status, "close it first" in busy.sentence) == (2, True)
