"""The recorder: watches `Network` on every target of one browser through sessions of its own.

Nothing is paused, intercepted or rewritten. Targets are attached before they run (`waitForDebuggerOnStart`), so
that no early request is missed; `Network.enable` is not awaited before a target is let go, because the browser
answers it only after that (a known deadlock). What the events say is put together in `traffic`, `sockets` and
`downloads`; what is finished goes to `settlement`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import OwnClient, Params, text_of
from evidencekit.capture.completion import BodyCollector
from evidencekit.capture.downloads import Downloads
from evidencekit.capture.guard import REFUSE_ALL, RecorderCallbacks, TrafficGuard
from evidencekit.capture.networklog import NUDGE_URL
from evidencekit.capture.settlement import Settlement
from evidencekit.capture.sockets import SocketRecorder
from evidencekit.capture.targets import TargetRegister, WatchedTarget
from evidencekit.capture.traffic import Traffic, defect
from evidencekit.errors import BrowserError, EvidenceError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.networklog import NetworkLog
    from evidencekit.capture.observer import Observer
    from evidencekit.capture.request import Limits
    from evidencekit.model import Record

_ENABLE: Params = {
    "maxTotalBufferSize": 1 << 30,
    "maxResourceBufferSize": 512 << 20,
    "maxPostDataSize": 64 << 20,
    # Bodies are kept as bytes outside the renderer: exact for every charset and alive after navigation.
    "enableDurableMessages": True,
}
_AUTO_ATTACH: Params = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
_RESTLESS = 10
"""So many requests begun in one wait are a page that goes on asking; a request that hangs is not."""


class Recorder:
    """Records one browser.

    Attributes:
        settlement: finished exchanges and their commitments in order of completion.
        targets: what is watched.
        traffic: requests under way, and what is known of them all.
        sockets: WebSockets, and the transcript of their frames.
        downloads: what the browser's download manager was given.
        restless: whether requests kept beginning all through the last wait for quiet that was in vain.
        observer: who is told of targets and of events beside the network's, in a recorded process.
    """

    def __init__(
        self,
        client: OwnClient,
        bodies: Path,
        limits: Limits,
        callbacks: RecorderCallbacks,
        *,
        allow_private: bool,
        log: NetworkLog | None = None,
    ) -> None:
        self.settlement = Settlement(log)
        self.targets = TargetRegister()
        self.sockets = SocketRecorder(bodies.parent / "websockets.jsonl", limits.body_bytes)
        self.observer: Observer | None = None
        self.restless = False
        self.session = ""
        self._client = client
        self._callbacks = callbacks
        self._guard = TrafficGuard(client, self.targets, limits, callbacks, allow_private=allow_private)
        self.downloads = Downloads(
            client,
            bodies / "downloads",
            limits.body_bytes,
            self._guard.count_bytes,
            peers_known=allow_private or log is not None,
        )
        collector = BodyCollector(client, bodies, limits.body_bytes, self.downloads)
        self.traffic = Traffic(collector, self.downloads, self._guard, callbacks, self._keep)
        self._page: str | None = None
        self._last_activity = 0.0
        client.on_event = self._on_event

    async def start(self) -> None:
        """Attach to the browser; from now on every target is watched before it runs.

        Raises:
            BrowserError: the browser does not let us.
        """
        attached = await self._client.call("Target.attachToBrowserTarget")
        self.session = text_of(attached, "sessionId")
        await self.downloads.start(self.session)
        await self._client.call("Target.setAutoAttach", _AUTO_ATTACH, self.session)

    @property
    def exchanges(self) -> list[Exchange]:
        """Finished exchanges in order of completion."""
        return self.settlement.exchanges

    @property
    def records(self) -> list[Record]:
        """Their commitments so far."""
        return self.settlement.records

    async def settle(self) -> None:
        """Commit to all that is finished, with what the network log tells of it.

        Raises:
            StorageError: a body cannot be read or written.
        """
        await self.settlement.settle(self._nudge)

    async def close(self) -> None:
        """After the browser has closed: commit to the rest, and to what only the network log knows.

        Raises:
            StorageError: a body cannot be read or written.
        """
        await self.settlement.close(self.traffic.count + 1)

    async def _nudge(self) -> None:
        """Make the browser write its log on: it holds back up to fourteen events until more come."""
        for page in self.targets.pages()[-1:]:
            options: Params = {"disableCache": True, "includeCredentials": False}
            request: Params = {"frameId": page.target_id, "url": NUDGE_URL, "options": options}
            with suppress(BrowserError):
                await self._client.call("Network.loadNetworkResource", request, page.session, timeout_s=1.0)

    def begin_page(self, page: str) -> None:
        """Targets that belong to no page by descent belong to `page` from now on."""
        self._page = page
        self.traffic.main_documents[page] = []

    def begin_part(self, page: str) -> None:
        """All that is watched belongs to `page` from now on: what led to a shot belongs to it."""
        self._page = page
        self.targets.move(page)

    def mark_rooted(self, page: str) -> int:
        """T_capture of `page` is fixed: what ends later is `after_t_capture`. Returns the number of records so far."""
        self.traffic.rooted.update((page, None))
        return len(self.records)

    def is_rooted(self, page: str) -> bool:
        """Whether T_capture of `page` is fixed."""
        return page in self.traffic.rooted

    def _on_event(self, session: str, method: str, params: Params) -> None:
        try:
            if method == "Target.attachedToTarget":
                self._on_attached(session, params)
            elif method == "Target.detachedFromTarget":
                self._on_detached(text_of(params, "sessionId"))
            elif method.startswith("Browser.download"):
                self._last_activity = asyncio.get_running_loop().time()
                self.downloads.event(method, params)
                if self.observer is not None:
                    self.observer.download(method, params)
            else:
                self._on_network(session, method, params)
        except EvidenceError as error:
            self._callbacks.failed(error)
        except Exception as error:  # noqa: BLE001 (a defect ends the capture: it must not lose a request silently)
            self._callbacks.failed(defect(error))

    def _on_network(self, session: str, method: str, params: Params) -> None:
        target = self.targets.of_session(session)
        if target is None:
            return
        if self.traffic.event(target, method, params):
            self._last_activity = asyncio.get_running_loop().time()
        elif method.startswith("Network.web"):
            self._on_socket(target, method, params)
        elif self.observer is not None:
            self.observer.event(target, method, params)

    def _on_attached(self, parent: str, params: Params) -> None:
        session = text_of(params, "sessionId")
        target = self.targets.attach(parent, params, self._page)
        if target is not None:
            self._client.post("Network.enable", _ENABLE, session)
            self._client.post("Target.setAutoAttach", _AUTO_ATTACH, session)
            if self._guard.closed:
                self._client.post("Network.setBlockedURLs", REFUSE_ALL, session)
            if self.observer is not None:
                self.observer.attached(target)
        if text_of(params, "targetInfo", "type") != "browser":
            self._client.post("Runtime.runIfWaitingForDebugger", {}, session)

    def _on_detached(self, session: str) -> None:
        target = self.targets.detach(session)
        if target is not None and self.observer is not None:
            self.observer.detached(target)
        # A page that closes takes its open requests with it; a moved frame's requests go on under another session.
        if target is not None and target.kind != "iframe":
            self.traffic.session_ended(session)

    def _on_socket(self, target: WatchedTarget, method: str, params: Params) -> None:
        self._last_activity = asyncio.get_running_loop().time()
        if method in {"Network.webSocketCreated", "Network.webTransportCreated"}:
            self.sockets.created(self.traffic.next_id(), target, method, params)
            self.traffic.counted()
        exchange = self.sockets.event(method, params, late=target.page in self.traffic.rooted)
        if exchange is not None:
            self._keep(exchange)

    def _keep(self, exchange: Exchange) -> None:
        self.settlement.keep(exchange)
        self._last_activity = asyncio.get_running_loop().time()

    async def quiet(self, *, idle_s: float, timeout_s: float) -> bool:
        """Wait until nothing was under way for `idle_s` seconds, at most `timeout_s`; False when it never was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        before = self.traffic.count
        while loop.time() < deadline:
            if not self.traffic.busy and loop.time() - self._last_activity >= idle_s:
                return True
            await asyncio.sleep(0.05)
        self.restless = self.traffic.count - before > _RESTLESS
        return False

    async def drain(self, *, timeout_s: float) -> bool:
        """End every open request and wait for all bodies; False when some were cut off by the timeout."""
        self.traffic.recording_ended()
        for exchange in self.sockets.finish(self.traffic.rooted):
            self._keep(exchange)
        if self.settlement.log is None:
            for exchange in self.downloads.unlogged_exchanges(self.traffic.count + 1, self._page):
                self.traffic.count += 1
                self._keep(exchange)
        return await self.traffic.drain(timeout_s=timeout_s)
