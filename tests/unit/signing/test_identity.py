"""The three keys of a home, judged by OpenSSL and by the file system."""

from __future__ import annotations

import hashlib
import re
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.errors import FormatError, SigningError, StorageError, UsageError
from evidencekit.signing.identity import (
    create_ledger_key,
    create_sealing_identity,
    create_tsa_identity,
    key_id,
    load_ledger_key,
    load_sealing_identity,
    load_tsa_identity,
)
from evidencekit.signing.note import open_note, parse_vkey, sign_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)


def openssl_text(path: Path) -> str:
    run = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", path], capture_output=True, check=True)
    return run.stdout.decode()


def test_the_sealing_certificate_says_what_it_is(tmp_path: Path) -> None:
    identity = create_sealing_identity(tmp_path / "keys", now=NOW)
    certificate = identity.signer.certificate
    text = openssl_text(identity.certificate_file)
    assert re.search(r"Subject: CN = evidencekit self-signed sealing identity [0-9a-f]{8}\n", text)
    assert re.search(r"Key Usage: critical\s+Digital Signature, Non Repudiation\n", text)
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE", text)
    assert "Subject Key Identifier" in text
    assert "Extended Key Usage" not in text
    assert "prime256v1" in text
    assert "ecdsa-with-SHA256" in text
    assert certificate.not_valid_before_utc == NOW.replace(microsecond=0)
    assert certificate.not_valid_after_utc >= NOW + timedelta(days=3650)
    assert certificate.issuer == certificate.subject
    assert key_id(certificate) == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def test_the_tsa_certificate_may_only_stamp(tmp_path: Path) -> None:
    identity = create_tsa_identity(tmp_path, now=NOW)
    usage = identity.signer.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    text = openssl_text(identity.certificate_file)
    assert re.search(r"Subject: CN = evidencekit self-issued TSA [0-9a-f]{8}\n", text)
    assert re.search(r"Key Usage: critical\s+Digital Signature\n", text)
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE", text)


def test_openssl_stamps_and_verifies_with_the_tsa_identity(tmp_path: Path) -> None:
    identity = create_tsa_identity(tmp_path, now=datetime.now(UTC) - timedelta(minutes=1))
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "serial").write_text("01")
    (tmp_path / "ts.conf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\ndefault_policy = 1.2.3.4\ndigests = sha256\n"
        "signer_digest = sha256\n"
    )

    def openssl_ts(*arguments: str | Path) -> int:
        return subprocess.run(["openssl", "ts", *arguments], cwd=tmp_path, capture_output=True, check=False).returncode

    assert openssl_ts("-query", "-data", "data", "-sha256", "-cert", "-out", "q") == 0
    signer: list[str | Path] = ["-signer", identity.certificate_file, "-inkey", identity.key_file]
    assert openssl_ts("-reply", "-config", "ts.conf", "-queryfile", "q", *signer, "-out", "r") == 0
    assert openssl_ts("-verify", "-data", "data", "-in", "r", "-CAfile", identity.certificate_file) == 0


def test_a_holder_name_does_not_hide_the_label(tmp_path: Path) -> None:
    subject = create_sealing_identity(tmp_path, common_name="北京市某律师事务所", now=NOW).signer.certificate.subject
    assert "CN=北京市某律师事务所" in subject.rfc4514_string()
    assert "OU=evidencekit self-signed sealing identity " in subject.rfc4514_string()
    for bad in ("", "x" * 65, "two\nlines", "nul\0"):
        with pytest.raises(UsageError):
            create_sealing_identity(tmp_path / "other", common_name=bad, now=NOW)


@pytest.mark.parametrize(
    ("create", "load", "stem"),
    [
        (create_sealing_identity, load_sealing_identity, "sealing"),
        (create_tsa_identity, load_tsa_identity, "tsa"),
    ],
)
def test_identities_are_written_once_and_loaded(
    tmp_path: Path, create: Callable[..., object], load: Callable[..., object], stem: str
) -> None:
    keys = tmp_path / "keys"
    create(keys, now=NOW)
    key_file = keys / f"{stem}.key.pem"
    before = key_file.read_bytes()
    assert before.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert sorted(path.name for path in keys.iterdir()) == [f"{stem}.cert.pem", f"{stem}.key.pem"]
    load(keys, now=NOW + timedelta(days=3650))
    with pytest.raises(SigningError, match="never overwritten"):
        create(keys, now=NOW)
    assert key_file.read_bytes() == before
    with pytest.raises(SigningError, match="expired"):
        load(keys, now=NOW + timedelta(days=3660))
    with pytest.raises(SigningError, match="clock"):
        load(keys, now=NOW - timedelta(seconds=2))
    key_file.chmod(0o644)
    with pytest.raises(SigningError, match=re.escape(f"chmod 600 '{key_file}'")):
        load(keys, now=NOW)
    with pytest.raises(SigningError, match="cannot be read"):
        load(tmp_path / "nothing", now=NOW)


