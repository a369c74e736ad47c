"""Inserting rows many at a time: a statement of several rows costs half of what its rows cost one by one."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_ROWS: Final = 16
"""Rows a statement; more of them gain little, and SQLite's limit on parameters is far."""


def insert_rows(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[int | bytes, ...]]) -> None:
    """Insert `rows`, all as wide as the first, in their order; `table` is a name of ours, never from outside."""
    if not rows:
        return
    row = f"({', '.join('?' * len(rows[0]))})"
    several = len(rows) // _ROWS * _ROWS
    if several:
        statement = f"INSERT INTO {table} VALUES {', '.join([row] * _ROWS)}"  # noqa: S608 - a name of ours
        for at in range(0, several, _ROWS):
            connection.execute(statement, tuple(chain.from_iterable(rows[at : at + _ROWS])))
    if several < len(rows):
        connection.executemany(f"INSERT INTO {table} VALUES {row}", rows[several:])  # noqa: S608 - a name of ours
