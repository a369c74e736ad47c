"""Signals: the first asks work to stop, the second ends it; handlers are put back."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from evidencekit_cli.interruption import end_on_termination, stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_an_interruption(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), end_on_termination():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_the_first_signal_asks_and_the_second_ends() -> None:
    announced: list[str] = []
    with stop_requested(lambda: announced.append("stopping")) as requested:
        assert not requested.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert requested.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert announced == ["stopping"]


def test_an_ignored_hang_up_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with end_on_termination():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_the_handlers_alone() -> None:
    handlers: list[object] = []

    def work() -> None:
        with stop_requested(lambda: None):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
