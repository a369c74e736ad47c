"""The one way in which a browser in a namespace of its own asks for names: plain DNS, passed on as it is, bounded.

It listens inside the namespace on sockets that were made there, and asks the machine's own resolvers from outside.
Queries and answers are not changed: what a name leads to is judged by the egress rules, at every connection. Only
what is one DNS query (RFC 1035 §4.1) is passed on, so many at a time and each for so long.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

QUERY_LIMIT: Final = 1232
"""Longest query over UDP and TCP, in bytes (DNS flag day 2020); browsers send less than 300."""

PARALLEL: Final = 128
_HEADER: Final = 12
_TIMEOUT_S: Final = 3.0
_TCP_IDLE_S: Final = 10.0
_NAMESERVER: Final = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)
_SERVERS: Final = 3


def nameservers(file: Path) -> tuple[str, ...]:
    """The machine's resolvers (resolv.conf(5)); its local host when the file names none."""
    try:
        text = file.read_text(errors="replace")[:65536]
    except OSError:
        text = ""
    return tuple(_NAMESERVER.findall(text))[:_SERVERS] or ("127.0.0.1",)


def is_query(data: bytes) -> bool:
    """Whether this is one standard query with one question."""
    return (
        _HEADER < len(data) <= QUERY_LIMIT
        and data[2] & 0xF8 == 0  # QR and opcode
        and data[4:8] == b"\x00\x01\x00\x00"  # one question, no answer
    )


def is_answer(data: bytes, query: bytes) -> bool:
    """Whether this answers the query: same id, and a response."""
    return len(data) >= _HEADER and data[:2] == query[:2] and data[2] & 0x80 != 0


class DnsRelay:
    """Passes queries on.

    Attributes:
        asked: number of queries passed on.
        dropped: number of messages that were no query, or too many at a time.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self.asked = 0
        self.dropped = 0
        self._servers = tuple(servers)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, datagrams: socket.socket, streams: socket.socket) -> None:
        """Serve on a bound UDP and a listening TCP socket until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Inbound(self), sock=datagrams)
        server = await asyncio.start_server(self._stream, sock=streams, limit=QUERY_LIMIT * 2)
        try:
            await loop.create_future()
        finally:
            transport.close()
            server.close()

    def take(self, query: bytes, reply: asyncio.DatagramTransport, sender: tuple[str, int]) -> None:
        """Pass one datagram on."""
        if not self._admits(query):
            return
        task = asyncio.get_running_loop().create_task(self._answer(query, reply, sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _admits(self, query: bytes) -> bool:
        if not is_query(query) or len(self._tasks) >= PARALLEL:
            self.dropped += 1
            return False
        self.asked += 1
        return True

    async def _answer(self, query: bytes, reply: asyncio.DatagramTransport, sender: tuple[str, int]) -> None:
        for server in self._servers:
            answer = await _ask_datagram(server, query)
            if answer is not None:
                if not reply.is_closing():
                    reply.sendto(answer, sender)
                return

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queries over TCP, one after the other (RFC 7766), each with its length before it."""
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), _TCP_IDLE_S), "big")
                if size > QUERY_LIMIT:
                    break
                query = await asyncio.wait_for(reader.readexactly(size), _TCP_IDLE_S)
                if not self._admits(query):
                    break
                answer = await self._ask_stream(query)
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    async def _ask_stream(self, query: bytes) -> bytes | None:
        for server in self._servers:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_TIMEOUT_S):
                    reader, writer = await asyncio.open_connection(server, 53)
                    try:
                        writer.write(len(query).to_bytes(2, "big") + query)
                        size = int.from_bytes(await reader.readexactly(2), "big")
                        answer = await reader.readexactly(size)
                    finally:
                        writer.close()
                    if is_answer(answer, query):
                        return answer
        return None


class _Inbound(asyncio.DatagramProtocol):
    """Datagrams of the browser."""

    def __init__(self, relay: DnsRelay) -> None:
        self._relay = relay
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport does not derive from this class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._relay.take(data, self._transport, addr)


class _Outbound(asyncio.DatagramProtocol):
    """The answer of one resolver to one query; its socket is connected, so nobody else's datagram comes."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        if is_answer(data, self._query) and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        del exc
        if not self.answer.done():
            self.answer.set_result(None)


async def _ask_datagram(server: str, query: bytes) -> bytes | None:
    try:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Outbound(query), remote_addr=(server, 53)
        )
    except OSError:
        return None
    try:
        transport.sendto(query)
        return await asyncio.wait_for(protocol.answer, _TIMEOUT_S)
    except TimeoutError:
        return None
    finally:
        transport.close()
