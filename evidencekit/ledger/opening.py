"""Opening a ledger that is not a file: in PostgreSQL, for several machines (extra `[postgres]`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from evidencekit.errors import UsageError
from evidencekit.ledger.log import Ledger, LedgerOptions, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from evidencekit.signing.note import NoteSigner

DEFAULT_SCHEMA: Final = "evidencekit"
SEVERAL_MACHINES: Final = LedgerOptions(clock_skew_s=5)


def open_postgres(
    conninfo: str,
    key: NoteSigner,
    *,
    schema: str = DEFAULT_SCHEMA,
    create: bool = False,
    clock: Callable[[], datetime] = utc_now,
    options: LedgerOptions | None = None,
) -> Ledger:
    """Open the ledger in a schema of a PostgreSQL database, or make it when `create` is true and there is none.

    Args:
        conninfo: how libpq connects, e.g. `host=db1,db2 dbname=office`; after a fail-over the host that accepts writes
            is used. Give a password by `~/.pgpass` or the environment.
        key: signs the checkpoints; its name is the log's origin.
        schema: holds the tables; one ledger each.
        create: whether to make a ledger that is not there.
        clock: gives aware times; a time more than `clock_skew_s` before the last checkpoint is refused.
        options: waits and sizes; by default clocks may differ by 5 seconds.

    Raises:
        UsageError: psycopg is not installed, or `conninfo` is malformed.
        LedgerError: there is no ledger and `create` is false, or this user may not use it.
        LedgerUnreachableError: no server answers in time.
        LedgerCorruptError: what is stored does not hash to what was signed, or another key signed it.
        LedgerRollbackError: the head mirror knows of a newer ledger or of another history.
        StorageError: the server does not sync what it acknowledges, or a newer version wrote the ledger.
    """
    with needing_psycopg():
        from evidencekit.ledger.stores.postgres import PostgresStore  # noqa: PLC0415 - an extra
    options = options or SEVERAL_MACHINES
    return Ledger(
        lambda ledger: PostgresStore(
            conninfo,
            schema,
            sign=ledger.sign_tree,
            create=create,
            timeout_s=options.lock_timeout_s,
            retry_s=options.reconnect_s,
        ),
        key,
        clock=clock,
        options=options,
    )


@contextmanager
def needing_psycopg() -> Generator[None, None, None]:
    """Say what to install when a module that needs psycopg cannot be imported.

    Raises:
        UsageError: psycopg is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "A ledger in PostgreSQL needs psycopg; install evidencekit[postgres].",
            "PostgreSQL 账本需要 psycopg；请安装 evidencekit[postgres]。",
        ) from error
