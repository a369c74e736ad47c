"""Lets the tests below this folder import `tests.…`, whatever pytest's import mode and working directory.

Examples have no deadline: how fast a loaded machine is says nothing about the code. Bounds on work are asserted in
processor time where they matter.
"""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[2]))
settings.register_profile("evidencekit", deadline=None)
settings.load_profile("evidencekit")
