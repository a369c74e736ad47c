"""The browser that prints: started once and only when somebody needs it, one tab for every document."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.printing import PrintJob, printing_aside
from tests.support.tools import browser, program

if TYPE_CHECKING:
    from pathlib import Path


def job(folder: Path, name: str, word: str) -> PrintJob:
    html = f"<!doctype html><meta charset=utf-8><script>document.write('script')</script><p>{word}"
    return PrintJob(html=html, header="<span></span>", footer="<span></span>", out=folder / name)


@pytest.mark.browser
def test_documents_are_printed_one_after_the_other_and_nothing_of_one_is_in_the_next(tmp_path: Path) -> None:
    browser()
    work = tmp_path / "work"
    work.mkdir()
    with printing_aside(workdir=work, options=BrowserOptions()) as printing:
        printing.begin()
        printing.begin()
        for name, word in (("one.pdf", "证书一"), ("two.pdf", "second")):
            printing.give(job(tmp_path, name, word))
        printing.wait()
        texts = [
            subprocess.run(
                [program("pdftotext"), str(tmp_path / name), "-"], capture_output=True, text=True, check=True
            )
            for name in ("one.pdf", "two.pdf")
        ]
    assert [re.sub(r"\s", "", each.stdout) for each in texts] == ["证书一", "second"]
    assert not (work / "printing-profile").exists()


def test_a_browser_that_nobody_asked_to_print_is_never_started(tmp_path: Path) -> None:
    with printing_aside(workdir=tmp_path, options=BrowserOptions()) as printing:
        pass
    printing.begin()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
def test_a_browser_that_was_begun_and_not_needed_ends_with_its_context(tmp_path: Path) -> None:
    browser()
    with printing_aside(workdir=tmp_path, options=BrowserOptions()) as printing:
        printing.begin()
    assert not (tmp_path / "printing-profile").exists()
