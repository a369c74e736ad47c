"""Chromium's debugging pipe, held by us alone and shared between the recorder and Playwright.

Chromium started with `--remote-debugging-pipe` speaks the Chrome DevTools Protocol on two file descriptors
(one JSON object per message, each ended by a NUL byte) and opens no port. `PipeMultiplexer` owns these
descriptors and serves several clients in this process: command ids are remapped per client, each flattened
session belongs to the client that attached it, and an event goes to the owner of its session alone. So the
recorder's sessions are unknown to Playwright and nobody else can attach at all (finding `devtools.exclusive`).

The descriptors are sockets, not pipes: a pipe of another process can be opened again under `/proc/PID/fd` by every
process of the same user, a socket cannot (ENXIO). Who takes a descriptor away with a debugger's rights
(`pidfd_getfd(2)`) can still write to it; the browser answers every command, so an answer to a command that nobody
here sent gives him away.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from evidencekit.capture.wellformed import parse_message
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from evidencekit.capture.methodlog import MethodLog
    from evidencekit.model import JsonValue

MESSAGE_LIMIT = 768 << 20
"""Longest message we accept, in bytes; a base64 body of the greatest size that we ask for fits."""

_GONE = "the browser has closed its debugging pipe"


class Client(Protocol):
    """Whoever talks to the browser through the multiplexer."""

    name: str

    def deliver(self, message: Mapping[str, JsonValue]) -> None:
        """Take one reply (with the id that this client gave) or event; must not block."""

    def disconnected(self) -> None:
        """The browser is gone; no message follows."""


class PipeMultiplexer:
    """Several clients on one pipe.

    Attributes:
        log: what every client asked the browser to do.
        closed: set when the browser has closed the pipe.
        root: the client that gets events of the root session, or None.
    """

    def __init__(self, log: MethodLog) -> None:
        self.log = log
        self.closed = asyncio.Event()
        self.root: Client | None = None
        self._clients: list[Client] = []
        self._owner: dict[str, Client] = {}
        self._pending: dict[int, tuple[Client, int]] = {}
        self._last_id = 0
        self._writer: asyncio.WriteTransport | None = None
        self._reader: asyncio.BaseTransport | None = None

    async def open(self, read_fd: int, write_fd: int) -> None:
        """Take over both descriptors: we read the browser's messages from one and write commands to the other."""
        loop = asyncio.get_running_loop()
        reader, _ = await loop.connect_read_pipe(lambda: _PipeReader(self), os.fdopen(read_fd, "rb", 0))
        self._reader = reader
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write_fd, "wb", 0))
        self._writer = writer

    def join(self, client: Client) -> None:
        """Let a client take part; the first one to join afterwards as `root` gets the root session's events."""
        self._clients.append(client)

    def leave(self, client: Client) -> None:
        """Forget a client; replies and events that still come for it are dropped."""
        if client in self._clients:
            self._clients.remove(client)
        if self.root is client:
            self.root = None

    def send(self, client: Client, message: Mapping[str, JsonValue]) -> None:
        """Send one command; its reply comes back through `client.deliver` under the client's own id.

        Raises:
            BrowserError: the browser is gone, or the client named a session that is not its own.
        """
        session = message.get("sessionId")
        if isinstance(session, str) and self._owner.get(session) is not client:
            raise BrowserError(
                f"a DevTools client named a session that is not its own ({client.name}); this is a defect, report it",
                f"DevTools 客户端({client.name})使用了不属于自己的会话；这是程序缺陷，请报告",
            )
        if self._writer is None or self.closed.is_set():
            raise BrowserError(f"{_GONE}; capture again", "浏览器已关闭调试管道；请重新取证")
        own_id, method, params = message.get("id"), message.get("method"), message.get("params")
        if not isinstance(own_id, int) or not isinstance(method, str):
            raise BrowserError(
                "a DevTools command without id or method was refused", "拒绝了缺少编号或方法的 DevTools 命令"
            )
        self._last_id += 1
        self._pending[self._last_id] = (client, own_id)
        self.log.note(client.name, method, params if isinstance(params, Mapping) else {})
        self._writer.write(json.dumps({**message, "id": self._last_id}, separators=(",", ":")).encode("ascii") + b"\0")

    def receive(self, raw: bytes) -> None:
        """Give one message of the browser to the client it is for.

        This is where whatever a page says comes in, and the one place where its text is made fit for UTF-8.
        """
        try:
            message = parse_message(raw)
        except (ValueError, RecursionError):
            self.log.broken += 1
            return
        if not isinstance(message, dict):
            self.log.broken += 1
        elif "id" in message:
            self._reply(message)
        else:
            self._event(message)

    def _reply(self, message: dict[str, JsonValue]) -> None:
        number = message["id"]
        client, own_id = self._pending.pop(number, (None, 0)) if isinstance(number, int) else (None, 0)
        if client is None:
            # Every command is answered: an answer that nobody here waits for belongs to a command of somebody else.
            self.log.foreign += 1
            return
        result = message.get("result")
        if isinstance(result, Mapping) and isinstance(result.get("sessionId"), str):
            self._owner.setdefault(cast("str", result["sessionId"]), client)
        if client in self._clients:
            client.deliver({**message, "id": own_id})

    def _event(self, message: dict[str, JsonValue]) -> None:
        session, params = message.get("sessionId"), message.get("params")
        owner = self._owner.get(session) if isinstance(session, str) else self.root
        if owner is None:
            self.log.unowned += 1
            return
        child = params.get("sessionId") if isinstance(params, Mapping) else None
        if isinstance(child, str):
            if message.get("method") == "Target.attachedToTarget":
                owner = self._owner.setdefault(child, owner)
            elif message.get("method") == "Target.detachedFromTarget":
                owner = self._owner.pop(child, owner)
        if owner in self._clients:
            owner.deliver(message)

    def broken_pipe(self) -> None:
        """The browser closed the pipe: answer every open command with an error and tell the clients."""
        if self.closed.is_set():
            return
        self.closed.set()
        pending, self._pending = self._pending, {}
        for client, own_id in pending.values():
            if client in self._clients:
                client.deliver({"id": own_id, "error": {"code": -32000, "message": _GONE}})
        for client in tuple(self._clients):
            client.disconnected()

    def close(self) -> None:
        """Close both descriptors; a browser that still runs ends itself when it sees this."""
        for transport in (self._writer, self._reader):
            if transport is not None:
                transport.close()
        self.broken_pipe()


class _PipeReader(asyncio.Protocol):
    """Splits the byte stream at NUL without copying a long message more than once."""

    def __init__(self, mux: PipeMultiplexer) -> None:
        self._mux = mux
        self._parts: list[bytes] = []
        self._size = 0

    def data_received(self, data: bytes) -> None:
        start = 0
        while (end := data.find(b"\0", start)) >= 0:
            self._parts.append(data[start:end])
            raw, self._parts, self._size = b"".join(self._parts), [], 0
            start = end + 1
            self._mux.receive(raw)
        if start < len(data):
            self._parts.append(data[start:])
            self._size += len(data) - start
            if self._size > MESSAGE_LIMIT:
                self._mux.log.broken += 1
                self._mux.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._mux.broken_pipe()
