"""After a kill: end the browser that was ours, close the announced session in the ledger, keep what was recorded."""

from __future__ import annotations

import glob
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.bundle.privatearchive import private_path
from evidencekit.capture.processes import end_recorded_browser
from evidencekit.errors import EvidenceError, StorageError
from evidencekit.home import INTENT_FILE, STATE_FILE
from evidencekit.ledger.entry import (
    AbandonedEntry,
    CaptureEntry,
    OpenEntry,
    format_abandoned_entry,
    open_commitment,
    parse_entry,
)
from evidencekit.model import Text
from evidencekit.office import system_clock
from evidencekit.remains import remains_of
from evidencekit.resumption import resume
from evidencekit.signing.identity import key_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from evidencekit.home import Home, Keys
    from evidencekit.ledger.log import Ledger
    from evidencekit.model import JsonValue
    from evidencekit.office import Announcement

_STATE_BYTES = 65536
_SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """`number` and `output` are None when the kill came before they were written down."""

    index: int
    number: str | None = None
    output: Path | None = None
    seal_pdf: bool = False

    @property
    def en(self) -> str:
        return f"the capture {self.number}" if self.number else f"the capture announced as entry {self.index}"

    @property
    def zh(self) -> str:
        return f"取证 {self.number}" if self.number else f"第 {self.index} 条登记的取证"


def write_intent(workspace: Path, salt: bytes) -> None:
    """Write durably, before it is announced, by which salt a workspace's announcement will be known.

    Raises:
        StorageError: the disk refuses.
    """
    _write_new(workspace / INTENT_FILE, {"salt": salt.hex(), "version": 1})


def write_state(workspace: Path, announced: Announcement, output: Path, *, seal_pdf: bool = False) -> None:
    """Write durably which announcement a workspace belongs to, where its bundle will be, whether its PDF is sealed.

    Raises:
        StorageError: the disk refuses.
    """
    value: dict[str, JsonValue] = {
        "index": announced.index,
        "number": announced.number,
        "output": os.fsencode(output.absolute()).hex(),
        "seal_pdf": seal_pdf,
        "version": 1,
    }
    _write_new(workspace / STATE_FILE, value)


def _write_new(path: Path, value: Mapping[str, JsonValue]) -> None:
    try:
        with path.open("xb") as file:
            file.write(json.dumps(value).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free space on the disk and capture again",
            f"无法写入 {path}：{error.strerror or error}；请清理磁盘后重新取证",
        ) from error


