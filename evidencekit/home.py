"""The state on disk: keys, ledger, work under way and the list of captures (design §6).

```
<home>/version          "1"; a newer number is refused, an older one is migrated after a copy
<home>/config.toml      standing settings, read by the command line alone
<home>/keys/            sealing.*, sealing-ml-dsa.*, tsa.*, ledger.*, holder.age, matter.key    0600
<home>/ledger.sqlite    the log, unless it is kept in PostgreSQL (`ledger.keeping`)
<home>/captures/        bundles, private archives, index.jsonl (one line a bundle)
<home>/interrupted/     what a killed capture left, kept as it was found
<home>/pending/<id>/    the staging folder of a running capture; <id>.lock is held while it runs
```
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import platformdirs

from evidencekit.bundle.privatearchive import new_holder_key, recipient_of
from evidencekit.errors import SigningError, StorageError
from evidencekit.ledger.keeping import FILE, Standing, check_log, has_log, open_former, open_log
from evidencekit.signing.identity import (
    create_ledger_key,
    create_sealing_identity,
    create_tsa_identity,
    load_ledger_key,
    load_sealing_identity,
    load_tsa_identity,
)
from evidencekit.signing.keyfile import create_secret_file, read_secret_file
from evidencekit.signing.postquantum import CERTIFICATE_FILE, KEY_FILE, open_post_quantum

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from evidencekit.ledger.fsck import FsckReport
    from evidencekit.ledger.log import Ledger
    from evidencekit.signing.identity import Identity, LedgerKey
    from evidencekit.signing.postquantum import MlDsaSigner

HOME_VERSION = 1
HOME_VARIABLE = "EVIDENCEKIT_HOME"
_PRIVATE_MODE = 0o700
_MATTER_KEY_BYTES = 32
_INDEX = "index.jsonl"
_PAIRS = (("sealing.key.pem", "sealing.cert.pem", "seal"), ("tsa.key.pem", "tsa.cert.pem", "tsa"))
FIRST_ENTRY = "ledger.first"
"""In `keys/`: what a new log must begin with, from the moment its key is made until it is entered."""
INTENT_FILE, STATE_FILE = "intent.json", "state.json"
"""In a workspace: what is about to be announced, and which announcement it belongs to (`recovery`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One line of the list: a certificate number and where its bundle was written."""

    number: str
    bundle: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The three keys of an installation, and whether this call made them."""

    seal: Identity
    tsa: Identity
    ledger: LedgerKey
    created: bool


def default_home() -> Path:
    """Where the home is unless the caller says otherwise; nothing is made."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("evidencekit", appauthor=False))


class Home:
    """One installation's state; two homes in one process do not know of each other."""

    def __init__(self, path: Path, standing: Standing) -> None:
        """Use `Home.open`."""
        self.path = path
        self.standing = standing

    @classmethod
    def open(cls, path: Path | None = None, *, standing: Standing | None = None) -> Self:
        """Open the home, or make it.

        Args:
            path: the folder; None for `EVIDENCEKIT_HOME` or the user's data folder.
            standing: how the ledger is kept; None for the defaults.

        Raises:
            StorageError: it cannot be made or written to, or a newer version made it.
        """
        home = cls((path or default_home()).absolute(), standing or Standing())
        try:
            for name in (".", "captures", "interrupted", "keys", "pending"):
                (home.path / name).mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=True)
            home._check_version()
        except OSError as error:
            raise _unusable(home.path, error) from error
        return home

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    @property
    def captures_folder(self) -> Path:
        """Where bundles go unless the caller says otherwise."""
        return self.path / "captures"

    def keys(self, now: datetime | None = None) -> Keys:
        """Load the three keys, making those that are not there.

        Raises:
            SigningError: a key is unreadable, expired, open to others, or lost while its public half is still there.
            StorageError: the disk refuses.
        """
        now, folder = now or datetime.now(UTC), self.path / "keys"
        with self.keys_locked():
            made = not (folder / "ledger.key").exists()
            if made and ((folder / "ledger.vkey").exists() or self.has_ledger()):
                raise lost_key("ledger.key", "ledger")
            for secret, public, role in _PAIRS:
                if (folder / public).exists() and not (folder / secret).exists():
                    raise lost_key(secret, role)
            if not (folder / "sealing.cert.pem").exists():
                create_sealing_identity(folder, now=now)
            if not (folder / "tsa.cert.pem").exists():
                create_tsa_identity(folder, now=now)
            return Keys(
                seal=load_sealing_identity(folder, now=now),
                tsa=load_tsa_identity(folder, now=now),
                ledger=create_ledger_key(folder) if made else load_ledger_key(folder),
                created=made,
            )

    def post_quantum(self, now: datetime | None = None) -> MlDsaSigner:
        """Load the ML-DSA-65 key of the sealing identity; it is made at first use, the three keys with it.

        Raises:
            SigningError: it is lost, unreadable, expired or open to others.
            StorageError: the disk refuses.
        """
        now, folder = now or datetime.now(UTC), self.path / "keys"
        beside = self.keys(now).seal.signer.certificate
        with self.keys_locked():
            if (folder / CERTIFICATE_FILE).exists() and not (folder / KEY_FILE).exists():
                raise lost_key(KEY_FILE, "seal")
            return open_post_quantum(folder, beside=beside, now=now)

    def holder(self) -> str:
        """Give the age recipient to whom private archives are encrypted; its key is made at first use.

        Raises:
            SigningError: the key cannot be read.
            StorageError: the disk refuses.
        """
        file = self.path / "keys" / "holder.age"
        with self._lock("keys"):
            if not file.exists():
                secret, _ = new_holder_key()
                create_secret_file(file, secret.encode() + b"\n")
            return recipient_of(read_secret_file(file).decode("ascii", "replace"))

    def matter_key(self) -> bytes:
        """Give the key under which the ledger names matters; it never leaves the home.

        Raises:
            StorageError: the disk refuses.
        """
        file = self.path / "keys" / "matter.key"
        with self._lock("keys"):
            if not file.exists():
                create_secret_file(file, secrets.token_bytes(_MATTER_KEY_BYTES))
            return read_secret_file(file)

    def ledger(self, key: LedgerKey, *, create: bool = True) -> Ledger:
        """Open the ledger, made at first use unless `create` is false.

        Raises:
            LedgerError: see `Ledger.open` and `open_postgres`; or `create` is false and there is none.
            StorageError: the disk refuses.
        """
        ledger = open_log(self.path, key.signer, self.standing, create=create)
        first = self.path / "keys" / FIRST_ENTRY
        with self.keys_locked():
            if first.exists():
                if ledger.size == 0:
                    ledger.append(read_secret_file(first))
                first.unlink()
        return ledger

    def former_ledger(self, key: LedgerKey) -> Ledger:
        """Open the ledger where it is now, whatever the settings want from the next one on.

        Raises:
            LedgerError, StorageError: see `ledger`.
        """
        return open_former(self.path, key.signer, self.standing)

    def has_ledger(self) -> bool:
        """Whether a ledger was begun for this home, here or in a database."""
        return has_log(self.path)

    def check_ledger(self, key: LedgerKey) -> FsckReport:
        """Rebuild the ledger from its raw entries and compare.

        Raises:
            LedgerError, StorageError: there is none, or it cannot be read.
        """
        return check_log(self.path, self.standing, [key.signer.verifier])

    def keys_locked(self) -> AbstractContextManager[None]:
        """Hold the lock under which keys are made and replaced."""
        return self._lock("keys")

    @property
    def ledger_file(self) -> Path:
        """The SQLite file of the ledger, where it is kept in one."""
        return self.path / FILE

    def captures(self) -> tuple[Sealed, ...]:
        """List the bundles made, oldest first.

        Raises:
            StorageError: the list cannot be read.
        """
        try:
            lines = (self.captures_folder / _INDEX).read_bytes().split(b"\n")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(self.path, error) from error
        return tuple(sealed for line in lines if (sealed := _listed(line)) is not None)

    def remember(self, number: str, bundle: Path) -> None:
        """Add a bundle to the list, durably.

        Raises:
            StorageError: the disk refuses.
        """
        line = json.dumps({"bundle": str(bundle.absolute()), "number": number}, ensure_ascii=False, sort_keys=True)
        try:
            with self._lock("captures"), (self.captures_folder / _INDEX).open("a+b") as file:
                file.write(_line_end(file) + line.encode("utf-8", "surrogateescape") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unusable(self.path, error) from error

    @contextmanager
    def workspace(self, capture_id: str) -> Generator[Path]:
        """Give the staging folder of a capture, locked while it is used; the caller removes it when it is done.

        Raises:
            StorageError: the disk refuses.
        """
        folder = self.path / "pending" / capture_id
        with self._lock(f"pending/{capture_id}"):
            try:
                folder.mkdir(mode=_PRIVATE_MODE)
            except OSError as error:
                raise _unusable(self.path, error) from error
            try:
                yield folder
            finally:
                if not folder.exists():
                    with suppress(OSError):
                        (self.path / "pending" / f"{capture_id}.lock").unlink()

    def has_pending(self) -> bool:
        """Whether a capture runs or was left over: the cheap question before `left_over`."""
        return any(path.is_dir() for path in (self.path / "pending").iterdir())

    def left_over(self) -> Iterator[Path]:
        """Give the staging folders whose capture no longer runs, each locked while the caller looks at it."""
        for folder in sorted(path for path in (self.path / "pending").iterdir() if path.is_dir()):
            lock = folder.with_name(f"{folder.name}.lock")
            with lock.open("ab") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                yield folder
                if not folder.exists():
                    lock.unlink(missing_ok=True)

    def set_aside(self, workspace: Path) -> Path | None:
        """Keep what an unfinished capture recorded, without the browser's profile.

        Returns:
            The folder under `interrupted`, or None when there was nothing to keep.

        Raises:
            StorageError: it cannot be moved.
        """
        for profile in (workspace / "capture" / "profile", workspace / "printing-profile"):
            shutil.rmtree(profile, ignore_errors=True)
        if not any(path.is_file() and path.name not in {INTENT_FILE, STATE_FILE} for path in workspace.rglob("*")):
            shutil.rmtree(workspace, ignore_errors=True)
            return None
        kept = self.path / "interrupted" / workspace.name
        try:
            workspace.rename(kept)
        except OSError as error:
            raise _unusable(self.path, error) from error
        return kept

    @contextmanager
    def _lock(self, name: str) -> Generator[None]:
        """Hold `<home>/<name>.lock`; the system lets go of it when the process dies."""
        try:
            file = (self.path / f"{name}.lock").open("ab")
        except OSError as error:
            raise _unusable(self.path, error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _check_version(self) -> None:
        file = self.path / "version"
        try:
            found = file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            with suppress(FileExistsError), file.open("x", encoding="ascii") as new:
                new.write(f"{HOME_VERSION}\n")
            return
        if found == "":  # another process is writing it
            return
        if not found.isdecimal():
            raise StorageError(
                f"{file} says {found[:40]!r}, which is no version; restore the folder from a copy",
                f"{file} 的内容 {found[:40]!r} 不是版本号;请从备份恢复该目录",
            )
        if int(found) > HOME_VERSION:
            raise StorageError(
                f"{self.path} was made by a newer version (home format {found}, this program knows {HOME_VERSION}); "
                "install the newer evidencekit, or set EVIDENCEKIT_HOME to another folder",
                f"{self.path} 由更新的版本创建(目录格式 {found},本程序支持 {HOME_VERSION});"
                "请安装较新的 evidencekit,或将 EVIDENCEKIT_HOME 设为其他目录",
            )


def lost_key(file: str, role: str) -> SigningError:
    """Say that a secret key is gone while its public half is still there, and what to do."""
    return SigningError(
        f"the key file {file} is gone; restore it (evidencekit identity restore FILE), or go on with a new one: "
        f"evidencekit identity rotate {role} --lost",
        f"密钥文件 {file} 已丢失;请从备份恢复(evidencekit identity restore 文件),"
        f"或改用新密钥:evidencekit identity rotate {role} --lost",
    )


def _line_end(file: BinaryIO) -> bytes:
    """What ends a torn last line, so that the next one can be read."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def _listed(line: bytes) -> Sealed | None:
    """Read one line of the list; a torn last line, from a crash, is passed over."""
    try:
        value = json.loads(line.decode("utf-8", "surrogateescape"))
        return Sealed(number=str(value["number"]), bundle=Path(value["bundle"]))
    except (ValueError, KeyError, TypeError):
        return None


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the data folder {path} cannot be used: {error.strerror or error}; make it writable, free space, "
        "or set EVIDENCEKIT_HOME to another folder",
        f"数据目录 {path} 无法使用:{error.strerror or error};请使其可写、清理磁盘,或将 EVIDENCEKIT_HOME 设为其他目录",
    )
