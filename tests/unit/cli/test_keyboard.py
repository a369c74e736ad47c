"""Keys of `record` mean the same as single keys and as lines."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from evidencekit.capture.control import Command, Control, EndProcess, LogDeed, TakeNote, TakeShot
from evidencekit.capture.request import ProcessRequest
from evidencekit.hashing.process import Deed, Marker
from evidencekit.hashing.rights import RIGHTS
from evidencekit_cli.keyboard import Keyboard, reading_keys
from evidencekit_cli.options import RIGHTS_TEMPLATES

if TYPE_CHECKING:
    import pytest

EXPECTED: list[Command] = [
    TakeShot(marker=None),
    TakeShot(marker=Marker.PRICE),
    LogDeed(deed=Deed.LOGIN),
    TakeNote(text="客服说 sold out"),
    LogDeed(deed=Deed.CHALLENGE),
    EndProcess(),
]


def test_keys_and_lines_are_the_same_commands() -> None:
    asked: list[str] = []
    keys, lines = Keyboard(lambda: asked.append("help")), Keyboard(lambda: asked.append("help"))
    assert keys.feed("s2lhn客服说 sold outx\x7f\nCq") == EXPECTED
    assert lines.feed("s\n2\nl\nn 客服说 sold out\nc\nq\n") == EXPECTED
    assert asked == ["help"]
    assert keys.feed("n\n") == []


def test_a_pipe_is_read_to_its_end_and_a_cut_character_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, write_fd = os.pipe()
    control = Control()
    note = "n 备注\n".encode()
    with os.fdopen(read_fd) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        with reading_keys(control, lambda: None):
            os.write(write_fd, note[:4])
            time.sleep(0.3)
            os.write(write_fd, note[4:] + b"s\n")
            os.close(write_fd)
            found: list[Command] = []
            while len(found) < 2:
                command = control.poll()
                found += [] if command is None else [command]
                time.sleep(0.01)
    assert found == [TakeNote(text="备注"), TakeShot(marker=None)]


def test_the_templates_of_the_command_line_are_those_of_the_library() -> None:
    assert tuple(RIGHTS) == RIGHTS_TEMPLATES
    assert ProcessRequest.__dataclass_fields__["segment_s"].default == 60.0