def recover(home: Home, *, clock: Callable[[], datetime] = system_clock) -> tuple[Text, ...]:
    """Tidy up after captures that were killed; what still runs is left alone.

    The ledger is settled before anything is moved, so that a recovery that is itself killed is taken up again.

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
        state, entered = _settle(home, workspace, clock)
        if state is not None and state.output is not None:
            _remove_parts(state.output)
        sentence = (
            _entered(home, workspace, state) if state is not None and entered else _unsealed(home, workspace, state)
        )
        sentences.extend([sentence] if sentence is not None else [])
    return tuple(sentences)


def _unsealed(home: Home, workspace: Path, state: _State | None) -> Text | None:
    """Keep what a capture recorded that was killed before it was sealed."""
    kept = home.set_aside(workspace)
    if state is not None:
        return _interrupted(state, kept)
    return None if kept is None else _unannounced(kept)


def _entered(home: Home, workspace: Path, state: _State) -> Text:
    """Finish what stands in the ledger, or keep it and say why it cannot be finished."""
    if _finished(home, state):
        shutil.rmtree(workspace, ignore_errors=True)
        return _whole(state)
    try:
        resume(home, workspace, index=state.index, out=state.output, seal_pdf=state.seal_pdf)
    except EvidenceError as error:
        return _kept(state, home.set_aside(workspace), error)
    shutil.rmtree(workspace, ignore_errors=True)
    return _completed(state)


def _settle(home: Home, workspace: Path, clock: Callable[[], datetime]) -> tuple[_State | None, bool]:
    """Find what was announced and close it, unless it was entered or closed; whether it had been entered."""
    state, salt = _read_state(workspace), _read_salt(workspace)
    if state is None and salt is None:
        return None, False
    keys = home.keys(clock())
    with home.ledger(keys.ledger) as ledger:
        if state is None and salt is not None:
            state = _announced(ledger, open_commitment(salt, workspace.name))
        if state is None:
            return None, False
        last = _last_entry(ledger, state)
        if last is None:
            _close(ledger, keys, state, clock())
        return state, isinstance(last, CaptureEntry)


def _read_state(workspace: Path) -> _State | None:
    try:
        value = _read(workspace / STATE_FILE)
        output = Path(os.fsdecode(bytes.fromhex(value["output"])))
        return _State(
            number=value["number"],
            index=int(value["index"]),
            output=output,
            seal_pdf=value.get("seal_pdf") == str(True),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_salt(workspace: Path) -> bytes | None:
    try:
        salt = bytes.fromhex(_read(workspace / INTENT_FILE)["salt"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return salt if len(salt) == _SALT_BYTES else None


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        value = json.loads(file.read(_STATE_BYTES))
    return {name: str(each) for name, each in value.items()} if isinstance(value, dict) else {}


def _announced(ledger: Ledger, commitment: str) -> _State | None:
    for index, data in enumerate(ledger.entries(0)):
        with suppress(EvidenceError):
            entry = parse_entry(data)
            if isinstance(entry, OpenEntry) and entry.commitment == commitment:
                return _State(index=index)
    return None


def _finished(home: Home, state: _State) -> bool:
    """Whether the bundle stands complete under its name, which it gets last; then it also stands in the list."""
    if state.number is None or state.output is None or not state.output.is_file():
        return False
    if state.number not in {sealed.number for sealed in home.captures()}:
        home.remember(state.number, state.output)
    return True


def _remove_parts(output: Path) -> None:
    """Remove the unnamed beginnings of the bundle and of its private archive."""
    for name in (output.name, private_path(output).name):
        for part in output.parent.glob(f".{glob.escape(name[:200])}.*.part"):
            with suppress(OSError):
                part.unlink()


def _last_entry(ledger: Ledger, state: _State) -> CaptureEntry | AbandonedEntry | None:
    """What already closes the announcement: an entered seal may not be called abandoned, nor anything closed twice."""
    for data in ledger.entries(state.index + 1):
        with suppress(EvidenceError):
            entry = parse_entry(data)
            if isinstance(entry, CaptureEntry | AbandonedEntry) and entry.open == state.index:
                return entry
    return None


def _close(ledger: Ledger, keys: Keys, state: _State, now: datetime) -> None:
    entry = AbandonedEntry(
        key_id=key_id(keys.seal.signer.certificate), open=state.index, reason="interrupted", time=now
    )
    ledger.append(format_abandoned_entry(entry))


def _interrupted(state: _State, kept: Path | None) -> Text:
    return Text(
        en=f"{state.en} ended before it was sealed and is no evidence; it stands in the ledger as abandoned. "
        f"{_rest_en(kept)}",
        zh=f"{state.zh}在封存前中断，不构成证据；账本中已记为放弃。{_rest_zh(kept)}",
    )


def _kept(state: _State, kept: Path | None, error: EvidenceError) -> Text:
    return Text(
        en=f"{state.en} was killed after it was entered in the ledger, and its bundle cannot be finished: {error.en}. "
        f"{_rest_en(kept)}",
        zh=f"{state.zh}已登入账本，但其后中断，证据包无法完成：{error.zh}。{_rest_zh(kept)}",
    )


def _completed(state: _State) -> Text:
    return Text(
        en=f"{state.en} was killed after it was entered in the ledger; its bundle was finished now, and its custody "
        f"log says so. Verify {state.output}",
        zh=f"{state.zh}登入账本后中断，现已补完证据包，保管日志已作记录。请核验 {state.output}",
    )


def _whole(state: _State) -> Text:
    return Text(
        en=f"{state.en} was killed when its bundle was finished; nothing was lost. Verify {state.output}",
        zh=f"{state.zh}在证据包完成后中断，没有丢失内容。请核验 {state.output}",
    )


def _unannounced(kept: Path | None) -> Text:
    return Text(
        en=f"a capture was killed before it was announced. {_rest_en(kept)}",
        zh=f"有一次取证在登记前中断。{_rest_zh(kept)}",
    )


def _rest_en(kept: Path | None) -> str:
    remains = remains_of(kept) if kept else None
    counted = f". {remains.en}" if remains else ""
    return (
        f"What it had recorded is kept in {kept}; capture the page again{counted}" if kept else "Capture the page again"
    )


def _rest_zh(kept: Path | None) -> str:
    remains = remains_of(kept) if kept else None
    counted = f"。{remains.zh}" if remains else ""
    return f"已录制的内容保存在 {kept}；请重新取证{counted}" if kept else "请重新取证"
