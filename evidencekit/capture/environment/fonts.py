"""Fonts: missing Chinese or emoji glyphs must be found before the capture, not in court."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from evidencekit.capture.environment.commands import output_of
from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    not_performed,
    passed,
    warned,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

CJK_SAMPLE = "的一是不了人我在有他这中国权证据网页截图"
EMOJI_SAMPLE = "😀👍"
_RANGE = re.compile(r"([0-9a-f]{1,6})(?:-([0-9a-f]{1,6}))?")
_TIMEOUT_S = 5.0
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FontCoverage:
    """Code points that some installed font can draw, as ranges of first and last."""

    ranges: tuple[tuple[int, int], ...]

    def missing(self, sample: str) -> str:
        """Give the characters of a text that no font can draw, each once, spaces and controls apart."""
        return "".join(
            character
            for character in dict.fromkeys(sample)
            if character.isprintable()
            and not character.isspace()
            and not any(first <= ord(character) <= last for first, last in self.ranges)
        )


@cache
def font_coverage() -> FontCoverage | None:
    """Ask fontconfig for the characters of all fonts; `None` when it is not there."""
    charsets = _listed("%{charset}\n")
    if charsets is None:
        return None
    # Fonts of one family repeat each other's ranges: half a million characters come down to some thousand words.
    words = (_RANGE.fullmatch(word) for word in set(charsets.split()))
    ranges = {(int(word[1], 16), int(word[2] or word[1], 16)) for word in words if word is not None}
    return FontCoverage(tuple(_joined(sorted(ranges))))


def installed_families() -> list[str]:
    """Name the font families that are installed, at most 300 of them, sorted."""
    return sorted({line[:100] for line in (_listed("%{family[0]}\n") or "").splitlines() if line})[:300]


def missing_glyphs(sample: str) -> str | None:
    """Give the characters of `sample` that no installed font can draw; `None` when it cannot be known."""
    coverage = font_coverage()
    return None if coverage is None else coverage.missing(sample)


def has_cjk_font() -> bool | None:
    """Say whether common Chinese characters can be drawn; `None` when it cannot be known."""
    missing = missing_glyphs(CJK_SAMPLE)
    return None if missing is None else not missing


def probe_fonts(_context: ProbeContext) -> Observation:
    """Check Chinese and emoji samples."""
    chinese, emoji = missing_glyphs(CJK_SAMPLE), missing_glyphs(EMOJI_SAMPLE)
    if chinese is None or emoji is None:
        return not_performed("fontconfig is not there to ask", "系统没有 fontconfig，无法检查字体")
    observed: dict[str, JsonValue] = {
        "missing_chinese": chinese,
        "missing_emoji": emoji,
        "families": [*installed_families()],
    }
    if chinese:
        return warned("no font draws Chinese: install fonts-noto-cjk", "没有中文字体：请安装 fonts-noto-cjk", observed)
    if emoji:
        return warned(
            "Chinese can be drawn, emoji cannot: install fonts-noto-color-emoji",
            "可显示中文，但缺少表情符号字体：请安装 fonts-noto-color-emoji",
            observed,
        )
    return passed("Chinese and emoji can be drawn", "可显示中文和表情符号", observed)


def _listed(form: str) -> str | None:
    return output_of("fc-list", "--format", form, within_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


PROBE = Probe(
    id="system.fonts",
    name=Text(en="Fonts", zh="字体"),
    method=Text(en="fontconfig coverage", zh="检查字体覆盖范围"),
    run=probe_fonts,
)
