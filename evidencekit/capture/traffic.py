"""Requests under way: `Network` events become flights, each flight that is over becomes one exchange.

A request ends in exactly one exchange with one of five outcomes; a defect here ends the capture, because it must not
lose a request silently. Memory holds heads of what is under way, bodies go to disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import Params, flag_of, integer_of, mapping_of, number_of, text_of
from evidencekit.capture.exchanges import ExchangeOutcome
from evidencekit.capture.extraheaders import ExtraHeaders
from evidencekit.capture.flight import RECORDED_SCHEMES, Flight, build_exchange
from evidencekit.capture.lull import Lull
from evidencekit.errors import CaptureError, EvidenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.capture.completion import BodyCollector
    from evidencekit.capture.downloads import Downloads
    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.guard import RecorderCallbacks, TrafficGuard
    from evidencekit.capture.targets import WatchedTarget

_NEVER_QUIET = frozenset({"EventSource", "WebSocket", "Ping", "Prefetch", "CSPViolationReport"})


class Traffic:
    """Requests of one browser from their first event to their exchange.

    Attributes:
        count: number of exchanges begun, which numbers the next one.
        ignored: number of requests that never leave the process (`data:`, `blob:`, …), by scheme.
        local_network: what Chromium says it does about requests from public pages to private addresses.
        main_documents: (exchange id, URL) of main-document hops by page, in order.
        documents: the same of each tab's last navigation, by target id.
        main_status: HTTP status of the latest answer to one, by page.
        lull: holds bodies back while a page loads.
        rooted: pages whose T_capture is fixed; what ends later is `after_t_capture`.
    """

    def __init__(
        self,
        collector: BodyCollector,
        downloads: Downloads,
        guard: TrafficGuard,
        callbacks: RecorderCallbacks,
        keep: Callable[[Exchange], None],
    ) -> None:
        """Take what judges and fetches; `keep` gets every finished exchange."""
        self.count = 0
        self.ignored: Counter[str] = Counter()
        self.local_network: set[str] = set()
        self.main_documents: dict[str, list[tuple[str, str]]] = {}
        self.documents: dict[str, list[tuple[str, str]]] = {}
        self.main_status: dict[str, int | None] = {}
        self.rooted: set[str | None] = set()
        self.lull = Lull()
        self._collector = collector
        self._downloads = downloads
        self._guard = guard
        self._callbacks = callbacks
        self._keep = keep
        self._flights: dict[str, Flight] = {}
        self._extras = ExtraHeaders()
        self._tasks: set[asyncio.Task[None]] = set()
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

    def event(self, target: WatchedTarget, method: str, params: Params) -> bool:
        """Take one event of a watched target; False when it is not about a request."""
        handler = self._handlers.get(method)
        if handler is None:
            return False
        handler(target, params)
        return True

    def next_id(self) -> str:
        """Number one more exchange.

        Returns:
            Its id, six decimal digits.
        """
        self.count += 1
        return f"{self.count:06d}"

    def counted(self) -> None:
        """Hold the number of exchanges against the limit."""
        self._guard.count_request(self.count)

    def session_ended(self, session: str) -> None:
        """A target has closed: its open requests went with it."""
        for flight in tuple(self._flights.values()):
            if flight.session == session:
                self._abandon(flight, "target closed")

    def recording_ended(self) -> None:
        """End every open request; nothing waits any longer."""
        self.lull.end()
        for flight in tuple(self._flights.values()):
            self._abandon(flight, "still open when recording ended")

    def open_requests(self) -> int:
        """Requests under way that will end by themselves."""
        return sum(flight.resource_type not in _NEVER_QUIET for flight in self._flights.values())

    @property
    def busy(self) -> bool:
        """Whether a request is under way or a body is being fetched."""
        return bool(self._tasks) or self.open_requests() > 0

    async def drain(self, *, timeout_s: float) -> bool:
        """Wait for the exchanges of all requests that are over; False when some were cut off after `timeout_s`."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._tasks and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait(tuple(self._tasks), timeout=0.2)
        cut_off = tuple(self._tasks)
        for task in cut_off:
            task.cancel()
        return not cut_off

    # --- events ------------------------------------------------------------------------------------

    def _on_request(self, target: WatchedTarget, params: Params) -> None:
        request_id, url = text_of(params, "requestId"), text_of(params, "request", "url")
        scheme = url.partition(":")[0].lower() + ":"
        if scheme not in RECORDED_SCHEMES:
            self.ignored[scheme] += 1
            return
        before = self._flights.get(request_id)
        redirect = params.get("redirectResponse")
        if before is not None:
            if redirect is None:
                return  # the same request seen from a second session
            before.response, before.has_extra = mapping_of(redirect), flag_of(params, "redirectHasExtraInfo")
            before.redirected_to = f"{self.count + 1:06d}"
        flight = self._open_flight(target, params, url, before)
        if before is not None:
            self._guard.check_peer(before)
            self._conclude_soon(before, number_of(params, "timestamp"))
        self._flights[request_id] = flight
        self.counted()

    def _open_flight(self, target: WatchedTarget, params: Params, url: str, before: Flight | None) -> Flight:
        flight = Flight(
            id=self.next_id(),
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
            patient=target.kind == "page" and target.opener is None,
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
        if flight.main_document and target.opener is None and target.page is not None:
            self.main_status[target.page] = flight.status
        self._guard.check_peer(flight)
        self._downloads.expect(flight)
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

    def _flight(self, params: Params) -> Flight | None:
        return self._flights.get(text_of(params, "requestId"))

    def _abandon(self, flight: Flight, why: str) -> None:
        flight.error = why
        self._conclude_soon(flight, None)

    def _conclude_soon(self, flight: Flight, timestamp: float | None) -> None:
        del self._flights[flight.request_id]
        flight.finished = flight.time_of(timestamp)
        index = self._extras.claim(flight)
        task = asyncio.get_running_loop().create_task(self._conclude(flight, index))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conclude(self, flight: Flight, index: int) -> None:
        try:
            if flight.patient:
                await self.lull.wait(flight.received)
            await self._extras.complete(flight, index)
            body, outcome, reason = await self._collector.collect(flight)
            late = flight.page in self.rooted
            self._keep(build_exchange(flight, body, outcome, reason, late=late))
        except asyncio.CancelledError:
            reason = "the browser did not give the body in time"
            self._keep(build_exchange(flight, None, ExchangeOutcome.NOT_RETRIEVABLE, reason, late=True))
            raise
        except EvidenceError as error:
            self._callbacks.failed(error)
        except Exception as error:  # noqa: BLE001 (a defect ends the capture: it must not lose a request silently)
            self._callbacks.failed(defect(error))
        finally:
            flight.request, flight.response, flight.response_extra, flight.request_extra = {}, {}, None, None


def _wall_time(seconds: float | None) -> datetime:
    if seconds is None or not 0 < seconds < 253_402_300_800:  # noqa: PLR2004 (year 10000)
        return datetime.now(UTC)
    return datetime.fromtimestamp(seconds, UTC)


def defect(error: Exception) -> CaptureError:
    """The error for something that should be impossible."""
    what = f"{type(error).__name__}: {error}"[:300]
    return CaptureError(
        f"the recorder met a defect and stopped ({what}); nothing was sealed, please report it",
        f"记录器遇到程序缺陷而停止({what})；未封存任何内容，请报告",
    )
