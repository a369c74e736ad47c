"""While a page loads, its bodies wait in the browser: fetching them at once would slow the page that is recorded.

The browser keeps bodies outside the page's process, over navigations too (`enableDurableMessages`), and with them
all it would keep anyway. Bodies of workers and popups do not wait: their sessions may end at any moment.
"""

from __future__ import annotations

import asyncio
from typing import Final

COUNT_LIMIT: Final = 2_000
BYTES_LIMIT: Final = 64 << 20
"""So much may wait; beyond, everything is fetched at once again (in bytes as the browser counts them)."""

LONGEST_S: Final = 5.0
"""A page that loads longer is fetched while it loads."""


class Lull:
    """Open when nothing has to wait, which is the state at the start."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._over.set()
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0
        self._bytes = 0

    def begin(self) -> None:
        """A page starts to load."""
        self.end()
        self._count = self._bytes = 0
        self._over.clear()
        self._timer = asyncio.get_running_loop().call_later(LONGEST_S, self.end)

    def end(self) -> None:
        """It has loaded, or nobody waits for that any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._over.set()

    async def wait(self, size: int) -> None:
        """Wait for the end, with a body of `size` bytes."""
        self._count += 1
        self._bytes += size
        if self._count > COUNT_LIMIT or self._bytes > BYTES_LIMIT:
            self.end()
        await self._over.wait()
