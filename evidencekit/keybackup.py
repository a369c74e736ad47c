"""A home's keys and log in one encrypted file, and back (docs/spec/home.md).

The file is in the age format, encrypted to a passphrase, so `age --decrypt` opens it too; inside is a ZIP. A log that
comes back from a backup may be older than what was entered and handed out since: to sign on from there would be a
second history. So a restored log is closed and another one follows it, unless the caller knows better.
"""

from __future__ import annotations

import io
import re
import sqlite3
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

import pyrage

from evidencekit.bundle.publish import publish_new
from evidencekit.errors import FormatError, LedgerError, SigningError, StorageError, UsageError
from evidencekit.identities import Role, Rotation, rotate
from evidencekit.ledger.entry import KeyStatus
from evidencekit.ledger.keeping import ELSEWHERE
from evidencekit.ledger.keeping import FILE as LEDGER_FILE
from evidencekit.signing.keyfile import MAX_BYTES, create_public_file, create_secret_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from evidencekit.home import Home

MAX_BACKUP_BYTES: Final = 1 << 30
"""age's passphrase format is handled whole in memory; a log beyond this is copied by other means."""
MIN_PASSPHRASE_CHARS: Final = 12
_NAME: Final = re.compile(
    r"version|config\.toml|ledger\.(?:sqlite|postgres)|(?:keys|retired/[a-z0-9TZ-]{1,80})/[a-z.\-]{1,40}"
)
_PUBLIC: Final = (".pem", ".vkey")


def backup(home: Home, out: Path, passphrase: str) -> tuple[str, ...]:
    """Write keys, retired keys, settings and a consistent copy of the log to a new encrypted file.

    Returns:
        The names of what is in it.

    Raises:
        UsageError: the passphrase is too short to keep anybody out, or the log is too large.
        StorageError: `out` exists, or the disk refuses.
    """
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise UsageError(
            f"a backup holds every key; its passphrase needs {MIN_PASSPHRASE_CHARS} characters or more",
            f"备份包含全部密钥;口令至少需要 {MIN_PASSPHRASE_CHARS} 个字符",
        )
    plain = io.BytesIO()
    names: list[str] = []
    try:
        with home.keys_locked(), zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in _contents(home):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
                names.append(name)
        sealed = pyrage.passphrase.encrypt(plain.getvalue(), passphrase)
    except (OSError, sqlite3.Error, pyrage.EncryptError) as error:
        raise StorageError(
            f"the home {home.path} cannot be backed up: {error}; correct it and try again",
            f"无法备份数据目录 {home.path}:{error};请更正后重试",
        ) from error
    publish_new(out, lambda target: _write(target, sealed))
    return tuple(names)


def restore(
    home: Home, file: Path, passphrase: str, *, now: datetime, continue_ledger: bool = False
) -> Rotation | None:
    """Put back what `backup` wrote, into a home without keys or log.

    Args:
        home: where to.
        file: the backup.
        passphrase: the backup's.
        now: the time, aware.
        continue_ledger: nothing was entered since the backup, so the log may go on; else another one follows it.

    Returns:
        How the log went over to another one, None when it goes on.

    Raises:
        UsageError: the home holds keys or a log already.
        SigningError: the passphrase is wrong.
        FormatError: the file is not a backup.
        LedgerError, StorageError: as their stages.
    """
    keys = home.path / "keys"
    if home.has_ledger() or any(keys.iterdir()):
        raise UsageError(
            f"{home.path} holds keys or a log already, which nothing overwrites; set EVIDENCEKIT_HOME to a new folder",
            f"{home.path} 中已有密钥或账本,不会被覆盖;请将 EVIDENCEKIT_HOME 设为新目录",
        )
    members = _open(_read(file), file, passphrase)
    with home.keys_locked():
        for name, data in members.items():
            _put(home, name, data)
    if continue_ledger or not (home.ledger_file.exists() and (keys / "ledger.key").exists()):
        return None
    return rotate(home, Role.LEDGER, KeyStatus.LOST, now=now)


def _write(target: BinaryIO, data: bytes) -> None:
    target.write(data)


def _contents(home: Home) -> Iterator[tuple[str, bytes]]:
    for name in ("version", "config.toml", ELSEWHERE):
        if (home.path / name).is_file():
            yield name, (home.path / name).read_bytes()
    for folder in (home.path / "keys", *sorted((home.path / "retired").glob("*"))):
        for path in sorted(folder.iterdir()):
            name = path.relative_to(home.path).as_posix()
            if path.is_file() and _NAME.fullmatch(name):
                yield name, path.read_bytes()
    if home.ledger_file.exists():
        yield LEDGER_FILE, _copy_of(home.ledger_file)


def _copy_of(ledger: Path) -> bytes:
    """Give the database as one file, consistent beside writers."""
    if ledger.stat().st_size > MAX_BACKUP_BYTES:
        raise UsageError(
            f"{ledger} is over {MAX_BACKUP_BYTES >> 30} GiB; "
            "copy the log with sqlite3 .backup, the keys folder by hand",
            f"{ledger} 超过 {MAX_BACKUP_BYTES >> 30} GiB;请用 sqlite3 .backup 复制账本,并手工复制密钥目录",
        )
    source = f"file:{quote(str(ledger))}?mode=ro"
    with closing(sqlite3.connect(source, uri=True)) as connection, closing(sqlite3.connect(":memory:")) as copy:
        connection.backup(copy)
        return bytes(copy.serialize())


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            data = source.read(MAX_BACKUP_BYTES + 1)
    except OSError as error:
        raise StorageError(
            f"the backup {file} cannot be read: {error.strerror or error}; check the path",
            f"无法读取备份 {file}:{error.strerror or error};请检查路径",
        ) from error
    if len(data) > MAX_BACKUP_BYTES:
        raise FormatError(f"{file} is larger than any backup", f"{file} 大于任何备份")
    return data


def _open(data: bytes, file: Path, passphrase: str) -> dict[str, bytes]:
    try:
        plain = pyrage.passphrase.decrypt(data, passphrase)
    except (pyrage.DecryptError, ValueError) as error:
        raise SigningError(
            f"the backup {file} cannot be opened ({error}); check the passphrase and the file",
            f"无法打开备份 {file}({error});请检查口令与文件",
        ) from error
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(plain)) as archive:
            for info in archive.infolist():
                limit = MAX_BACKUP_BYTES if info.filename == LEDGER_FILE else MAX_BYTES
                if not _NAME.fullmatch(info.filename) or info.file_size > limit or info.filename in members:
                    raise FormatError(f"{file} holds {info.filename[:80]!r}, which belongs in no backup")
                members[info.filename] = archive.read(info)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise FormatError(
            f"{file} holds no readable archive ({error})", f"{file} 中没有可读取的存档({error})"
        ) from error
    return members


def _put(home: Home, name: str, data: bytes) -> None:
    path = home.path / name
    if name == "version":
        if path.read_bytes().strip() != data.strip():
            raise LedgerError(
                "the backup is of another version of the data folder; use the program that made it",
                "备份的数据目录版本不同;请使用制作该备份的程序",
            )
        return
    if name == "config.toml" and path.exists():
        return  # what was set here by hand stands
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (create_public_file if _is_public(path) else create_secret_file)(path, data)


def _is_public(path: Path) -> bool:
    return path.name.endswith(_PUBLIC) and ".key." not in path.name
