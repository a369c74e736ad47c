"""Typed reading of parsed JSON objects: every refusal names the document and the field."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from evidencekit.errors import FormatError, UnknownVersionError
from evidencekit.hashing.canonical import MAX_INTEGER, as_list, as_object, parse_time
from evidencekit.model import Digests, JsonValue, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

MAX_TEXT = 1 << 20
"""Characters of one text field, where the caller names no other bound."""

_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)


class Fields:
    """One JSON object, read field by field. Unknown fields are ignored (docs/spec/README.md), types never converted.

    Every method raises `FormatError` when the field is missing or is not what the method reads.
    """

    __slots__ = ("_members", "what")

    def __init__(self, value: JsonValue, what: str) -> None:
        """Take a parsed object; `what` names it in messages, such as `manifest.json` or `exchanges.jsonl line 7`.

        Raises:
            FormatError: the value is not an object.
        """
        self._members = as_object(value, what)
        self.what = what

    def refuse(self, name: str, en: str, zh: str) -> NoReturn:
        """Raise `FormatError` about the field `name`."""
        raise FormatError(f"{self.what}: field {name!r} {en}", f"{self.what}：字段 {name!r} {zh}")

    def has(self, name: str) -> bool:
        """Tell whether the field is there, whatever its value."""
        return name in self._members

    def value(self, name: str) -> JsonValue:
        """Give the field as it was parsed."""
        if name not in self._members:
            self.refuse(name, "is missing", "缺失")
        return self._members[name]

    def optional(self, name: str, read: Callable[[str], _Value]) -> _Value | None:
        """Give None when the field is null, else what `read(name)` gives: `fields.optional("page", fields.text)`."""
        return None if self.value(name) is None else read(name)

    def text(self, name: str, *, limit: int = MAX_TEXT) -> str:
        """Give a text of at most `limit` characters."""
        value = self.value(name)
        if not isinstance(value, str):
            self.refuse(name, "must be text", "须为文本")
        if len(value) > limit:
            self.refuse(name, f"is longer than {limit} characters", f"超过 {limit} 个字符")
        return value

    def integer(self, name: str, minimum: int = 0, maximum: int = MAX_INTEGER) -> int:
        """Give an integer within the bounds, both included."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "must be an integer", "须为整数")
        if not minimum <= value <= maximum:
            self.refuse(name, f"must lie between {minimum} and {maximum}", f"须在 {minimum} 与 {maximum} 之间")
        return value

    def flag(self, name: str) -> bool:
        """Give true or false."""
        value = self.value(name)
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false", "须为 true 或 false")
        return value

    def hex(self, name: str, size: int) -> str:
        """Give `size` bytes as lower-case hexadecimal text, as they stand in the document."""
        value = self.text(name, limit=2 * size)
        if len(value) != 2 * size or not _HEX.fullmatch(value):
            self.refuse(name, f"must be {size} bytes in lower-case hexadecimal", f"须为 {size} 字节的小写十六进制")
        return value

    def octets(self, name: str, size: int) -> bytes:
        """Give `size` bytes, decoded from lower-case hexadecimal."""
        return bytes.fromhex(self.hex(name, size))

    def digests(self) -> Digests:
        """Give the object's own fields `sha256` and `sm3`."""
        return Digests(sha256=self.hex("sha256", 32), sm3=self.hex("sm3", 32))

    def time(self, name: str) -> datetime:
        """Give an aware UTC time."""
        return parse_time(self.text(name), what=f"{self.what}: field {name!r}")

    def choice(self, name: str, choices: type[_Choice]) -> _Choice:
        """Give one of an enumeration's values."""
        value = self.text(name)
        try:
            return choices(value)
        except ValueError:
            allowed = ", ".join(choices)
            self.refuse(name, f"is {value[:40]!r}, not one of: {allowed}", f"为 {value[:40]!r}，应为：{allowed}")

    def object(self, name: str) -> Fields:
        """Give an object, to be read the same way."""
        return Fields(self.value(name), f"{self.what}: {name}")

    def mapping(self, name: str) -> Mapping[str, JsonValue]:
        """Give an object whose members this project does not read, as parsed."""
        return as_object(self.value(name), f"{self.what}: {name}")

    def items(self, name: str) -> tuple[Fields, ...]:
        """Give a list of objects."""
        where = f"{self.what}: {name}"
        values = as_list(self.value(name), where)
        return tuple(Fields(value, f"{where}[{index}]") for index, value in enumerate(values))

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a list of texts."""
        texts: list[str] = []
        for value in as_list(self.value(name), f"{self.what}: {name}"):
            if not isinstance(value, str):
                self.refuse(name, "must hold texts only", "只能包含文本")
            texts.append(value)
        return tuple(texts)

    def counts(self, name: str) -> Mapping[str, int]:
        """Give an object of non-negative integers, such as reasons and how often each occurred."""
        fields = self.object(name)
        return MappingProxyType({key: fields.integer(key) for key in self.mapping(name)})

    def bilingual(self, name: str) -> Text:
        """Give one sentence in two languages."""
        return as_text(self.object(name))

    def bilinguals(self, name: str) -> tuple[Text, ...]:
        """Give a list of sentences in two languages."""
        return tuple(as_text(item) for item in self.items(name))


def as_text(fields: Fields) -> Text:
    """Read an object's own fields `en` and `zh`.

    Raises:
        FormatError: one of them is missing or not text.
    """
    return Text(en=fields.text("en"), zh=fields.text("zh"))


def check_version(fields: Fields, name: str, major: int = 1) -> None:
    """Check `format` and `version`: this is `evidencekit/<name>` of a major version that is known here.

    Raises:
        FormatError: another format.
        UnknownVersionError: a newer major version; it is never guessed at.
    """
    wanted = f"evidencekit/{name}"
    found = fields.text("format")
    if found != wanted:
        fields.refuse("format", f"is {found[:60]!r}, not {wanted!r}", f"为 {found[:60]!r}，应为 {wanted!r}")
    version = fields.integer("version", 1)
    if version > major:
        raise UnknownVersionError(
            f"{fields.what}: version {version} of {wanted} needs a newer verifier (this one reads up to {major})",
            f"{fields.what}:{wanted} 第 {version} 版需要更新版本的验证程序(本程序最高支持第 {major} 版)",
        )
