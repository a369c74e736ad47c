"""Keys of `record`: what a person types at the terminal becomes commands; the page is never touched for it.

The same letters work as single keys on a terminal and as lines of a pipe.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from evidencekit.capture.control import Command, Control, EndProcess, LogDeed, TakeNote, TakeShot
from evidencekit.hashing.process import Deed, Marker
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

_DEEDS: Mapping[str, Deed] = {"l": Deed.LOGIN, "c": Deed.CHALLENGE}
_MARKERS: Mapping[str, Marker] = {str(number): marker for number, marker in enumerate(Marker, 1)}
_NOTE_CHARS = 4000
_POLL_S = 0.1

HELP = Sentence(
    "keys: s shot; 1 listing, 2 price, 3 sales, 4 seller, 5 order, 6 payment, 7 logistics, 8 statement: a shot of it; "
    "l I have signed in; c I have solved a challenge; n a note, up to Enter; q end and seal; h these keys",
    "按键:s 截图;1 商品 2 价格 3 销量 4 经营者证照 5 订单 6 付款 7 物流 8 陈述:相应截图;"
    "l 本人已登录;c 本人已完成验证;n 备注(回车结束);q 结束并封存;h 显示按键",
)


class Keyboard:
    """Turns characters into commands; `on_help` is called for `h` and for a key that means nothing."""

    def __init__(self, on_help: Callable[[], None]) -> None:
        self._on_help = on_help
        self._note: list[str] | None = None

    def feed(self, text: str) -> list[Command]:
        """Take characters; a note goes up to the end of its line."""
        commands = (self._take(character) for character in text)
        return [command for command in commands if command is not None]

    def _take(self, character: str) -> Command | None:
        if self._note is not None:
            return self._write(character)
        if character.isspace():
            return None
        key = character.lower()
        if key == "n":
            self._note = []
            return None
        if key in _DEEDS:
            return LogDeed(deed=_DEEDS[key])
        if key == "s" or key in _MARKERS:
            return TakeShot(marker=_MARKERS.get(key))
        if key == "q":
            return EndProcess()
        self._on_help()
        return None

    def _write(self, character: str) -> Command | None:
        note = self._note if self._note is not None else []
        if character in "\r\n":
            self._note = None
            text = "".join(note).strip()
            return TakeNote(text=text) if text else None
        if character in "\b\x7f":
            del note[-1:]
        elif len(note) < _NOTE_CHARS:
            note.append(character)
        return None


@contextmanager
def reading_keys(control: Control, on_help: Callable[[], None]) -> Generator[None]:
    """Read standard input in a thread while the context lasts; on a terminal without waiting for Enter."""
    ended = threading.Event()
    keyboard = Keyboard(on_help)
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None
    if before is not None:
        tty.setcbreak(descriptor)

    def read() -> None:
        for text in _texts(descriptor, ended, echo=before is not None):
            for command in keyboard.feed(text):
                control.send(command)

    thread = threading.Thread(target=read, name="evidencekit-keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=1)
        if before is not None:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _texts(descriptor: int, ended: threading.Event, *, echo: bool) -> Iterator[str]:
    """What is typed, until the end of input: the process then goes on until it times out."""
    pending = b""
    while not ended.is_set():
        ready, _, _ = select.select([descriptor], [], [], _POLL_S)
        if not ready:
            continue
        data = os.read(descriptor, 4096)
        if not data:
            return
        if echo:
            with suppress(OSError):
                os.write(sys.stderr.fileno(), data)  # the terminal echoes nothing by itself now
        pending += data
        if _whole(pending):
            yield pending.decode("utf-8", "ignore")
            pending = b""


def _whole(data: bytes) -> bool:
    """Whether the bytes end with a whole UTF-8 character, so that a Chinese note is not cut between two reads."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end < len(data) or error.reason != "unexpected end of data"
    return True
