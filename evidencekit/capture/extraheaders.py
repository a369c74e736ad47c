"""Headers as they went over the wire: `Network.…ExtraInfo` events, joined to the hops they belong to.

These events carry the raw header block (HTTP/1.x), cookies and `Set-Cookie`, and may come before or after the
events of their hop. They come in order per request id; a hop without network traffic (cache, service worker) has
none and says so in `hasExtraInfo`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import text_of

if TYPE_CHECKING:
    from evidencekit.capture.cdp import Params
    from evidencekit.capture.flight import Flight

_PATIENCE_S = 2.0


@dataclass(slots=True)
class _Extras:
    requests: list[Params] = field(default_factory=list)
    responses: list[Params] = field(default_factory=list)
    claimed: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class ExtraHeaders:
    """All extra events of one browser, by request id."""

    def __init__(self) -> None:
        self._by_request: dict[str, _Extras] = {}

    def add_request(self, params: Params) -> None:
        """Take `Network.requestWillBeSentExtraInfo`."""
        extras = self._of(text_of(params, "requestId"))
        extras.requests.append(params)
        extras.arrived.set()

    def add_response(self, params: Params) -> None:
        """Take `Network.responseReceivedExtraInfo`."""
        extras = self._of(text_of(params, "requestId"))
        extras.responses.append(params)
        extras.arrived.set()

    def claim(self, flight: Flight) -> int:
        """The place of a hop that is over among the extra events of its request id."""
        extras = self._of(flight.request_id)
        index = extras.claimed
        extras.claimed += bool(flight.has_extra)
        return index

    async def complete(self, flight: Flight, index: int) -> None:
        """Put the extra events into the flight; where it must have some, wait for them for up to two seconds."""
        if flight.has_extra is False:
            return
        extras = self._of(flight.request_id)
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while flight.has_extra and (len(extras.requests) <= index or len(extras.responses) <= index):
            extras.arrived.clear()
            try:
                await asyncio.wait_for(extras.arrived.wait(), deadline - asyncio.get_running_loop().time())
            except TimeoutError:
                break
        if len(extras.requests) > index:
            flight.request_extra, extras.requests[index] = extras.requests[index], {}
        if len(extras.responses) > index:
            flight.response_extra, extras.responses[index] = extras.responses[index], {}

    def _of(self, request_id: str) -> _Extras:
        return self._by_request.setdefault(request_id, _Extras())
