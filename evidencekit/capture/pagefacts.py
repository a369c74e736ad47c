"""`rendering.json`: how a page was shown, and what of it could not be drawn (docs/spec/pages.md)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from evidencekit.capture.environment.fonts import missing_glyphs
from evidencekit.capture.rendering import evaluate_isolated, page_metrics
from evidencekit.capture.snapshots import fonts_asked_for, json_bytes
from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.capture.rendering import Cdp
    from evidencekit.capture.visitnotes import VisitNotes
    from evidencekit.model import JsonValue

FORMAT: Final = "evidencekit/rendering"
_NAMED = 20
_SEEN = """({user_agent: navigator.userAgent, webdriver: navigator.webdriver === true,
  languages: [...navigator.languages],
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone, device_scale: devicePixelRatio,
  screen: [screen.width, screen.height, screen.colorDepth], window: [innerWidth, innerHeight],
  dark: matchMedia('(prefers-color-scheme: dark)').matches})"""


async def rendering_facts(cdp: Cdp, notes: VisitNotes, *, headless: bool) -> bytes:
    """Put the facts together; sizes in CSS pixels.

    Raises:
        BrowserError: the browser does not answer.
    """
    metrics = await page_metrics(cdp)
    seen = await evaluate_isolated(cdp, _SEEN)
    fonts = await fonts_asked_for(cdp)
    pictures = notes.pictures
    counted: JsonValue = (
        None
        if pictures is None
        else {
            "shown": pictures.shown,
            "broken": pictures.broken,
            "loading": pictures.loading,
            "waiting": pictures.waiting,
        }
    )
    value: dict[str, JsonValue] = {
        "format": FORMAT,
        "version": 1,
        "page": notes.page,
        "headless": headless,
        "seen_by_page": seen,
        "document": {"width": metrics.width_px, "height": metrics.height_px},
        "fonts": fonts.get("fonts"),
        "page_fonts": fonts.get("page_fonts"),
        "missing_glyphs": undrawable(notes.text),
        "pictures": counted,
    }
    return json_bytes(value)


def undrawable(text: str) -> str | None:
    """Give the characters of a text that no installed font draws, None when it cannot be known.

    Private-use characters are left out: icon fonts of the page draw them.
    """
    missing = missing_glyphs(text)
    return None if missing is None else "".join(each for each in missing if unicodedata.category(each) != "Co")


def glyph_sentence(text: str) -> Text | None:
    """Name what a viewer may see as boxes, for page 1."""
    missing = undrawable(text)
    if not missing:
        return None
    shown = missing[:_NAMED] + ("…" if len(missing) > _NAMED else "")
    codes = " ".join(f"U+{ord(each):04X}" for each in missing[:_NAMED])
    return Text(
        en=f"no installed font draws {len(missing)} character(s) of the page ({codes}): unless the page brings its own "
        "font they are boxes in the pictures; install fonts-noto-cjk and fonts-noto-color-emoji and capture again",
        zh=f"页面中有 {len(missing)} 个字符没有可用字体({shown} {codes})：除非页面自带字体，截图中将显示为方框；"
        "请安装 fonts-noto-cjk 和 fonts-noto-color-emoji 后重新取证",
    )
