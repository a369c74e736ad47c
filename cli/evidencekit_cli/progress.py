"""What is being done, on stderr, when it takes over a second and a person is watching."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Self

from evidencekit_cli.output import Sentence, Session, inert

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.status import Status

_PATIENCE_S = 1.0
_STARTING = Sentence("starting", "准备中")
_STEPS: Mapping[str, Sentence] = {}


class Progress:
    """A context in which `on_event` shows the step that runs; silent without a terminal."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._current = session.text(_STARTING)
        self._timer = threading.Timer(_PATIENCE_S, self._appear)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._session.json:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def on_event(self, step: str, detail: Mapping[str, object]) -> None:
        """Show `step`; called from any thread."""
        sentence = _STEPS.get(step)
        shown = self._session.text(sentence) if sentence is not None else inert(step, 60)
        subject = detail.get("url") or detail.get("page")
        with self._lock:
            self._current = f"{shown} {inert(subject, 60)}" if isinstance(subject, str) else shown
            if self._status is not None:
                self._status.update(_plain(self._current))

    def _appear(self) -> None:
        from rich.console import Console

        with self._lock:
            self._status = Console(stderr=True, highlight=False).status(_plain(self._current))
            self._status.start()


def _plain(text: str) -> str:
    """Return `text` with rich's mark-up taken literally."""
    from rich.markup import escape

    return escape(text)
