"""A capture that is killed at any moment loses nothing silently: the next command tidies up and says what was lost.

`EVIDENCEKIT_KILLS` sets how many moments are tried; the fixed seed makes the moments the same every time.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program, leftovers, processes_naming, read_ledger
from tests.support.site import page, serve
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = int(os.environ.get("EVIDENCEKIT_KILLS", "12"))
SEED = 20261123
BROWSER_ENDS_S = 10.0
SAID = {
    "abandoned": re.compile(r"^the capture .+ ended before it was sealed and is no evidence; it stands in the ledger"),
    "completed": re.compile(r"^the capture \S+ was killed after it was entered in the ledger; its bundle was finished"),
    "finished": re.compile(r"^the capture \S+ was killed when its bundle was finished; nothing was lost"),
    "unannounced": re.compile(r"^a capture was killed before it was announced"),
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    browser()
    with serve(page) as url:
        yield url


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(home=tmp_path / "home")


def capture(site: str) -> tuple[str, ...]:
    return ("capture", site, "--allow-private", "--tsa", "none", "--mode", "fast")


def kill_after(program: Program, site: str, seconds: float) -> bool:
    """Start a capture and kill it; False when it had already ended."""
    with program.start(*capture(site)) as process:
        time.sleep(seconds)
        alive = process.poll() is None
        process.kill()
        process.communicate()
    return alive


def browsers_end(home: Path) -> bool:
    deadline = time.monotonic() + BROWSER_ENDS_S
    while processes_naming(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def moment_of(sentence: str) -> str:
    return next(moment for moment, pattern in SAID.items() if pattern.match(sentence))


def check_completed(program: Program, sentence: str) -> None:
    """What a later command finished is judged like any other bundle, and says who finished it."""
    (bundle,) = re.findall(r"Verify (\S+\.zip)", sentence)
    verified = program.run("verify", bundle, "--json")
    report = json.loads(verified.out)
    assert (verified.status, report["overall"]) == (3, "INDETERMINATE")
    assert [each["id"] for each in report["findings"] if each["outcome"] == "FAILED"] == []
    with zipfile.ZipFile(bundle) as opened:
        assert b'"step":"resumed"' in opened.read("proof/custody.jsonl")


def check_recovered(program: Program, moments: Counter[str]) -> None:
    """Let the next command recover, and hold what it says against what is there."""
    before = read_ledger(program.home)
    listed = program.run("list")
    assert listed.status == 0, listed.err
    said = [moment_of(line) for line in listed.err.splitlines()]
    moments.update(said or ["nothing to lose"])
    assert len(said) <= 1
    after = read_ledger(program.home)
    assert after.unclosed == []
    assert len(after.reasons) - len(before.reasons) == len(before.unclosed) == said.count("abandoned")
    assert leftovers(program.home) == []
    for bundle in (program.home / "captures").glob("*.zip"):
        assert zipfile.ZipFile(bundle).testzip() is None
        assert bundle.name in listed.out
    if "completed" in said:
        check_completed(program, listed.err)
    again = program.run("list")
    assert (again.status, again.err, again.out) == (0, "", listed.out)


def test_a_killed_capture_is_recovered_by_the_next_command(program: Program, site: str) -> None:
    started = time.monotonic()
    assert program.run(*capture(site)).status == 0
    within_s = time.monotonic() - started
    moments: Counter[str] = Counter()
    chance = random.Random(SEED)
    while moments["killed"] < KILLS:
        if kill_after(program, site, chance.uniform(0, within_s)):
            moments["killed"] += 1
        else:
            # It had already ended: captures run faster than the first one did.
            moments["too late"] += 1
            within_s *= 0.9
        assert browsers_end(program.home), processes_naming(program.home)
        check_recovered(program, moments)
    sys.stderr.write(f"\n{dict(moments)}\n")
    assert moments["abandoned"] > 0
    last = program.run(*capture(site))
    assert (last.status, last.err) == (0, "")


def test_capture_recovers_too(program: Program, site: str) -> None:
    with program.start(*capture(site)) as process:
        while not list(program.home.glob("pending/*/capture/profile/Default")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
    next_one = program.run(*capture(site))
    assert next_one.status == 0
    assert moment_of(next_one.sentence) == "abandoned"
    kept = next(program.home.glob("interrupted/*"))
    assert str(kept) in next_one.sentence
    assert not (kept / "capture" / "profile").exists()
    ledger = read_ledger(program.home)
    assert (ledger.unclosed, ledger.reasons, len(ledger.numbers)) == ([], ["interrupted"], 1)


def test_what_stands_in_the_ledger_is_finished_by_the_next_command(program: Program, site: str) -> None:
    with program.start(*capture(site)) as process:
        while not list(program.home.glob("pending/*/capture/bundle/proof/entry.tlog-proof")):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        process.communicate()
    (custody,) = program.home.glob("pending/*/capture/bundle/proof/custody.jsonl")
    with custody.open("ab") as file:
        file.write(b'{"beijing":"torn')
    listed = program.run("list")
    assert moment_of(listed.err) == "completed"
    check_completed(program, listed.err)
    assert leftovers(program.home) == []
    assert list((program.home / "interrupted").iterdir()) == []
    ledger = read_ledger(program.home)
    assert (ledger.unclosed, ledger.reasons, len(ledger.numbers)) == ([], [], 1)


DEPOSIT_MOMENTS = (
    "intent.json",
    "state.json",
    "worklog.jsonl",
    "capture/bundle/deposit/000001.bin",
    "capture/bundle/deposit/items.jsonl",
    "capture/bundle/manifest.json",
    "capture/bundle/seal/manifest.p7s",
    "capture/bundle/proof/entry.json",
    "capture/bundle/certificate.html",
    "capture/bundle/certificate.pdf",
    "capture/bundle/verify.html",
)
"""A deposit is killed when one of these appears in its workspace: from its announcement to its container."""


def test_a_killed_deposit_is_recovered_and_its_files_stay_as_they_are(program: Program, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.bin" for n in range(60)]
    contents = [os.urandom(50_000) for _ in files]
    for file, data in zip(files, contents, strict=True):
        file.write_bytes(data)
    moments: Counter[str] = Counter()
    for moment in DEPOSIT_MOMENTS:
        with program.start("deposit", *map(str, files), "--tsa", "none") as process:
            while not list(program.home.glob(f"pending/*/{moment}")) and process.poll() is None:
                time.sleep(0.0005)
            moments["killed" if process.poll() is None else "too late"] += 1
            process.kill()
            process.communicate()
        assert browsers_end(program.home), processes_naming(program.home)
        check_recovered(program, moments)
        # Deposited files are hard links where the disk allows it: tidying up must not reach through them.
        assert [file.read_bytes() for file in files] == contents
    sys.stderr.write(f"\n{dict(moments)}\n")
    assert moments["killed"] >= len(DEPOSIT_MOMENTS) - 1
    assert moments["abandoned"] > 0
    assert moments["completed"] > 0
    last = program.run("deposit", str(files[0]), "--tsa", "none")
    assert (last.status, last.err) == (0, "")
