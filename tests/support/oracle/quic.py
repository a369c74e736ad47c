"""HTTP/3 over QUIC by aioquic, answering like the other servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

from tests.support.oracle.answers import raw
from tests.support.oracle.pages import answer
from tests.support.oracle.servers import Served

if TYPE_CHECKING:
    from pathlib import Path

    from aioquic.asyncio.server import QuicServer
    from aioquic.quic.events import QuicEvent

    from tests.support.oracle.answers import Fields
    from tests.support.oracle.servers import Log


class RunningServer:
    """A QUIC server and its UDP port."""

    def __init__(self, server: QuicServer) -> None:
        self._server = server
        assert server._transport is not None
        self.port: int = server._transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        self._server.close()


async def serve_h3(pem: Path, log: Log) -> RunningServer:  # noqa: C901 (a protocol and its server in one)
    """Start it."""
    configuration = QuicConfiguration(alpn_protocols=["h3"], is_client=False)
    configuration.load_cert_chain(pem, pem)

    class Protocol(QuicConnectionProtocol):
        def __init__(self, *args: object, **named: object) -> None:
            super().__init__(*args, **named)  # type: ignore[arg-type]
            self._http: H3Connection | None = None
            self._asked: dict[int, tuple[Fields, bytearray]] = {}
            self._tasks: set[asyncio.Task[None]] = set()

        def quic_event_received(self, event: QuicEvent) -> None:
            if self._http is None:
                self._http = H3Connection(self._quic)
            for found in self._http.handle_event(event):
                self._take(found)

        def _take(self, event: H3Event) -> None:
            if isinstance(event, HeadersReceived):
                fields = [(name.decode(), value.decode()) for name, value in event.headers]
                self._asked[event.stream_id] = (fields, bytearray())
            elif isinstance(event, DataReceived):
                self._asked[event.stream_id][1].extend(event.data)
            if isinstance(event, HeadersReceived | DataReceived) and event.stream_ended:
                fields, body = self._asked.pop(event.stream_id)
                task = asyncio.get_running_loop().create_task(self._answer(event.stream_id, fields, bytes(body)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        async def _answer(self, stream: int, fields: Fields, body: bytes) -> None:
            assert self._http is not None
            pseudo = dict(fields)
            method, path = pseudo[":method"], pseudo[":path"]
            served = Served(
                protocol="h3",
                method=method,
                path=path,
                fields=fields,
                body=body,
                answer=answer(method, path, fields, body, sockets=False),
                reused=stream > 0,
            )
            log.append(served)
            found = served.answer
            found.trailers = []  # Chromium 156 ends the stream of aioquic's trailers as an error
            pieces = [] if method == "HEAD" else found.pieces
            headers = [(b":status", str(found.status).encode())]
            headers += [(name.encode(), raw(value)) for name, value in found.headers]
            if found.hints:
                hints = [(name.encode(), value.encode()) for name, value in found.hints]
                self._http.send_headers(stream, [(b":status", b"103"), *hints])
            self._http.send_headers(stream, headers, end_stream=not pieces)
            self.transmit()
            for number, (pause, piece) in enumerate(pieces, 1):
                await asyncio.sleep(pause)
                self._http.send_data(stream, piece, end_stream=number == len(pieces) and not found.trailers)
                self.transmit()
                served.sent += len(piece)
            if found.trailers:
                trailers = [(name.encode(), value.encode()) for name, value in found.trailers]
                self._http.send_headers(stream, trailers, end_stream=True)
                self.transmit()

    return RunningServer(await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Protocol))
