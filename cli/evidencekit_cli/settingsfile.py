"""Changing `config.toml` in place: one setting, everything else byte for byte as it was, comments included.

The result is read again before it replaces the file: it must hold exactly the old settings and the change.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import ConfigError
from evidencekit_cli.settings import LIMIT_BYTES, checked_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit_cli.settings import SettingValue


def write_settings(file: Path, changes: Mapping[str, SettingValue | None]) -> None:
    """Set settings, or with None take them out so that the default holds again.

    Raises:
        ConfigError: a name or value is not lawful, or the file cannot be read, changed or written.
    """
    text = _read(file)
    for name, value in changes.items():
        table, _, key = name.partition(".")
        wanted = None if value is None else checked_value(file, name, value)
        text = _changed(file, text, table, key, wanted)
    _replace(file, text)


def _changed(file: Path, text: str, table: str, key: str, value: SettingValue | None) -> str:
    before = tomllib.loads(text)
    after = _edit(text, table, key, None if value is None else f"{key} = {_toml(value)}\n")
    wanted = {name: dict(content) if isinstance(content, dict) else content for name, content in before.items()}
    if value is not None:
        wanted.setdefault(table, {})[key] = list(value) if isinstance(value, tuple) else value
    else:
        wanted.get(table, {}).pop(key, None)
    try:
        result = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        result = {}
    if {**result, table: result.get(table, {})} != {**wanted, table: wanted.get(table, {})}:
        raise ConfigError(
            f"{file} is written in a way that {table}.{key} cannot be changed in; edit it by hand",
            f"{file} 的写法使 {table}.{key} 无法自动修改;请手工编辑",
        )
    return after


def _edit(text: str, table: str, key: str, line: str | None) -> str:
    """Replace, add or drop one line of a table; a value over several lines goes as a whole."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    header = re.compile(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(?:#.*)?$")
    start = next((n for n, each in enumerate(lines) if header.match(each)), None)
    if start is None:
        return "".join(lines) if line is None else "".join([*lines, *(["\n"] if lines else []), f"[{table}]\n", line])
    end = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    given = re.compile(rf"\s*{re.escape(key)}\s*=")
    at = next((n for n in range(start + 1, end) if given.match(lines[n])), None)
    if at is None:
        return "".join(lines) if line is None else "".join([*lines[: start + 1], line, *lines[start + 1 :]])
    return "".join([*lines[:at], *([] if line is None else [line]), *lines[_value_end(lines, at) :]])


def _value_end(lines: list[str], at: int) -> int:
    for end in range(at + 1, len(lines) + 1):
        with suppress(tomllib.TOMLDecodeError):
            tomllib.loads("".join(lines[at:end]))
            return end
    return at + 1


def _toml(value: SettingValue) -> str:
    """Write a value; TOML's basic strings take JSON's escapes, and DEL besides (toml.io v1.0.0, String)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            text = stream.read(LIMIT_BYTES).decode("utf-8")
        tomllib.loads(text)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be used: {error}; correct or remove it", f"无法使用 {file}:{error};请更正或删除"
        ) from error
    return text


def _replace(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, UnicodeEncodeError) as error:
        raise ConfigError(f"{file} cannot be written: {error}", f"无法写入 {file}:{error}") from error
