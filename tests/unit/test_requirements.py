"""docs/requirements.md: every requirement has a row, and a row names a test or place that exists, or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IDS = [f"R{number:02d}" for number in range(1, 73)]
_ROW = re.compile(r"\| (R\d\d) \| ([MSC]) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")
_PLACE = re.compile(r"`((?:tests|docs|evidencekit|cli|web|bench|scripts)/[^`]+)`")
STATES = ("met", "partly: ", "open", "out of scope")


def rows() -> dict[str, tuple[str, str]]:
    text = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| R")]
    found = [match for line in lines if (match := _ROW.fullmatch(line)) is not None]
    assert len(found) == len(lines)
    assert [match[1] for match in found] == IDS
    return {match[1]: (match[4], match[5]) for match in found}


@pytest.mark.parametrize("requirement", IDS)
def test_each_requirement_is_shown_or_explained(requirement: str) -> None:
    state, shown = rows()[requirement]
    assert state.startswith(STATES)
    places = _PLACE.findall(shown)
    if state == "out of scope":
        assert shown.startswith("out of scope, because ")
    else:
        assert places, "names neither a test nor a place"
    if state == "met":
        assert any(place.startswith("tests/") for place in places), "met, but no test shows it"
    for place in places:
        path, _, name = place.partition("::")
        assert (ROOT / path).is_file(), f"{path} is not there"
        if name:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^\s*(?:async )?def {re.escape(name)}\(", source, flags=re.MULTILINE), f"{place} is gone"
