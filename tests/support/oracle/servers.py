"""The servers: HTTP/1.1 by hand, HTTP/2 by hyper-h2, HTTP/3 by aioquic; each logs what it received and sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from tests.support.oracle.answers import Answer, Fields, raw
from tests.support.oracle.pages import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(kw_only=True)
class Served:
    """One request as the server saw it, and what it sent.

    `sent` counts content bytes that went out; `reused`: an earlier request came over the same connection.
    """

    protocol: str
    method: str
    path: str
    fields: Fields
    body: bytes
    answer: Answer
    sent: int = 0
    reused: bool = False
    frames: list[bytes] = field(default_factory=list)


Log = list[Served]


class H1Server:
    """HTTP/1.1 with keep-alive, chunks, trailers and WebSockets; header names in the case given, one capital a word."""

    protocol = "http/1.1"

    def __init__(self, log: Log) -> None:
        self.log = log

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.LimitOverrunError, asyncio.CancelledError):
            reused = False
            while await self._one(reader, writer, reused=reused):
                reused = True
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reused: bool) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
        asked = {name.lower(): value for name, value in fields}
        body = await reader.readexactly(int(asked.get("content-length", "0")))
        if asked.get("upgrade", "").lower() == "websocket":
            await self._socket(
                reader,
                writer,
                Served(
                    protocol=self.protocol,
                    method=method,
                    path=path,
                    fields=fields,
                    body=b"",
                    answer=Answer(status=101, headers=[]),
                ),
                asked,
            )
            return False
        served = Served(
            protocol=self.protocol,
            method=method,
            path=path,
            fields=fields,
            body=body,
            answer=answer(method, path, fields, body, sockets=True),
            reused=reused,
        )
        self.log.append(served)
        await self._send(writer, served)
        return True

    async def _send(self, writer: asyncio.StreamWriter, served: Served) -> None:
        found = served.answer
        found.headers = [
            ("-".join(part.capitalize() for part in name.split("-")), value) for name, value in found.headers
        ]
        names = {name.lower() for name, _ in found.headers}
        chunked = "content-length" not in names and bool(found.pieces)
        if chunked:
            found.headers.append(("Transfer-Encoding", "chunked"))
        elif "content-length" not in names and found.status not in {204, 304}:
            found.headers.append(("Content-Length", "0"))
        lines = [f"HTTP/1.1 {found.status} {found.said}", *(f"{name}: {value}" for name, value in found.headers)]
        if found.hints:
            hints = "".join(f"{name}: {value}\r\n" for name, value in found.hints)
            writer.write(f"HTTP/1.1 103 Early Hints\r\n{hints}\r\n".encode())
        writer.write(raw("\r\n".join(lines) + "\r\n\r\n"))
        if served.method == "HEAD":
            return
        for pause, piece in found.pieces:
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            served.sent += len(piece)
        if chunked:
            trailers = "".join(f"{name}: {value}\r\n" for name, value in found.trailers)
            writer.write(f"0\r\n{trailers}\r\n".encode())
        await writer.drain()

    async def _socket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Served, asked: dict[str, str]
    ) -> None:
        key = base64.b64encode(
            hashlib.sha1(  # noqa: S324 (RFC 6455 asks for it)
                asked["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            ).digest()
        )
        served.answer.headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", key.decode()),
        ]
        self.log.append(served)
        lines = ["HTTP/1.1 101 Switching", *(f"{name}: {value}" for name, value in served.answer.headers)]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        start = await reader.readexactly(2)
        size = start[1] & 0x7F
        mask = await reader.readexactly(4)
        data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(await reader.readexactly(size)))
        served.frames += [data, b"echo " + data]
        writer.write(bytes((0x81, 5 + size)) + b"echo " + data)
        await writer.drain()
        await reader.read()


class H2Server:
    """HTTP/2; header fields go out in the order given."""

    protocol = "h2"

    def __init__(self, log: Log) -> None:
        self.log = log

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=False,
                header_encoding="utf-8",
                normalize_outbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        asked: dict[int, tuple[Fields, bytearray]] = {}
        tasks: set[asyncio.Task[None]] = set()
        with suppress(OSError, h2.exceptions.ProtocolError, asyncio.CancelledError):
            while data := await reader.read(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        asked[event.stream_id] = (
                            [(str(name), str(value)) for name, value in event.headers],
                            bytearray(),
                        )
                    elif isinstance(event, h2.events.DataReceived):
                        asked[event.stream_id][1].extend(event.data)
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        fields, body = asked.pop(event.stream_id)
                        task = asyncio.create_task(
                            self._answer(connection, writer, event.stream_id, fields, bytes(body))
                        )
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                writer.write(connection.data_to_send())
                await writer.drain()
        for task in tasks:
            task.cancel()
        writer.close()

    async def _answer(
        self,
        connection: h2.connection.H2Connection,
        writer: asyncio.StreamWriter,
        stream: int,
        fields: Fields,
        body: bytes,
    ) -> None:
        pseudo = dict(fields)
        served = Served(
            protocol=self.protocol,
            method=pseudo[":method"],
            path=pseudo[":path"],
            fields=fields,
            body=body,
            answer=answer(pseudo[":method"], pseudo[":path"], fields, body, sockets=False),
            reused=stream > 1,
        )
        self.log.append(served)
        found = served.answer
        pieces = [] if served.method == "HEAD" else found.pieces
        with suppress(h2.exceptions.ProtocolError, ConnectionError, ssl.SSLError):
            if found.hints:
                connection.send_headers(stream, [(":status", "103"), *found.hints])
            headers = [(":status", str(found.status).encode()), *((name, raw(value)) for name, value in found.headers)]
            connection.send_headers(stream, headers, end_stream=not pieces)
            writer.write(connection.data_to_send())
            for number, (pause, piece) in enumerate(pieces, 1):
                await asyncio.sleep(pause)
                last = number == len(pieces) and not found.trailers
                await self._send(connection, writer, stream, piece, last=last)
                served.sent += len(piece)
            if found.trailers:
                connection.send_headers(stream, found.trailers, end_stream=True)
                writer.write(connection.data_to_send())

    @staticmethod
    async def _send(
        connection: h2.connection.H2Connection, writer: asyncio.StreamWriter, stream: int, piece: bytes, *, last: bool
    ) -> None:
        while True:
            size = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size, len(piece))
            if size == 0 and piece:
                await asyncio.sleep(0.005)
                continue
            connection.send_data(stream, piece[:size], end_stream=last and size == len(piece))
            writer.write(connection.data_to_send())
            piece = piece[size:]
            if not piece:
                return


@contextmanager
def serving(pem: Path, kind: str) -> Iterator[tuple[int, Log]]:
    """Serve on loopback in a thread; yields the port and the log. `kind` is `h1`, `h2` or `h3`."""
    log: Log = []

    async def start() -> tuple[int, Callable[[], None]]:
        if kind == "h3":
            from tests.support.oracle.quic import serve_h3

            quic = await serve_h3(pem, log)
            return quic.port, quic.close
        handler = H1Server(log) if kind == "h1" else H2Server(log)
        return await over_tls(handler, pem, "http/1.1" if kind == "h1" else "h2")

    with in_a_thread(start) as port:
        yield port, log


async def over_tls(handler: Handler, pem: Path, *protocols: str) -> tuple[int, Callable[[], None]]:
    """Serve connections over TLS on loopback; gives the port and what closes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(list(protocols))
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    return server.sockets[0].getsockname()[1], server.close


@contextmanager
def in_a_thread(start: Callable[[], Awaitable[tuple[int, Callable[[], None]]]]) -> Iterator[int]:
    """Run a server in an event loop of its own thread; yields its port."""
    ports: list[int] = []
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def run() -> None:
        port, close = await start()
        ports.append(port)
        started.set()
        await stop.wait()
        close()

    def main() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run())
            pending = asyncio.all_tasks(loop)
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    started.wait(20)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
