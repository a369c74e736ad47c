"""Programs of the operating system that a probe asks; bounded in time and output, never waited for longer."""

from __future__ import annotations

import shutil
import subprocess

_MOST_BYTES = 1 << 20
_PATIENCE_S = 1.0


def output_of(
    program: str, *arguments: str, within_s: float = _PATIENCE_S, most_bytes: int = _MOST_BYTES
) -> str | None:
    """Give what a program prints, at most `most_bytes` of it; `None` when it is not there, fails or takes too long.

    Args:
        program: its name, looked up in PATH.
        arguments: fixed texts, never anything that a page said.
        within_s: seconds after which it is ended.
        most_bytes: what comes after them is dropped.
    """
    found = shutil.which(program)
    if found is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            [found, *arguments], capture_output=True, timeout=within_s, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:most_bytes].decode("utf-8", "replace")
