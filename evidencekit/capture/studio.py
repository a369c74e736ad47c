"""The browser with everything around it that one capture needs, opened and closed in the right order."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.capture.browser import Driver, drive, starting_playwright
from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CdpSession, OwnClient, Params, integer_of, text_of
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.gate import Gate
from evidencekit.capture.guard import RecorderCallbacks
from evidencekit.capture.interfaces import missing_interfaces
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.recorder import Recorder
from evidencekit.capture.url_policy import host_resolver_rules
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from evidencekit.capture.interfaces import Interface
    from evidencekit.capture.launcher import BrowserBinary, Launch
    from evidencekit.capture.networklog import NetworkLog
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.staging import Staging
    from evidencekit.capture.supervision import Supervisor

_START_TIMEOUT_S = 30.0


@dataclass(slots=True, kw_only=True)
class Studio:
    """What works together while a session runs.

    Attributes:
        version: `Browser.getVersion` product and the protocol's version.
        missing: experimental interfaces that this browser lacks.
        limits_reached: names of the limits reached, in order.
        died: set when the browser ended by itself.
    """

    binary: BrowserBinary
    launch: Launch
    process: BrowserProcess
    client: OwnClient
    log: MethodLog
    recorder: Recorder
    driver: Driver
    version: str
    missing: tuple[Interface, ...] = ()
    limits_reached: list[str] = field(default_factory=list)
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def session_of(self, session_id: str) -> CdpSession:
        """One of our sessions, for rendering."""
        return CdpSession(self.client, session_id)

    async def set_size(self, target_id: str, width_px: int, height_px: int) -> None:
        """Give the window of a page the size of the picture that was asked for: a real window, no emulation.

        Raises:
            BrowserError: the browser does not do it.
        """
        own = self.session_of(self.recorder.session)
        window = integer_of(await own.call("Browser.getWindowForTarget", {"targetId": target_id}), "windowId")
        await own.call("Browser.setContentsSize", {"windowId": window, "width": width_px, "height": height_px})


def settings_of(request: CaptureRequest) -> tuple[str, ...]:
    """Flags that a request asks for: window, scale, languages, resolver rules, certificate errors."""
    primary = request.locale.partition("-")[0]
    languages = request.locale if primary == request.locale else f"{request.locale},{primary}"
    settings = [
        f"--window-size={request.width_px},{request.height_px}",
        f"--lang={request.locale}",
        f"--accept-lang={languages}",
    ]
    if request.device_scale != 1:
        settings.append(f"--force-device-scale-factor={request.device_scale:g}")
    if not request.allow_private:
        settings.append(f"--host-resolver-rules={host_resolver_rules()}")
    if request.allow_tls_errors:
        settings.append("--ignore-certificate-errors")
    return tuple(settings)


@asynccontextmanager
async def open_studio(
    request: CaptureRequest,
    binary: BrowserBinary,
    launch: Launch,
    staging: Staging,
    supervisor: Supervisor,
    network: NetworkLog | None = None,
) -> AsyncGenerator[Studio]:
    """Start the browser, take its pipe, start recording, then let Playwright in; undo all of it at the end.

    Raises:
        BrowserError: the browser or Playwright does not start.
    """
    process = await asyncio.to_thread(BrowserProcess.start, binary, launch, staging.root)
    log = MethodLog()
    mux = PipeMultiplexer(log)
    async with AsyncExitStack() as stack:
        ending = _Ending(mux, process, staging.profile)
        stack.push_async_callback(ending.wait)
        playwright = await stack.enter_async_context(starting_playwright())
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        died = asyncio.Event()

        def gone() -> None:
            died.set()
            supervisor.fail(_died(staging.root))

        client.on_disconnect = gone
        limits: list[str] = []
        callbacks = RecorderCallbacks(breach=supervisor.fail, limit=limits.append, failed=supervisor.fail)
        recorder = Recorder(
            client, staging.bodies, request.limits, callbacks, allow_private=request.allow_private, log=network
        )
        # Events of the root session are ours until Playwright comes, and nothing but our own attachment causes any.
        mux.root = client
        version = text_of(await _first_answer(client, staging.root), "product")
        await recorder.start()
        gate = await stack.enter_async_context(Gate(mux))
        driver = await stack.enter_async_context(drive(gate.url, playwright))
        yield Studio(
            binary=binary,
            launch=launch,
            process=process,
            client=client,
            log=log,
            recorder=recorder,
            driver=driver,
            version=version,
            missing=await _missing(client, recorder),
            limits_reached=limits,
            died=died,
        )
        client.on_disconnect = None
        driver.on_closed = ending.begin


class _Ending:
    """The end of the browser: begun as soon as nobody uses it any more, waited for at the end of everything."""

    def __init__(self, mux: PipeMultiplexer, process: BrowserProcess, profile: Path) -> None:
        self._of = mux, process, profile
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Close the browser, once."""
        if self._task is None:
            self._task = asyncio.create_task(_end(*self._of))

    async def wait(self) -> None:
        """Wait until it has ended."""
        self.begin()
        if self._task is not None:
            await self._task


async def _missing(client: OwnClient, recorder: Recorder) -> tuple[Interface, ...]:
    """Ask on the empty first tab; a browser that opened none is asked nothing."""
    pages = recorder.targets.pages()
    return await missing_interfaces(client, pages[0].session) if pages else ()


async def _first_answer(client: OwnClient, root: Path) -> Params:
    try:
        return await client.call("Browser.getVersion", timeout_s=_START_TIMEOUT_S)
    except BrowserError as error:
        raise _died(root) from error


def _died(root: Path) -> BrowserError:
    """The error for a browser that ended by itself, with its last words."""
    words = ""
    with suppress(OSError):
        lines = (root / "browser.log").read_text(errors="replace")[-4000:].strip().splitlines()
        words = lines[-1][:300] if lines else ""
    said = f"; its last words: {words}" if words else ""
    said_zh = f";最后的输出：{words}" if words else ""
    return BrowserError(
        f"the browser ended unexpectedly{said}. Run `evidencekit doctor` and capture again",
        f"浏览器意外退出{said_zh}。请运行 `evidencekit doctor` 后重新取证",
    )


async def _end(mux: PipeMultiplexer, process: BrowserProcess, profile: Path) -> None:
    """Close the pipe, which ends the browser, and remove the profile with its cookies."""
    mux.close()
    await process.end()
    await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)
