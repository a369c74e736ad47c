"""The steps of a script: one a line, declared before anything runs (docs/spec/script.md).

A secret is written as a reference (`env:NAME`, `file:PATH`) and read when its step runs; the reference is what the
work log and the bundle hold.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import UsageError
from evidencekit.hashing.process import Deed, Marker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT_BYTES = 1 << 20
MOST_STEPS = 2000
MOST_SECONDS = 600.0
SECRET_BYTES = 4096
KEYS: Mapping[str, tuple[str, int]] = {
    "Enter": ("\r", 13),
    "Tab": ("\t", 9),
    "Escape": ("", 27),
    "PageDown": ("", 34),
    "PageUp": ("", 33),
    "End": ("", 35),
    "Home": ("", 36),
}
"""Keys that `press` knows: the text that the key gives and its Windows virtual key code (UI Events KeyboardEvent)."""


class Verb(StrEnum):
    """What a step does."""

    GOTO = "goto"
    CLICK = "click"
    TYPE = "type"
    PRESS = "press"
    WAIT = "wait"
    SCROLL = "scroll"
    SHOT = "shot"
    MARKER = "marker"
    TAB = "tab"
    DEED = "deed"


_ARGUMENTS: Mapping[Verb, tuple[int, int]] = {
    Verb.GOTO: (1, 1),
    Verb.CLICK: (1, 1),
    Verb.TYPE: (2, 2),
    Verb.PRESS: (1, 1),
    Verb.WAIT: (1, 1),
    Verb.SCROLL: (1, 1),
    Verb.SHOT: (0, 0),
    Verb.MARKER: (1, 1),
    Verb.TAB: (1, 1),
    Verb.DEED: (1, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `line` is its place in the file, from 1."""

    line: int
    verb: Verb
    arguments: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The step as the work log and the bundle hold it: secrets by reference."""
        return shlex.join((self.verb.value, *self.arguments))

    @property
    def marker(self) -> Marker | None:
        """What the shot of a `marker` step is meant to show."""
        return Marker(self.arguments[0]) if self.verb is Verb.MARKER else None


def read_script(path: Path) -> tuple[Step, ...]:
    """Read a script file.

    Raises:
        UsageError: it cannot be read, or a line is no step; the sentence names the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SCRIPT_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the script {path} cannot be read as UTF-8 text: {error}; check its name and contents",
            f"无法按 UTF-8 文本读取脚本 {path}：{error}；请检查文件名与内容",
        ) from error
    if len(data) > SCRIPT_BYTES:
        raise UsageError(
            f"the script {path} is larger than {SCRIPT_BYTES} bytes; split it",
            f"脚本 {path} 超过 {SCRIPT_BYTES} 字节；请拆分",
        )
    return parse_script(text)


def parse_script(text: str) -> tuple[Step, ...]:
    """Read a script; blank lines and lines that start with `#` are passed over.

    Raises:
        UsageError: a line is no step, or there is none, or too many.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    steps = tuple(_step(number, line) for number, line in lines if line and not line.startswith("#"))
    if not 1 <= len(steps) <= MOST_STEPS:
        raise UsageError(
            f"a script holds 1 to {MOST_STEPS} steps; this one has {len(steps)}",
            f"脚本应包含 1 至 {MOST_STEPS} 个步骤；此脚本有 {len(steps)} 个",
        )
    return steps


def _step(number: int, line: str) -> Step:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _wrong(number, f"its quotes do not match ({error})", "引号不匹配") from error
    try:
        verb = Verb(words[0])
    except ValueError:
        known = ", ".join(Verb)
        raise _wrong(number, f"{words[0][:40]!r} is no step; known are {known}", f"未知步骤；可用：{known}") from None
    step = Step(line=number, verb=verb, arguments=tuple(words[1:]))
    _check(step)
    return step


def _check(step: Step) -> None:
    least, most = _ARGUMENTS[step.verb]
    if not least <= len(step.arguments) <= most:
        raise _wrong(
            step.line,
            f"{step.verb} takes {most} arguments, {len(step.arguments)} are there; quote what holds spaces",
            f"{step.verb} 需要 {most} 个参数，给出了 {len(step.arguments)} 个；含空格的请加引号",
        )
    first = step.arguments[0] if step.arguments else ""
    choices: Mapping[Verb, Sequence[str]] = {
        Verb.MARKER: tuple(Marker),
        Verb.DEED: tuple(Deed),
        Verb.PRESS: tuple(KEYS),
    }
    allowed = choices.get(step.verb)
    if allowed is not None and first not in allowed:
        known = ", ".join(allowed)
        raise _wrong(step.line, f"{first[:40]!r} is not one of: {known}", f"应为：{known}")
    if step.verb in {Verb.SCROLL, Verb.TAB} and not (first.isascii() and first.isdecimal() and len(first) <= 3):  # noqa: PLR2004
        raise _wrong(step.line, f"{step.verb} takes a number up to 999", f"{step.verb} 需要不超过 999 的数字")
    if step.verb is Verb.WAIT:
        seconds_of(step)
    if step.verb is Verb.TYPE:
        _check_reference(step)


def seconds_of(step: Step) -> float | None:
    """How long a `wait` step waits, in seconds; None when it waits for an element.

    Raises:
        UsageError: the seconds are out of range.
    """
    word = step.arguments[0]
    try:
        seconds = float(word.removesuffix("s"))
    except ValueError:
        return None
    if not 0 < seconds <= MOST_SECONDS:
        raise _wrong(step.line, f"wait takes up to {MOST_SECONDS:g} seconds", f"wait 最长 {MOST_SECONDS:g} 秒")
    return seconds


def _check_reference(step: Step) -> None:
    kind, separator, name = step.arguments[1].partition(":")
    if separator and kind in {"env", "file"} and not name:
        raise _wrong(step.line, f"{kind}: names nothing", f"{kind}: 之后缺少名称")


def text_to_type(step: Step) -> tuple[str, bool]:
    """Give what a `type` step types, and whether it is a secret.

    Raises:
        UsageError: the variable or file that it names is not there.
    """
    kind, separator, name = step.arguments[1].partition(":")
    if separator and kind == "text":
        return name, False
    if separator and kind == "env":
        if name not in os.environ:
            raise _wrong(step.line, f"the environment has no {name[:80]}", f"环境变量 {name[:80]} 不存在")
        return os.environ[name], True
    if separator and kind == "file":
        try:
            with Path(name).expanduser().open("rb") as file:
                data = file.read(SECRET_BYTES)
            return data.decode().rstrip("\r\n"), True
        except (OSError, UnicodeDecodeError) as error:
            raise _wrong(step.line, f"the file {name[:80]} cannot be read", f"无法读取文件 {name[:80]}") from error
    return step.arguments[1], False


def _wrong(line: int, en: str, zh: str) -> UsageError:
    return UsageError(
        f"line {line} of the script: {en}; see docs/spec/script.md", f"脚本第 {line} 行：{zh}；参见 docs/spec/script.md"
    )
