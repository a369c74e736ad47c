"""Signals: SIGTERM and SIGHUP end the program as Ctrl-C does, with its clean-up and status 130."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def end_on_termination() -> Generator[None]:
    """Let the signals that ask a program to end raise KeyboardInterrupt."""
    with _handled_by(signal.default_int_handler):
        yield


@contextmanager
def stop_requested(announce: Callable[[], None]) -> Generator[threading.Event]:
    """Yield an event that the first signal sets, so that work can stop at a step's border.

    A second signal raises KeyboardInterrupt at once. `announce` is called on the first.
    """
    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            signal.default_int_handler(number, frame)
        requested.set()
        announce()

    with _handled_by(request):
        yield requested


@contextmanager
def _handled_by(handler: Handler) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # `nohup` sets SIGHUP to be ignored; who asked for that keeps it.
    chosen = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in chosen}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
