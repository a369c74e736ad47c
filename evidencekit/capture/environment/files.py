"""Files of the operating system that a probe reads; bounded, and empty where they cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 1 << 20


def text_in(path: Path, most_bytes: int = _MOST_BYTES) -> str:
    """Give the text of a file, at most `most_bytes` of it; an empty text when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
