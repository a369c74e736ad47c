"""Racing the work against whatever ends it: a breach, a lost browser, a full disk, the caller's cancel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

from evidencekit.errors import BlockedUrlError, CaptureError, EvidenceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine
    from types import TracebackType

_Result = TypeVar("_Result")
_POLL_S = 0.1


class Supervisor:
    """Runs coroutines until they end or something ends the capture; use as an async context manager.

    Attributes:
        on_breach: called at once when a private address was reached, before anything is wound up: whatever the browser
            asked next, it would ask inside.
    """

    def __init__(self, cancel: threading.Event | None) -> None:
        self.on_breach: Callable[[], None] | None = None
        self._cancel = cancel
        self._ended = _unended()
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._cancel is not None:
            self._watch = asyncio.create_task(self._watch_cancel(self._cancel))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self._ended.cancel()

    def fail(self, error: EvidenceError) -> None:
        """End the capture with an error; the first one counts."""
        if not self._ended.done():
            self._ended.set_exception(error)
        if isinstance(error, BlockedUrlError) and self.on_breach is not None:
            self.on_breach()

    def check(self) -> None:
        """Raise the error that ended the capture, if one did."""
        if self._ended.done() and not self._ended.cancelled():
            self._ended.result()

    def outlive(self) -> None:
        """What ended the capture does not end it: the work goes on without what was lost."""
        self._ended = _unended()

    async def run(self, work: Coroutine[None, None, _Result]) -> _Result:
        """Run `work`; when the capture is ended meanwhile, stop it and raise that error.

        Raises:
            EvidenceError: what ended the capture, or what `work` raised.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._ended), return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return await task
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, EvidenceError):
                    await task

    async def _watch_cancel(self, cancel: threading.Event) -> None:
        while not cancel.is_set():  # noqa: ASYNC110 (a threading.Event cannot be awaited)
            await asyncio.sleep(_POLL_S)
        self.fail(CaptureError("the capture was cancelled; nothing was sealed", "取证已取消；未封存任何内容"))


def _unended() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return future
