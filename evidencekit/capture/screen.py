"""Where a headed browser is seen and heard: the user's own display, or a private Xvfb; sound goes to a private sink.

The private sink takes the browser's sound alone, so the recording holds nothing else that this machine plays.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import struct
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.helpers import Helper, start_helper
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

SINK = "evidence"
_START_S = 60.0
_POLL_S = 0.05
_WILD = 0xFFFF
"""FamilyWild of Xau(3): the cookie is for every address of the display."""

_FRAME_PX = (40, 160)
"""What a window's own furniture (tabs, address bar) needs beside the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A display with or without sound; `environment` is what a program needs to be seen and heard there."""

    display: str
    virtual: bool
    sound: bool
    environment: Mapping[str, str] = field(repr=False)


@asynccontextmanager
async def open_screen(folder: Path, *, width_px: int, height_px: int, sound: bool) -> AsyncGenerator[Screen]:
    """Use the display of the environment (`DISPLAY`), or make a private one for the time of the context.

    Args:
        folder: where sockets, the display's cookie and messages go.
        width_px: width of the page that must fit.
        height_px: height of the page that must fit.
        sound: whether a private sink is wanted.

    Raises:
        BrowserError: there is no display and none can be made, or the sound server does not start.
    """
    async with AsyncExitStack() as stack:
        variables = dict(os.environ)
        virtual = not variables.get("DISPLAY")
        if virtual:
            size = (width_px + _FRAME_PX[0], height_px + _FRAME_PX[1])
            await _open_display(stack, folder, variables, size)
        if sound:
            await _open_sink(stack, folder, variables)
        names = ("DISPLAY", "XAUTHORITY", "PULSE_SERVER", "PULSE_SINK")
        yield Screen(
            display=variables["DISPLAY"],
            virtual=virtual,
            sound=sound,
            environment={name: variables[name] for name in names if name in variables},
        )


async def _open_display(stack: AsyncExitStack, folder: Path, variables: dict[str, str], size: tuple[int, int]) -> None:
    cookie = folder / "display.cookie"
    cookie.touch(mode=0o600)
    cookie.write_bytes(_cookie_entry(secrets.token_bytes(16)))
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    try:
        geometry = f"{size[0]}x{size[1]}x24"
        arguments = ("Xvfb", "-displayfd", str(write_fd), "-screen", "0", geometry, "-nolisten", "tcp")
        helper = start_helper((*arguments, "-auth", str(cookie)), folder, environment=variables, pass_fds=(write_fd,))
        stack.push_async_callback(helper.end)
        os.close(write_fd)
        write_fd = -1
        number = await _read_line(read_fd, helper)
    finally:
        os.close(read_fd)
        if write_fd >= 0:
            os.close(write_fd)
    variables.update(DISPLAY=f":{number}", XAUTHORITY=str(cookie))
    if shutil.which("openbox"):
        # Without a window manager a popup cannot be brought to the front.
        stack.push_async_callback(start_helper(("openbox",), folder, environment=variables).end)


async def _read_line(descriptor: int, helper: Helper) -> str:
    """What Xvfb writes when it is ready: its display's number."""
    os.set_blocking(descriptor, False)
    deadline = asyncio.get_running_loop().time() + _START_S
    data = b""
    while not data.endswith(b"\n"):
        try:
            data += os.read(descriptor, 16)
        except BlockingIOError:
            if not helper.running or asyncio.get_running_loop().time() > deadline:
                raise _no_start(helper) from None
            await asyncio.sleep(_POLL_S)
    return data.decode("ascii").strip()


async def _open_sink(stack: AsyncExitStack, folder: Path, variables: dict[str, str]) -> None:
    # A socket's path may have 107 bytes (unix(7)); the staging folder's is often longer.
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ek-", ignore_cleanup_errors=True)))
    socket = state / "native"
    private = {
        "HOME": str(state),
        "XDG_RUNTIME_DIR": str(state),
        "PULSE_RUNTIME_PATH": str(state),
        # It would start a message bus of its own on the display, and wait for it.
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={state}/none",
    }
    for name in ("PULSE_SERVER", "PULSE_SINK"):
        variables.pop(name, None)
    others = {name: value for name, value in variables.items() if name not in {"DISPLAY", "XAUTHORITY"}}
    helper = start_helper(
        (
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
            f"--load=module-null-sink sink_name={SINK}",
            f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1",
        ),
        folder,
        environment={**others, **private},
    )
    stack.push_async_callback(helper.end)
    deadline = asyncio.get_running_loop().time() + _START_S
    while not socket.exists():
        if not helper.running or asyncio.get_running_loop().time() > deadline:
            raise _no_start(helper)
        await asyncio.sleep(_POLL_S)
    variables.update(PULSE_SERVER=f"unix:{socket}", PULSE_SINK=SINK)


def _no_start(helper: Helper) -> BrowserError:
    words = helper.words()
    return BrowserError(
        f"{helper.name} does not start{f': {words}' if words else ''}; run `evidencekit doctor`",
        f"{helper.name} 无法启动{f'：{words}' if words else ''}；请运行 `evidencekit doctor`",
    )


def _cookie_entry(cookie: bytes) -> bytes:
    """One entry of an X authority file (Xau(3)): family, address, number, name, data; each counted in 16 bits."""
    name = b"MIT-MAGIC-COOKIE-1"
    counted = (b"", b"", name, cookie)
    return struct.pack(">H", _WILD) + b"".join(struct.pack(">H", len(each)) + each for each in counted)
