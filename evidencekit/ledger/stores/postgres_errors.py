"""What PostgreSQL's error codes mean to a ledger: tried again, another's turn, damage, or the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

from evidencekit.errors import (
    EvidenceError,
    LedgerCorruptError,
    LedgerError,
    LedgerLockedError,
    LedgerUnreachableError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Generator

_LOST: Final = ("08", "57P", "40001", "40P01", "25006", "25P03")
"""Connection lost or refused, server going down or not up yet, deadlock, a standby that only reads, idle too long."""
_LOCKED: Final = ("55P03", "57014")
_DAMAGED: Final = ("23", "XX001", "XX002", "22")
_ABSENT: Final = ("3F000", "42P01", "3D000")
_FAILED: Final = ("53", "58", "XX")
_REFUSED: Final = ("28", "42501")


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether the same work may succeed on a new connection; whether it was done on the old one is open."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_LOST)


@contextmanager
def translate(where: str) -> Generator[None, None, None]:
    """Raise what PostgreSQL says as errors of this library; `where` names the ledger without any password.

    Raises:
        LedgerUnreachableError: the server cannot be reached or is going down.
        LedgerLockedError: another process holds the head for too long.
        LedgerCorruptError: it holds what a ledger cannot.
        LedgerError: there is no ledger, or this user may not use it.
        StorageError: the server's disk is full or failed.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _meaning(where, error) from error


def _meaning(where: str, error: psycopg.Error) -> EvidenceError:
    state = error.sqlstate or ""
    said = str(error).strip().split("\n")[0]
    if is_lost(error):
        return unreachable(where, said)
    if state.startswith(_LOCKED):
        return LedgerLockedError(
            f"Another process holds the ledger {where} for too long; wait for it or end it.",
            f"另一进程占用账本 {where} 过久；请等待其结束或终止它。",
        )
    if state.startswith(_DAMAGED):
        return damaged(where, said)
    if state.startswith(_ABSENT):
        return absent(where)
    if state.startswith(_REFUSED):
        return LedgerError(
            f"PostgreSQL does not let this user use the ledger {where} ({said}); ask for the right.",
            f"PostgreSQL 不允许该用户使用账本 {where}({said})；请申请权限。",
        )
    if state.startswith(_FAILED):
        return StorageError(
            f"PostgreSQL cannot store the ledger {where} ({said}); check its disk, then open the ledger again.",
            f"PostgreSQL 无法保存账本 {where}({said})；请检查其磁盘，然后重新打开账本。",
        )
    return StorageError(
        f"PostgreSQL refuses work on the ledger {where} ({said}); see its log, then open the ledger again.",
        f"PostgreSQL 拒绝对账本 {where} 的操作({said})；请查看其日志，然后重新打开账本。",
    )


def unreachable(where: str, why: str) -> LedgerUnreachableError:
    """Say that the server does not answer, and what that leaves open."""
    return LedgerUnreachableError(
        f"The database of the ledger {where} cannot be reached ({why}). Whether the last entries are in is open: "
        "append them again when it is back, the same bytes keep their first index.",
        f"无法连接账本 {where} 的数据库({why})。最后的条目是否已登记未知：待其恢复后重新提交，相同内容保持首个序号。",
    )


def absent(where: str) -> LedgerError:
    """Say that there is no ledger."""
    return LedgerError(f"There is no ledger at {where}; create one first.", f"{where} 处没有账本；请先创建。")


def damaged(where: str, why: str) -> LedgerCorruptError:
    """Say what is wrong with the ledger."""
    return LedgerCorruptError(
        f"The ledger {where} is damaged: {why}. Keep the database, run fsck, restore a copy.",
        f"账本 {where} 已损坏：{why}。请保留该数据库、运行 fsck，并从副本恢复。",
    )
