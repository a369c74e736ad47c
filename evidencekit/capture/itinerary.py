"""The pages of a session one after the other, and what is kept when a page fails or the browser dies over it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from evidencekit.capture.shortfalls import BROWSER_DIED, LIMITS, NOT_DRAINED, passed_over
from evidencekit.capture.tlschain import certificate_chain, chain_path, pem_chain, tls_origins
from evidencekit.capture.visit import Visit
from evidencekit.errors import BrowserError, MinimumError, NavigationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from evidencekit.capture.processrun import ProcessOutcome, ProcessRun
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.studio import Studio
    from evidencekit.capture.supervision import Supervisor
    from evidencekit.capture.visitnotes import Desk, VisitNotes
    from evidencekit.errors import CaptureError
    from evidencekit.model import CaptureRoot, Text

_DRAIN_S = 20.0
_AFTER_S = 5.0


class Itinerary:
    """One browser's way through a request.

    Attributes:
        visits: what the visits learned, in order.
        chains: certificate chains by bundle path.
    """

    def __init__(self, studio: Studio, request: CaptureRequest, desk: Desk, supervisor: Supervisor) -> None:
        self.visits: list[VisitNotes] = []
        self.chains: dict[str, bytes] = {}
        self._studio = studio
        self._request = request
        self._desk = desk
        self._supervisor = supervisor
        self._failed: list[CaptureError] = []
        self._process: ProcessOutcome | None = None
        self._drained = False

    async def visit_pages(self, take_root: Callable[[CaptureRoot], None]) -> None:
        """Visit every page; one that fails spoils no other.

        Raises:
            NavigationError, MinimumError: no page could be had.
            BrowserError: the browser died before source and picture of every page were kept.
        """
        for number in range(len(self._request.urls)):
            visit = Visit(self._studio, self._request, self._desk, number)
            self.visits.append(visit.notes)
            try:
                alive = await self._outlive(visit.run(take_root))
            except (NavigationError, MinimumError) as error:
                self.visits.pop()
                self._failed.append(error)
                await self._pass_over(visit.page, error)
                continue
            await visit.conclude()
            if alive and not visit.notes.crashed:
                await self._outlive(self._add_chains())
        if self._failed and not self.visits:
            raise self._failed[0]

    async def go_on(self, run: ProcessRun) -> None:
        """What a person or a list does after the first page.

        Raises:
            EvidenceError: as `ProcessRun.run`.
        """
        self._process = await self._supervisor.run(run.run())
        self.visits += self._process.visits
        await self._supervisor.run(self._add_chains())

    async def drain(self) -> None:
        """Wait for what is under way.

        Raises:
            BrowserError: the browser died before source and picture of every page were kept.
        """
        recorder = self._studio.recorder
        if not await self._outlive(self._drain()):
            # What the browser is still asked for fails at once.
            self._drained = await self._supervisor.run(recorder.traffic.drain(timeout_s=_AFTER_S))
        self._desk.journal.border("browser.drained", complete=self._drained, exchanges=len(recorder.exchanges))

    async def _drain(self) -> None:
        recorder = self._studio.recorder
        # A long download may take the whole time of a page; everything else has come by now.
        patience = self._request.limits.page_s if recorder.downloads.running else _DRAIN_S
        await recorder.downloads.finish(timeout_s=patience)
        self._drained = await recorder.drain(timeout_s=patience)

    def partial(self) -> list[Text]:
        """Why the session is not whole, for page 1."""
        studio, journal = self._studio, self._desk.journal
        found = [*(passed_over(error) for error in self._failed), *(LIMITS[name] for name in studio.limits_reached)]
        if self._process is not None:
            found += self._process.partial
        elif studio.died.is_set():
            journal.warn("browser.died", "")
            found.append(BROWSER_DIED)
        if not self._drained:
            found.append(NOT_DRAINED)
        return found

    async def _outlive(self, work: Coroutine[None, None, None]) -> bool:
        """Do `work`; False when the browser died over it after source and picture of every page were kept.

        Raises:
            BrowserError: it died before.
        """
        try:
            await self._supervisor.run(work)
        except BrowserError:
            if not (self._studio.died.is_set() and self._is_whole()):
                raise
            self._supervisor.outlive()
            return False
        return not self._studio.died.is_set()

    def _is_whole(self) -> bool:
        visited = len(self.visits) + len(self._failed) == len(self._request.urls) and self._request.process is None
        return visited and all(notes.complete for notes in self.visits)

    async def _pass_over(self, page: str, error: CaptureError) -> None:
        """A page that failed spoils no other: the log names it, and what was half made of it goes."""
        self._desk.journal.warn("page.passed_over", page, reason=error.en)
        await asyncio.to_thread(self._desk.privacy.forget, page)
        await asyncio.to_thread(self._desk.staging.drop_page, page)

    async def _add_chains(self) -> None:
        """Certificate chains of all TLS origins so far, while a page that used them is open."""
        pages = self._studio.recorder.targets.pages()
        if not pages or self._studio.process.poll():
            return
        session = self._studio.session_of(pages[-1].session)
        for origin in tls_origins(self._studio.recorder.exchanges):
            path = chain_path(origin)
            if path not in self.chains:
                chain = await certificate_chain(session, origin)
                if chain:
                    self.chains[path] = pem_chain(chain)
