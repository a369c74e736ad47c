"""No picture that a page holds back is missing, whatever it waits for: by the server's log, and in the screenshot.

`EVIDENCEKIT_LAZY=all` takes every page of `tests.support.lazypages`; without it those that need most are taken.
"""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.lazypages import COUNT, PAGES, colour_of, open_lazy_site
from tests.support.pixels import shown_by
from tests.support.program import Program
from tests.support.tools import browser

if TYPE_CHECKING:
    from pathlib import Path

ALONE = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party", "--json")
HARDEST = ("carousel", "frame-cross-script", "still", "visibility", "wheel", "late")
NAMES = tuple(PAGES) if os.environ.get("EVIDENCEKIT_LAZY") == "all" else HARDEST

# The first and the last picture never come into the band in the middle of the window for which that page waits.
UNREACHABLE = {"observer-negative": {0, COUNT - 1}}
# What no viewer sees at once either: a slide behind another, what a frame or a row has scrolled away, a veil's shade.
UNSEEN = {name for name in PAGES if name.startswith("frame-")} | {"carousel", "hidden-slides", "row", "overlay"}

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_no_lazy_picture_is_missing(tmp_path: Path) -> None:
    browser()
    program, bundle = Program(home=tmp_path / "home"), tmp_path / "lazy.zip"
    with open_lazy_site() as (url, log):
        command = ("capture", *(f"{url}/p/{name}" for name in NAMES), "-o", str(bundle), *ALONE)
        with program.start(*command) as process:
            out, err = process.communicate(timeout=60 + 40 * len(NAMES))
    assert process.returncode in {0, 3}, err + out
    missing = {name: set(log.missing(name)) - UNREACHABLE.get(name, set()) for name in NAMES}
    assert {name: numbers for name, numbers in missing.items() if numbers} == {}
    # What could not be had is said, and nothing else.
    partial = [each["en"] for each in json.loads(out)["partial"]]
    assert len(partial) == len([name for name in NAMES if name in UNREACHABLE]), partial

    with zipfile.ZipFile(bundle) as opened:
        for number, name in enumerate(NAMES, 1):
            if name in UNSEEN:
                continue
            folder = f"capture/pages/{number:04d}/screenshot"
            files = [f"{folder}.png", *(each for each in (f"{folder}-inner.png",) if each in opened.namelist())]
            pictures = [shown_by(opened.read(file)).data for file in files]
            unseen = [
                n
                for n in set(range(COUNT)) - UNREACHABLE.get(name, set())
                if not any(bytes(colour_of(name, n)) * 20 in picture for picture in pictures)
            ]
            assert (name, unseen) == (name, [])
