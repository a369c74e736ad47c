"""Experimental interfaces are asked for by name: what the browser lacks is named, what it has is not touched."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import OwnClient, text_of
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.interfaces import INTERFACES, Interface, missing_interfaces, name_missing, probe_browser
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.model import Text

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser

GONE = Interface(
    method="Network.anInterfaceThatWasRemoved", wrong={}, without=Text(en="something is lost", zh="有所缺失")
)


def test_this_browser_has_them_all_and_its_log_knows_every_event() -> None:
    assert probe_browser() == ()


def test_a_browser_without_a_network_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = tmp_path / "deaf-chromium"
    browser = find_browser().path
    deaf.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "kept = [each for each in sys.argv[1:] if not each.startswith('--log-net-log')]\n"
        f"os.execv({str(browser)!r}, [{str(browser)!r}, *kept])\n"
    )
    deaf.chmod(0o755)
    binary = replace(find_browser(), path=deaf)
    monkeypatch.setattr("evidencekit.capture.interfaces.find_browser", lambda: binary)
    assert [text.en for text in probe_browser()] == [
        "this browser kept no network log: header order, connections and handshakes are not recorded"
    ]


def test_one_that_the_browser_does_not_know_is_named_with_what_is_lost(tmp_path: Path) -> None:
    async def ask() -> tuple[Interface, ...]:
        launch = prepare_launch(BrowserOptions(), tmp_path / "profile", [], "UTC")
        process = BrowserProcess.start(find_browser(), launch, tmp_path)
        mux = PipeMultiplexer(MethodLog())
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        target = await client.call("Target.createTarget", {"url": "about:blank"})
        attached = await client.call(
            "Target.attachToTarget", {"targetId": text_of(target, "targetId"), "flatten": True}
        )
        try:
            return await missing_interfaces(client, text_of(attached, "sessionId"), (*INTERFACES, GONE))
        finally:
            mux.close()
            await process.end()

    missing = asyncio.run(ask())
    assert missing == (GONE,)
    assert name_missing(missing)[0].en == "this browser lacks Network.anInterfaceThatWasRemoved: something is lost"
