"""docs/spec/finding-cases.md is what the cases give, and every finding that can fail fails somewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from evidencekit.verify.outcome import REGISTRY, Required

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"
ELSEWHERE = {"format.version", "seal.validity"}
"""A newer version is never FAILED; a certificate younger than a trusted stamp over its signature needs a lying TSA."""


def test_table_is_what_the_cases_give() -> None:
    code = "import runpy; print(runpy.run_path('scripts/refresh_finding_cases.py')['table'](), end='')"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    written = (ROOT / "docs" / "spec" / "finding-cases.md").read_bytes()
    assert run.stdout == written, "run python scripts/refresh_finding_cases.py"


def test_every_required_finding_fails_in_a_case() -> None:
    failed: set[str] = set()
    for path in CASES.glob("*/expected.json"):
        not_passed = json.loads(path.read_text("utf-8"))["not_passed"]
        failed |= {name for name, outcome in not_passed.items() if outcome == "FAILED"}
    wanted = {kind.id for kind in REGISTRY if kind.required is Required.YES}
    assert wanted - failed - ELSEWHERE == set()
