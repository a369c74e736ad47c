"""One connection to PostgreSQL, made again after it was lost, and never with less durability than a ledger promises."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from evidencekit.errors import StorageError, UsageError
from evidencekit.ledger.stores.postgres_errors import is_lost, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from psycopg.errors import Diagnostic

    Connection = psycopg.Connection[tuple[Any, ...]]

_Result = TypeVar("_Result")

DEFAULTS: Final = {
    "application_name": "evidencekit",
    "connect_timeout": "5",
    # A machine that vanished must not be waited for until TCP gives up, a quarter of an hour later.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_INCARNATION: Final = (
    "SELECT system_identifier::text || '/' || CASE WHEN pg_is_in_recovery() THEN 'standby'"
    " ELSE substring(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END FROM pg_control_system()"
)
"""The cluster, and its timeline, which grows with each promotion."""
_DURABLE: Final = frozenset(("fsync", "full_page_writes"))


class Session:
    """A connection of one thread at a time. `incarnation` names the server it leads to, across promotions.

    `weakened` is the server's own warning that a commit returned without the standby it had to wait for.
    """

    __slots__ = ("_connection", "_options", "_retry_s", "_schema", "_timeout_s", "incarnation", "weakened", "where")

    def __init__(self, conninfo: str, schema: str, *, server: str, timeout_s: float, retry_s: float) -> None:
        """Remember where to connect; `work` connects.

        `server` says which of several hosts will do, as libpq's `target_session_attrs`: after a fail-over the writer
        wants the one that is `read-write`.

        Raises:
            UsageError: `conninfo` is malformed.
        """
        try:
            given = conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError:
            # The message of libpq may quote the password.
            raise UsageError(
                "The connection string of the ledger is malformed; write it as libpq reads it.",
                "账本数据库的连接字符串格式错误；请按 libpq 的格式书写。",
            ) from None
        self._options: dict[str, Any] = {**DEFAULTS, **given, "target_session_attrs": server}
        self._schema = schema
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._connection: Connection | None = None
        self.incarnation = ""
        self.weakened: str | None = None
        self.where = f"{given.get('host', 'local')}/{given.get('dbname', '')}#{schema}"

    def work(self, attempt: Callable[[Connection], _Result]) -> _Result:
        """Do `attempt`, again on a new connection when the connection is lost, for as long as the caller allowed.

        Whether a lost attempt was done is open: `attempt` must be one that may be done twice.

        Raises:
            LedgerUnreachableError: no server for too long.
            psycopg.Error: anything else that the server says.
        """
        deadline = time.monotonic() + self._retry_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return attempt(self.connection())
            except psycopg.Error as error:
                self._drop()
                if not is_lost(error):
                    raise
                if time.monotonic() + pause >= deadline:
                    raise unreachable(self.where, str(error).strip().split("\n")[0]) from error
            except BaseException:
                self._drop_broken()
                raise
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def connection(self) -> Connection:
        """Give the connection, a new one if there is none that works.

        Raises:
            StorageError: the server does not write to disk what it acknowledges.
            psycopg.Error: it cannot be reached or refuses.
        """
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _drop_broken(self) -> None:
        if self._connection is not None and self._connection.broken:
            self._drop()

    def _connect(self) -> Connection:
        connection: Connection = psycopg.connect(autocommit=True, **self._options)
        try:
            connection.add_notice_handler(self._notice)
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        self.weakened = None
        return connection

    def _configure(self, connection: Connection) -> None:
        milliseconds = int(self._timeout_s * 1000)
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self._schema)))
        connection.execute(sql.SQL("SET lock_timeout TO {}").format(milliseconds))
        # A writer that was stopped in the middle must let go of the head.
        connection.execute(sql.SQL("SET idle_in_transaction_session_timeout TO {}").format(max(1000, 3 * milliseconds)))
        settings: dict[str, str] = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                (["fsync", "full_page_writes", "synchronous_commit"],),
            ).fetchall()
        )
        lazy = sorted(name for name in _DURABLE if settings.get(name) != "on")
        if lazy:
            raise StorageError(
                f"PostgreSQL at {self.where} runs with {lazy[0]} = off and may lose what it acknowledged; turn it on.",
                f"{self.where} 的 PostgreSQL 设为 {lazy[0]} = off，可能丢失已确认的数据；请打开。",
            )
        if settings.get("synchronous_commit") in ("off", "local"):
            connection.execute("SET synchronous_commit TO on")
        row = connection.execute(_INCARNATION).fetchone()
        self.incarnation = row[0] if row else ""

    def _notice(self, diagnostic: Diagnostic) -> None:
        # "canceling wait for synchronous replication": the commit then returns as if all were well.
        if diagnostic.severity_nonlocalized == "WARNING":
            self.weakened = diagnostic.message_primary or "a warning"
