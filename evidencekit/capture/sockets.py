"""WebSockets: the handshake becomes an exchange, the frames a transcript of their own.

`websockets.jsonl` holds one object per frame: exchange id, time, direction, opcode (RFC 6455 §5.2) and payload,
which is text for opcode 1 and base64 otherwise, as `Network.webSocketFrame…` gives it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.capture.cdp import integer_of, mapping_of, text_of, value_at
from evidencekit.capture.exchanges import Exchange, ExchangeOutcome, Headers, ResponseHead
from evidencekit.capture.flight import headers_of, raw_headers
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.cdp import Params
    from evidencekit.capture.targets import WatchedTarget

_DIRECTIONS = {"Network.webSocketFrameSent": "sent", "Network.webSocketFrameReceived": "received"}


class _Socket:
    """One WebSocket or WebTransport session that is open."""

    def __init__(self, exchange_id: str, target: WatchedTarget, method: str, params: Params) -> None:
        self.id = exchange_id
        self.target = target
        self.transport = method == "Network.webTransportCreated"
        self.url = text_of(params, "url")
        self.initiator = text_of(params, "initiator", "type")
        self.started = datetime.now(UTC)
        self.request: Params = {}
        self.response: Params | None = None
        self.error: str | None = None
        self.left_out = 0


class SocketRecorder:
    """All WebSockets of a browser; frames go to `path` until `limit` bytes are written.

    Attributes:
        path: the transcript; it exists when there was a frame.
        frames: number of frames written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.frames = 0
        self._room = limit
        self._file: BinaryIO | None = None
        self._open: dict[str, _Socket] = {}

    def created(self, exchange_id: str, target: WatchedTarget, method: str, params: Params) -> None:
        """A socket is being opened."""
        key = text_of(params, "requestId") or text_of(params, "transportId")
        self._open[key] = _Socket(exchange_id, target, method, params)

    def event(self, method: str, params: Params, *, late: bool) -> Exchange | None:
        """Take one `Network.webSocket…` or `webTransport…` event; the exchange when the socket has closed.

        Raises:
            StorageError: the transcript cannot be written.
        """
        key = text_of(params, "requestId") or text_of(params, "transportId")
        socket = self._open.get(key)
        if socket is None:
            return None
        if method in _DIRECTIONS:
            self._frame(socket, _DIRECTIONS[method], params)
        elif method == "Network.webSocketWillSendHandshakeRequest":
            socket.request = mapping_of(params, "request")
        elif method == "Network.webSocketHandshakeResponseReceived":
            socket.response = mapping_of(params, "response")
        elif method == "Network.webSocketFrameError":
            socket.error = text_of(params, "errorMessage")
        elif method in {"Network.webSocketClosed", "Network.webTransportClosed"}:
            del self._open[key]
            return _exchange(socket, late=late)
        return None

    def finish(self, rooted: set[str | None]) -> tuple[Exchange, ...]:
        """End all sockets that are still open, in order of their ids, and close the transcript."""
        sockets, self._open = sorted(self._open.values(), key=lambda socket: socket.id), {}
        if self._file is not None:
            self._file.close()
        return tuple(_exchange(socket, late=socket.target.page in rooted) for socket in sockets)

    def _frame(self, socket: _Socket, direction: str, params: Params) -> None:
        line = {
            "exchange": socket.id,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "direction": direction,
            "opcode": integer_of(params, "response", "opcode"),
            "payload": text_of(params, "response", "payloadData"),
        }
        data = json.dumps(line, sort_keys=True).encode("ascii") + b"\n"
        if len(data) > self._room:
            socket.left_out += 1
            return
        self._room -= len(data)
        try:
            if self._file is None:
                self._file = self.path.open("xb")
            self._file.write(data)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; free space on the disk and capture again",
                f"无法写入 {self.path}:{error.strerror}；请清理磁盘后重新取证",
            ) from error
        self.frames += 1


def _exchange(socket: _Socket, *, late: bool) -> Exchange:
    outcome, reason = ExchangeOutcome.RECORDED, None
    if socket.transport:
        outcome, reason = ExchangeOutcome.NOT_RETRIEVABLE, "the browser does not give WebTransport data"
    elif socket.response is None:
        outcome, reason = ExchangeOutcome.FAILED, socket.error or "no handshake response"
    elif socket.left_out:
        outcome, reason = ExchangeOutcome.PARTIAL, "frames beyond the body limit"
    return Exchange(
        id=socket.id,
        page=socket.target.page,
        url=socket.url,
        method="CONNECT" if socket.transport else "GET",
        resource_type="WebTransport" if socket.transport else "WebSocket",
        initiator=socket.initiator,
        target=socket.target.kind,
        outcome=outcome,
        reason=reason,
        started=socket.started,
        finished=datetime.now(UTC),
        after_t_capture=late,
        from_cache=False,
        from_service_worker=False,
        redirected_from=None,
        redirected_to=None,
        protocol=None if socket.transport else "http/1.1",
        remote_address=None,
        security=None,
        request_headers=headers_of(value_at(socket.request, "headers")),
        request_body=None,
        response=None if socket.response is None else _head(socket.response),
        response_body=None,
        encoded_size=None,
    )


def _head(response: Params) -> ResponseHead:
    raw = text_of(response, "headersText") or None
    headers: Headers = raw_headers(raw) if raw else headers_of(value_at(response, "headers"))
    return ResponseHead(
        status=integer_of(response, "status") or 0,
        status_text=text_of(response, "statusText"),
        headers=headers,
        mime_type="",
        raw=raw,
    )
