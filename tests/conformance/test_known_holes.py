"""docs/spec/known-holes.md says of every case what the case itself expects."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conformance.catalogue import CASES

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "spec" / "known-holes.md"
ROW = re.compile(
    r"^\| (?P<hole>[^|]+) \| `(?P<case>\w+)` \| `(?P<finding>[a-z0-9.]+)` \| (?P<outcome>\w+) \|$", re.MULTILINE
)
ROWS = [match.groupdict() for match in ROW.finditer(TABLE.read_text("utf-8"))]
LEAST = 45
"""What the two studies behind the table count."""


def test_the_table_is_read_whole() -> None:
    holes = TABLE.read_text("utf-8").partition("\n## What the page leaves")[0]
    lines = [line for line in holes.splitlines() if line.startswith("| ")]
    headers = [line for line in lines if line.startswith("| hole")]
    assert len(ROWS) == len(lines) - len(headers) >= LEAST


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['case']}-{row['finding']}" for row in ROWS])
def test_every_hole_is_closed_by_its_case_for_the_stated_reason(row: dict[str, str]) -> None:
    assert row["case"] in CASES
    expected = json.loads((HERE / "cases" / row["case"] / "expected.json").read_text("utf-8"))
    found = expected["not_passed"].get(row["finding"], "good")
    assert found == row["outcome"]
    if row["outcome"] == "FAILED":
        assert expected["overall"] == "FAILED"


def test_every_token_case_is_in_the_table() -> None:
    named = {row["case"] for row in ROWS}
    assert {name for name in CASES if name.startswith("token_")} - named <= {"token_good_under_a_root"}
