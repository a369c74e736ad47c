"""The debugging pipe: who gets which message, who is let in, and what is started."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from typing import TYPE_CHECKING, cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CommandError, OwnClient, integer_of, text_of, value_at
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.gate import WITHHELD_METHODS, Gate
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.surroundings import devtools_check
from evidencekit.capture.transformations import transformations_of
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from evidencekit.capture.cdp import Params
    from evidencekit.model import JsonValue


class _FarEnd:
    """The browser's end of the pipe, held by the test: real descriptors, no browser behind them."""

    def __init__(self) -> None:
        self.command_fd, self.write_fd = os.pipe()
        self.read_fd, self.event_fd = os.pipe()
        os.set_blocking(self.command_fd, False)

    def say(self, message: Mapping[str, JsonValue] | bytes) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        os.write(self.event_fd, data + b"\0")

    async def heard(self) -> list[dict[str, JsonValue]]:
        await asyncio.sleep(0.05)
        try:
            data = os.read(self.command_fd, 1 << 20)
        except BlockingIOError:
            return []
        return [json.loads(raw) for raw in data.split(b"\0")[:-1]]

    def close(self) -> None:
        os.close(self.command_fd)
        os.close(self.event_fd)


def with_pipe(work: Callable[[PipeMultiplexer, _FarEnd], Awaitable[None]]) -> MethodLog:
    async def run() -> MethodLog:
        far, log = _FarEnd(), MethodLog()
        mux = PipeMultiplexer(log)
        await mux.open(far.read_fd, far.write_fd)
        await work(mux, far)
        mux.close()
        far.close()
        return log

    return asyncio.run(run())


def _client(mux: PipeMultiplexer, name: str) -> tuple[OwnClient, list[tuple[str, str]]]:
    client, seen = OwnClient(mux), list[tuple[str, str]]()
    client.name = name
    client.on_event = lambda session, method, _params: seen.append((session, method))
    mux.join(client)
    return client, seen


def test_ids_are_remapped_and_each_answer_reaches_the_client_that_asked() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        (one, _), (two, _) = _client(mux, "one"), _client(mux, "two")
        first, second = one.post("A.a"), two.post("B.b")
        asked = await far.heard()
        assert [each["method"] for each in asked] == ["A.a", "B.b"]
        assert asked[0]["id"] != asked[1]["id"]
        far.say({"id": asked[1]["id"], "result": {"of": "two"}})
        far.say({"id": asked[0]["id"], "error": {"message": "not today"}})
        assert await second == {"of": "two"}
        with pytest.raises(CommandError, match="not today"):
            await first

    with_pipe(work)


def test_an_event_goes_to_the_owner_of_its_session_and_to_nobody_else() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        (one, seen_one), (two, seen_two) = _client(mux, "one"), _client(mux, "two")
        mux.root = two
        one.post("Target.attachToBrowserTarget")
        asked = await far.heard()
        far.say({"id": asked[0]["id"], "result": {"sessionId": "S1"}})
        far.say({"method": "Target.attachedToTarget", "sessionId": "S1", "params": {"sessionId": "S2"}})
        far.say({"method": "Network.a", "sessionId": "S2", "params": {}})
        far.say({"method": "Target.attachedToTarget", "params": {"sessionId": "S3"}})
        far.say({"method": "Network.b", "sessionId": "S3", "params": {}})
        far.say({"method": "Network.c", "sessionId": "unknown", "params": {}})
        await asyncio.sleep(0.05)
        assert seen_one == [("S1", "Target.attachedToTarget"), ("S2", "Network.a")]
        assert seen_two == [("", "Target.attachedToTarget"), ("S3", "Network.b")]
        with pytest.raises(BrowserError, match="not its own"):
            await two.post("Page.enable", session="S2")
        assert await far.heard() == []

    assert with_pipe(work).unowned == 1


