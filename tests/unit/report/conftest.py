"""Lets the tests of this folder import their helpers as `tests.unit.report.…`, however pytest is started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
