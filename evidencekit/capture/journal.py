"""Telling the work log and the caller what happens, step by step; secrets are kept out here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.hashing.chainline import LineOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.hashing.chainlog import ChainWriter
    from evidencekit.model import JsonValue

_TEXT_LIMIT = 1000


class Journal:
    """Writes each step to the work log and passes it on to `on_event`.

    What `on_event` raises ends the capture: it is the caller's own code.
    """

    def __init__(self, worklog: ChainWriter, on_event: Callable[[str, Mapping[str, JsonValue]], None] | None) -> None:
        self._worklog = worklog
        self._on_event = on_event

    def step(
        self,
        name: str,
        subject: str = "",
        *,
        outcome: LineOutcome = LineOutcome.OK,
        detail: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Write one line.

        Raises:
            StorageError: the work log cannot be written.
        """
        facts = {key: _short(value) for key, value in (detail or {}).items()}
        self._worklog.append(name, object=subject[:_TEXT_LIMIT], outcome=outcome, detail=facts)
        if self._on_event is not None:
            self._on_event(name, {"object": subject, "outcome": outcome.value, **facts})

    def border(self, name: str, subject: str = "", **detail: JsonValue) -> None:
        """Write one line and wait until the log is on disk: the end of a step of the normative order.

        Raises:
            StorageError: the work log cannot be written.
        """
        self.step(name, subject, detail=detail)
        self._worklog.sync()

    def warn(self, name: str, subject: str = "", **detail: JsonValue) -> None:
        """Write one line about something that did not go as it should.

        Raises:
            StorageError: the work log cannot be written.
        """
        self.step(name, subject, outcome=LineOutcome.WARNING, detail=detail)


def _short(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    return value[:_TEXT_LIMIT].encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def bare_url(url: str) -> str:
    """A URL without query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].partition("#")[0]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
