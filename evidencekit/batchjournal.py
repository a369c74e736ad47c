"""The journal of a batch: one line an item, durable before the next one begins (docs/spec/home.md).

It belongs to one list of URLs with one request: its name is their digest, so the same command finds it again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evidencekit.errors import StorageError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import BinaryIO

    from evidencekit.model import JsonValue

FORMAT_NAME = "evidencekit/batch"
_LINE_BYTES = 1 << 20
_JOURNAL_BYTES = 256 << 20
_PRIVATE_MODE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an item came to nothing: the error's stable word and its sentence."""

    code: str
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLine:
    """What became of the n-th URL, from 1: sealed under `number`, or `failure`.

    `complete` is False when the bundle says that something is pending or partial.
    """

    n: int
    url: str
    number: str | None = None
    bundle: str | None = None
    manifest_sha256: str | None = None
    complete: bool = False
    failure: Failure | None = None


class BatchJournal:
    """The journal, held by one process; use as a context manager."""

    def __init__(self, file: BinaryIO, lines: Mapping[int, ItemLine]) -> None:
        """Use `BatchJournal.open`."""
        self._file = file
        self._lines = dict(lines)
        self._writing = threading.Lock()

    @classmethod
    def open(cls, home: Path, urls: Sequence[str], request: Mapping[str, JsonValue], *, resume: bool) -> Self:
        """Open the journal of this list and request.

        Args:
            home: the home's folder; the journal lies in its `batches`.
            urls: the list.
            request: what is asked for each, `requestform.request_value`; with another request it is another batch.
            resume: keep what an earlier run wrote; otherwise begin anew.

        Raises:
            StorageError: it cannot be written, or another process works on the same batch.
        """
        identity = hashlib.sha256(canonical_bytes({"request": request, "urls": list(urls)})).hexdigest()
        folder = home / "batches"
        path = folder / f"{identity[:32]}.jsonl"
        try:
            folder.mkdir(mode=_PRIVATE_MODE, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StorageError(
                "this very list is being captured by another process; wait for it, or change the list",
                "另一进程正在处理同一网址列表；请等待其完成，或更改列表",
            ) from error
        try:
            if not resume:
                file.truncate(0)
            lines = {line.n: line for line in _read(file)}
            if file.seek(0, os.SEEK_END) == 0:
                header: Mapping[str, JsonValue] = {
                    "count": len(urls),
                    "format": FORMAT_NAME,
                    "identity": identity,
                    "version": 1,
                }
                _write(file, header)
            else:
                _end_line(file)
        except OSError as error:
            file.close()
            raise _unusable(path, error) from error
        return cls(file, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def sealed(self, number: int, url: str) -> ItemLine | None:
        """Give the line of an item that was sealed and whose bundle is still there."""
        line = self._lines.get(number)
        if line is None or line.url != url or line.bundle is None or not Path(line.bundle).is_file():
            return None
        return line

    def append(self, line: ItemLine) -> None:
        """Write a line durably.

        Raises:
            StorageError: the disk refuses.
        """
        with self._writing:
            try:
                _write(self._file, _line_value(line))
            except OSError as error:
                raise _unusable(Path(self._file.name), error) from error
            self._lines[line.n] = line


def _write(file: BinaryIO, value: Mapping[str, JsonValue]) -> None:
    file.write(json.dumps(value, ensure_ascii=True, sort_keys=True).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _end_line(file: BinaryIO) -> None:
    """End a line that a crash tore, so that the next one can be read."""
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.write(b"\n")


def _read(file: BinaryIO) -> Iterator[ItemLine]:
    file.seek(0)
    for data in file.read(_JOURNAL_BYTES).split(b"\n"):
        line = _parse(data) if len(data) <= _LINE_BYTES else None
        if line is not None:
            yield line


def _line_value(line: ItemLine) -> Mapping[str, JsonValue]:
    value: dict[str, JsonValue] = {"n": line.n, "url": line.url}
    if line.failure is not None:
        reason = line.failure.reason
        return {**value, "error": {"code": line.failure.code, "en": reason.en, "zh": reason.zh}}
    return {
        **value,
        "bundle": line.bundle,
        "complete": line.complete,
        "manifest_sha256": line.manifest_sha256,
        "number": line.number,
    }


def _parse(data: bytes) -> ItemLine | None:
    """Read one line; the header, and a line that a crash tore, are passed over."""
    try:
        value = json.loads(data)
        number, url = int(value["n"]), str(value["url"])
        if "error" in value:
            error = value["error"]
            reason = Text(en=str(error["en"]), zh=str(error["zh"]))
            return ItemLine(n=number, url=url, failure=Failure(code=str(error["code"]), reason=reason))
        return ItemLine(
            n=number,
            url=url,
            number=str(value["number"]),
            bundle=str(value["bundle"]),
            manifest_sha256=str(value["manifest_sha256"]),
            complete=value["complete"] is True,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the batch's journal {path} cannot be used: {error.strerror or error}; make it writable or free space",
        f"批次记录 {path} 无法使用:{error.strerror or error};请使其可写或清理磁盘",
    )
