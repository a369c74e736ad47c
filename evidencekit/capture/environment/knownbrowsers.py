"""Published digests of browser programs, as data: what a vendor's or distribution's signed archive delivers.

Few can be known beforehand; `environment.browser_digests` in config.toml names a file of your own in the form that
`sha256sum` writes, for the versions that an office rolls out.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LINE: Final = re.compile(r"([0-9A-Fa-f]{64}) [ *](.+)")
_MOST_BYTES: Final = 1 << 20

PUBLISHED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "923108e0bcd0aab63ffc36001af1ea5fcba016c7d29d6dc3e6ab8064987099f5": (
            "Debian chromium 156.0.8078.108-1~deb12u1, amd64 (file in the package of the signed archive)"
        ),
    }
)
"""SHA-256 of the program file → where it was published."""


def read_digests(file: Path) -> dict[str, str]:
    """Read a file of digests: SHA-256 and name, a line each; other lines are passed over.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as source:
        text = source.read(_MOST_BYTES).decode("utf-8", "replace")
    return {match[1].lower(): match[2].strip()[:200] for line in text.splitlines() if (match := _LINE.match(line))}
