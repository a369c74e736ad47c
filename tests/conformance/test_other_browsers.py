"""verify.html in Firefox and WebKit: the same verdicts as the library, on cases that use every kind of check.

Firefox is driven over WebDriver BiDi by puppeteer-core, WebKitGTK over WebDriver by its own WebKitWebDriver. Safari,
Edge and Google Chrome themselves are not tested.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import requests

from tests.conformance.catalogue import CASES, Workshop
from tests.conformance.test_cases_in_page import boxes_of
from tests.support.assembly import make_keys
from tests.support.verifierpage import NOT_HERE, PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
VERIFIER = HERE.parents[1] / "web" / "verifier"
NAMES = (
    "archive_block_changed_fail",
    "artifact_changed_fail",
    "outer_token_other_data_fail",
    "proof_extra_data_fail",
    "seal_of_other_signer_fail",
    "sums_sm3_wrong_fail",
    "wacz_signed",
    "whole",
    "whole_grown",
    "whole_repacked",
    "whole_stranger",
    "worklog_line_edited_fail",
)
Question = dict[str, object]
Answer = dict[str, object]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("verifier-page")]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Question]:
    folder = tmp_path_factory.mktemp("cases")
    shop = Workshop(keys=make_keys(folder / "own"), others=make_keys(folder / "others"), folder=folder)
    asked: dict[str, Question] = {}
    for name in NAMES:
        (folder / name).mkdir()
        exhibit = CASES[name](replace(shop, folder=folder / name))
        assert isinstance(exhibit.data, bytes)
        path = folder / f"{name}.zip"
        path.write_bytes(exhibit.data)
        boxes = boxes_of(exhibit)
        asked[name] = {
            "path": str(path),
            "signers": boxes.signers,
            "tsas": boxes.tsas,
            "log": boxes.log,
            "policy": boxes.policy,
            "own": False,
            "at": int(exhibit.at.timestamp() * 1000),
        }
    return asked


def hold_against_cases(answers: dict[str, Answer]) -> None:
    found: dict[str, object] = {}
    wanted: dict[str, object] = {}
    for name, answer in answers.items():
        expected = json.loads((HERE / "cases" / name / "expected.json").read_text("utf-8"))
        outcomes = answer["outcomes"]
        assert isinstance(outcomes, list)
        left = {key: outcome for key, outcome in outcomes if outcome != "PASSED" and key not in NOT_HERE}
        found[name] = [answer["overall"], left]
        known = {key: outcome for key, outcome in expected["not_passed"].items() if key not in NOT_HERE}
        wanted[name] = [expected["overall"], known]
    assert found == wanted


@pytest.mark.skipif(not shutil.which("firefox-esr"), reason="needs Firefox ESR")
def test_firefox_says_what_the_library_says(questions: dict[str, Question], tmp_path: Path) -> None:
    # Installs what drives the browser, in a clean clone.
    subprocess.run([sys.executable, str(VERIFIER / "build.py"), "--check"], check=True)
    script = VERIFIER / "test" / "firefox.mjs"
    run = subprocess.run(
        ["node", str(script), str(PAGE)],
        input=json.dumps(list(questions.values())),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stderr.strip().splitlines()[-1]) == []
    hold_against_cases(dict(zip(questions, json.loads(run.stdout), strict=True)))


class _Post(Protocol):
    def __call__(self, path: str, value: object) -> object: ...


@pytest.fixture
def webkit(tmp_path: Path) -> Iterator[_Post]:
    """A WebDriver session of WebKitGTK; the driver picks no port itself, so one that is free is given to it."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["xvfb-run", "-a", "WebKitWebDriver", f"--port={port}"]
    environment = {**os.environ, "HOME": str(tmp_path), "WEBKIT_DISABLE_COMPOSITING_MODE": "1"}
    driver = subprocess.Popen(command, env=environment, start_new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        session = _open_session(base)

        def post(path: str, value: object) -> object:
            answer = requests.post(f"{base}/session/{session}/{path}", json=value, timeout=120).json()["value"]
            assert not (isinstance(answer, dict) and "error" in answer), answer
            return answer

        yield post
        requests.delete(f"{base}/session/{session}", timeout=60)
    finally:
        os.killpg(driver.pid, 15)
        driver.wait(30)


def _open_session(base: str) -> str:
    browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    options = {"browserOptions": {"binary": str(browser), "args": ["--automation"]}}
    wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options["browserOptions"]}}}
    for _ in range(60):
        try:
            answer = requests.post(f"{base}/session", json=wanted, timeout=60).json()["value"]
        except requests.ConnectionError:
            time.sleep(0.5)
            continue
        assert "sessionId" in answer, answer
        return str(answer["sessionId"])
    raise AssertionError("WebKitWebDriver did not answer")


ASK = """
const question = arguments[0];
Date.now = () => question.at;
for (const id of ['signers', 'tsas', 'log', 'policy']) document.getElementById(id).value = question[id];
document.getElementById('self').checked = question.own;
document.getElementById('result').replaceChildren();
"""
READ = """
return document.querySelector('#overall, #problem') && {
  outcomes: [...document.querySelectorAll('tr[data-id]')].map((row) => [row.dataset.id, row.dataset.outcome]),
  overall: document.getElementById('overall')?.dataset.outcome ?? '',
  problem: document.querySelector('#problem span')?.textContent ?? '',
};
"""


@pytest.mark.skipif(not shutil.which("WebKitWebDriver"), reason="needs WebKitGTK's WebDriver")
def test_webkit_says_what_the_library_says(questions: dict[str, Question], webkit: _Post) -> None:
    webkit("url", {"url": PAGE.as_uri()})
    answers: dict[str, Answer] = {}
    for name, question in questions.items():
        webkit("execute/sync", {"script": ASK, "args": [question]})
        found = webkit("element", {"using": "css selector", "value": "#file"})
        assert isinstance(found, dict)
        webkit(f"element/{next(iter(found.values()))}/value", {"text": question["path"]})
        for _ in range(300):
            answer = webkit("execute/sync", {"script": READ, "args": []})
            if isinstance(answer, dict):
                answers[name] = answer
                break
            time.sleep(0.2)
    assert set(answers) == set(questions)
    assert not [answer["problem"] for answer in answers.values() if answer["problem"]]
    hold_against_cases(answers)


def test_readme_names_what_was_tested() -> None:
    text = (VERIFIER / "README.md").read_text("utf-8")
    assert re.search(r"Tested in .*Chromium.*Firefox.*WebKit", text)
    assert re.search(r"Not tested: .*Safari", text)
