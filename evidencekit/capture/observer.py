"""Who listens to the recorder beside the network: what happens in tabs, for a recorded process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from evidencekit.capture.cdp import Params
    from evidencekit.capture.targets import WatchedTarget


class Observer(Protocol):
    """Who is told of targets, their events beside `Network`, and downloads; must not block."""

    def attached(self, target: WatchedTarget) -> None:
        """A target is watched from now on."""

    def detached(self, target: WatchedTarget) -> None:
        """A target is gone."""

    def event(self, target: WatchedTarget, method: str, params: Params) -> None:
        """An event of a target's session."""

    def download(self, method: str, params: Params) -> None:
        """An event of the download manager."""
