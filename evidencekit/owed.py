"""What a home owes and has used: bundles that wait for a third-party time-stamp, and tokens taken from each TSA.

```
<home>/owed/<number as hex>.json  {"bundle": path as hex, "format", "number", "reasons": […], "since", "version"}
<home>/tokens.json                {"format", "used": {tsa: {role: count}}, "version"}
```
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError, StorageError
from evidencekit.hashing.canonical import format_time, parse_time
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from evidencekit.timestamp.roles import Role

_LIMIT_BYTES: Final = 1 << 20
_MAX_REASONS: Final = 100
_FOLDER: Final = "owed"
_TOKENS: Final = "tokens.json"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A bundle that waits for a third-party time-stamp: since when, and why it has none."""

    number: str
    bundle: Path
    since: datetime
    reasons: tuple[Text, ...]


def owe(home: Path, owed: Owed) -> None:
    """Note durably that a bundle waits; an older note about it is replaced.

    Raises:
        StorageError: the disk refuses.
    """
    _write(
        _file(home, owed.number),
        {
            "bundle": os.fsencode(owed.bundle.absolute()).hex(),
            "format": "evidencekit/owed",
            "number": owed.number,
            "reasons": [{"en": each.en, "zh": each.zh} for each in owed.reasons[:_MAX_REASONS]],
            "since": format_time(owed.since.astimezone(UTC)),
            "version": _VERSION,
        },
    )


def owed_in(home: Path) -> tuple[Owed, ...]:
    """List the bundles that wait, oldest first; a note that cannot be read is passed over."""
    try:
        files = sorted((home / _FOLDER).glob("*.json"))
    except OSError:
        return ()
    found = [owed for file in files if (owed := _read_owed(file)) is not None]
    return tuple(sorted(found, key=lambda owed: (owed.since, owed.number)))


def settle(home: Path, number: str) -> None:
    """Strike a bundle from the list; it may not be on it.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        _file(home, number).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(home, error) from error


def count_token(home: Path, tsa: str, role: Role) -> None:
    """Count one token that a TSA issued for a role.

    Raises:
        StorageError: the disk refuses.
    """
    with _locked(home):
        used = {name: dict(roles) for name, roles in tokens_used(home).items()}
        roles = used.setdefault(tsa, {})
        roles[role.value] = roles.get(role.value, 0) + 1
        _write(home / _TOKENS, {"format": "evidencekit/tokens", "used": used, "version": _VERSION})


def tokens_used(home: Path) -> Mapping[str, Mapping[str, int]]:
    """Return how many tokens each TSA issued, by role; nothing when the count cannot be read."""
    try:
        value = json.loads(_read(home / _TOKENS))["used"]
        return {str(tsa): {str(role): int(count) for role, count in roles.items()} for tsa, roles in value.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _file(home: Path, number: str) -> Path:
    # A caller's own numbers may hold anything; the name is only where the note lies.
    return home / _FOLDER / f"{number.encode().hex()[:200]}.json"


def _read_owed(file: Path) -> Owed | None:
    try:
        value = json.loads(_read(file))
        if value["format"] != "evidencekit/owed" or value["version"] != _VERSION:
            return None
        return Owed(
            number=str(value["number"]),
            bundle=Path(os.fsdecode(bytes.fromhex(value["bundle"]))),
            since=parse_time(value["since"]),
            reasons=tuple(Text(en=str(each["en"]), zh=str(each["zh"])) for each in value["reasons"][:_MAX_REASONS]),
        )
    except (OSError, ValueError, KeyError, TypeError, FormatError):
        return None


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_LIMIT_BYTES)


def _write(
    file: Path, value: Mapping[str, str | int | Sequence[Mapping[str, str]] | Mapping[str, Mapping[str, int]]]
) -> None:
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace"))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise _refused(file, error) from error


@contextmanager
def _locked(home: Path) -> Generator[None]:
    try:
        file = (home / "tokens.lock").open("ab")
    except OSError as error:
        raise _refused(home, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path}: {error.strerror or error}; free space or correct its permissions",
        f"无法写入 {path}：{error.strerror or error}；请清理磁盘或更正权限",
    )
