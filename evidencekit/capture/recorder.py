"""The recorder: watches `Network` on every target through its own sessions and turns events into exchanges.

Nothing is paused, intercepted or rewritten. Targets are attached before they run (`waitForDebuggerOnStart`), so
that no early request is missed; `Network.enable` is not awaited before a target is let go, because the browser
answers it only after that (a known deadlock). Every request that leaves the process ends in exactly one exchange
with one of five outcomes. Bodies go to disk; memory holds heads only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import OwnClient, Params, flag_of, integer_of, mapping_of, number_of, text_of
from evidencekit.capture.completion import BodyCollector
from evidencekit.capture.downloads import Downloads
from evidencekit.capture.exchanges import ExchangeOutcome
from evidencekit.capture.extraheaders import ExtraHeaders
from evidencekit.capture.flight import RECORDED_SCHEMES, Flight, build_exchange
from evidencekit.capture.guard import REFUSE_ALL, RecorderCallbacks, TrafficGuard
from evidencekit.capture.networklog import NUDGE_URL
from evidencekit.capture.settlement import Settlement
from evidencekit.capture.sockets import SocketRecorder
from evidencekit.capture.targets import TargetRegister, WatchedTarget
from evidencekit.errors import BrowserError, CaptureError, EvidenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
_NEVER_QUIET = frozenset({"EventSource", "WebSocket", "Ping", "Prefetch", "CSPViolationReport"})


class Recorder:
    """Records one browser.

    Attributes:
        settlement: finished exchanges and their commitments in order of completion.
        targets: what is watched.
        ignored: number of requests that never leave the process (`data:`, `blob:`, …), by scheme.
        local_network: what Chromium says it does about requests from public pages to private addresses.
        main_documents: (exchange id, URL) of main-document hops by page, in order.
        documents: the same of each tab's last navigation, by target id.
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
        self.ignored: Counter[str] = Counter()
        self.local_network: set[str] = set()
        self.main_documents: dict[str, list[tuple[str, str]]] = {}
        self.documents: dict[str, list[tuple[str, str]]] = {}
        self.observer: Observer | None = None
        self.sockets = SocketRecorder(bodies.parent / "websockets.jsonl", limits.body_bytes)
        self.session = ""
        self._client = client
        self._callbacks = callbacks
        self._guard = TrafficGuard(client, self.targets, limits, callbacks, allow_private=allow_private)
        self.downloads = Downloads(client, bodies / "downloads", limits.body_bytes, self._guard.count_bytes)
        self._collector = BodyCollector(client, bodies, limits.body_bytes, self.downloads)
        self._flights: dict[str, Flight] = {}
        self._extras = ExtraHeaders()
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._page: str | None = None
        self._rooted: set[str | None] = set()
        self._last_activity = 0.0
        self._handlers: Mapping[str, Callable[[WatchedTarget, Params], None]] = {
            "Network.requestWillBeSent": self._on_request,
            "Network.requestWillBeSentExtraInfo": self._on_request_extra,
            "Network.responseReceived": self._on_response,
            "Network.responseReceivedExtraInfo": self._on_response_extra,
            "Network.requestServedFromCache": self._on_cached,
            "Network.dataReceived": self._on_data,
            "Network.loadingFinished": self._on_finished,
            "Network.loadingFailed": self._on_failed,
        }
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
        await self.settlement.close(self._count + 1)

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
        self.main_documents[page] = []

    def begin_part(self, page: str) -> None:
        """All that is watched belongs to `page` from now on: what led to a shot belongs to it."""
        self._page = page
        self.targets.move(page)

    def mark_rooted(self, page: str) -> int:
        """T_capture of `page` is fixed: what ends later is `after_t_capture`. Returns the number of records so far."""
        self._rooted.update((page, None))
        return len(self.records)

    def is_rooted(self, page: str) -> bool:
        """Whether T_capture of `page` is fixed."""
        return page in self._rooted

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
                target = self.targets.of_session(session)
                if target is not None:
                    self._on_target_event(target, method, params)
        except EvidenceError as error:
            self._callbacks.failed(error)
        except Exception as error:  # noqa: BLE001 (a defect ends the capture: it must not lose a request silently)
            self._callbacks.failed(_defect(error))

    def _on_target_event(self, target: WatchedTarget, method: str, params: Params) -> None:
        handler = self._handlers.get(method)
        if handler is not None:
            self._last_activity = asyncio.get_running_loop().time()
            handler(target, params)
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
            for flight in tuple(self._flights.values()):
                if flight.session == session and not flight.over:
                    self._abandon(flight, "target closed")

    def _on_request(self, target: WatchedTarget, params: Params) -> None:
        request_id, url = text_of(params, "requestId"), text_of(params, "request", "url")
        scheme = url.partition(":")[0].lower() + ":"
        if scheme not in RECORDED_SCHEMES:
            self.ignored[scheme] += 1
            return
        before = self._flights.get(request_id)
        redirect = params.get("redirectResponse")
        if before is not None and not before.over:
            if redirect is None:
                return  # the same request seen from a second session
            before.response, before.has_extra = mapping_of(redirect), flag_of(params, "redirectHasExtraInfo")
            before.redirected_to = f"{self._count + 1:06d}"
        flight = self._open_flight(target, params, url, before if redirect is not None else None)
        self._flights[request_id] = flight
        if before is not None and not before.over:
            self._guard.check_peer(before)
            self._conclude_soon(before, number_of(params, "timestamp"))
        self._guard.count_request(self._count)

    def _open_flight(self, target: WatchedTarget, params: Params, url: str, before: Flight | None) -> Flight:
        self._count += 1
        flight = Flight(
            id=f"{self._count:06d}",
            request_id=text_of(params, "requestId"),
            session=target.session,
            page=target.page,
            target=target.kind,
            url=url + text_of(params, "request", "urlFragment"),
            method=text_of(params, "request", "method"),
            resource_type=text_of(params, "type") or "Other",
            initiator=text_of(params, "initiator", "type"),
            started=_wall_time(number_of(params, "wallTime")),
            monotonic_s=number_of(params, "timestamp") or 0.0,
            request=mapping_of(params, "request"),
            redirected_from=None if before is None else before.id,
        )
        flight.main_document = (
            target.kind == "page"
            and flight.resource_type == "Document"
            and text_of(params, "frameId") == target.target_id
        )
        if flight.main_document:
            hops = self.documents.setdefault(target.target_id, [])
            if before is None:
                hops.clear()
            hops.append((flight.id, flight.url))
        if flight.main_document and target.opener is None and target.page is not None:
            self.main_documents.setdefault(target.page, []).append((flight.id, flight.url))
        self._collector.take_request_body(flight)
        return flight

    def _on_request_extra(self, target: WatchedTarget, params: Params) -> None:
        del target
        policy = text_of(params, "clientSecurityState", "localNetworkAccessRequestPolicy")
        if policy:
            self.local_network.add(policy)
        self._extras.add_request(params)

    def _on_response_extra(self, target: WatchedTarget, params: Params) -> None:
        del target
        self._extras.add_response(params)

    def _on_response(self, target: WatchedTarget, params: Params) -> None:
        flight = self._flight(params)
        if flight is None:
            return
        flight.session = target.session
        flight.response = mapping_of(params, "response")
        flight.has_extra = flag_of(params, "hasExtraInfo")
        flight.resource_type = text_of(params, "type") or flight.resource_type
        self._guard.check_peer(flight)
        self.downloads.expect(flight)
        self._collector.response_began(flight)

    def _on_cached(self, target: WatchedTarget, params: Params) -> None:
        del target
        flight = self._flight(params)
        if flight is not None:
            flight.from_cache = True

    def _on_data(self, target: WatchedTarget, params: Params) -> None:
        flight = self._flight(params)
        if flight is None:
            return
        flight.session = target.session
        size = max(integer_of(params, "dataLength") or 0, 0)
        flight.received += size
        self._guard.count_bytes(size)
        self._collector.data_came(flight, text_of(params, "data"))

    def _on_finished(self, target: WatchedTarget, params: Params) -> None:
        flight = self._flight(params)
        if flight is not None:
            flight.session = target.session
            flight.encoded_size = integer_of(params, "encodedDataLength")
            self._conclude_soon(flight, number_of(params, "timestamp"))

    def _on_failed(self, target: WatchedTarget, params: Params) -> None:
        flight = self._flight(params)
        if flight is not None:
            flight.session = target.session
            reasons = (
                text_of(params, "errorText"),
                text_of(params, "blockedReason"),
                text_of(params, "corsErrorStatus", "corsError"),
            )
            flight.error = " ".join(word for word in reasons if word) or "failed"
            flight.canceled = flag_of(params, "canceled")
            self._conclude_soon(flight, number_of(params, "timestamp"))

    def _on_socket(self, target: WatchedTarget, method: str, params: Params) -> None:
        self._last_activity = asyncio.get_running_loop().time()
        if method in {"Network.webSocketCreated", "Network.webTransportCreated"}:
            self._count += 1
            self.sockets.created(f"{self._count:06d}", target, method, params)
            self._guard.count_request(self._count)
        exchange = self.sockets.event(method, params, late=target.page in self._rooted)
        if exchange is not None:
            self._keep(exchange)

    def _flight(self, params: Params) -> Flight | None:
        flight = self._flights.get(text_of(params, "requestId"))
        return None if flight is None or flight.over else flight

    def _abandon(self, flight: Flight, why: str) -> None:
        flight.error = why
        self._conclude_soon(flight, None)

    def _conclude_soon(self, flight: Flight, timestamp: float | None) -> None:
        flight.over = True
        flight.finished = flight.time_of(timestamp)
        index = self._extras.claim(flight)
        task = asyncio.get_running_loop().create_task(self._conclude(flight, index))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conclude(self, flight: Flight, index: int) -> None:
        try:
            await self._extras.complete(flight, index)
            body, outcome, reason = await self._collector.collect(flight)
            late = flight.page in self._rooted
            self._keep(build_exchange(flight, body, outcome, reason, late=late))
        except asyncio.CancelledError:
            reason = "the browser did not give the body in time"
            self._keep(build_exchange(flight, None, ExchangeOutcome.NOT_RETRIEVABLE, reason, late=True))
            raise
        except EvidenceError as error:
            self._callbacks.failed(error)
        except Exception as error:  # noqa: BLE001 (a defect ends the capture: it must not lose a request silently)
            self._callbacks.failed(_defect(error))
        finally:
            flight.request, flight.response, flight.response_extra, flight.request_extra = {}, {}, None, None

    def _keep(self, exchange: Exchange) -> None:
        self.settlement.keep(exchange)
        self._last_activity = asyncio.get_running_loop().time()

    def open_requests(self) -> int:
        """Requests under way that will end by themselves."""
        return sum(not flight.over and flight.resource_type not in _NEVER_QUIET for flight in self._flights.values())

    async def quiet(self, *, idle_s: float, timeout_s: float) -> bool:
        """Wait until nothing was under way for `idle_s` seconds, at most `timeout_s`; False when it never was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while loop.time() < deadline:
            busy = self.open_requests() > 0 or bool(self._tasks)
            if not busy and loop.time() - self._last_activity >= idle_s:
                return True
            await asyncio.sleep(0.05)
        return False

    async def drain(self, *, timeout_s: float) -> bool:
        """End every open request and wait for all bodies; False when some were cut off by the timeout."""
        for flight in tuple(self._flights.values()):
            if not flight.over:
                self._abandon(flight, "still open when recording ended")
        for exchange in self.sockets.finish(self._rooted):
            self._keep(exchange)
        if self.settlement.log is None:
            for exchange in self.downloads.refused_exchanges(self._count + 1, self._page):
                self._count += 1
                self._keep(exchange)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._tasks and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait(tuple(self._tasks), timeout=0.2)
        cut_off = tuple(self._tasks)
        for task in cut_off:
            task.cancel()
        return not cut_off


def _wall_time(seconds: float | None) -> datetime:
    if seconds is None or not 0 < seconds < 253_402_300_800:  # noqa: PLR2004 (year 10000)
        return datetime.now(UTC)
    return datetime.fromtimestamp(seconds, UTC)


def _defect(error: Exception) -> CaptureError:
    """The error for something that should be impossible."""
    what = f"{type(error).__name__}: {error}"[:300]
    return CaptureError(
        f"the recorder met a defect and stopped ({what}); nothing was sealed, please report it",
        f"记录器遇到程序缺陷而停止({what})；未封存任何内容，请报告",
    )
