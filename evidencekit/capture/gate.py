"""Playwright's way in: a loopback WebSocket with a secret path that admits exactly one client, once.

Playwright's emulation defaults would change what the page sees (fonts, media features, focus) and where downloads
go. They are answered here without being passed to the browser, so the page stays as in a plain visit. Nor is
Playwright told of requests: the recorder watches them already, and a second account of each costs the page time.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from websockets.http11 import Request, Response

    from evidencekit.capture.devtools import PipeMultiplexer
    from evidencekit.model import JsonValue

WITHHELD_METHODS = frozenset(
    {
        "Page.setFontFamilies",
        "Emulation.setEmulatedMedia",
        "Emulation.setFocusEmulationEnabled",
        "Emulation.setUserAgentOverride",
        "Browser.setDownloadBehavior",
        "Network.enable",
    }
)
"""Commands of Playwright that are answered with an empty result instead of being passed on."""

_SECRET_BYTES = 32


class Gate:
    """Serves one WebSocket client of the multiplexer; use as an async context manager."""

    def __init__(self, mux: PipeMultiplexer) -> None:
        self._mux = mux
        self._path = "/" + secrets.token_urlsafe(_SECRET_BYTES)
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=None,
            compression=None,
            ping_interval=None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The secret address; it must not be logged."""
        if self._server is None:
            raise BrowserError(
                "the DevTools gate is not open; this is a defect, report it", "DevTools 入口尚未打开；请报告此缺陷"
            )
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}{self._path}"

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        right = hmac.compare_digest(request.path.encode("utf-8", "replace"), self._path.encode())
        if right and self._mux.log.accepted == 0 and "Origin" not in request.headers:
            self._mux.log.accepted += 1
            return None
        self._mux.log.refused += 1
        return connection.respond(HTTPStatus.NOT_FOUND, "")

    async def _serve(self, connection: ServerConnection) -> None:
        client = _SocketClient()
        self._mux.join(client)
        self._mux.root = client
        sender = asyncio.create_task(client.pump(connection))
        try:
            async for raw in connection:
                self._take(client, raw)
        except ConnectionClosed:
            pass
        finally:
            self._mux.leave(client)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    def _take(self, client: _SocketClient, raw: str | bytes) -> None:
        message = json.loads(raw)
        if message.get("method") in WITHHELD_METHODS:
            self._mux.log.withheld[message["method"]] += 1
            reply: dict[str, JsonValue] = {"id": message["id"], "result": {}}
            if "sessionId" in message:
                reply["sessionId"] = message["sessionId"]
            client.deliver(reply)
            return
        try:
            self._mux.send(client, message)
        except BrowserError as error:
            # To Playwright -32001 is a message to a session that has just closed; anything else ends its driver.
            code = -32001 if "sessionId" in message else -32000
            client.deliver({"id": message.get("id"), "error": {"code": code, "message": error.en}})


class _SocketClient:
    """Playwright as a client of the multiplexer; messages queue here until the socket takes them."""

    name = "playwright"

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Mapping[str, JsonValue] | None] = asyncio.Queue()

    def deliver(self, message: Mapping[str, JsonValue]) -> None:
        """Queue one message."""
        self._queue.put_nowait(message)

    def disconnected(self) -> None:
        """The browser is gone: close the socket after what is queued."""
        self._queue.put_nowait(None)

    async def pump(self, connection: ServerConnection) -> None:
        """Send what is queued."""
        with suppress(ConnectionClosed):
            while (message := await self._queue.get()) is not None:
                await connection.send(json.dumps(message, separators=(",", ":")))
            await connection.close()