def test_what_cannot_be_read_is_counted_and_stops_nothing() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        client, _ = _client(mux, "one")
        answer = client.post("A.a")
        number = (await far.heard())[0]["id"]
        for noise in (b"", b"{", b"[1]", b"\xff", b"[" * 20_000, b'{"id": 99999, "result": {}}', b'{"id": "x"}'):
            far.say(noise)
        far.say({"id": number, "result": {}})
        assert await answer == {}

    assert with_pipe(work).broken == 5


def test_a_message_may_come_in_any_pieces() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        client, _ = _client(mux, "one")
        answer = client.post("A.a")
        number = (await far.heard())[0]["id"]
        raw = json.dumps({"id": number, "result": {"data": "x" * 300_000}}).encode() + b"\0"
        for start in range(0, len(raw), 10_000):
            os.write(far.event_fd, raw[start : start + 10_000])
            await asyncio.sleep(0)
        assert len(text_of(await answer, "data")) == 300_000

    with_pipe(work)


def test_a_closed_pipe_answers_every_open_command_and_refuses_new_ones() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        client, _ = _client(mux, "one")
        gone = asyncio.Event()
        client.on_disconnect = gone.set
        answer = client.post("A.a")
        os.close(far.event_fd)
        far.event_fd = os.dup(far.command_fd)
        with pytest.raises(CommandError, match="closed"):
            await answer
        assert gone.is_set()
        with pytest.raises(BrowserError, match="closed"):
            await client.post("B.b")

    with_pipe(work)


def test_a_silent_browser_is_an_error_in_time() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        del far
        client, _ = _client(mux, "one")
        with pytest.raises(BrowserError, match="did not answer"):
            await client.call("A.a", timeout_s=0.05)

    with_pipe(work)


def test_the_gate_admits_one_client_by_its_secret_and_nobody_else() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        async with Gate(mux) as gate:
            base = gate.url.rpartition("/")[0]
            for wrong in (base + "/", base + "/json/version", base + "/devtools/browser/x", gate.url + "x"):
                with pytest.raises(InvalidStatus):
                    await connect(wrong)
            with pytest.raises(InvalidStatus):
                await connect(gate.url, origin=cast("None", "http://evil.example"))
            async with connect(gate.url) as socket:
                with pytest.raises(InvalidStatus):
                    await connect(gate.url)
                await socket.send(json.dumps({"id": 7, "method": "Target.setAutoAttach", "params": {}}))
                asked = await far.heard()
                far.say({"id": asked[0]["id"], "result": {"done": True}})
                assert json.loads(await socket.recv()) == {"id": 7, "result": {"done": True}}

    log = with_pipe(work)
    assert (log.accepted, log.refused) == (1, 6)
    assert devtools_check(log, ["--headless=new"]).observation.result.value == "WARN"


def test_playwrights_emulation_never_reaches_the_browser() -> None:
    async def work(mux: PipeMultiplexer, far: _FarEnd) -> None:
        async with Gate(mux) as gate, connect(gate.url) as socket:
            for number, method in enumerate(sorted(WITHHELD_METHODS)):
                await socket.send(json.dumps({"id": number, "method": method, "params": {}, "sessionId": "S"}))
                assert json.loads(await socket.recv()) == {"id": number, "result": {}, "sessionId": "S"}
            await socket.send(json.dumps({"id": 99, "method": "Page.enable", "sessionId": "not ours"}))
            assert "not its own" in json.loads(await socket.recv())["error"]["message"]
        assert await far.heard() == []

    log = with_pipe(work)
    assert set(log.withheld) == WITHHELD_METHODS
    assert devtools_check(log, []).observation.result.value == "PASS"


def test_an_open_port_is_never_called_exclusive() -> None:
    assert devtools_check(MethodLog(), ["--remote-debugging-port=9222"]).observation.result.value == "FAIL"


