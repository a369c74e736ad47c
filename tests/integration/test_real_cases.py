"""The cases of issue 8 as whole bundles: an article, a novel in order, inner and very tall pages.

`EVIDENCEKIT_CHAPTERS` sets how many chapters the novel has.
"""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.pictures import size_of
from tests.support.program import Program
from tests.support.realpages import ARTICLE_PICTURES, INNER_PICTURES, TALL_PICTURES, TALL_PX, RealSite, open_real_site
from tests.support.tools import browser

if TYPE_CHECKING:
    from pathlib import Path

CHAPTERS = int(os.environ.get("EVIDENCEKIT_CHAPTERS", "8"))
ALONE = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party", "--json")

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    browser()


def run_long(program: Program, *command: str) -> dict[str, Any]:
    """A novel takes longer than any other command may."""
    with program.start(*command) as process:
        out, err = process.communicate(timeout=120 + 20 * CHAPTERS)
    assert process.returncode == 0, err + out
    result: dict[str, Any] = json.loads(out)
    return result


def check_verifies(program: Program, bundle: Path) -> None:
    report = json.loads(program.run("verify", str(bundle), "--json").out)
    assert [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"] == []


def test_article_inner_scroller_and_tall_page_lack_no_picture(tmp_path: Path) -> None:
    program, bundle, site = Program(home=tmp_path / "home"), tmp_path / "pages.zip", RealSite()
    with open_real_site(site) as url:
        run_long(program, "capture", f"{url}/article", f"{url}/inner", f"{url}/tall", "-o", str(bundle), *ALONE)
    check_verifies(program, bundle)
    assert site.missing("article", ARTICLE_PICTURES) == []
    assert site.missing("inner", INNER_PICTURES) == []
    assert site.missing("tall", TALL_PICTURES) == []
    with zipfile.ZipFile(bundle) as opened:
        assert "全文完" in opened.read("capture/pages/0001/text.txt").decode()
        sizes = [size_of(opened.read(f"capture/pages/{page:04d}/screenshot.png")) for page in (1, 2, 3)]
        names = opened.namelist()
    assert sizes[0][1] > ARTICLE_PICTURES * 400
    assert sizes[1][1] > INNER_PICTURES * 300
    assert sizes[2][1] == TALL_PX
    assert "capture/pages/0003/screenshot-tiles/0001.png" in names
    assert "capture/pages/0003/screenshot.pdf" in names


def test_a_novel_stands_in_one_bundle_in_provable_order(tmp_path: Path) -> None:
    program, bundle, site = Program(home=tmp_path / "home"), tmp_path / "novel.zip", RealSite(chapters=CHAPTERS)
    listed = tmp_path / "chapters.txt"
    with open_real_site(site) as url:
        listed.write_text("".join(f"{url}/novel/{n}\n" for n in range(1, CHAPTERS + 1)))
        result = run_long(program, "capture", "--from", str(listed), "-o", str(bundle), *ALONE)
    check_verifies(program, bundle)
    assert result["partial"] == []
    with zipfile.ZipFile(bundle) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        log = [json.loads(line) for line in opened.read("capture/worklog.jsonl").splitlines()[1:]]
        texts = [opened.read(f"capture/pages/{n:04d}/text.txt").decode() for n in range(1, CHAPTERS + 1)]
    assert [page["title"] for page in manifest["pages"]] == [f"第{n}章" for n in range(1, CHAPTERS + 1)]
    assert all(f"第{n}回第29段" in text for n, text in enumerate(texts, 1))
    # The order is under the seal twice: times of the untouched view, and the hash-chained lines of the work log.
    times = [page["initial"] for page in manifest["pages"]]
    assert times == sorted(times)
    assert len(set(times)) == CHAPTERS
    assert [line["object"] for line in log if line["step"] == "page.root"] == [
        f"{n:04d}" for n in range(1, CHAPTERS + 1)
    ]
