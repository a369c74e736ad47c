"""What is known of a ledger outside it, so that one restored from an old copy is noticed: mirror, publication.

The head mirror is a file that holds the newest checkpoint note. Put it where a backup of the home does not reach, e.g.
on another disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.errors import LedgerCorruptError, LedgerRollbackError, StorageError
from evidencekit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from evidencekit.ledger.durable import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from evidencekit.ledger.source import Fetch
    from evidencekit.signing.note import NoteVerifier

_MAX_BYTES: Final = 1_000_000


def read_mirror(path: Path, verifier: NoteVerifier) -> SignedCheckpoint | None:
    """Read the mirrored checkpoint, None when there is none yet.

    Raises:
        LedgerCorruptError: it is not signed by the ledger's key.
        FormatError: it is not a checkpoint.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"The head mirror {path} cannot be read ({error.strerror}); check that its disk is there.",
            f"无法读取头镜像 {path}({error.strerror})；请检查其所在磁盘。",
        ) from error
    signed = open_checkpoint(data, [verifier])
    if not signed.is_log_signed:
        raise LedgerCorruptError(
            f"The head mirror {path} is of another ledger or was changed; choose another file for this ledger.",
            f"头镜像 {path} 属于其他账本或已被更改；请为本账本另选文件。",
        )
    return signed


def refuse_missing_ledger(path: Path, mirror: Path, verifier: NoteVerifier) -> None:
    """Refuse to begin a new ledger where the mirror knows of an old one.

    Raises:
        LedgerRollbackError: the mirror holds a checkpoint, but there is no ledger at `path`.
    """
    signed = None if path.exists() else read_mirror(mirror, verifier)
    if signed is not None:
        raise LedgerRollbackError(
            f"There is no ledger at {path}, but {mirror} signs {signed.checkpoint.size} entries; restore the ledger.",
            f"{path} 处没有账本，而 {mirror} 已签署 {signed.checkpoint.size} 条；请恢复账本。",
        )


def read_published(places: Iterable[Fetch], verifier: NoteVerifier) -> Iterator[SignedCheckpoint]:
    """Read the checkpoints of the places where the log is published; a place with none yet gives none.

    Raises:
        LedgerCorruptError: a place shows a checkpoint that the ledger's key did not sign.
        FormatError: it is not a checkpoint.
        EvidenceError: a place cannot be read; nothing is known then, and the ledger is not opened.
    """
    for fetch in places:
        data = fetch("checkpoint")
        if data is None:
            continue
        signed = open_checkpoint(data, [verifier])
        if not signed.is_log_signed:
            raise LedgerCorruptError(
                f"The published checkpoint of {signed.checkpoint.origin!r} is not signed by the ledger's key; publish "
                "each ledger in a place of its own.",
                f"已公布的 {signed.checkpoint.origin!r} 检查点不是由账本密钥签署；每个账本须有各自的公布位置。",
            )
        yield signed


def refuse_published_log(where: str, places: Iterable[Fetch], verifier: NoteVerifier) -> None:
    """Refuse to begin a new ledger where one is published already.

    Raises:
        LedgerRollbackError: a checkpoint is published, but there is no ledger.
    """
    for signed in read_published(places, verifier):
        raise LedgerRollbackError(
            f"There is no ledger at {where}, but {signed.checkpoint.size} entries of it are published; restore it.",
            f"{where} 处没有账本，但其 {signed.checkpoint.size} 条已公布；请恢复账本。",
        )


def write_mirror(path: Path, checkpoint: bytes) -> None:
    """Mirror a checkpoint, durably.

    Raises:
        StorageError: the mirror cannot be written.
    """
    replace_file(path, checkpoint, mode=0o600)
