"""A capture session: one browser, one to many pages, and everything that hashing needs afterwards (design §3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from evidencekit.capture.assembly import Recording, assemble
from evidencekit.capture.captureroot import root_document
from evidencekit.capture.environment.probe import ProbeSources
from evidencekit.capture.environment.run import format_environment
from evidencekit.capture.interfaces import INTERFACES, name_missing
from evidencekit.capture.journal import Journal, bare_url
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.networklog import FILE_NAME, network_log
from evidencekit.capture.networkreport import network_files
from evidencekit.capture.privacy import PrivateTexts
from evidencekit.capture.processrun import ProcessRun
from evidencekit.capture.processstage import open_stage
from evidencekit.capture.request import Mode, check_request
from evidencekit.capture.staging import Staging
from evidencekit.capture.studio import open_studio, settings_of
from evidencekit.capture.supervision import Supervisor
from evidencekit.capture.surroundings import complete_report, devtools_check, probe_surroundings, refuse_forged
from evidencekit.capture.tlschain import certificate_chain, chain_path, pem_chain, tls_origins
from evidencekit.capture.transformations import chosen_transformations, transformations_of
from evidencekit.capture.url_policy import check_url
from evidencekit.capture.visit import Visit
from evidencekit.capture.visitnotes import Desk
from evidencekit.capture.withholding import Secrets
from evidencekit.errors import BlockedUrlError, MinimumError, NavigationError
from evidencekit.model import Text

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evidencekit.capture.control import Control
    from evidencekit.capture.filming import OnSegment
    from evidencekit.capture.processrun import ProcessOutcome
    from evidencekit.capture.processstage import Stage
    from evidencekit.capture.recorder import Recorder
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.capture.studio import Studio
    from evidencekit.capture.visitnotes import VisitNotes
    from evidencekit.errors import CaptureError
    from evidencekit.hashing.chainlog import ChainWriter
    from evidencekit.model import Capture, CaptureRoot, JsonValue

_Result = TypeVar("_Result")
_DRAIN_S = 20.0
_NO_NETLOG = Text(
    en="the browser's own network log was not kept: HTTP/2 and HTTP/3 header order is as the browser reports it",
    zh="未保留浏览器自身的网络日志：HTTP/2、HTTP/3 标头顺序以浏览器报告为准",
)
_NO_HANDSHAKES = Text(
    en="the servers' handshake signatures, DNS answers and connections were not kept (fast mode)",
    zh="未保留服务器握手签名、DNS 应答和连接信息(快速模式)",
)
_NO_COPIES = Text(en="MHTML and PDF of the pages were not made (fast mode)", zh="未生成网页的 MHTML 和 PDF(快速模式)")
_NO_WIRE = Text(
    en="bodies as encoded on the wire were not kept; they are decoded", zh="未保留传输编码形式的正文，仅有解码后的正文"
)
_DEFAULT_OPTIONS = BrowserOptions()
_DEFAULT_SOURCES = ProbeSources()

_LIMITS = {
    "requests": Text(
        en="the limit of requests was reached; later requests were refused", zh="请求数达到上限；其后的请求被拒绝"
    ),
    "bytes_total": Text(
        en="the limit of bytes was reached; later requests were refused", zh="字节总数达到上限；其后的请求被拒绝"
    ),
}


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
        """Open a screen where a person or a film needs one, then record."""
        async with open_stage(self.request, self.options, self.desk, self.on_segment) as stage:
            recording = await self._record(stage)
        return replace(recording, not_performed=(*recording.not_performed, *stage.not_performed))

    async def _record(self, stage: Stage) -> Recording:
        """Start the browser beside the probes, visit every page, close the browser, say what was seen."""
        request, staging, journal = self.request, self.desk.staging, self.desk.journal
        binary = self.options.binary
        if binary is None:
            binary = await self.supervisor.run(asyncio.to_thread(find_browser))
        log = network_log(request, staging)
        settings = (*settings_of(request), *(() if log is None else log.flags))
        launch = prepare_launch(stage.options, staging.profile, settings, request.timezone)
        probing = asyncio.create_task(
            asyncio.to_thread(
                probe_surroundings, request, binary, launch, self.options.home, staging.profile, self.sources
            )
        )
        async with open_studio(request, binary, launch, staging, self.supervisor, log) as studio:
            journal.border("browser.start", binary.name, version=studio.version, sha256=binary.sha256)
            lacking = [each.method for each in studio.missing]
            journal.border("browser.interfaces", asked=len(INTERFACES), missing=lacking)
            report = await self.supervisor.run(_result_of(probing))
            journal.border("environment.probes", counts={name.value: count for name, count in report.counts.items()})
            if request.strict:
                refuse_forged(report)
            recording = await self._visit_all(studio, stage)
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
        recording = replace(recording, exchanges=tuple(recorder.exchanges), records=tuple(recorder.records))
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

    async def _pass_over(self, page: str, error: CaptureError) -> None:
        """A page that failed spoils no other: the log names it, and what was half made of it goes."""
        self.desk.journal.warn("page.passed_over", page, reason=error.en)
        await asyncio.to_thread(self.desk.privacy.forget, page)
        await asyncio.to_thread(self.desk.staging.drop_page, page)

    def _not_performed(self, studio: Studio) -> tuple[Text, ...]:
        unguarded = _unguarded(self.request, studio.recorder)
        return (*_given_up(self.request), *name_missing(studio.missing), *unguarded)

    async def _visit_all(self, studio: Studio, stage: Stage) -> Recording:
        """Visit every page, fetch what only the running browser can give, and drain."""
        visits: list[VisitNotes] = []
        chains: dict[str, bytes] = {}
        failed: list[CaptureError] = []
        for number in range(len(self.request.urls)):
            visit = Visit(studio, self.request, self.desk, number)
            try:
                visits.append(await self.supervisor.run(visit.run(self.take_root)))
            except (NavigationError, MinimumError) as error:
                failed.append(error)
                await self._pass_over(visit.page, error)
                continue
            await self.supervisor.run(_add_chains(studio, chains))
        if failed and not visits:
            raise failed[0]
        recorder = studio.recorder
        going_on: ProcessOutcome | None = None
        if self.request.process is not None:
            run = ProcessRun(studio, self.request, self.desk, self.take_root, film=stage.film, control=self.control)
            going_on = await self.supervisor.run(run.run())
            visits += going_on.visits
            await self.supervisor.run(_add_chains(studio, chains))
        # A long download may take the whole time of a page; everything else has come by now.
        patience = self.request.limits.page_s if recorder.downloads.running else _DRAIN_S
        drained = await self.supervisor.run(recorder.drain(timeout_s=patience))
        self.desk.journal.border("browser.drained", complete=drained, exchanges=len(recorder.exchanges))
        partial = [*(_passed_over(error) for error in failed), *(_LIMITS[name] for name in studio.limits_reached)]
        partial += () if going_on is None else going_on.partial
        if recorder.downloads.refused:
            self.desk.journal.warn("page.downloads", "", reason=bare_url(recorder.downloads.refused[0][0]))
            partial.append(_refused_downloads(len(recorder.downloads.refused)))
        if not drained:
            partial.append(
                Text(en="some bodies did not arrive in time and are missing", zh="部分正文未及时到达，已缺失")
            )
        return Recording(
            visits=tuple(visits),
            exchanges=tuple(recorder.exchanges),
            records=tuple(recorder.records),
            chains=chains,
            environment=b"",
            not_performed=self._not_performed(studio),
            network=None,
            websockets=recorder.sockets.path if recorder.sockets.frames else None,
            transformations=transformations_of(studio.log),
            partial=tuple(partial),
        )


def _unguarded(request: CaptureRequest, recorder: Recorder) -> tuple[Text, ...]:
    """Says so when the browser did not hold public pages off private addresses (its local-network checks)."""
    if request.allow_private or all("Block" in policy for policy in recorder.traffic.local_network):
        return ()
    return (
        Text(
            en="the browser's own local-network checks were not on: names, literals and peer addresses were checked, "
            "so one GET may have reached a private server before the page was given up",
            zh="浏览器自身的本地网络访问检查未启用：仅核对了域名、IP 字面值与对端地址，"
            "放弃页面之前可能已有一次 GET 到达内网服务器",
        ),
    )


def _passed_over(error: CaptureError) -> Text:
    return Text(en=f"a page is missing: {error.en}", zh=f"缺少一个网页：{error.zh}")


def _refused_downloads(count: int) -> Text:
    return Text(
        en=f"{count} downloads that a page started were cancelled: DevTools does not report them, so their servers' "
        "addresses are unknown",
        zh=f"网页发起的 {count} 个下载已取消：DevTools 不报告此类下载，无法得知其服务器地址",
    )


def _given_up(request: CaptureRequest) -> tuple[Text, ...]:
    """What this mode leaves out, for page 1; nothing is left out silently."""
    if request.mode is Mode.FORENSIC:
        return ()
    return (_NO_NETLOG, _NO_HANDSHAKES, _NO_COPIES, _NO_WIRE) if request.mode is Mode.FAST else (_NO_WIRE,)


async def _result_of(task: asyncio.Task[_Result]) -> _Result:
    return await task


async def _add_chains(studio: Studio, chains: dict[str, bytes]) -> None:
    """Certificate chains of all TLS origins so far, while a page that used them is open."""
    pages = studio.recorder.targets.pages()
    if not pages or studio.process.poll():
        return
    session = studio.session_of(pages[-1].session)
    for origin in tls_origins(studio.recorder.exchanges):
        path = chain_path(origin)
        if path not in chains:
            chain = await certificate_chain(session, origin)
            if chain:
                chains[path] = pem_chain(chain)
