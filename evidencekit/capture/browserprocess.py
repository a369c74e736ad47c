"""The running browser: started with a debugging pipe, recorded as ours, ended with us."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.processes import forget_browser, group_runs, identify, record_browser
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.capture.launcher import BrowserBinary, Launch


class BrowserProcess:
    """The running browser. It ends when our end of the pipe closes, so also when this process is killed."""

    def __init__(self, pid: int, staging: Path, read_fd: int, write_fd: int) -> None:
        self.pid = pid
        self.read_fd = read_fd
        self.write_fd = write_fd
        self._staging = staging
        self._ended = False

    @classmethod
    def start(cls, binary: BrowserBinary, launch: Launch, staging: Path) -> BrowserProcess:
        """Start the browser and record it in `<staging>/browser.json`; its messages go to `<staging>/browser.log`.

        Raises:
            BrowserError: the program cannot be started here.
        """
        if not hasattr(os, "posix_spawn"):
            raise BrowserError(
                f"capturing does not work on {platform.system()} yet; use Linux or macOS",
                f"目前尚不支持在 {platform.system()} 上取证；请使用 Linux 或 macOS",
            )
        child_read, our_write = _channel_above_standard()
        child_write, our_read = _channel_above_standard()
        log = os.open(staging / "browser.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            command = [*launch.prefix, str(binary.path), *launch.arguments]
            pid = os.posix_spawnp(
                command[0],
                command,
                dict(launch.environment),
                # Chromium reads commands from descriptor 3 and writes to 4.
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, child_read, 3),
                    (os.POSIX_SPAWN_DUP2, child_write, 4),
                ],
                # Its own group: Ctrl-C on the terminal reaches us, and we close the browser in order.
                setpgroup=0,
            )
        except OSError as error:
            os.close(our_read)
            os.close(our_write)
            raise BrowserError(
                f"the browser {binary.path} cannot be started: {error.strerror}; run `evidencekit doctor`",
                f"浏览器 {binary.path} 无法启动：{error.strerror}；请运行 `evidencekit doctor`",
            ) from error
        finally:
            for descriptor in (child_read, child_write, log, null):
                os.close(descriptor)
        process = cls(pid, staging, our_read, our_write)
        identity = identify(pid)
        if identity is not None:
            record_browser(staging, identity)
        return process

    def poll(self) -> bool:
        """Whether the browser has ended; reaps it."""
        if not self._ended:
            with suppress(ChildProcessError):
                self._ended = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
                return self._ended
            self._ended = True
        return self._ended

    def kill(self) -> None:
        """End the browser and its helpers at once, without a word; `end` still has to be awaited."""
        if not self.poll():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    async def end(self, *, patience_s: float = 5.0) -> bool:
        """Wait for the browser to end; after `patience_s` seconds ask, then force it.

        Returns:
            True when it ended by itself.
        """
        by_itself = await self._ended_within(patience_s)
        for word in () if by_itself else (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(self.pid, word)
            if await self._ended_within(2.0):
                break
        await self._end_helpers()
        forget_browser(self._staging)
        return by_itself

    async def _end_helpers(self) -> None:
        """Wait for the browser's helpers, which outlive it by moments and hold its files; then force them.

        The group has the browser's pid, which the kernel gives to nobody while the group has a member (setpgid(2)).
        What has ended and is only not yet reaped holds nothing: in a container without an init nobody ever reaps it.
        """
        for word in (0, signal.SIGKILL):
            deadline = asyncio.get_running_loop().time() + 2.0
            while asyncio.get_running_loop().time() < deadline:
                try:
                    os.killpg(self.pid, word)
                except (ProcessLookupError, PermissionError):
                    return
                if not await asyncio.to_thread(group_runs, self.pid):
                    return
                await asyncio.sleep(0.02)

    async def _ended_within(self, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.poll():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


def _channel_above_standard() -> tuple[int, int]:
    """Two ends of a socket, each above descriptor 9, so that duplicating onto 3 and 4 never overwrites one.

    Returns:
        The browser's end, our end.
    """
    import fcntl  # noqa: PLC0415 (not on Windows)

    raised = []
    for end in socket.socketpair():
        raised.append(fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 10))
        end.close()
    return raised[0], raised[1]
