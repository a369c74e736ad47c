"""Playwright's own program may end before it is told to; what nobody waited for is no message to the user."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.browser import starting_playwright

if TYPE_CHECKING:
    import pytest


def test_a_driver_that_is_gone_before_its_end_says_nothing_to_the_user(caplog: pytest.LogCaptureFixture) -> None:
    async def lose_the_driver() -> None:
        async with starting_playwright() as start:
            await start.ready()
            os.kill(_child("node"), signal.SIGKILL)
            await asyncio.sleep(0.5)

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        asyncio.run(lose_the_driver())
        gc.collect()
    assert not caplog.messages


def test_other_failures_that_nobody_waited_for_are_still_told(caplog: pytest.LogCaptureFixture) -> None:
    async def lose_a_result() -> None:
        async with starting_playwright() as start:
            await start.ready()
        asyncio.get_running_loop().create_future().set_exception(ValueError("lost"))

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        asyncio.run(lose_a_result())
        gc.collect()
    assert any("never retrieved" in message for message in caplog.messages)


def _child(program: str) -> int:
    """The process id of our child that runs a program."""
    ids = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    (found,) = (int(each) for each in ids if Path(f"/proc/{each}/exe").resolve().name == program)
    return found
