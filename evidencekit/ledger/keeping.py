"""Where an installation keeps its log: a SQLite file in its folder, or a PostgreSQL database that several share.

A log that moved from one to the other without a new key would be two histories under one name. So a folder whose log is
in a database says so in a file, and neither store is begun where the other one holds the log.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from evidencekit.errors import LedgerError
from evidencekit.ledger.durable import replace_file
from evidencekit.ledger.fsck import FsckReport, fsck
from evidencekit.ledger.log import Ledger, LedgerOptions
from evidencekit.ledger.opening import DEFAULT_SCHEMA, SEVERAL_MACHINES, needing_psycopg, open_postgres
from evidencekit.ledger.stores.sqlite_snapshot import read_head

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evidencekit.ledger.anchors.anchor import Anchor
    from evidencekit.ledger.source import Fetch
    from evidencekit.ledger.witnessing import Witnessing
    from evidencekit.signing.note import NoteSigner, NoteVerifier

FILE: Final = "ledger.sqlite"
ELSEWHERE: Final = "ledger.postgres"
"""Says that the log of this folder is in a database, and in which; holds no secret."""
FILES: Final = (FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}.lock", ELSEWHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A log in PostgreSQL: how libpq connects, and the schema that holds it.

    Give no password in `conninfo`: libpq takes it from `~/.pgpass`, a service file or the environment.
    """

    conninfo: str
    schema: str = DEFAULT_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an installation keeps its log.

    Attributes:
        head_mirror: the file outside the home that mirrors the head.
        witnessing: who must witness checkpoints.
        database: where the log is, if it is not a file in the home.
        anchors: who is asked to vouch for the checkpoint of each bundle.
        published: where the log is published; it must extend what is there whenever it is opened.
    """

    head_mirror: Path | None = None
    witnessing: Witnessing | None = None
    database: Database | None = None
    anchors: tuple[Anchor, ...] = ()
    published: tuple[Fetch, ...] = ()

    @property
    def shows_rollback(self) -> bool:
        """Whether anything outside the log would show that it was set back to an old copy."""
        return bool(self.head_mirror is not None or self.witnessing is not None or self.published)


def has_log(folder: Path) -> bool:
    """Tell whether a log was begun for this folder, in it or in a database; nothing is connected to."""
    return (folder / FILE).exists() or (folder / ELSEWHERE).exists()


def open_log(folder: Path, key: NoteSigner, standing: Standing, *, create: bool) -> Ledger:
    """Open the log of a folder.

    Args:
        folder: the installation's.
        key: signs the checkpoints.
        standing: how the log is kept.
        create: whether to begin a log where there is none.

    Raises:
        LedgerError: there is none and `create` is false, or it is in the other kind of store; see `Ledger.open` and
            `open_postgres` for the rest.
        StorageError: the disk or the server refuses.
    """
    if standing.database is None:
        _refuse_elsewhere(folder)
        options = LedgerOptions(head_mirror=standing.head_mirror, published=standing.published)
        return Ledger.open(folder / FILE, key, create=create, options=options)
    _refuse_file(folder)
    options = replace(SEVERAL_MACHINES, head_mirror=standing.head_mirror, published=standing.published)
    database = standing.database
    ledger = open_postgres(database.conninfo, key, schema=database.schema, create=create, options=options)
    if not (folder / ELSEWHERE).exists():
        replace_file(folder / ELSEWHERE, f"{key.name}\n{database.schema}\n".encode(), mode=0o600)
    return ledger


def open_former(folder: Path, key: NoteSigner, standing: Standing) -> Ledger:
    """Open the log where it is now, whatever `standing` wants from the next one on; see `open_log`."""
    if (folder / FILE).exists():
        standing = replace(standing, database=None)
    return open_log(folder, key, standing, create=True)


def check_log(folder: Path, standing: Standing, verifiers: Iterable[NoteVerifier]) -> FsckReport:
    """Rebuild the log from its raw entries and compare; see `fsck`.

    Raises:
        LedgerError: there is none.
        UsageError: psycopg is not installed.
        StorageError: the server cannot read its disk.
    """
    if standing.database is None:
        _refuse_elsewhere(folder)
        return fsck(folder / FILE, verifiers)
    with needing_psycopg():
        from evidencekit.ledger.stores.postgres_rows import fsck_postgres  # noqa: PLC0415 - an extra
    return fsck_postgres(standing.database.conninfo, verifiers, schema=standing.database.schema)


def newest_checkpoint(folder: Path, standing: Standing) -> bytes | None:
    """Read the newest checkpoint without the log's key, None when there is no log.

    Raises:
        EvidenceError: the log cannot be read.
        sqlite3.Error: its file cannot.
    """
    file = folder / FILE
    if file.exists():
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            return read_head(connection, file).checkpoint
    if standing.database is None or not (folder / ELSEWHERE).exists():
        return None
    with needing_psycopg():
        from evidencekit.ledger.stores import postgres_upkeep  # noqa: PLC0415 - an extra
    return postgres_upkeep.newest_checkpoint(standing.database.conninfo, standing.database.schema)


def retire_log(folder: Path, kept: Path, standing: Standing) -> None:
    """Move the log out of use: its files to `kept`, or its schema to a name made of the same words.

    A database that the settings no longer name keeps its schema; without the key nobody appends to it.

    Raises:
        OSError: a file cannot be moved.
        LedgerError: this user may not rename the schema.
    """
    if (folder / ELSEWHERE).exists() and not (folder / FILE).exists() and standing.database is not None:
        with needing_psycopg():
            from evidencekit.ledger.stores import postgres_upkeep  # noqa: PLC0415 - an extra
        database = standing.database
        postgres_upkeep.rename(database.conninfo, database.schema, f"{database.schema}-{kept.name}")
    for name in FILES:
        if (folder / name).exists():
            (folder / name).rename(kept / name)


_ELSEWHERE_EN: Final = (
    "the log of {} is in a PostgreSQL database that the settings do not name; set ledger.postgres as it was, or, if it "
    "is gone for good, begin another log: evidencekit identity rotate ledger --lost"
)
_ELSEWHERE_ZH: Final = (
    "{} 的账本在 PostgreSQL 数据库中,而设置未指明;请恢复 ledger.postgres 设置;数据库确已不存时,另起账本:"
    "evidencekit identity rotate ledger --lost"
)


def _refuse_elsewhere(folder: Path) -> None:
    if (folder / ELSEWHERE).exists():
        raise LedgerError(_ELSEWHERE_EN.format(folder), _ELSEWHERE_ZH.format(folder))


def _refuse_file(folder: Path) -> None:
    if (folder / FILE).exists():
        raise LedgerError(
            f"{folder / FILE} holds this home's log, and its key must not sign a second one in PostgreSQL; go over "
            "with a new key, which keeps the old log and links the new one to it: evidencekit identity rotate ledger",
            f"{folder / FILE} 已是本机账本,其密钥不得在 PostgreSQL 中签署另一账本;"
            "请改用新密钥(保留原账本并使新账本与之衔接):evidencekit identity rotate ledger",
        )
