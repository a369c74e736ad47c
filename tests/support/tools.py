"""Programs that tests need: where one is missing a test is skipped, which fails in continuous integration."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import find_browser
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from evidencekit.capture.launcher import BrowserBinary


def program(name: str) -> str:
    """Find a program, beside the interpreter or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed, so it cannot judge")
    return found


def browser() -> BrowserBinary:
    """Find the browser that captures."""
    try:
        return find_browser()
    except BrowserError as error:
        pytest.skip(error.en)
