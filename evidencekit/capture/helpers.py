"""Programs that run beside a recorded process (display, sound, camera): started as ours, and ended with us.

On Linux the kernel ends them when we die (`PR_SET_PDEATHSIG`, through setpriv(1)), so a killed recorder leaves none
behind. They are started from the thread of the event loop, because that signal is tied to the thread.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_POLL_S = 0.05


class Helper:
    """One running program; its messages go to a file."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
        """Use `start_helper`."""
        self.name = name
        self._process = process
        self._log = log

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def words(self) -> str:
        """The last line that it said."""
        with suppress(OSError):
            lines = self._log.read_text(errors="replace")[-4000:].strip().splitlines()
            return lines[-1][:300] if lines else ""
        return ""

    async def end(self, *, word: signal.Signals = signal.SIGTERM, patience_s: float = 5.0) -> None:
        """Ask it to end, wait, then force it."""
        for each, wait_s in ((word, patience_s), (signal.SIGKILL, 2.0)):
            with suppress(ProcessLookupError):
                self._process.send_signal(each)
            deadline = asyncio.get_running_loop().time() + wait_s
            while self.running and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 (a child process)
                await asyncio.sleep(_POLL_S)
            if not self.running:
                return


def start_helper(
    arguments: Sequence[str], folder: Path, *, environment: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> Helper:
    """Start a program that ends when this process dies.

    Args:
        arguments: program and arguments; the program is looked up in PATH.
        folder: where its messages go, `<name>.log`.
        environment: all of it.
        pass_fds: descriptors that it inherits.

    Raises:
        BrowserError: the program is not installed or does not start.
    """
    name = arguments[0]
    program, leash = shutil.which(name), shutil.which("setpriv")
    if program is None:
        raise BrowserError(
            f"recording needs {name}, which is not installed; `evidencekit doctor` says what is missing",
            f"过程录制需要 {name}，但未安装；`evidencekit doctor` 会列出缺少的程序",
        )
    tied = [leash, "--pdeathsig", "TERM", "--"] if leash is not None else []
    log = folder / f"{name}.log"
    try:
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 (a program that is named here)
                [*tied, program, *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environment),
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
    except OSError as error:
        raise BrowserError(
            f"{name} cannot be started: {error.strerror}; run `evidencekit doctor`",
            f"{name} 无法启动：{error.strerror}；请运行 `evidencekit doctor`",
        ) from error
    return Helper(process, name, log)
