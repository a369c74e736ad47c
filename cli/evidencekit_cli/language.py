"""Which language a person reads: `--lang`, else the locale, else English."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Language(StrEnum):
    """Languages in which every message exists."""

    EN = "en"
    ZH = "zh"


class Bilingual(Protocol):
    """One sentence in both languages: `evidencekit.model.Text`, an error, or `Sentence`."""

    @property
    def en(self) -> str: ...  # noqa: D102
    @property
    def zh(self) -> str: ...  # noqa: D102


def language_from_environment(environ: Mapping[str, str]) -> Language:
    """Return Chinese when the message locale is a Chinese one (POSIX order of precedence)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return Language.ZH if environ[name].lower().startswith("zh") else Language.EN
    return Language.EN


def in_language(text: Bilingual, language: Language) -> str:
    """Return the half of `text` that is in `language`."""
    return text.zh if language is Language.ZH else text.en
