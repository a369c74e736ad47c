"""What is done to a ledger in PostgreSQL without its key: read its head, put it out of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from psycopg import sql

from evidencekit.ledger.stores.postgres_errors import translate
from evidencekit.ledger.stores.postgres_session import Session
from evidencekit.ledger.stores.postgres_snapshot import read_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.ledger.stores.postgres_session import Connection

_Result = TypeVar("_Result")

_TIMEOUT_S: Final = 10.0
_NAME_BYTES: Final = 63
"""PostgreSQL cuts longer names off, and two might then be one."""


def newest_checkpoint(conninfo: str, schema: str) -> bytes:
    """Read the newest checkpoint, whoever signed it.

    Raises:
        LedgerError: there is no ledger, or this user may not read it.
        LedgerUnreachableError: the server does not answer.
    """
    return _work(conninfo, schema, "any", lambda connection, where: read_head(connection, where).head.checkpoint)


def rename(conninfo: str, schema: str, name: str) -> None:
    """Put a ledger out of use under another name, with all that it holds; a schema that is gone already is no error.

    Raises:
        LedgerError: this user may not.
        LedgerUnreachableError: the server does not answer.
    """
    kept = name.encode()[:_NAME_BYTES].decode("utf-8", "ignore")

    def work(connection: Connection, _where: str) -> None:
        found = connection.execute("SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", (schema,)).fetchone()
        if found == (True,):
            statement = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
            connection.execute(statement.format(sql.Identifier(schema), sql.Identifier(kept)))

    _work(conninfo, schema, "read-write", work)


def _work(conninfo: str, schema: str, server: str, work: Callable[[Connection, str], _Result]) -> _Result:
    session = Session(conninfo, schema, server=server, timeout_s=_TIMEOUT_S, retry_s=0.0)
    try:
        with translate(session.where):
            return session.work(lambda connection: work(connection, session.where))
    finally:
        session.close()
