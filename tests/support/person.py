"""A person at a private screen: sees colours, moves the mouse, types, hears nothing; by xdotool and ffmpeg."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH, HEIGHT = 1320, 1000
_RUN_PX = 8
_SEEN_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who looks at one display."""

    display: str

    @property
    def variables(self) -> dict[str, str]:
        return {"DISPLAY": self.display}

    def see(self, colour: str) -> tuple[int, int]:
        """Wait until a patch of a colour is on the screen; its middle."""
        deadline = time.monotonic() + _SEEN_S
        while time.monotonic() < deadline:
            found = self._look(bytes.fromhex(colour))
            if found is not None:
                return found
            time.sleep(0.2)
        raise AssertionError(f"#{colour} never came to the screen")

    def click(self, colour: str) -> None:
        x, y = self.see(colour)
        self._do("mousemove", str(x), str(y), "click", "1")

    def write(self, colour: str, text: str) -> None:
        self.click(colour)
        self._do("type", "--delay", "20", text)

    def press(self, key: str) -> None:
        self._do("key", key)

    def drag(self, colour: str, right_px: int) -> None:
        x, y = self.see(colour)
        self._do("mousemove", str(x), str(y), "mousedown", "1")
        for step in range(1, 11):
            self._do("mousemove", str(x + right_px * step // 10), str(y))
            time.sleep(0.05)
        self._do("mouseup", "1")

    def _look(self, pixel: bytes) -> tuple[int, int] | None:
        """The middle of all pixels that stand in a run of this colour."""
        data = subprocess.run(
            [*_GRAB, self.display, *_RAW], capture_output=True, check=True, env={**os.environ, **self.variables}
        ).stdout
        row_bytes, run = WIDTH * 3, pixel * _RUN_PX
        rows = [(y, data[y * row_bytes : (y + 1) * row_bytes]) for y in range(HEIGHT)]
        spots = [(row.find(run) // 3, row.rfind(run) // 3 + _RUN_PX, y) for y, row in rows if run in row]
        if not spots:
            return None
        left, right = min(spot[0] for spot in spots), max(spot[1] for spot in spots)
        return (left + right) // 2, (spots[0][2] + spots[-1][2]) // 2

    def _do(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], check=True, env={**os.environ, **self.variables}, timeout=30)


_GRAB = ("ffmpeg", "-loglevel", "error", "-f", "x11grab", "-video_size", f"{WIDTH}x{HEIGHT}", "-i")
_RAW = ("-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")


@contextmanager
def sitting_at_a_screen(folder: Path) -> Iterator[Person]:
    """Open a display with a window manager."""
    for name in ("xdotool", "ffmpeg", "pulseaudio"):
        program(name)
    server, manager = program("Xvfb"), program("openbox")
    read_fd, write_fd = os.pipe()
    log = (folder / "screen.log").open("ab")
    screen = subprocess.Popen(
        [server, "-displayfd", str(write_fd), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"],
        pass_fds=(write_fd,),
        stderr=log,
    )
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as ready:
            person = Person(display=f":{ready.readline().strip()}")
        window = subprocess.Popen([manager], env={**os.environ, **person.variables}, stderr=log)
        try:
            yield person
        finally:
            window.terminate()
            window.wait()
    finally:
        screen.terminate()
        screen.wait()
        log.close()
