"""Many URLs, some of them faulty: per-item results, resumable after a kill, and one failure spoils nothing (R50).

`EVIDENCEKIT_BATCH` sets how many URLs are captured one by one; every tenth is faulty.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.support.program import Program, leftovers, read_ledger
from tests.support.site import HTML, Answer, serve
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = int(os.environ.get("EVIDENCEKIT_BATCH", "10"))
FAST = ("--allow-private", "--mode", "fast", "--tsa", "none", "--no-third-party")
SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


class Novel:
    """Chapters; every tenth is missing, loops for ever or is a download, until it is mended."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.mended = False
        self._lock = threading.Lock()

    def answer(self, path: str) -> Answer:
        number = int(path.strip("/") or 0) if path.strip("/").isdecimal() else 0
        if number == 0:
            return 404, HTML, b"<!doctype html><title>no</title><p>nothing here"
        with self._lock:
            self.seen[number] += 1
        if number % 10 == 0 and not self.mended:
            return self._fault(number // 10 % 3, number)
        text = f"<!doctype html><html lang=zh><meta charset=utf-8><title>第{number}章</title><h1>第 {number} 章</h1>"
        return 200, HTML, (text + "<p>却说那人走进店来。" * 20).encode()

    def _fault(self, kind: int, number: int) -> Answer:
        if kind == 0:
            return 404, HTML, b"<!doctype html><title>no</title><p>this chapter was deleted"
        if kind == 1:
            return 302, {"Location": f"/{number}"}, b""
        return 200, {"Content-Type": "application/zip", "Content-Disposition": "attachment"}, b"PK" * 400


@pytest.fixture
def novel() -> Iterator[tuple[Novel, str]]:
    browser()
    book = Novel()
    with serve(book.answer) as url:
        yield book, url


def check_schema(value: object) -> None:
    schema = json.loads((SPEC / "command-output.schema.json").read_text())
    report = json.loads((SPEC / "verify-report.schema.json").read_text())
    registry = Registry().with_resource("verify-report.schema.json", Resource.from_contents(report))
    jsonschema.Draft202012Validator(schema, registry=registry).validate(value)


def run_to_end(program: Program, *command: str) -> tuple[int, dict[str, Any]]:
    """A whole list takes longer than any other command may."""
    with program.start(*command) as process:
        out, err = process.communicate(timeout=60 + 60 * COUNT)
    assert out, err
    return process.returncode, json.loads(out)


def failed_findings(program: Program, bundle: str) -> list[str]:
    report = json.loads(program.run("verify", bundle, "--json").out)
    return [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"]


def test_a_list_with_faults_is_captured_item_by_item_and_resumed_after_a_kill(
    tmp_path: Path, novel: tuple[Novel, str]
) -> None:
    book, url = novel
    program, listed, out = Program(home=tmp_path / "home"), tmp_path / "chapters.txt", tmp_path / "out"
    listed.write_text("# 小说\n" + "".join(f"{url}{n}\n" for n in range(1, COUNT + 1)))
    command = ("capture", "--from", str(listed), "--each", "-o", str(out), *FAST)
    with program.start(*command) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        process.kill()
        process.communicate()
    assert all("sealed" in line for line in told), told

    status, result = run_to_end(program, *command, "--resume", "--jobs", "2", "--json")
    check_schema(result)
    assert (status, result["failed"]) == (3, COUNT // 10)
    assert [item["n"] for item in result["items"]] == list(range(1, COUNT + 1))
    assert [item["n"] for item in result["items"] if item["error"]] == [n for n in range(1, COUNT + 1) if n % 10 == 0]
    assert sum(item["before"] for item in result["items"]) >= 3
    sealed = {item["number"]: item["bundle"] for item in result["items"] if item["number"]}
    assert len(sealed) == COUNT - COUNT // 10
    bundles = [Path(path) for path in sealed.values()]
    assert all(path.parent == out and zipfile.ZipFile(path).testzip() is None for path in bundles)
    assert failed_findings(program, str(bundles[0])) == failed_findings(program, str(bundles[-1])) == []

    before = Counter(book.seen)
    book.mended = True
    _, result = run_to_end(program, *command, "--resume", "--json")
    assert (result["sealed"], result["failed"]) == (COUNT, 0)
    again = {number for number, count in book.seen.items() if count > before[number]}
    assert again == {n for n in range(1, COUNT + 1) if n % 10 == 0}

    before = Counter(book.seen)
    _, result = run_to_end(program, *command, "--resume", "--json")
    assert all(item["before"] for item in result["items"])
    assert book.seen == before
    assert leftovers(program.home) == []
    assert read_ledger(program.home).unclosed == []


def test_a_page_that_fails_is_named_in_the_bundle_and_spoils_no_other(tmp_path: Path, novel: tuple[Novel, str]) -> None:
    _, url = novel
    program, bundle = Program(home=tmp_path / "home"), tmp_path / "three.zip"
    pages = (f"{url}1", f"{url}30", f"{url}3")
    done = program.run("capture", *pages, "-o", str(bundle), *FAST, "--json")
    assert done.status == 3, done.err
    partial = [each["en"] for each in json.loads(done.out)["partial"]]
    assert [sentence for sentence in partial if "/30" in sentence], partial
    assert failed_findings(program, str(bundle)) == []
    with zipfile.ZipFile(bundle) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        log = opened.read("capture/worklog.jsonl")
        assert not [name for name in opened.namelist() if "pages/0002" in name]
    assert [page["requested_url"] for page in manifest["pages"]] == [pages[0], pages[2]]
    assert b'"step":"page.passed_over"' in log


def test_a_list_of_nothing_but_faults_ends_with_11(tmp_path: Path, novel: tuple[Novel, str]) -> None:
    _, url = novel
    program = Program(home=tmp_path / "home")
    done = program.run("capture", f"{url}30", f"{url}60", *FAST)
    assert (done.status, "/30" in done.sentence) == (11, True)
    each = program.run("capture", f"{url}30", f"{url}60", "--each", *FAST)
    assert (each.status, each.out.count("FAILED")) == (11, 2)
    refused = program.run("capture", f"{url}1", "--resume", *FAST)
    assert refused.status == 2
