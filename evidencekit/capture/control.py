"""What the person at the recorder asks for while a process runs: from another thread, in order."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evidencekit.hashing.process import Deed, Marker

NOTE_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeShot:
    """Take a numbered shot of the tab in front, meant to show `marker`."""

    marker: Marker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDeed:
    """Log that the person has just signed in or solved a challenge."""

    deed: Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeNote:
    """Keep a note of the operator's, apart from the facts."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndProcess:
    """End the process and seal it."""


Command = TakeShot | LogDeed | TakeNote | EndProcess


class Control:
    """Carries commands from the thread that reads them to the recorder."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def send(self, command: Command) -> None:
        """Ask for something; from any thread."""
        self._waiting.put(command)

    def poll(self) -> Command | None:
        """Give the next command, None when there is none."""
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None
