"""Rebuild a ledger from its raw entries and compare: nothing stored is believed but the entries and the signature.

Streams the entries once; memory does not grow with the ledger.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from evidencekit.errors import FormatError, LedgerError
from evidencekit.hashing.merkle import leaf_hash
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.edge import Edge
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evidencekit.ledger.tiles import Tile
    from evidencekit.signing.note import NoteVerifier

MAX_PROBLEMS: Final = 100
_BATCH: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """What the entries hash to, and every way in which the rest disagrees (the first 100).

    `is_sound` with `signed` false means: consistent in itself, but no key that the caller gave confirms it.
    """

    size: int
    root: bytes
    signed: bool
    problems: tuple[Text, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing disagrees."""
        return not self.problems


def fsck(path: Path, verifiers: Iterable[NoteVerifier] = ()) -> FsckReport:
    """Check the ledger at `path`, reading only, beside running writers if need be.

    Args:
        path: the SQLite file.
        verifiers: keys whose signature on the checkpoint is asked for; none: the signature is not judged.

    Raises:
        LedgerError: there is no file.
    """
    if not path.is_file():
        raise LedgerError(f"There is no ledger at {path}; check the path.", f"{path} 处没有账本；请检查路径。")
    check = _Check()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as database:
            database.execute("PRAGMA query_only = ON")
            # A damaged file may hold anything where text stood.
            database.text_factory = bytes
            database.execute("BEGIN")
            check.run(database, tuple(verifiers))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        check.report(f"The database cannot be read: {error}.", f"数据库无法读取：{error}。")
    return FsckReport(size=check.edge.size, root=check.edge.root(), signed=check.signed, problems=tuple(check.problems))


class _Check:
    """One run; collects problems instead of stopping at the first."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.signed = False
        self.problems: list[Text] = []
        self._tiles = 0

    def report(self, en: str, zh: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Text(en=en, zh=zh))

    def run(self, database: sqlite3.Connection, verifiers: tuple[NoteVerifier, ...]) -> None:
        for (line,) in database.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
            if line != b"ok":
                found = line.decode("utf-8", "replace")
                self.report(f"SQLite: {found}.", f"SQLite:{found}。")
        self._rebuild(database)
        self._check_counts(database)
        self._check_edge(database)
        self._check_head(database, verifiers)

    def _rebuild(self, database: sqlite3.Connection) -> None:
        cursor = database.execute("SELECT idx, data FROM entry ORDER BY idx")
        while rows := cursor.fetchmany(_BATCH):
            start = self.edge.size
            if [index for index, _ in rows] != list(range(start, start + len(rows))):
                self.report(
                    f"After entry {start - 1} the indices are not in sequence.", f"第 {start - 1} 条之后索引不连续。"
                )
                return
            # What is not bytes any more hashes to nothing that was logged.
            leaves = [leaf_hash(data if isinstance(data, bytes) else b"") for _, data in rows]
            self._check_leaves(database, start, leaves)
            for tile, data in self.edge.extend(leaves):
                self._check_tile(database, tile, data)

    def _check_leaves(self, database: sqlite3.Connection, start: int, leaves: list[bytes]) -> None:
        for at, leaf in enumerate(leaves, start=start):
            row = database.execute("SELECT idx FROM leaf WHERE hash = ?", (leaf,)).fetchone()
            if row != (at,):
                self.report(f"Entry {at} does not hash to the leaf stored for it.", f"第 {at} 条与所存叶子哈希不符。")

    def _check_tile(self, database: sqlite3.Connection, tile: Tile, data: bytes) -> None:
        self._tiles += 1
        place = (tile.level, tile.index)
        row = database.execute("SELECT data FROM tile WHERE level = ? AND idx = ?", place).fetchone()
        if row != (data,):
            self.report(f"{tile.path} is not what the entries hash to.", f"{tile.path} 与条目的哈希不符。")

    def _check_counts(self, database: sqlite3.Connection) -> None:
        for table, expected in (("leaf", self.edge.size), ("tile", self._tiles)):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - two constants
            if count != expected:
                self.report(
                    f"Table {table} has {count} rows, not {expected}.",
                    f"表 {table} 有 {count} 行，应为 {expected} 行。",
                )

    def _check_edge(self, database: sqlite3.Connection) -> None:
        stored = database.execute("SELECT level, data FROM edge ORDER BY level").fetchall()
        if stored != [(level, b"".join(hashes)) for level, hashes in enumerate(self.edge.levels)]:
            self.report("The stored edge is not what the entries hash to.", "所存右边缘与条目的哈希不符。")

    def _check_head(self, database: sqlite3.Connection, verifiers: tuple[NoteVerifier, ...]) -> None:
        rows = database.execute("SELECT size, checkpoint FROM head").fetchall()
        if len(rows) != 1 or not isinstance(rows[0][1], bytes):
            self.report("There is not exactly one head.", "头记录不是恰好一条。")
            return
        size, data = rows[0]
        try:
            opened = open_checkpoint(data, verifiers)
        except FormatError as error:
            self.report(f"The checkpoint is malformed: {error.en}", f"检查点格式错误：{error.zh}")
            return
        signed = opened.checkpoint
        if (size, signed.size, signed.root) != (self.edge.size, self.edge.size, self.edge.root()):
            self.report(
                f"The signed tree has {signed.size} entries and root {signed.root.hex()}; the entries give "
                f"{self.edge.size} and {self.edge.root().hex()}.",
                f"签名树为 {signed.size} 条、根 {signed.root.hex()}；条目得出 {self.edge.size} 条、"
                f"根 {self.edge.root().hex()}。",
            )
        self.signed = opened.is_log_signed
        if verifiers and not self.signed:
            self.report("The checkpoint is not signed by the given key.", "检查点不是由所给密钥签署。")
