"""A second local process that wants to edit the page: refused at every door, and seen where it breaks one open."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.environment.probe import ProbeResult
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.rendering import outer_html
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.staging import Staging
from evidencekit.capture.studio import Studio, open_studio, settings_of
from evidencekit.capture.supervision import Supervisor
from evidencekit.capture.surroundings import devtools_check
from tests.support import site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.skipif(sys.platform != "linux", reason="uses /proc and pidfd_getfd(2)")]

EDITED = "One hundred lamps at NINE yuan each."

OPEN_AGAIN = """
import os, sys
try:
    os.close(os.open(f"/proc/{sys.argv[1]}/fd/{sys.argv[2]}", os.O_WRONLY))
    print("opened")
except OSError as error:
    print(error.strerror)
"""

# Worst case: the thief has also read the name of a session out of our memory.
# pidfd_open(2) is 434 and pidfd_getfd(2) is 438 on every architecture.
STEAL = """
import ctypes, json, os, sys
pid, fd, session, html = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
handle = libc.syscall(434, pid, 0)
stolen = libc.syscall(438, handle, fd, 0)
if stolen < 0:
    print("refused:", os.strerror(ctypes.get_errno()))
    raise SystemExit
expression = "document.body.textContent = " + json.dumps(html)
message = {"id": 1 << 30, "method": "Runtime.evaluate", "params": {"expression": expression}, "sessionId": session}
os.write(stolen, json.dumps(message).encode() + b"\\0")
print("written")
"""


@asynccontextmanager
async def _open(tmp_path: Path) -> AsyncIterator[tuple[Studio, tuple[str, ...]]]:
    with site.serve(site.page) as url:
        request = CaptureRequest(urls=(url,), allow_private=True, third_party=False)
        staging, binary = Staging(tmp_path / "staging"), find_browser()
        launch = prepare_launch(BrowserOptions(), staging.profile, settings_of(request), request.timezone)
        async with Supervisor(None) as supervisor, open_studio(request, binary, launch, staging, supervisor) as studio:
            studio.recorder.begin_page("0001")
            page = await studio.driver.open_page(lambda _url: None)
            await page.goto(url, timeout_s=20)
            await page.wait_loaded(timeout_s=20)
            yield studio, launch.arguments


async def _run(script: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    return said.decode().strip()


def test_the_browsers_own_descriptors_cannot_be_opened_by_another_process(tmp_path: Path) -> None:
    async def attack() -> list[str]:
        async with _open(tmp_path) as (studio, _):
            doors = [(studio.process.pid, "3"), (studio.process.pid, "4"), (os.getpid(), str(studio.process.write_fd))]
            return [await _run(OPEN_AGAIN, str(pid), number) for pid, number in doors]

    assert asyncio.run(attack()) == [os.strerror(6)] * 3  # ENXIO


def test_a_process_that_takes_our_end_away_is_given_away_by_the_answers(tmp_path: Path) -> None:
    async def attack() -> tuple[str, ProbeResult, ProbeResult, str]:
        async with _open(tmp_path) as (studio, arguments):
            before = devtools_check(studio.log, arguments).observation.result
            target = studio.recorder.targets.pages()[-1]
            said = await _run(STEAL, str(os.getpid()), str(studio.process.write_fd), target.session, EDITED)
            source = ""
            for _ in range(100):
                source = (await outer_html(studio.session_of(target.session))).decode()
                if EDITED in source or said != "written":
                    break
                await asyncio.sleep(0.1)
            after = devtools_check(studio.log, arguments).observation
            return said, before, after.result, source + after.reason.en

    said, before, after, told = asyncio.run(attack())
    assert before is ProbeResult.PASS
    if said.startswith("refused"):  # a kernel that lets no process trace another of the same user
        assert after is ProbeResult.PASS
    else:
        assert EDITED in told  # the attack is real
        assert after is ProbeResult.FAIL
        assert "did not send" in told
