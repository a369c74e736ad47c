"""What stands around the browser when it is asked for: a network namespace of its own, a packet capture beside it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.isolation import Chamber, isolated, require_isolation
from evidencekit.capture.packets import PACKETS_PATH, PacketCapture
from evidencekit.capture.url_policy import normal_host

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from evidencekit.capture.journal import Journal
    from evidencekit.capture.launcher import Launch
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.staging import Staging
    from evidencekit.model import Text, Transformation


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """Namespace and packet capture of one browser, each None when it was not asked for."""

    started: datetime
    chamber: Chamber | None = None
    packets: PacketCapture | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """What the browser is started with."""
        return () if self.packets is None else self.packets.flags

    def around(self, launch: Launch) -> Launch:
        """The launch in here."""
        return launch if self.chamber is None else replace(launch, prefix=self.chamber.prefix)

    async def browser_ended(self) -> None:
        """There are no more packets."""
        if self.packets is not None:
            await self.packets.stop()

    def transformations(self) -> tuple[Transformation, ...]:
        """What it changed against a plain visit."""
        return () if self.chamber is None else (self.chamber.transformation(self.started),)

    def close(self, staging: Staging, journal: Journal, capture_id: str) -> tuple[Text, ...]:
        """Put what came of it into the record.

        Returns:
            Sentences about what is missing.

        Raises:
            StorageError: the disk refuses.
        """
        if self.chamber is not None:
            journal.border("browser.isolated", refused=self.chamber.refused, lookups=self.chamber.lookups)
        if self.packets is None:
            return ()
        report = self.packets.report(capture_id)
        if report is not None:
            staging.write(PACKETS_PATH, report, role="other", media_type="application/json")
        journal.border("browser.packets", kept=report is not None, lacking=[text.en for text in self.packets.missing])
        return tuple(self.packets.missing)


@asynccontextmanager
async def enclosed(request: CaptureRequest, staging: Staging) -> AsyncGenerator[Enclosure]:
    """Make what the request asks for; undo it at the end.

    Raises:
        UsageError: a browser cannot be isolated here.
        BrowserError: the system does not make a namespace.
        StorageError: the disk refuses.
    """
    async with AsyncExitStack() as stack:
        chamber = packets = None
        if request.isolate:
            require_isolation(allow_private=request.allow_private)
            chamber = await stack.enter_async_context(isolated(staging.root))
        if request.packets:
            packets = PacketCapture(staging, request.limits, len(request.urls), chamber)
            stack.push_async_callback(packets.stop)
            await packets.start(await asyncio.to_thread(_addresses, request.urls))
        yield Enclosure(started=datetime.now(UTC), chamber=chamber, packets=packets)


def _addresses(urls: Sequence[str]) -> tuple[str, ...]:
    """The first address of each host that the system's resolver knows."""
    found: dict[str, None] = {}
    for host in {urlsplit(url).hostname or "" for url in urls}:
        with suppress(OSError, UnicodeError):
            found.setdefault(str(socket.getaddrinfo(normal_host(host), None, type=socket.SOCK_STREAM)[0][4][0]))
    return tuple(found)
