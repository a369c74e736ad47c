"""Lets the tests below this folder import `tests.…`, whatever pytest's import mode and working directory."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
