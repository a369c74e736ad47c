"""The keys of a home over the years: what there is, and how one key follows another.

Keys are never overwritten. What is retired, lost or compromised is moved to `<home>/retired/`, its certificate or
verifier key with it, and the change is entered in the ledger (docs/spec/entry.md, kinds `key` and `origin`). A new
ledger key starts a new log, whose first entry holds the last checkpoint of the old one: nobody can sign for the old log
without its key, and nobody should with a key that others have.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.errors import EvidenceError, SigningError, StorageError, UsageError
from evidencekit.home import FIRST_ENTRY, lost_key
from evidencekit.ledger.entry import KeyEntry, KeyStatus, OriginEntry, format_key_entry, format_origin_entry
from evidencekit.ledger.keeping import newest_checkpoint, retire_log
from evidencekit.signing.identity import (
    check_validity,
    create_ledger_key,
    create_sealing_identity,
    create_tsa_identity,
    import_sealing_identity,
    key_id,
    load_ledger_key,
)
from evidencekit.signing.keyfile import create_secret_file, read_public_file
from evidencekit.signing.note import parse_vkey
from evidencekit.signing.postquantum import CERTIFICATE_FILE, KEY_FILE
from evidencekit.x509.certificate import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.signing.identity import Identity, LedgerKey
    from evidencekit.signing.signer import KeySigner


class Role(StrEnum):
    """The keys of a home that can be replaced."""

    SEAL = "seal"
    TSA = "tsa"
    LEDGER = "ledger"


FILES = {
    Role.SEAL: ("sealing.key.pem", "sealing.cert.pem"),
    Role.TSA: ("tsa.key.pem", "tsa.cert.pem"),
    Role.LEDGER: ("ledger.key", "ledger.vkey"),
}
"""Secret and public file of each key, in `<home>/keys`."""
_SECOND_FILES = (KEY_FILE, CERTIFICATE_FILE)
"""The ML-DSA-65 key of the sealing identity, which is retired with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One key as its files tell it: `subject` and validity of a certificate, the origin of a log.

    `fingerprint` is the SHA-256 of the certificate or of the log's raw public key; `state` is `present`, `lost` (the
    public half alone is there) or `absent`.
    """

    role: Role
    state: str
    subject: str = ""
    fingerprint: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    self_signed: bool = False
    post_quantum: bool = False
    """Whether this is the second, ML-DSA-65 key of the role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One key followed another: their fingerprints, where the old files went, the index of the entry that says so."""

    role: Role
    old: str
    new: str
    kept: Path
    origin: str
    index: int


def facts(home: Home) -> tuple[KeyFacts, ...]:
    """Tell the keys of a home without opening a secret.

    Raises:
        SigningError: a certificate or verifier key cannot be read.
    """
    folder = home.path / "keys"
    second = _of_certificate(Role.SEAL, *(folder / name for name in _SECOND_FILES), post_quantum=True)
    first = [_facts(folder, role) for role in Role]
    return (*first, second) if second.state != "absent" else tuple(first)


def _facts(folder: Path, role: Role) -> KeyFacts:
    secret, public = (folder / name for name in FILES[role])
    if role is not Role.LEDGER or not public.exists():
        return _of_certificate(role, secret, public)
    key = parse_vkey(read_public_file(public).decode("ascii", "replace").strip())
    return KeyFacts(
        role=role,
        state=_state(secret, public),
        subject=key.name,
        fingerprint=hashlib.sha256(key.public_key).hexdigest(),
    )


def _of_certificate(role: Role, secret: Path, public: Path, *, post_quantum: bool = False) -> KeyFacts:
    if not public.exists():
        return KeyFacts(role=role, state=_state(secret, public), post_quantum=post_quantum)
    certificate = _certificate(public)
    return KeyFacts(
        role=role,
        state=_state(secret, public),
        subject=certificate.subject.rfc4514_string(),
        fingerprint=key_id(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        self_signed=certificate.subject == certificate.issuer,
        post_quantum=post_quantum,
    )


def _state(secret: Path, public: Path) -> str:
    if secret.exists():
        return "present"
    return "lost" if public.exists() else "absent"


def create(home: Home, *, now: datetime, name: str | None = None) -> None:
    """Make the keys that are not there; the seal's certificate carries `name`.

    Raises:
        UsageError: there is a sealing identity already, or the name cannot be used.
        SigningError, StorageError: see `Home.keys`.
    """
    folder = home.path / "keys"
    with home.keys_locked():
        if (folder / FILES[Role.SEAL][1]).exists():
            raise UsageError(
                "there is an identity already; see it with: evidencekit identity show, "
                "replace it with: evidencekit identity rotate seal",
                "已有身份;查看:evidencekit identity show,更换:evidencekit identity rotate seal",
            )
        create_sealing_identity(folder, common_name=name, now=now)
    home.keys(now)


def adopt(home: Home, signer: KeySigner, *, now: datetime) -> Rotation | None:
    """Take a key and certificate from elsewhere as the sealing identity; gives the rotation when there was another.

    Raises:
        SigningError: its certificate is not valid now.
        LedgerError, StorageError: see `rotate`.
    """
    check_validity(signer.certificate, now)
    if _facts(home.path / "keys", Role.SEAL).state != "absent":
        return rotate(home, Role.SEAL, KeyStatus.RETIRED, now=now, signer=signer)
    with home.keys_locked():
        import_sealing_identity(home.path / "keys", signer)
    home.keys(now)
    return None


def rotate(
    home: Home,
    role: Role,
    status: KeyStatus,
    *,
    now: datetime,
    name: str | None = None,
    signer: KeySigner | None = None,
) -> Rotation:
    """Replace a key, keep the old one's files in `retired/`, and enter the change in the ledger.

    Args:
        home: whose key.
        role: which one.
        status: why: it is retired, was lost, or came into other hands.
        now: the time, aware.
        name: the holder's name in the new certificate of the seal.
        signer: the seal's new key, certificate and chain instead of self-signed ones; seal only.

    Raises:
        UsageError: there is no such key yet, a capture is under way, or `name` or `signer` is for another key.
        SigningError, LedgerError, StorageError: as their stages; a rotation that was cut off is finished by another.
    """
    if role is not Role.SEAL and (name is not None or signer is not None):
        raise UsageError(
            "only the seal has a name and a certificate of its own; leave them out",
            "仅封存身份可指定名称或证书;请去掉",
        )
    before = _facts(home.path / "keys", role)
    if before.state == "absent" and not (role is Role.LEDGER and home.has_ledger()):
        raise UsageError(
            f"there is no {role.value} key yet; make one with: evidencekit identity create",
            f"尚无 {role.value} 密钥;请先执行:evidencekit identity create",
        )
    if home.has_pending():
        raise UsageError(
            "a capture is under way or was left over; wait for it, or run: evidencekit list",
            "有取证正在进行或未收尾;请等待其结束,或执行:evidencekit list",
        )
    if role is Role.LEDGER:
        return _rotate_ledger(home, before, status, now)
    key = _log_key(home)
    with home.keys_locked():
        second = _SECOND_FILES if role is Role.SEAL else ()
        kept = _retire(home, (*FILES[role], *second), role, now)
        made = _make(home.path / "keys", role, now=now, name=name, signer=signer)
    entry = KeyEntry(
        key_id=_fingerprint_of(home, Role.SEAL),
        role=role.value,
        status=status,
        subject=before.fingerprint,
        successor=key_id(made.signer.certificate),
        time=now,
    )
    with home.ledger(key) as ledger:
        index = ledger.append(format_key_entry(entry)).index
    return Rotation(
        role=role, old=before.fingerprint, new=entry.successor, kept=kept, origin=key.signer.name, index=index
    )


def _log_key(home: Home) -> LedgerKey:
    """Load the key of the log that takes the entry, before anything is moved."""
    if not (home.path / "keys" / FILES[Role.LEDGER][0]).exists():
        raise lost_key(FILES[Role.LEDGER][0], Role.LEDGER.value)
    return load_ledger_key(home.path / "keys")


def _make(folder: Path, role: Role, *, now: datetime, name: str | None, signer: KeySigner | None) -> Identity:
    if role is Role.TSA:
        return create_tsa_identity(folder, now=now)
    if signer is not None:
        return import_sealing_identity(folder, signer)
    return create_sealing_identity(folder, common_name=name, now=now)


def _rotate_ledger(home: Home, before: KeyFacts, status: KeyStatus, now: datetime) -> Rotation:
    folder = home.path / "keys"
    following = folder / "next"
    shutil.rmtree(following, ignore_errors=True)
    successor = hashlib.sha256(create_ledger_key(following).signer.verifier.public_key).hexdigest()
    seal = _fingerprint_of(home, Role.SEAL)
    if status is KeyStatus.RETIRED and before.state == "present":
        _say_farewell(
            home,
            load_ledger_key(folder),
            KeyEntry(
                key_id=seal, role="ledger", status=status, subject=before.fingerprint, successor=successor, time=now
            ),
        )
    note = _last_checkpoint(home)
    first = OriginEntry(key_id=seal, checkpoint=note, status=status, time=now)
    with home.keys_locked():
        # The first entry is on disk before there is a key that could sign another one.
        (folder / FIRST_ENTRY).unlink(missing_ok=True)
        create_secret_file(folder / FIRST_ENTRY, format_origin_entry(first))
        kept = _retire(home, FILES[Role.LEDGER], Role.LEDGER, now)
        for name in FILES[Role.LEDGER]:
            (following / name).rename(folder / name)
        following.rmdir()
    key = load_ledger_key(folder)
    with home.ledger(key):
        pass  # enters the first entry
    return Rotation(role=Role.LEDGER, old=before.fingerprint, new=successor, kept=kept, origin=key.signer.name, index=0)


def _retire(home: Home, names: Sequence[str], role: Role, now: datetime) -> Path:
    """Move files out of use, the keys first: without its key a log cannot grow, and says so."""
    stem = f"{role.value}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    try:
        (home.path / "retired").mkdir(mode=0o700, exist_ok=True)
        kept = home.path / "retired" / stem
        for number in count(2):
            try:
                kept.mkdir(mode=0o700)
                break
            except FileExistsError:
                kept = home.path / "retired" / f"{stem}-{number}"
        for name in names:
            if (home.path / "keys" / name).exists():
                (home.path / "keys" / name).rename(kept / name)
        if role is Role.LEDGER:
            retire_log(home.path, kept, home.standing)
        mirror = home.standing.head_mirror
        if role is Role.LEDGER and mirror is not None and mirror.exists():
            mirror.rename(mirror.with_name(f"{mirror.name}.{kept.name}"))
    except OSError as error:
        raise StorageError(
            f"the old key cannot be moved to {home.path / 'retired'}: {error.strerror or error}; correct it and rotate "
            "again",
            f"无法将旧密钥移至 {home.path / 'retired'}:{error.strerror or error};请更正后重新轮换",
        ) from error
    return kept


def _say_farewell(home: Home, key: LedgerKey, entry: KeyEntry) -> None:
    """Enter in the old log where it goes on, as its last entry."""
    with home.former_ledger(key) as ledger:
        ledger.append(format_key_entry(entry))


def _last_checkpoint(home: Home) -> str | None:
    """Read the newest checkpoint of the log without its key; from the head mirror when the log is gone."""
    with suppress(EvidenceError, sqlite3.Error, UnicodeDecodeError):
        note = newest_checkpoint(home.path, home.standing)
        if note is not None:
            return note.decode()
    mirror = home.standing.head_mirror
    with suppress(EvidenceError, UnicodeDecodeError):
        if mirror is not None and mirror.exists():
            return read_public_file(mirror).decode()
    return None


def _fingerprint_of(home: Home, role: Role) -> str:
    return key_id(_certificate(home.path / "keys" / FILES[role][1]))


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_public_file(file))
    except MALFORMED as error:
        raise SigningError(
            f"{file} holds no readable certificate; restore it from a backup.",
            f"{file} 中没有可读取的证书;请从备份恢复。",
        ) from error
