"""The recorder's own memory stays small whatever the traffic; `EVIDENCEKIT_FULL_SIZE=1` takes the true sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "memory.py"


@pytest.mark.browser
@pytest.mark.parametrize("case", ["body", "download", "requests"])
def test_memory_is_bounded_and_nothing_is_lost(case: str) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--case", case], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["peak_mb"] <= result["limit_mb"]
    assert result["recorded"] == result["requests"]
