"""A capture session: one browser, one to many pages, and everything that hashing needs afterwards (design §3)."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from evidencekit.capture.assembly import Recording, assemble
from evidencekit.capture.captureroot import root_document
from evidencekit.capture.enclosure import Enclosure, enclosed
from evidencekit.capture.environment.probe import ProbeSources
from evidencekit.capture.environment.run import format_environment
from evidencekit.capture.handedover import keep_handed_over
from evidencekit.capture.interfaces import INTERFACES, name_missing
from evidencekit.capture.itinerary import Itinerary
from evidencekit.capture.journal import Journal, bare_url
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.networklog import FILE_NAME, network_log
from evidencekit.capture.networkreport import network_files
from evidencekit.capture.privacy import PrivateTexts
from evidencekit.capture.processrun import ProcessRun
from evidencekit.capture.processstage import open_stage
from evidencekit.capture.profilecopy import copy_profile
from evidencekit.capture.request import check_request
from evidencekit.capture.shortfalls import given_up, refused_downloads, unguarded
from evidencekit.capture.staging import Staging
from evidencekit.capture.studio import open_studio, settings_of
from evidencekit.capture.supervision import Supervisor
from evidencekit.capture.surroundings import (
    complete_report,
    devtools_check,
    probe_surroundings,
    probed_places,
    refuse_forged,
)
from evidencekit.capture.transformations import chosen_transformations, transformations_of
from evidencekit.capture.url_policy import check_url
from evidencekit.capture.visitnotes import Desk
from evidencekit.capture.withholding import Secrets
from evidencekit.errors import BlockedUrlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evidencekit.capture.control import Control
    from evidencekit.capture.filming import OnSegment
    from evidencekit.capture.networklog import NetworkLog
    from evidencekit.capture.processstage import Stage
    from evidencekit.capture.recorder import Recorder
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.studio import Studio
    from evidencekit.hashing.chainlog import ChainWriter
    from evidencekit.model import Capture, CaptureRoot, JsonValue, Text

_Result = TypeVar("_Result")
_DEFAULT_OPTIONS = BrowserOptions()
_DEFAULT_SOURCES = ProbeSources()


async def capture_session(  # noqa: PLR0913 (the stage's border: each names one thing that the caller owns)
    request: CaptureRequest,
    *,
    capture_id: str,
    staging: Path,
    worklog: ChainWriter,
    on_root: Callable[[CaptureRoot, bytes], None],
    options: BrowserOptions = _DEFAULT_OPTIONS,
    sources: ProbeSources = _DEFAULT_SOURCES,
    cancel: threading.Event | None = None,
    on_event: Callable[[str, Mapping[str, JsonValue]], None] | None = None,
    on_segment: OnSegment | None = None,
    control: Control | None = None,
) -> Capture:
    """Capture the pages of a request.

    Args:
        request: what to capture; checked first.
        capture_id: 32 hexadecimal characters.
        staging: a folder that is new or holds nothing of ours; files land under `<staging>/bundle` at their bundle
            paths, originals of what is withheld under `<staging>/private`.
        worklog: open; it is neither closed nor registered as an artifact here.
        on_root: called once a page, at T_capture, with the root and the bytes of `seal/capture-NNNN.json`; must not
            block.
        options: how to start the browser.
        sources: whom the probes ask.
        cancel: set it to end the capture.
        on_event: called with each step of the work log; must not block.
        on_segment: stamps the digest of a film as far as it goes, beside other work.
        control: what the person at a recorded process asks for.

    Raises:
        UsageError: the request cannot be used.
        BlockedUrlError: a URL, or the address it leads to, is refused.
        NavigationError, MinimumError: no page could be had; where others could, one that failed is in `partial`.
        BrowserError: there is no usable browser, or it died.
        StorageError: the disk refuses.
        CaptureError: `cancel` was set.
        EnvironmentFailedError: the request is strict, and a probe saw a sign of forgery.
    """
    check_request(request)
    for url in request.urls:
        check_url(url, allow_private=request.allow_private)
    started_at = datetime.now(UTC)
    stage, journal = Staging(staging), Journal(worklog, on_event)
    secrets = Secrets(include=request.include_secrets, given_urls=request.urls)
    desk = Desk(staging=stage, journal=journal, privacy=PrivateTexts(stage, secrets), capture_id=capture_id)
    journal.border("session.start", bare_url(request.urls[0]), pages=len(request.urls), mode=request.mode.value)

    def take_root(root: CaptureRoot) -> None:
        on_root(root, root_document(capture_id, root))

    async with Supervisor(cancel) as supervisor:
        run = _Run(
            request=request,
            options=options,
            sources=sources,
            capture_id=capture_id,
            desk=desk,
            supervisor=supervisor,
            take_root=take_root,
            control=control,
            on_segment=on_segment,
        )
        try:
            recording = await run.record()
        except BlockedUrlError:
            # What a private address answered is not kept, not even in the staging folder.
            await asyncio.to_thread(stage.discard)
            raise
        capture = await supervisor.run(assemble(desk, recording, capture_id=capture_id, started_at=started_at))
    journal.border("session.end", requests=capture.completeness.requests, records=len(capture.records))
    return capture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Everything that needs the browser, in order."""

    request: CaptureRequest
    options: BrowserOptions
    sources: ProbeSources
    capture_id: str
    desk: Desk
    supervisor: Supervisor
    take_root: Callable[[CaptureRoot], None]
    control: Control | None = None
    on_segment: OnSegment | None = None

    async def record(self) -> Recording:
        """Make what was asked for around the browser, and a screen where one is needed; then record."""
        async with (
            open_stage(self.request, self.options, self.desk, self.on_segment) as stage,
            enclosed(self.request, self.desk.staging) as enclosure,
        ):
            recording = await self._record(stage, enclosure)
        lacking = await asyncio.to_thread(enclosure.close, self.desk.staging, self.desk.journal, self.capture_id)
        return replace(
            recording,
            not_performed=(*recording.not_performed, *stage.not_performed, *stage.to_know, *lacking),
            transformations=(*enclosure.transformations(), *recording.transformations),
        )

    async def _record(self, stage: Stage, enclosure: Enclosure) -> Recording:
        """Start the browser beside the probes, visit every page, close the browser, say what was seen."""
        request, staging, journal = self.request, self.desk.staging, self.desk.journal
        binary = self.options.binary
        if binary is None:
            binary = await self.supervisor.run(asyncio.to_thread(find_browser))
        log = network_log(request, staging)
        settings = (*settings_of(request), *(() if log is None else log.flags), *enclosure.flags)
        held = None
        if self.options.profile is not None:
            held = await self.supervisor.run(asyncio.to_thread(copy_profile, self.options.profile, staging.profile))
            journal.border("browser.profile_copied", request.profile_owner, files=held.files)
        launch = enclosure.around(prepare_launch(stage.options, staging.profile, settings, request.timezone))
        ready = threading.Event()
        where = probed_places(binary, launch, self.options.home, staging.profile, self.sources)
        where = replace(where, held=held)
        probing = asyncio.create_task(asyncio.to_thread(probe_surroundings, request, where, ready))
        async with AsyncExitStack() as opened:
            opened.callback(ready.set)
            studio = await opened.enter_async_context(
                open_studio(request, binary, launch, staging, self.supervisor, log)
            )
            ready.set()
            self.supervisor.on_breach = studio.process.kill
            journal.border("browser.start", binary.name, version=studio.version, sha256=binary.sha256)
            lacking = [each.method for each in studio.missing]
            journal.border(
                "browser.interfaces", asked=len(INTERFACES), missing=lacking, log_events=await _known_events(log)
            )
            report = await self.supervisor.run(_result_of(probing))
            journal.border("environment.probes", counts={name.value: count for name, count in report.counts.items()})
            if request.strict:
                refuse_forged(report)
            recording = await self._visit_all(studio, stage)
        await enclosure.browser_ended()
        recording = await self._close_record(studio.recorder, recording)
        exclusive = devtools_check(studio.log, launch.arguments)
        report = complete_report(
            report, recording.exchanges, recording.chains, exclusive, allow_private=request.allow_private
        )
        report = replace(report, overrides=launch.arguments)
        chosen = chosen_transformations(request, self.options)
        return replace(
            recording,
            environment=format_environment(report, capture_id=self.capture_id),
            transformations=(*chosen, *recording.transformations),
        )

    async def _close_record(self, recorder: Recorder, recording: Recording) -> Recording:
        """With the browser closed its log is whole: settle the rest, and take from the log what the bundle holds."""
        await self.supervisor.run(recorder.close())
        refused = await self._take_downloads(recorder)
        recording = replace(
            recording,
            exchanges=tuple(recorder.exchanges),
            records=tuple(recorder.records),
            partial=(*recording.partial, *refused),
        )
        log = recorder.settlement.log
        if log is None:
            return recording
        files = await asyncio.to_thread(network_files, log, recording.exchanges, self.capture_id)
        if log.reader.size:
            kept = await asyncio.to_thread(log.keep_private)
            self.desk.staging.keep_private_file(FILE_NAME, kept)
        self.desk.journal.border(
            "network.log",
            events=log.reader.events,
            only_here=len(log.only_here),
            handshakes=files.handshakes,
            missing=list(log.reader.missing),
        )
        return replace(
            recording,
            chains={**files.tls, **recording.chains},
            network=files.report,
            not_performed=(*recording.not_performed, *log.gaps()),
        )

    async def _take_downloads(self, recorder: Recorder) -> tuple[Text, ...]:
        """Keep what pages handed over; gives what to say of those that were not kept."""
        downloads = recorder.downloads
        private = self.request.allow_private
        left = await keep_handed_over(downloads.unreported(), recorder.exchanges, self.desk, allow_private=private)
        refused = [*(url for url, _ in downloads.refused), *(each.url for each in left)]
        if not refused:
            return ()
        self.desk.journal.warn("page.downloads", "", reason=bare_url(refused[0]))
        return (refused_downloads(len(refused)),)

    def _not_performed(self, studio: Studio) -> tuple[Text, ...]:
        lacking = unguarded(self.request, studio.recorder)
        return (*given_up(self.request), *name_missing(studio.missing), *lacking)

    async def _visit_all(self, studio: Studio, stage: Stage) -> Recording:
        """Visit every page, fetch what only the running browser can give, and drain."""
        way = Itinerary(studio, self.request, self.desk, self.supervisor)
        await way.visit_pages(self.take_root)
        if self.request.process is not None:
            run = ProcessRun(studio, self.request, self.desk, self.take_root, film=stage.film, control=self.control)
            await way.go_on(run)
        await way.drain()
        recorder = studio.recorder
        return Recording(
            visits=tuple(way.visits),
            exchanges=tuple(recorder.exchanges),
            records=tuple(recorder.records),
            chains=way.chains,
            environment=b"",
            not_performed=self._not_performed(studio),
            network=None,
            websockets=recorder.sockets.path if recorder.sockets.frames else None,
            transformations=transformations_of(studio.log),
            partial=tuple(way.partial()),
        )


async def _known_events(log: NetworkLog | None) -> JsonValue:
    """Which events this browser's network log lacks; None when none is kept, or it has not begun to write."""
    if log is None:
        return None
    await asyncio.to_thread(log.reader.read_more)
    return None if log.reader.offset_ms is None else list(log.reader.missing)


async def _result_of(task: asyncio.Task[_Result]) -> _Result:
    return await task
