"""After a kill: end the browser that was ours, close the announced session in the ledger, keep what was recorded."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.processes import end_recorded_browser
from evidencekit.errors import EvidenceError, StorageError
from evidencekit.ledger.entry import AbandonedEntry, CaptureEntry, format_abandoned_entry, parse_entry
from evidencekit.model import Text
from evidencekit.office import system_clock
from evidencekit.signing.identity import key_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from evidencekit.home import Home, Keys
    from evidencekit.ledger.log import Ledger
    from evidencekit.office import Announcement

STATE_FILE = "state.json"
_STATE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    number: str
    index: int


def write_state(workspace: Path, announced: Announcement) -> None:
    """Write durably which announcement a workspace belongs to.

    Raises:
        StorageError: the disk refuses.
    """
    data = json.dumps({"index": announced.index, "number": announced.number, "version": 1}).encode()
    try:
        with (workspace / STATE_FILE).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"cannot write in {workspace}: {error.strerror or error}; free space on the disk and capture again",
            f"无法写入 {workspace}:{error.strerror or error};请清理磁盘后重新取证",
        ) from error


def recover(home: Home, *, clock: Callable[[], datetime] = system_clock) -> tuple[Text, ...]:
    """Tidy up after captures that were killed; what still runs is left alone.

    Returns:
        One sentence for each: what was lost, and where the rest is.

    Raises:
        LedgerError, SigningError, StorageError: as their stages.
    """
    sentences: list[Text] = []
    for workspace in home.left_over():
        for place in (workspace, workspace / "capture"):
            with suppress(EvidenceError):
                end_recorded_browser(place)
        state = _read_state(workspace)
        kept = _set_aside(home, workspace)
        if state is None:
            if kept is not None:
                sentences.append(_unannounced(kept))
            continue
        keys = home.keys(clock())
        with home.ledger(keys.ledger) as ledger:
            if _was_entered(ledger, state):
                sentences.append(_entered(state, kept))
                continue
            _close(ledger, keys, state, clock())
        sentences.append(_interrupted(state, kept))
    return tuple(sentences)


def _read_state(workspace: Path) -> _State | None:
    try:
        with (workspace / STATE_FILE).open("rb") as file:
            value = json.loads(file.read(_STATE_BYTES))
        return _State(number=str(value["number"]), index=int(value["index"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _set_aside(home: Home, workspace: Path) -> Path | None:
    """Keep what was recorded; the browser's profile, and a workspace that holds nothing, are removed."""
    for profile in (workspace / "capture" / "profile", workspace / "printing-profile"):
        shutil.rmtree(profile, ignore_errors=True)
    if not any(path.is_file() and path.name != STATE_FILE for path in workspace.rglob("*")):
        shutil.rmtree(workspace, ignore_errors=True)
        return None
    kept = home.path / "interrupted" / workspace.name
    try:
        workspace.rename(kept)
    except OSError as error:
        raise StorageError(
            f"cannot move {workspace} to {kept}: {error.strerror or error}; correct the folder's permissions",
            f"无法将 {workspace} 移至 {kept}:{error.strerror or error};请更正目录权限",
        ) from error
    return kept


def _was_entered(ledger: Ledger, state: _State) -> bool:
    """Whether the killed capture had already entered its seal: then nothing may call it abandoned."""
    for data in ledger.entries(state.index + 1):
        with suppress(EvidenceError):
            entry = parse_entry(data)
            if isinstance(entry, CaptureEntry) and entry.open == state.index:
                return True
    return False


def _close(ledger: Ledger, keys: Keys, state: _State, now: datetime) -> None:
    entry = AbandonedEntry(
        key_id=key_id(keys.seal.signer.certificate), open=state.index, reason="interrupted", time=now
    )
    ledger.append(format_abandoned_entry(entry))


def _interrupted(state: _State, kept: Path | None) -> Text:
    return Text(
        en=f"the capture {state.number} was killed before it was sealed and is no evidence; it stands in the ledger as "
        f"abandoned. {_rest_en(kept)}",
        zh=f"取证 {state.number} 在封存前中断,不构成证据;账本中已记为放弃。{_rest_zh(kept)}",
    )


def _entered(state: _State, kept: Path | None) -> Text:
    return Text(
        en=f"the capture {state.number} was killed after it was entered in the ledger but before its bundle was "
        f"finished, unless a bundle of this number exists. {_rest_en(kept)}",
        zh=f"取证 {state.number} 已登入账本,但在证据包完成前中断(已存在该编号证据包的除外)。{_rest_zh(kept)}",
    )


def _unannounced(kept: Path) -> Text:
    return Text(
        en=f"a capture was killed before it was announced. {_rest_en(kept)}",
        zh=f"有一次取证在登记前中断。{_rest_zh(kept)}",
    )


def _rest_en(kept: Path | None) -> str:
    return f"What it had recorded is kept in {kept}; capture the page again" if kept else "Capture the page again"


def _rest_zh(kept: Path | None) -> str:
    return f"已录制的内容保存在 {kept};请重新取证" if kept else "请重新取证"
