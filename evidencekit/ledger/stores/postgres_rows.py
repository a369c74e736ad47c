"""Checking a ledger in PostgreSQL: rebuild it from its raw entries, in one repeatable-read transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

from evidencekit.ledger.fsck import FsckReport, check_rows
from evidencekit.ledger.stores.postgres_errors import translate
from evidencekit.ledger.stores.postgres_session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evidencekit.ledger.stores.postgres_session import Connection
    from evidencekit.signing.note import NoteVerifier

_BATCH: Final = 4096
_TIMEOUT_S: Final = 10.0


def fsck_postgres(conninfo: str, verifiers: Iterable[NoteVerifier] = (), *, schema: str = "evidencekit") -> FsckReport:
    """Check the ledger in a schema, beside running writers if need be; also on a standby. Memory stays flat.

    Args:
        conninfo: how libpq connects.
        verifiers: keys whose signature on the checkpoint is asked for; none: the signature is not judged.
        schema: holds the tables.

    Raises:
        LedgerError: there is no ledger.
        LedgerUnreachableError: the server does not answer.
        StorageError: it cannot read its disk.
    """
    session = Session(conninfo, schema, server="any", timeout_s=_TIMEOUT_S, retry_s=0.0)
    try:
        with translate(session.where):
            return session.work(lambda connection: _check(connection, tuple(verifiers)))
    finally:
        session.close()


def _check(connection: Connection, verifiers: tuple[NoteVerifier, ...]) -> FsckReport:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return check_rows(_PostgresRows(connection), verifiers)


class _PostgresRows:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def own_check(self) -> Iterable[str]:
        # PostgreSQL's page checksums, where they are on, speak up when a page is read.
        return ()

    def entries(self) -> Iterator[Sequence[tuple[object, object]]]:
        with self._connection.cursor(name="evidencekit_fsck", binary=True) as cursor:
            cursor.execute("SELECT idx, data FROM entry ORDER BY idx")
            while rows := cursor.fetchmany(_BATCH):
                yield [(index, data) for index, data in rows]

    def leaf_indices(
        self,
        start: int,  # noqa: ARG002 - the index here is one for all segments
        leaves: Sequence[bytes],
    ) -> Sequence[object]:
        query = "SELECT hash, idx FROM leaf WHERE hash = ANY(%b)"
        known: dict[bytes, int] = dict(self._connection.execute(query, (list(leaves),), binary=True).fetchall())
        return [known.get(leaf) for leaf in leaves]

    def indexed(self, size: int) -> int:
        return size

    def tile(self, level: int, index: int) -> object:
        query = "SELECT data FROM tile WHERE level = %s AND idx = %s"
        row = self._connection.execute(query, (level, index), binary=True).fetchone()
        return row[0] if row else None

    def count(self, table: str) -> int:
        row = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        return int(row[0]) if row else 0

    def edge(self) -> Sequence[tuple[object, object]]:
        rows = self._connection.execute("SELECT level, data FROM edge ORDER BY level", binary=True).fetchall()
        return [(level, data) for level, data in rows]

    def heads(self) -> Sequence[tuple[object, object]]:
        rows = self._connection.execute("SELECT size, checkpoint FROM head", binary=True).fetchall()
        return [(size, checkpoint) for size, checkpoint in rows]
