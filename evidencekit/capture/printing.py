"""Print one of our own documents to PDF with the browser that captured: no network, no script."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CdpSession, OwnClient, mapping_of, text_of
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.rendering import pdf

if TYPE_CHECKING:
    from pathlib import Path

_OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"
_START_TIMEOUT_S = 30.0
_TIMEZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintJob:
    """A self-contained HTML document, its page header and footer, and where the PDF goes."""

    html: str
    header: str
    footer: str
    out: Path


async def print_document(job: PrintJob, *, workdir: Path, options: BrowserOptions) -> None:
    """Print a document on A4.

    Args:
        job: what to print.
        workdir: an existing folder for the browser's profile, removed again, and its record `browser.json`.
        options: how to start the browser.

    Raises:
        BrowserError: there is no usable browser, or it does not print.
        StorageError: the PDF cannot be written.
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
        page = await _blank_page(client)
        await page.call("Emulation.setScriptExecutionDisabled", {"value": True})
        frame = text_of(mapping_of(await page.call("Page.getFrameTree"), "frameTree", "frame"), "id")
        await page.call("Page.setDocumentContent", {"frameId": frame, "html": job.html})
        await pdf(page, job.out, header=job.header, footer=job.footer)


async def _blank_page(client: OwnClient) -> CdpSession:
    target = text_of(await client.call("Target.createTarget", {"url": "about:blank"}), "targetId")
    attached = await client.call("Target.attachToTarget", {"targetId": target, "flatten": True})
    return CdpSession(client, text_of(attached, "sessionId"))


async def _end(mux: PipeMultiplexer, process: BrowserProcess, profile: Path) -> None:
    mux.close()
    await process.end()
    await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)
