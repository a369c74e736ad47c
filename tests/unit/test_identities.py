"""Keys over the years: each lost, retired and compromised in turn, backed up and restored; the log says so."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyrage
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from evidencekit import identities, keybackup
from evidencekit.errors import FormatError, SigningError, StorageError, UsageError
from evidencekit.home import Home
from evidencekit.identities import Role
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.entry import KeyEntry, KeyStatus, OriginEntry, parse_entry
from evidencekit.ledger.keeping import Standing
from evidencekit.ledger.log import Ledger
from evidencekit.signing.identity import create_sealing_identity, key_id
from evidencekit.signing.note import parse_vkey
from evidencekit.signing.notesigner import parse_skey
from evidencekit.signing.postquantum import KEY_FILE, open_post_quantum
from evidencekit.signing.signer import load_pkcs12, load_private_key

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
PASSPHRASE = "correct horse battery"  # noqa: S105


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.open(tmp_path / "home")
    keys = made.keys(NOW)
    with made.ledger(keys.ledger) as ledger:
        ledger.append(b'{"first":1}')
    return made


def entries(home: Home) -> list[bytes]:
    with home.ledger(home.keys(NOW).ledger) as ledger:
        return list(ledger.entries())


@pytest.mark.parametrize("role", [Role.SEAL, Role.TSA])
def test_a_lost_key_is_said_and_another_one_follows(home: Home, role: Role) -> None:
    before = home.keys(NOW)
    old = before.seal if role is Role.SEAL else before.tsa
    old.key_file.unlink()
    with pytest.raises(SigningError, match=f"identity rotate {role.value} --lost"):
        home.keys(NOW)
    assert next(each for each in identities.facts(home) if each.role is role).state == "lost"

    done = identities.rotate(home, role, KeyStatus.LOST, now=NOW)
    after = home.keys(NOW)
    new = after.seal if role is Role.SEAL else after.tsa
    assert done.new == key_id(new.signer.certificate) != key_id(old.signer.certificate) == done.old
    assert (done.kept / old.certificate_file.name).exists()
    assert after.ledger.vkey == before.ledger.vkey
    entry = parse_entry(entries(home)[done.index])
    assert entry == KeyEntry(
        key_id=key_id(after.seal.signer.certificate),
        role=role.value,
        status=KeyStatus.LOST,
        subject=done.old,
        successor=done.new,
        time=NOW,
    )


@pytest.mark.parametrize("status", list(KeyStatus))
def test_a_new_ledger_key_begins_a_log_that_holds_the_end_of_the_old_one(home: Home, status: KeyStatus) -> None:
    before = home.keys(NOW).ledger
    if status is KeyStatus.LOST:
        before.key_file.unlink()
        with pytest.raises(SigningError, match="identity rotate ledger --lost"):
            home.keys(NOW)
    done = identities.rotate(home, Role.LEDGER, status, now=NOW)
    after = home.keys(NOW).ledger
    assert after.signer.name != before.signer.name
    found = entries(home)
    first = parse_entry(found[0])
    assert isinstance(first, OriginEntry)
    assert (len(found), first.status) == (1, status)
    assert first.checkpoint is not None
    end = open_checkpoint(first.checkpoint.encode(), [before.signer.verifier])
    # Only a key that nobody else has may say in its own log where it goes on.
    assert end.checkpoint.size == (2 if status is KeyStatus.RETIRED else 1)
    with Ledger.open(done.kept / "ledger.sqlite", before.signer) as old:
        assert old.size == end.checkpoint.size
        if status is KeyStatus.RETIRED:
            last = parse_entry(old.entry(1))
            assert isinstance(last, KeyEntry)
            assert last.successor == hashlib.sha256(after.signer.verifier.public_key).hexdigest() == done.new
    assert parse_vkey((done.kept / "ledger.vkey").read_text().strip()) == before.signer.verifier


def test_a_rotation_that_was_cut_off_is_finished_by_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    before = home.keys(NOW).ledger
    rename = Path.rename
    moved: list[str] = []

    def cut(self: Path, target: Path) -> Path:
        if self.parent.name == "next":
            raise KeyboardInterrupt
        moved.append(self.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        identities.rotate(home, Role.LEDGER, KeyStatus.COMPROMISED, now=NOW)
    monkeypatch.undo()
    assert "ledger.key" in moved
    keys = home.keys(NOW)  # neither key nor log was left, so a first one is made …
    assert keys.created
    first = parse_entry(entries(home)[0])  # … and still begins with the end of the old log
    assert isinstance(first, OriginEntry)
    assert first.checkpoint is not None
    assert first.checkpoint.startswith(before.signer.name)


def test_without_log_and_mirror_the_end_is_unknown(home: Home) -> None:
    home.keys(NOW).ledger.key_file.unlink()
    home.ledger_file.unlink()
    identities.rotate(home, Role.LEDGER, KeyStatus.LOST, now=NOW)
    first = parse_entry(entries(home)[0])
    assert isinstance(first, OriginEntry)
    assert first.checkpoint is None


def test_the_head_mirror_tells_the_end_of_a_log_that_is_gone(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    home = Home.open(tmp_path / "home", standing=Standing(head_mirror=mirror))
    with home.ledger(home.keys(NOW).ledger) as ledger:
        ledger.append(b"one")
    note = mirror.read_text()
    for file in home.path.glob("ledger.sqlite*"):
        file.unlink()
    done = identities.rotate(home, Role.LEDGER, KeyStatus.LOST, now=NOW)
    first = parse_entry(entries(home)[0])
    assert isinstance(first, OriginEntry)
    assert first.checkpoint == note
    assert mirror.with_name(f"mirror.{done.kept.name}").read_text() == note
    assert mirror.read_text() != note


def test_a_running_capture_is_not_disturbed(home: Home) -> None:
    with home.workspace("0" * 32), pytest.raises(UsageError, match="under way"):
        identities.rotate(home, Role.SEAL, KeyStatus.RETIRED, now=NOW)


def pkcs12(folder: Path, name: str = "Notary office") -> Path:
    made = create_sealing_identity(folder / "theirs", common_name=name, now=NOW)
    key = load_private_key(made.key_file.read_bytes(), made.key_file)
    file = folder / "office.p12"
    encryption = BestAvailableEncryption(b"secret")
    file.write_bytes(
        serialize_key_and_certificates(b"office", key, made.signer.certificate, [made.signer.certificate], encryption)
    )
    return file


def test_an_imported_identity_seals_and_the_former_one_is_retired(home: Home, tmp_path: Path) -> None:
    file = pkcs12(tmp_path)
    for wrong in (b"guess", None):
        with pytest.raises(SigningError, match="cannot be opened"):
            load_pkcs12(file.read_bytes(), file, wrong)
    signer = load_pkcs12(file.read_bytes(), file, b"secret")
    old = key_id(home.keys(NOW).seal.signer.certificate)
    done = identities.adopt(home, signer, now=NOW)
    assert done is not None
    assert (done.old, done.new) == (old, key_id(signer.certificate))
    assert home.keys(NOW).seal.signer.certificate == signer.certificate
    fresh = Home.open(tmp_path / "fresh")
    assert identities.adopt(fresh, signer, now=NOW) is None
    assert fresh.keys(NOW).seal.signer.certificate == signer.certificate


def test_a_name_goes_into_the_certificate_once(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    identities.create(home, now=NOW, name="静安公证处")
    assert identities.facts(home)[0].subject.startswith("OU=evidencekit self-signed")
    assert "静安公证处" in identities.facts(home)[0].subject
    with pytest.raises(UsageError, match="identity already"):
        identities.create(home, now=NOW)
    with pytest.raises(UsageError, match="only the seal"):
        identities.rotate(home, Role.TSA, KeyStatus.RETIRED, now=NOW, name="x")


def test_backup_and_restore(home: Home, tmp_path: Path) -> None:
    identities.rotate(home, Role.SEAL, KeyStatus.RETIRED, now=NOW)
    home.holder()
    file = tmp_path / "keys.age"
    names = keybackup.backup(home, file, PASSPHRASE)
    assert {"version", "keys/sealing.key.pem", "keys/holder.age", "ledger.sqlite"} <= set(names)
    assert any(name.startswith("retired/seal-") for name in names)
    assert b"PRIVATE" not in file.read_bytes()
    with pytest.raises(StorageError, match="exists"):
        keybackup.backup(home, file, PASSPHRASE)
    with pytest.raises(UsageError, match="12 characters"):
        keybackup.backup(home, tmp_path / "other.age", "short")

    elsewhere = Home.open(tmp_path / "elsewhere")
    with pytest.raises(SigningError, match="cannot be opened"):
        keybackup.restore(elsewhere, file, "another passphrase", now=NOW)
    before, old = home.keys(NOW), entries(home)
    done = keybackup.restore(elsewhere, file, PASSPHRASE, now=NOW)
    assert done is not None
    after = elsewhere.keys(NOW)
    assert after.seal.signer.certificate == before.seal.signer.certificate
    assert elsewhere.holder() == home.holder()
    assert after.ledger.vkey != before.ledger.vkey
    first = parse_entry(entries(elsewhere)[0])
    assert isinstance(first, OriginEntry)
    assert open_checkpoint((first.checkpoint or "").encode(), [before.ledger.signer.verifier]).checkpoint.size == 2
    with pytest.raises(UsageError, match="already"):
        keybackup.restore(elsewhere, file, PASSPHRASE, now=NOW)

    same = Home.open(tmp_path / "same")
    assert keybackup.restore(same, file, PASSPHRASE, now=NOW, continue_ledger=True) is None
    assert entries(same) == old
    assert same.keys(NOW).ledger.vkey == before.ledger.vkey
    for path in (same.path / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0 or path.suffix in {".pem", ".vkey"}


@pytest.mark.parametrize("name", ["keys/../../evil", "captures/index.jsonl"])
def test_a_backup_holds_nothing_but_keys(tmp_path: Path, name: str) -> None:
    import io
    import zipfile

    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr(name, b"x")
    file = tmp_path / "b.age"
    file.write_bytes(pyrage.passphrase.encrypt(plain.getvalue(), PASSPHRASE))
    home = Home.open(tmp_path / "home")
    with pytest.raises(FormatError, match="belongs in no backup"):
        keybackup.restore(home, file, PASSPHRASE, now=NOW)
    assert list((home.path / "keys").iterdir()) == []


def test_a_skey_of_a_retired_log_still_reads(home: Home) -> None:
    done = identities.rotate(home, Role.LEDGER, KeyStatus.RETIRED, now=NOW)
    assert parse_skey((done.kept / "ledger.key").read_text().strip()).name.startswith("evidencekit/")


def test_the_second_key_is_told_beside_the_first(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    seal = home.keys(NOW).seal.signer.certificate
    assert [each.post_quantum for each in identities.facts(home)] == [False] * 3
    second = open_post_quantum(home.path / "keys", beside=seal, now=NOW)
    told = identities.facts(home)[-1]
    assert (told.role, told.state, told.post_quantum) == (Role.SEAL, "present", True)
    assert told.fingerprint == second.certificate.fingerprint(hashes.SHA256()).hex()
    (home.path / "keys" / KEY_FILE).unlink()
    assert identities.facts(home)[-1].state == "lost"
