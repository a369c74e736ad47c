"""Rebuild a ledger from its raw entries and compare: nothing stored is believed but the entries and the signature.

Streams the entries once; memory does not grow with the ledger.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from evidencekit.errors import FormatError, LedgerError
from evidencekit.hashing.merkle import HASH_BYTES, leaf_hash
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.stores.sqlite_leaves import LOOK_UP, LOOK_UP_1, SEGMENT
from evidencekit.ledger.tiles import WIDTH
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

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
            check.run(_SqliteRows(database), tuple(verifiers))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        check.report(f"The database cannot be read: {error}.", f"数据库无法读取：{error}。")
    return check.outcome()


def check_rows(rows: Rows, verifiers: Iterable[NoteVerifier]) -> FsckReport:
    """Check the rows of any store, as `fsck` does for a file."""
    check = _Check()
    check.run(rows, tuple(verifiers))
    return check.outcome()


class Rows(Protocol):
    """What a store holds, row by row, of one moment; a damaged one may give anything for a value."""

    def own_check(self) -> Iterable[str]:
        """What the database itself finds wrong."""
        ...

    def entries(self) -> Iterator[Sequence[tuple[object, object]]]:
        """The entries in order: index and bytes, many at a time."""
        ...

    def leaf_indices(self, start: int, leaves: Sequence[bytes]) -> Sequence[object]:
        """The index stored for each leaf, None where there is none; they should stand at `start` and on.

        Where the index does not hold an entry yet, what its tile or the edge says.
        """
        ...

    def indexed(self, size: int) -> int:
        """How many of `size` entries the index of leaves holds."""
        ...

    def tile(self, level: int, index: int) -> object:
        """The bytes of a full tile, None where there is none."""
        ...

    def count(self, table: str) -> int:
        """How many rows `leaf` or `tile` has."""
        ...

    def edge(self) -> Sequence[tuple[object, object]]:
        """The levels of the edge in order, and their bytes."""
        ...

    def heads(self) -> Sequence[tuple[object, object]]:
        """Size and checkpoint of each head."""
        ...


class _SqliteRows:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._tile: tuple[int, bytes] = (-1, b"")

    def own_check(self) -> Iterable[str]:
        for (line,) in self._database.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
            if line != b"ok":
                yield line.decode("utf-8", "replace")

    def entries(self) -> Iterator[Sequence[tuple[object, object]]]:
        cursor = self._database.execute("SELECT idx, data FROM entry ORDER BY idx")
        while rows := cursor.fetchmany(_BATCH):
            yield rows

    def leaf_indices(self, start: int, leaves: Sequence[bytes]) -> Sequence[object]:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        # Version 1 had no segments; it is taken over when the ledger is next opened.
        query = LOOK_UP if version > 1 else LOOK_UP_1
        indexed = self.indexed(self._entries()) - start
        places = enumerate(leaves[: max(indexed, 0)], start=start)
        rows = (self._database.execute(query, (at // SEGMENT, leaf)).fetchone() for at, leaf in places)
        found: list[object] = [row[0] if row else None for row in rows]
        # Of the newest segment the tiles are the index.
        rest = enumerate(leaves[len(found) :], start=start + len(found))
        return [*found, *(at if self._stored(at) == leaf else None for at, leaf in rest)]

    def _stored(self, index: int) -> bytes:
        """Read the leaf of an entry from its tile, or from the edge."""
        number, place = divmod(index, WIDTH)
        if number != self._tile[0]:
            data = self.tile(0, number)
            row = self._database.execute("SELECT data FROM edge WHERE level = 0").fetchone()
            whole = data if data is not None else (row[0] if row else b"")
            self._tile = (number, whole if isinstance(whole, bytes) else b"")
        return self._tile[1][place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def indexed(self, size: int) -> int:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        return size // SEGMENT * SEGMENT if version > 1 else size

    def _entries(self) -> int:
        (last,) = self._database.execute("SELECT max(idx) FROM entry").fetchone()
        return last + 1 if isinstance(last, int) else 0

    def tile(self, level: int, index: int) -> object:
        query = "SELECT data FROM tile WHERE level = ? AND idx = ?"
        row = self._database.execute(query, (level, index)).fetchone()
        return row[0] if row else None

    def count(self, table: str) -> int:
        (count,) = self._database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a constant
        return int(count)

    def edge(self) -> Sequence[tuple[object, object]]:
        return self._database.execute("SELECT level, data FROM edge ORDER BY level").fetchall()

    def heads(self) -> Sequence[tuple[object, object]]:
        return self._database.execute("SELECT size, checkpoint FROM head").fetchall()


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

    def outcome(self) -> FsckReport:
        problems = tuple(self.problems)
        return FsckReport(size=self.edge.size, root=self.edge.root(), signed=self.signed, problems=problems)

    def run(self, rows: Rows, verifiers: tuple[NoteVerifier, ...]) -> None:
        for found in rows.own_check():
            self.report(f"The database says: {found}.", f"数据库报告：{found}。")
        self._rebuild(rows)
        self._check_counts(rows)
        self._check_edge(rows)
        self._check_head(rows.heads(), verifiers)

    def _rebuild(self, rows: Rows) -> None:
        for batch in rows.entries():
            start = self.edge.size
            if [index for index, _ in batch] != list(range(start, start + len(batch))):
                self.report(
                    f"After entry {start - 1} the indices are not in sequence.", f"第 {start - 1} 条之后索引不连续。"
                )
                return
            # What is not bytes any more hashes to nothing that was logged.
            leaves = [leaf_hash(data if isinstance(data, bytes) else b"") for _, data in batch]
            for tile, data in self.edge.extend(leaves):
                self._tiles += 1
                if rows.tile(tile.level, tile.index) != data:
                    self.report(f"{tile.path} is not what the entries hash to.", f"{tile.path} 与条目的哈希不符。")
            for at, stored in enumerate(rows.leaf_indices(start, leaves), start=start):
                if stored != at:
                    self.report(
                        f"Entry {at} does not hash to the leaf stored for it.", f"第 {at} 条与所存叶子哈希不符。"
                    )

    def _check_counts(self, rows: Rows) -> None:
        for table, expected in (("leaf", rows.indexed(self.edge.size)), ("tile", self._tiles)):
            count = rows.count(table)
            if count != expected:
                self.report(
                    f"Table {table} has {count} rows, not {expected}.",
                    f"表 {table} 有 {count} 行，应为 {expected} 行。",
                )

    def _check_edge(self, rows: Rows) -> None:
        if list(rows.edge()) != [(level, b"".join(hashes)) for level, hashes in enumerate(self.edge.levels)]:
            self.report("The stored edge is not what the entries hash to.", "所存右边缘与条目的哈希不符。")

    def _check_head(self, rows: Sequence[tuple[object, object]], verifiers: tuple[NoteVerifier, ...]) -> None:
        if len(rows) != 1 or not isinstance(rows[0][1], bytes):
            self.report("There is not exactly one head.", "头记录不是恰好一条。")
            return
        size, data = rows[0][0], rows[0][1]
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