def test_the_method_log_keeps_settings_but_no_secrets() -> None:
    log = MethodLog()
    log.note("playwright", "Input.insertText", {"text": "hunter2"})
    log.note("playwright", "Network.setCookie", {"value": "hunter2"})
    log.note("recorder", "Runtime.evaluate", {"expression": "hunter2"})
    log.note("recorder", "Emulation.setScriptExecutionDisabled", {"value": True})
    log.note("recorder", "Emulation.setScriptExecutionDisabled", {"value": True})
    log.note("recorder", "Network.enable", {})
    told = transformations_of(log)
    assert [each.kind for each in told] == [
        "Input.insertText",
        "Network.setCookie",
        "Runtime.evaluate",
        "Emulation.setScriptExecutionDisabled",
    ]
    assert "hunter2" not in " ".join(each.detail.en + each.detail.zh for each in told)
    assert "2 times" in told[-1].detail.en


def test_values_of_another_type_read_as_nothing() -> None:
    reply: Params = {"a": {"b": "text", "n": True, "f": float("nan"), "big": 1e300}, "l": [1]}
    assert text_of(reply, "a", "b") == "text"
    assert text_of(reply, "a", "b", "c") == ""
    assert text_of(reply, "l") == ""
    assert value_at(reply, "x", "y") is None
    assert [integer_of(reply, "a", key) for key in ("n", "f", "big", "b")] == [None] * 4


@pytest.mark.browser
def test_a_wrapper_script_is_seen_through_or_refused(tmp_path: Path) -> None:
    real = find_browser()
    with real.path.open("rb") as binary:
        assert binary.read(2) != b"#!"
    assert len(real.sha256) == 64
    assert find_browser({"EVIDENCEKIT_BROWSER": str(real.path)}) == real
    wrapper = tmp_path / "mybrowser"
    wrapper.write_text("#!/bin/sh\nexec something --else\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(BrowserError, match="is a script"):
        find_browser({"EVIDENCEKIT_BROWSER": str(wrapper)})
    with pytest.raises(BrowserError, match="cannot be read"):
        find_browser({"EVIDENCEKIT_BROWSER": str(tmp_path / "absent")})
    with pytest.raises(BrowserError, match="call itself a Chromium"):
        find_browser({"EVIDENCEKIT_BROWSER": "/bin/ls"})


def test_without_a_browser_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BrowserError, match="install") as caught:
        find_browser({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert "安装" in caught.value.zh


def test_a_launch_holds_no_port_no_leaking_variables_and_one_list_of_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    options = BrowserOptions(extra_args=("--host-resolver-rules=MAP a.test 127.0.0.1",), home=tmp_path, sandbox=True)
    launch = prepare_launch(options, tmp_path / "profile", ["--host-resolver-rules=MAP b.test ^NOTFOUND"], "Asia/Tokyo")
    rules = [each for each in launch.arguments if each.startswith("--host-resolver-rules=")]
    assert rules == ["--host-resolver-rules=MAP a.test 127.0.0.1,MAP b.test ^NOTFOUND"]
    assert "--remote-debugging-pipe" in launch.arguments
    assert not any("remote-debugging-port" in each for each in launch.arguments)
    assert "--no-sandbox" not in launch.arguments
    assert launch.environment["TZ"] == "Asia/Tokyo"
    assert launch.environment["HOME"] == str(tmp_path)
    assert "SSLKEYLOGFILE" not in launch.environment


@pytest.mark.browser
def test_the_browser_ends_when_the_pipe_closes(tmp_path: Path) -> None:
    async def run() -> bool:
        launch = prepare_launch(BrowserOptions(), tmp_path / "profile", [], "UTC")
        process = BrowserProcess.start(find_browser(), launch, tmp_path)
        mux = PipeMultiplexer(MethodLog())
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        assert "Chrom" in text_of(await client.call("Browser.getVersion"), "product")
        assert json.loads((tmp_path / "browser.json").read_text())["pid"] == process.pid
        mux.close()
        return await process.end()

    assert asyncio.run(run())
    assert not (tmp_path / "browser.json").exists()
    assert not (tmp_path / "profile/DevToolsActivePort").exists()
