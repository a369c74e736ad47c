"""Fetching the bodies of a flight and judging how it ended: recorded, partial, failed or not retrievable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from evidencekit.capture.bodies import BodySpool, body_bytes, decode_base64, write_body
from evidencekit.capture.cdp import flag_of, text_of, value_at
from evidencekit.capture.exchanges import Body, ExchangeOutcome
from evidencekit.errors import BrowserError, FormatError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.cdp import OwnClient, Params
    from evidencekit.capture.downloads import Downloads
    from evidencekit.capture.flight import Flight

STREAM_ABOVE = 1 << 20
"""Bodies that are longer, or may become longer, are streamed to disk, in bytes."""

_STREAMED_TYPES = frozenset({"Media", "EventSource"})
_PARALLEL = 8
_BODY_TIMEOUT_S = 30.0

Judgement = tuple[Body | None, ExchangeOutcome, str | None]


class BodyCollector:
    """Bodies of requests and responses of one browser, spooled under `folder`."""

    def __init__(self, client: OwnClient, folder: Path, limit: int, downloads: Downloads) -> None:
        self._downloads = downloads
        self._client = client
        self._folder = folder
        self._limit = limit
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._posts: dict[str, asyncio.Future[Params]] = {}

    def take_request_body(self, flight: Flight) -> None:
        """Keep the request's body: from the event when it holds all of it, else asked for at once."""
        if not flag_of(flight.request, "hasPostData"):
            return
        entries = value_at(flight.request, "postDataEntries")
        pieces: list[bytes] = []
        for entry in entries if isinstance(entries, list) else ():
            text = text_of(entry, "bytes")
            if not text:
                break
            pieces.append(decode_base64(text))
        else:
            if pieces:
                flight.request_body, _ = write_body(self._path(flight, "request"), b"".join(pieces), self._limit)
                return
        self._posts[flight.id] = self._client.post(
            "Network.getRequestPostData", {"requestId": flight.request_id}, flight.session
        )

    def response_began(self, flight: Flight) -> None:
        """Stream a body that is long, of unknown length or endless."""
        length = flight.declared_length
        endless = length is None and flight.resource_type not in {"Preflight", "Ping"} and not flight.has_no_body
        if flight.resource_type in _STREAMED_TYPES or endless or (length or 0) > STREAM_ABOVE:
            self._stream(flight)

    def data_came(self, flight: Flight, data: str) -> None:
        """Bytes of the body came; `data` is base64 when the body is streamed, else empty."""
        if flight.spool is not None:
            if data:
                flight.spool.write(decode_base64(data))
        elif flight.received > STREAM_ABOVE:
            self._stream(flight)

    def _stream(self, flight: Flight) -> None:
        if flight.spool is not None:
            return
        spool = flight.spool = BodySpool(self._path(flight, "stream"), self._limit)
        asked = self._client.post("Network.streamResourceContent", {"requestId": flight.request_id}, flight.session)

        def begin(answer: asyncio.Future[Params]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                return  # too late to stream: the whole body is asked for instead
            if flight.spool is spool and not spool.ready:
                try:
                    spool.begin(decode_base64(text_of(answer.result(), "bufferedData")))
                except FormatError:
                    return  # nothing is begun: the whole body is asked for instead
                except StorageError as error:
                    spool.failed = error  # for whoever collects the body

        flight.stream_answer = asked
        asked.add_done_callback(begin)

    async def collect(self, flight: Flight) -> Judgement:
        """Body and outcome of a flight that is over.

        Raises:
            StorageError: the disk does not take a body.
        """
        try:
            taken = await self._downloads.take(flight)
            if taken is not None:
                return _taken(flight, *taken)
            async with self._slots:
                return await self._collect(flight)
        finally:
            if flight.spool is not None:
                flight.spool.discard()
                flight.spool = None

    async def _collect(self, flight: Flight) -> Judgement:
        await self._request_body(flight)
        if flight.response is None:
            return None, ExchangeOutcome.FAILED, flight.error or "no response"
        if flight.is_redirect_hop:
            return self._redirect(flight)
        if flight.has_no_body:
            return None, ExchangeOutcome.RECORDED, None
        body, missing = await self._response_body(flight)
        return _judge(flight, body, missing, self._limit)

    async def _request_body(self, flight: Flight) -> None:
        asked = self._posts.pop(flight.id, None)
        if asked is None:
            return
        try:
            answer = await asyncio.wait_for(asked, _BODY_TIMEOUT_S)
            text = text_of(answer, "postData")
            data = decode_base64(text) if flag_of(answer, "base64Encoded") else text.encode("utf-8", "surrogatepass")
        except (BrowserError, FormatError, TimeoutError):
            return  # the exchange then says that the body was not retained
        flight.request_body, _ = write_body(self._path(flight, "request"), data, self._limit)

    @staticmethod
    def _redirect(flight: Flight) -> Judgement:
        if flight.declared_length == 0:
            return None, ExchangeOutcome.RECORDED, None
        return None, ExchangeOutcome.NOT_RETRIEVABLE, "the browser does not give bodies of redirects"

    async def _response_body(self, flight: Flight) -> tuple[Body | None, str | None]:
        """The body, or None and why; a streamed body that has all bytes, or whatever of it there is."""
        streamed = await self._streamed(flight)
        if streamed is not None and (_is_whole(flight, streamed.size) or flight.received > self._limit):
            return streamed, None
        if flight.received > self._limit:
            return streamed, "longer than the limit"
        try:
            answer = await self._client.call(
                "Network.getResponseBody", {"requestId": flight.request_id}, flight.session, timeout_s=_BODY_TIMEOUT_S
            )
            whole, _ = write_body(self._path(flight, "response"), body_bytes(answer), self._limit)
        except (BrowserError, FormatError) as error:
            return streamed, error.en
        if streamed is not None and streamed.size > whole.size:
            return streamed, None
        return whole, None

    async def _streamed(self, flight: Flight) -> Body | None:
        spool, asked = flight.spool, flight.stream_answer
        if spool is None or asked is None:
            return None
        await asyncio.wait((asked,), timeout=_BODY_TIMEOUT_S)
        flight.spool = None
        if not spool.ready:
            spool.discard()
            return None
        flight.cut = spool.truncated
        return spool.close()

    def _path(self, flight: Flight, part: str) -> Path:
        return self._folder / f"{flight.id}.{part}"


def _taken(flight: Flight, body: Body | None, reason: str) -> Judgement:
    """A flight that became a download."""
    if body is None:
        return None, ExchangeOutcome.NOT_RETRIEVABLE, reason
    flight.received = body.size
    return body, ExchangeOutcome.RECORDED, None


def _is_whole(flight: Flight, size: int) -> bool:
    """Whether `size` bytes are all that a stream should have given.

    What a page reads as a blob goes past the renderer: the browser then counts no data at all (observed on
    Chromium 156), so nothing streamed is believed only where nothing was announced.
    """
    return size >= flight.received and size >= (flight.declared_length or 0) and (size > 0 or not flight.encoded_size)


def _judge(flight: Flight, body: Body | None, missing: str | None, limit: int) -> Judgement:
    """Compare what was kept with what was announced and counted."""
    size = 0 if body is None else body.size
    if body is None and flight.received == 0 and flight.declared_length in {0, None} and not flight.error:
        return None, ExchangeOutcome.RECORDED, None  # nothing came, nothing was announced
    if body is None:
        why = flight.error or missing or "no body"
        return None, ExchangeOutcome.NOT_RETRIEVABLE, why
    if flight.cut or (size == limit and flight.received > limit):
        return body, ExchangeOutcome.PARTIAL, "cut at the body limit"
    if size == 0 and (flight.received or (flight.declared_length and not flight.error)):
        return None, ExchangeOutcome.NOT_RETRIEVABLE, "the browser gave none of the bytes that came"
    if flight.received and size != flight.received:
        return body, ExchangeOutcome.PARTIAL, "fewer bytes than the browser counted"
    if not flight.error and size < (flight.declared_length or 0):
        return body, ExchangeOutcome.PARTIAL, "fewer bytes than the server announced"
    if flight.error and flight.declared_length != size:
        return body, ExchangeOutcome.PARTIAL, flight.error
    return body, ExchangeOutcome.RECORDED, None