def test_each_role_has_its_own_key(tmp_path: Path) -> None:
    sealing, tsa = create_sealing_identity(tmp_path, now=NOW), create_tsa_identity(tmp_path, now=NOW)
    assert sealing.signer.certificate.public_key() != tsa.signer.certificate.public_key()
    (tmp_path / "sealing.cert.pem").write_bytes((tmp_path / "tsa.cert.pem").read_bytes())
    with pytest.raises(SigningError, match="another key"):
        load_sealing_identity(tmp_path, now=NOW)


def test_a_passphrase_encrypts_the_key(tmp_path: Path) -> None:
    made = create_sealing_identity(tmp_path, now=NOW, passphrase=b"secret")
    assert made.key_file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    loaded = load_sealing_identity(tmp_path, now=NOW, passphrase=lambda: b"secret")
    assert loaded.signer.certificate == made.signer.certificate
    with pytest.raises(SigningError, match="cannot be opened"):
        load_sealing_identity(tmp_path, now=NOW)


def test_a_creation_cut_off_before_the_certificate_is_finished_with_the_same_key(tmp_path: Path) -> None:
    made = create_sealing_identity(tmp_path, now=NOW)
    made.certificate_file.unlink()
    again = create_sealing_identity(tmp_path, now=NOW + timedelta(days=1))
    assert again.signer.certificate.public_key() == made.signer.certificate.public_key()
    assert load_sealing_identity(tmp_path, now=NOW + timedelta(days=1)).signer.certificate == again.signer.certificate


def test_the_ledger_key_names_its_log(tmp_path: Path) -> None:
    made = create_ledger_key(tmp_path / "keys")
    public_key = made.signer.verifier.public_key
    assert made.signer.name == f"evidencekit/{hashlib.sha256(public_key).hexdigest()[:16]}"
    assert stat.S_IMODE(made.key_file.stat().st_mode) == 0o600
    assert made.vkey_file.read_text() == made.vkey + "\n"
    note = sign_note(b"text\n", load_ledger_key(tmp_path / "keys").signer)
    assert open_note(note, [parse_vkey(made.vkey)]).is_verified
    with pytest.raises(SigningError, match="never overwritten"):
        create_ledger_key(tmp_path / "keys")
    made.vkey_file.unlink()
    assert load_ledger_key(tmp_path / "keys").vkey_file.read_text() == made.vkey + "\n"


def test_a_damaged_ledger_key_is_refused(tmp_path: Path) -> None:
    made = create_ledger_key(tmp_path, origin="office.example/log")
    assert made.signer.name == "office.example/log"
    other = create_ledger_key(tmp_path / "other")
    made.vkey_file.write_text(other.vkey + "\n")
    with pytest.raises(SigningError, match="not the verifier key"):
        load_ledger_key(tmp_path)
    made.key_file.chmod(0o640)
    with pytest.raises(SigningError, match="chmod 600"):
        load_ledger_key(tmp_path)
    made.key_file.chmod(0o600)
    made.key_file.write_bytes(b"\xff junk")
    with pytest.raises(FormatError):
        load_ledger_key(tmp_path)
    with pytest.raises(UsageError):
        create_ledger_key(tmp_path / "third", origin="two words")


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        create_ledger_key(tmp_path / "file" / "keys")


def test_the_fingerprint_is_that_of_openssl(tmp_path: Path) -> None:
    identity = create_sealing_identity(tmp_path, now=NOW)
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(identity.certificate_file)]
    printed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert printed.strip().split("=")[1].replace(":", "").lower() == key_id(identity.signer.certificate)
    assert identity.signer.certificate.fingerprint(hashes.SHA256()).hex() == key_id(identity.signer.certificate)
