"""Experimental interfaces of Chromium that the recorder uses, asked for by name before anything is recorded.

A command that the browser knows answers bad parameters with a complaint about them, one that it does not know with
"wasn't found"; neither does anything. What is missing is named in the work log and on page 1, and by
`evidencekit doctor`; the recorder then does with less.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import CommandError, OwnClient, Params, text_of
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.networklog import FILE_NAME, NetworkLog
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNKNOWN: Final = "wasn't found"
_TIMEOUT_S: Final = 10.0
_LOG_BODIES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A command, parameters that it cannot take, and what is lost without it."""

    method: str
    wrong: Params
    without: Text


INTERFACES: Final = (
    Interface(
        method="Network.streamResourceContent",
        wrong={"requestId": 0},
        without=Text(
            en="long and endless bodies are asked for at their end only, so what was cut off is lost",
            zh="较长或不结束的正文只能在结束时获取，被中断的部分会丢失",
        ),
    ),
    Interface(
        method="Network.configureDurableMessages",
        wrong={"maxTotalBufferSize": "none"},
        without=Text(
            en="bodies may be gone after a navigation, and text in other charsets may come re-encoded",
            zh="页面跳转后正文可能丢失，非 UTF-8 文本可能被重新编码",
        ),
    ),
    Interface(
        method="Network.loadNetworkResource",
        wrong={"url": 0},
        without=Text(
            en="the browser's network log may lag behind T_capture", zh="浏览器网络日志可能晚于 T_capture 写出"
        ),
    ),
    Interface(
        method="Network.getCertificate",
        wrong={"origin": 0},
        without=Text(en="certificate chains come from the network log alone", zh="证书链仅来自网络日志"),
    ),
    Interface(
        method="Page.captureSnapshot",
        wrong={"format": 0},
        without=Text(en="no MHTML copy of pages", zh="无法生成网页的 MHTML 副本"),
    ),
)
"""All are marked experimental in the protocol of Chromium 156."""


async def missing_interfaces(
    client: OwnClient, session: str, interfaces: Sequence[Interface] = INTERFACES
) -> tuple[Interface, ...]:
    """Those that the page of `session` does not know.

    Raises:
        BrowserError: the browser does not answer.
    """
    known = await asyncio.gather(*(_knows(client, session, each) for each in interfaces))
    return tuple(each for each, is_known in zip(interfaces, known, strict=True) if not is_known)


async def _knows(client: OwnClient, session: str, interface: Interface) -> bool:
    try:
        await client.call(interface.method, interface.wrong, session, timeout_s=_TIMEOUT_S)
    except CommandError as error:
        return _UNKNOWN not in error.en
    return True


def name_missing(missing: Sequence[Interface]) -> tuple[Text, ...]:
    """Sentences for page 1."""
    return tuple(
        Text(
            en=f"this browser lacks {each.method}: {each.without.en}",
            zh=f"此浏览器不支持 {each.method}：{each.without.zh}",
        )
        for each in missing
    )


def probe_browser() -> tuple[Text, ...]:
    """Start the browser with an empty profile, ask, end it, and read its network log. Blocks some seconds.

    Returns:
        What the browser lacks, a sentence each.

    Raises:
        BrowserError: there is no browser, or it does not start.
        StorageError: no temporary folder can be used.
    """
    with TemporaryDirectory(prefix="evidencekit-probe-", ignore_cleanup_errors=True) as name:
        return asyncio.run(_probe(name))


async def _probe(name: str) -> tuple[Text, ...]:
    folder = Path(name)
    # The fullest mode asks for every event that the others ask for.
    log = NetworkLog(folder / FILE_NAME, "Everything", folder, _LOG_BODIES)
    launch = prepare_launch(BrowserOptions(), folder / "profile", log.flags, "UTC")
    process = await asyncio.to_thread(BrowserProcess.start, find_browser(), launch, folder)
    mux = PipeMultiplexer(MethodLog())
    try:
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        target = await client.call("Target.createTarget", {"url": "about:blank"}, timeout_s=_TIMEOUT_S)
        attached = await client.call(
            "Target.attachToTarget", {"targetId": text_of(target, "targetId"), "flatten": True}, timeout_s=_TIMEOUT_S
        )
        missing = await missing_interfaces(client, text_of(attached, "sessionId"))
    finally:
        mux.close()
        await process.end()
    await asyncio.to_thread(log.reader.read_more)
    return (*name_missing(missing), *log.gaps())
