"""Print one of our own documents to PDF with the browser that captured: no network, no script."""

from __future__ import annotations

import asyncio
import queue
import shutil
import threading
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CdpSession, OwnClient, mapping_of, text_of
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.rendering import pdf
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping
    from pathlib import Path

    from evidencekit.model import JsonValue

_OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"
_START_TIMEOUT_S = 30.0
_LOAD_TIMEOUT_S = 120.0
_LOAD_STEP_S = 0.05
_READY_STATE: Mapping[str, JsonValue] = {"expression": "document.readyState", "returnByValue": True}
_TIMEZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintJob:
    """A self-contained HTML document, its page header and footer, and where the PDF goes."""

    html: str
    header: str
    footer: str
    out: Path


class Press:
    """A running browser that prints documents on A4, one after the other, in the tab that it started with."""

    def __init__(self, page: CdpSession, frame: str) -> None:
        self._page = page
        self._frame = frame

    async def print(self, job: PrintJob) -> None:
        """Print one document; its PDF is on disk afterwards.

        Raises:
            BrowserError: the browser does not print.
            StorageError: the PDF cannot be written.
        """
        await self._page.call("Page.setDocumentContent", {"frameId": self._frame, "html": job.html})
        await _loaded(self._page)
        await pdf(self._page, job.out, header=job.header, footer=job.footer)


@asynccontextmanager
async def open_press(*, workdir: Path, options: BrowserOptions) -> AsyncGenerator[Press]:
    """Start a browser that prints, and end it.

    Args:
        workdir: an existing folder for the browser's profile, removed again, and its record `browser.json`.
        options: how to start the browser.

    Raises:
        BrowserError: there is no usable browser.
    """
    binary = options.binary if options.binary is not None else await asyncio.to_thread(find_browser)
    profile = workdir / "printing-profile"
    launch = prepare_launch(options, profile, (_OFFLINE,), _TIMEZONE)
    process = await asyncio.to_thread(BrowserProcess.start, binary, launch, workdir)
    mux = PipeMultiplexer(MethodLog())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, mux, process, profile)
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        mux.root = client
        await client.call("Browser.getVersion", timeout_s=_START_TIMEOUT_S)
        page = await _first_tab(client)
        await page.call("Emulation.setScriptExecutionDisabled", {"value": True})
        frame = text_of(mapping_of(await page.call("Page.getFrameTree"), "frameTree", "frame"), "id")
        yield Press(page, frame)


class Printing:
    """A browser in a thread of its own: it starts while its document is not yet written, and ends while work goes on.

    That is a second and more of every capture that nobody waits for.
    """

    def __init__(self, workdir: Path, options: BrowserOptions) -> None:
        """Prepare; arguments as `open_press`."""
        self._jobs: queue.SimpleQueue[tuple[PrintJob, Future[None]] | None] = queue.SimpleQueue()
        self._given: list[Future[None]] = []
        self._thread = threading.Thread(target=self._run, args=(workdir, options), name="evidencekit-printing")
        self._starting = threading.Lock()
        self._begun = False

    def begin(self) -> None:
        """Start the browser, once; from any thread, and returns at once."""
        with self._starting:
            if not self._begun:
                self._begun = True
                self._thread.start()

    def give(self, job: PrintJob) -> None:
        """Give it a document; starts it when nobody did."""
        self.begin()
        printed: Future[None] = Future()
        self._given.append(printed)
        self._jobs.put((job, printed))

    def wait(self) -> None:
        """Say that no document follows, and wait until all are printed; the browser ends while the caller goes on.

        Raises:
            BrowserError: there is no usable browser, or it does not print.
            StorageError: a PDF cannot be written.
        """
        self._jobs.put(None)
        for printed in self._given:
            printed.result()

    def end(self) -> None:
        """Wait until its browser, if it was ever started, has ended, whatever came of it."""
        self._jobs.put(None)
        with self._starting:
            begun, self._begun = self._begun, True
        if begun:
            self._thread.join()

    def _run(self, workdir: Path, options: BrowserOptions) -> None:
        try:
            asyncio.run(self._print(workdir, options))
        except BaseException as error:  # noqa: BLE001 (handed to the caller's thread)
            self._fail_all(error)

    async def _print(self, workdir: Path, options: BrowserOptions) -> None:
        async with open_press(workdir=workdir, options=options) as press:
            while (given := await asyncio.to_thread(self._jobs.get)) is not None:
                job, printed = given
                try:
                    await press.print(job)
                except BaseException as error:
                    # Whoever waits for this document would otherwise wait for ever.
                    printed.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    printed.set_result(None)

    def _fail_all(self, error: BaseException) -> None:
        """There is no browser: whatever was or will be given fails with the reason."""
        while (given := self._jobs.get()) is not None:
            given[1].set_exception(error)


@contextmanager
def printing_aside(*, workdir: Path, options: BrowserOptions) -> Generator[Printing]:
    """Print in a browser that starts when it is told to; it has ended when the context is left.

    Args:
        workdir: as `open_press`; it must stay until then.
        options: as `open_press`.
    """
    printing = Printing(workdir, options)
    try:
        yield printing
    finally:
        printing.end()


async def _loaded(page: CdpSession) -> None:
    """Wait for the pictures of the document, which it carries in itself."""
    for _ in range(round(_LOAD_TIMEOUT_S / _LOAD_STEP_S)):
        if text_of(await page.call("Runtime.evaluate", _READY_STATE), "result", "value") == "complete":
            return
        await asyncio.sleep(_LOAD_STEP_S)
    raise BrowserError(
        f"a document to print was not ready after {_LOAD_TIMEOUT_S:g} s; try again",
        f"待打印的文档在 {_LOAD_TIMEOUT_S:g} 秒后仍未就绪；请重试",
    )


async def _first_tab(client: OwnClient) -> CdpSession:
    """The tab that the browser opened by itself: another one would cost another process."""
    targets = (await client.call("Target.getTargets")).get("targetInfos")
    found = [each for each in targets if isinstance(each, dict)] if isinstance(targets, list) else []
    target = next((text_of(each, "targetId") for each in found if each.get("type") == "page"), None)
    if target is None:
        target = text_of(await client.call("Target.createTarget", {"url": "about:blank"}), "targetId")
    attached = await client.call("Target.attachToTarget", {"targetId": target, "flatten": True})
    return CdpSession(client, text_of(attached, "sessionId"))


async def _end(mux: PipeMultiplexer, process: BrowserProcess, profile: Path) -> None:
    mux.close()
    await process.end()
    await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)
