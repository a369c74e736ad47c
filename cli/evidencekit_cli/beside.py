"""What a verifier's user has beside a bundle: their own copy of a deposited file, receipts of anchors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.errors import StorageError, UsageError
from evidencekit.hashing.digest import digest_file
from evidencekit.ledger.anchors.anchor import MAX_RECEIPT_BYTES, Receipt, parse_receipt
from evidencekit.verify.verifier import Beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.model import Digests


def read_beside(files: Sequence[Path], receipts: Sequence[Path], *, rerender: Path | None = None) -> Beside:
    """Digest the files, read the receipts, from files or from every `*.json` of folders, and show a bundle again.

    Raises:
        StorageError: one cannot be read.
        FormatError: one is no receipt.
        UsageError: a folder holds none.
    """
    again = None
    if rerender is not None:
        from evidencekit.rerender import rerender_bundle

        again = rerender_bundle(rerender)
    return Beside(
        files=tuple(_digested(path) for path in files),
        receipts=tuple(receipt for path in receipts for receipt in _read(path)),
        rerendered=again,
    )


def _digested(path: Path) -> tuple[int, Digests]:
    try:
        return digest_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> list[Receipt]:
    try:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        data = []
        for file in files:
            with file.open("rb") as stream:
                data.append(stream.read(MAX_RECEIPT_BYTES + 1))
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise UsageError(
            f"{path} holds no receipt (*.json); name the folder or file that the operator gave you",
            f"{path} 中没有回执(*.json);请指定运营者提供的文件夹或文件",
        )
    return [parse_receipt(each) for each in data]


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be read: {error.strerror or error}; check the path and your rights",
        f"无法读取 {path}:{error.strerror or error};请检查路径与权限",
    )
