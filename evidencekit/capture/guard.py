"""What recording tells its owner at once: a private peer, a limit reached, a disk that is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.flight import Flight, remote_address
from evidencekit.capture.url_policy import is_private_peer
from evidencekit.errors import BlockedUrlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.capture.cdp import OwnClient, Params
    from evidencekit.capture.request import Limits
    from evidencekit.capture.targets import TargetRegister
    from evidencekit.errors import EvidenceError

REFUSE_ALL: Params = {"urls": ["*"]}
"""Parameters of `Network.setBlockedURLs`: every later request fails in the browser and is still a line."""

_HARD_STOP_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderCallbacks:
    """What the recorder tells its owner; none may block.

    `breach` gets the error when a connection led to a private address; `limit` the name of a limit reached for the
    first time; `failed` an error that ends the recording (full disk, lost browser).
    """

    breach: Callable[[BlockedUrlError], None]
    limit: Callable[[str], None]
    failed: Callable[[EvidenceError], None]


class TrafficGuard:
    """Holds traffic against limits and address policy.

    Attributes:
        closed: whether a limit was reached, so that later requests are refused.
    """

    def __init__(
        self,
        client: OwnClient,
        targets: TargetRegister,
        limits: Limits,
        callbacks: RecorderCallbacks,
        *,
        allow_private: bool,
    ) -> None:
        self.closed = False
        self._client = client
        self._targets = targets
        self._limits = limits
        self._callbacks = callbacks
        self._allow_private = allow_private
        self._reached: set[str] = set()
        self._bytes = 0

    def check_peer(self, flight: Flight) -> None:
        """Report a response that came from a private address."""
        address = remote_address(flight.response or {})
        if self._allow_private or address is None or not is_private_peer(address):
            return
        self._callbacks.breach(
            BlockedUrlError(
                f"{flight.url[:200]} led to the private address {address}; nothing of it is kept. "
                "Use --allow-private if you mean to capture a private server",
                f"{flight.url[:200]} 指向内网地址 {address}，内容未予保存；如确需取证，请使用 --allow-private",
            )
        )

    def count_bytes(self, size: int) -> None:
        """Count body bytes that arrived."""
        self._bytes += size
        if self._bytes > self._limits.bytes_total:
            self._reach("bytes_total")

    def count_request(self, count: int) -> None:
        """Take note that `count` requests were made so far."""
        if count > self._limits.requests:
            self._reach("requests")
        if count == self._limits.requests * _HARD_STOP_FACTOR:
            # The page goes on asking although everything is refused: stop its scripts.
            for page in self._targets.pages():
                self._client.post("Runtime.terminateExecution", {}, page.session)
                self._client.post("Emulation.setScriptExecutionDisabled", {"value": True}, page.session)

    def _reach(self, limit: str) -> None:
        if limit in self._reached:
            return
        self.closed = True
        self._reached.add(limit)
        self._callbacks.limit(limit)
        for session in self._targets.sessions():
            self._client.post("Network.setBlockedURLs", REFUSE_ALL, session)
