"""VERIFY.md: its commands, taken out of the page and run by bash, accept a sound bundle and refuse changed ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import UsageError
from evidencekit.hashing.digest import digest_bytes
from evidencekit.report.claims import overclaims
from evidencekit.report.instructions import VerifyFacts, render_verify_md
from tests.unit.report.sealed_sample import FILE, NUMBER, TOKENS, sealed_members, write_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("bash", "unzip", "openssl", "sha256sum")), reason="needs the expert's tools"
)
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return sealed_members(tmp_path_factory.mktemp("keys"))


def follow(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs every bash block of the page in order, in one shell."""
    script = "".join(re.findall(r"^```bash\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE))
    return subprocess.run(["bash"], input=script, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["VERIFY.md", "VERIFY.zh-CN.md"])
def test_commands_accept_a_sound_bundle(sound: Members, tmp_path: Path, name: str) -> None:
    write_file(sound, tmp_path / FILE)
    result = follow(sound[name].decode(), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == "All commands succeeded"
    assert result.stdout.count("Verification: OK") == len(TOKENS) + 1
    assert result.stdout.count("Signature Verified Successfully") == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([FILE, f"{NUMBER}.unpacked"])


@pytest.mark.parametrize("size", [7, 8, 9, 64, 1000])
def test_inclusion_by_hand_in_trees_of_any_shape(tmp_path: Path, size: int) -> None:
    members = sealed_members(tmp_path / "keys", size=size)
    write_file(members, tmp_path / FILE)
    assert follow(members["VERIFY.md"].decode(), tmp_path).returncode == 0


def _flip(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        data = bytearray(members[name])
        data[len(data) // 2] ^= 1
        members[name] = bytes(data)

    return change


def _add(members: Members) -> None:
    members["capture/extra.txt"] = b"added later"


def _drop(members: Members) -> None:
    del members["capture/pages/0001/dom.html"]


def _relist(members: Members) -> None:
    """Changes a file and its lines in both lists of sums, as a forger without the key would."""
    name = "capture/pages/0001/dom.html"
    old, members[name] = digest_bytes(members[name]), b"<h1>forged</h1>"
    new = digest_bytes(members[name])
    members["SHA256SUMS"] = members["SHA256SUMS"].replace(old.sha256.encode(), new.sha256.encode())
    members["SM3SUMS"] = members["SM3SUMS"].replace(old.sm3.encode(), new.sm3.encode())


CHANGES = {
    **{
        name: _flip(name)
        for name in (
            "manifest.json",
            "seal/manifest.p7s",
            "seal/open-1.tsr",
            "SHA256SUMS",
            "SM3SUMS",
            "META-INF/ASiCManifest001.xml",
            "META-INF/signature001.p7s",
            "META-INF/ASiCManifest002.xml",
            "META-INF/timestamp001.tst",
        )
    },
    "added file": _add,
    "dropped file": _drop,
    "changed file and sums": _relist,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_commands_refuse_a_changed_bundle(sound: Members, tmp_path: Path, change: Callable[[Members], None]) -> None:
    members = dict(sound)
    change(members)
    write_file(members, tmp_path / FILE)
    result = follow(sound["VERIFY.md"].decode(), tmp_path)
    assert result.returncode != 0
    assert "All commands succeeded" not in result.stdout


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("proof/entry.tlog-proof", "VERIFY"),
        ("proof/open.json", "VERIFY"),
        ("trust/ledger.vkey", "VERIFY"),
        ("seal/seal-1.tsr", "VERIFY"),
        ("seal/manifest.p7s", "VERIFY"),
    ],
)
def test_each_step_refuses_by_itself(sound: Members, tmp_path: Path, name: str, wanted: str) -> None:
    """The lists of digests set aside, the step that owns the file still refuses it."""
    members = dict(sound)
    _flip(name)(members)
    write_file(members, tmp_path / FILE)
    page = re.sub(r"## [23]\. .*?(?=## 4)", "", members[f"{wanted}.md"].decode(), flags=re.DOTALL)
    assert follow(page, tmp_path).returncode != 0


def test_page_without_tokens_and_ledger_says_so() -> None:
    facts = VerifyFacts(number=NUMBER, file=FILE, tokens=(), outer_token=False, ledger=False)
    page = render_verify_md("en", facts)
    assert "nothing here dates it" in page
    assert "no ledger proof" in page
    assert "openssl ts" not in page.replace('gentime() {\n  date -u -d "$(openssl ts', "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_pages_differ_only_in_their_sentences(lang: str) -> None:
    facts = VerifyFacts(number=NUMBER, file=FILE, tokens=TOKENS)
    blocks = [
        re.findall(r"^```bash\n.*?^```$", render_verify_md(one, facts), flags=re.DOTALL | re.MULTILINE)
        for one in ("en", "zh")
    ]
    assert blocks[0] == blocks[1]
    assert overclaims(render_verify_md("en" if lang == "en" else "zh", facts)) == ()


@pytest.mark.parametrize(
    "facts",
    [
        VerifyFacts(number="$(id)", file=FILE, tokens=()),
        VerifyFacts(number=NUMBER, file="a b.zip", tokens=()),
        VerifyFacts(number=NUMBER, file="-x.zip", tokens=()),
        VerifyFacts(number=NUMBER, file="a.tar", tokens=()),
        VerifyFacts(number=NUMBER, file=FILE, tokens=(("seal/a.tsr;id", "seal/open.json"),)),
        VerifyFacts(number=NUMBER, file=FILE, tokens=(("../a.tsr", "seal/open.json"),)),
    ],
)
def test_names_that_could_act_in_a_shell_are_refused(facts: VerifyFacts) -> None:
    with pytest.raises(UsageError):
        render_verify_md("en", facts)
