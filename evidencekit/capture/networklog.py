"""The browser's network log of one capture: how it is asked for, read, joined with exchanges and closed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from evidencekit.capture.joining import (
    Matcher,
    enrich,
    exchange_of_hop,
    is_settled,
)
from evidencekit.capture.netlog import NetLogReader, copy_without
from evidencekit.capture.netlogindex import NetLogIndex
from evidencekit.capture.request import Mode
from evidencekit.capture.wirebodies import WireStore, decode
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.joining import WireBody
    from evidencekit.capture.netlogindex import Hop
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.staging import Staging

FILE_NAME: Final = "netlog.json"
NUDGE_URL: Final = "http://127.0.0.1:1/evidencekit"
"""Asked of the browser alone: port 1 is refused before anything is sent (net/base/port_util.cc)."""

_MODES: Final = {Mode.STANDARD: "IncludeSensitive", Mode.FORENSIC: "Everything"}
_BULKY: Final = frozenset(
    {
        "SOCKET_BYTES_RECEIVED",
        "SOCKET_BYTES_SENT",
        "SSL_SOCKET_BYTES_RECEIVED",
        "SSL_SOCKET_BYTES_SENT",
        "URL_REQUEST_JOB_BYTES_READ",
        "URL_REQUEST_JOB_FILTERED_BYTES_READ",
    }
)
_NO_PARTITIONS: Final = frozenset({"", "null null", "null"})


class NetworkLog:
    """The log of one browser.

    Attributes:
        mode: Chromium's capture mode, `IncludeSensitive` or `Everything`.
        only_here: ids of exchanges that only the log knows.
    """

    def __init__(self, path: Path, mode: str, bodies: Path, body_limit: int) -> None:
        self.path = path
        self.mode = mode
        self.only_here: list[str] = []
        self._bodies = bodies
        self._store = WireStore(bodies, body_limit) if mode == "Everything" else None
        self.index = NetLogIndex(self._store)
        if self._store is not None:
            self._store.index = self.index
        self.reader = NetLogReader(path, self.index.handlers())
        self.matcher = Matcher(self.index)

    def gaps(self) -> tuple[Text, ...]:
        """What this browser's log does not tell, for page 1; asked when it is closed."""
        if self.reader.offset_ms is None:
            return (
                Text(
                    en="this browser kept no network log: header order, connections and handshakes are not recorded",
                    zh="此浏览器未生成网络日志：未记录标头顺序、连接与握手",
                ),
            )
        if self.reader.missing:
            names = ", ".join(self.reader.missing)
            return (
                Text(
                    en=f"this browser's network log does not know these events: {names}",
                    zh=f"此浏览器的网络日志不支持以下事件：{names}",
                ),
            )
        return ()

    def keep_private(self) -> Path:
        """The log as its holder keeps it: in forensic mode without the bytes that the archive and spools hold already.

        Raises:
            StorageError: the disk refuses.
        """
        if self._store is None:
            return self.path
        kept = self.path.with_name(f"kept-{FILE_NAME}")
        copy_without(self.path, kept, _BULKY)
        self.path.unlink()
        return kept

    @property
    def flags(self) -> tuple[str, ...]:
        """What the browser is started with."""
        return (f"--log-net-log={self.path}", f"--net-log-capture-mode={self.mode}")

    def read(self, exchanges: Iterable[Exchange]) -> bool:
        """Read on and match; True when the log already tells all about these exchanges."""
        self.reader.read_more()
        found = self.matcher.found
        waiting = list(exchanges)
        self.matcher.match(waiting)
        return all(is_settled(each, found.get(each.id)) for each in waiting)

    def join(self, exchange: Exchange) -> Exchange:
        """The exchange as both accounts together have it.

        Raises:
            StorageError: a body cannot be written.
        """
        hop = self.matcher.found.get(exchange.id)
        return exchange if hop is None else self._decoded(enrich(exchange, hop, self.index, self._wire(hop)))

    def unreported(self, first: int) -> list[Exchange]:
        """Exchanges that the log alone knows, numbered from `first`: the pages' own traffic, not the browser's.

        Raises:
            StorageError: a body cannot be written.
        """
        made: list[Exchange] = []
        for hop in self.matcher.left():
            if self.is_of_a_page(hop) and (hop.sent or hop.net_error is not None):
                number = first + len(made)
                found = exchange_of_hop(number, hop, self.index, self.reader.offset_ms or 0, self._wire(hop))
                made.append(self._decoded(found))
                self.matcher.found[found.id] = hop
                self.only_here.append(found.id)
        return made

    def is_of_a_page(self, hop: Hop) -> bool:
        """Whether a hop was made for a page of the capture: it shares its partition with one that DevTools reported."""
        partitions = {each.partition for each in self.matcher.found.values()} - _NO_PARTITIONS
        return hop.partition in partitions and hop.url != NUDGE_URL

    def _wire(self, hop: Hop) -> WireBody | None:
        return None if self._store is None else self._store.take(hop)

    def _decoded(self, exchange: Exchange) -> Exchange:
        """Decode a body that DevTools did not give, so that it can be read and masked; else leave its coding out."""
        wire, head = exchange.wire_body, exchange.response
        if wire is None or exchange.response_body is not None or head is None:
            return exchange
        coding = next((value for name, value in head.headers if name.lower() == "content-encoding"), "")
        plain = decode(wire, coding.strip().lower(), self._bodies / f"{exchange.id}.decoded")
        return replace(exchange, response_body=plain, wire_body=wire if plain is not None else None)


def network_log(request: CaptureRequest, staging: Staging) -> NetworkLog | None:
    """The log that a mode keeps; None in fast mode."""
    mode = _MODES.get(request.mode)
    if mode is None:
        return None
    return NetworkLog(staging.private / FILE_NAME, mode, staging.bodies, request.limits.body_bytes)
