"""Programs that judge what we made: where one is missing a test is skipped, but never in continuous integration."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Find a program, beside the interpreter or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        missing(f"{name} is not installed, so it cannot judge")
    return found


def missing(reason: str) -> NoReturn:
    """Skip; in continuous integration, which installs everything, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
