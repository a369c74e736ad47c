"""Downloads: a navigation whose answer is a file goes to disk through the browser's download manager.

DevTools ends such a request with `net::ERR_ABORTED` and gives none of its bytes; `Browser.setDownloadBehavior` lets
the browser write them to a folder of ours, where they are hashed. A download that DevTools never reported as a
request (`<a download>`, or a file that a script made) is taken too, beside the archive; as its peer is unknown until
the network log tells it, one from the network is refused where there is no such log, unless private addresses are
allowed: no page can fetch a private address this way.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from evidencekit.capture.cdp import integer_of, text_of
from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome
from evidencekit.capture.flight import Flight, build_exchange
from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.capture.cdp import OwnClient, Params

ABORTED: Final = "net::ERR_ABORTED"
_BEGIN_S: Final = 1.0
"""`Browser.downloadWillBegin` follows the abort at once (observed on Chromium 156)."""
_NAME_CHARS: Final = 200
MOST_UNREPORTED: Final = 50
"""A page may start downloads without end."""
_INNER: Final = ("blob:", "data:", "filesystem:")


@dataclass(slots=True, kw_only=True)
class _Download:
    """One download; `ended` is set when the browser says that it is completed or canceled."""

    guid: str
    url: str
    received: int = 0
    completed: bool = False
    too_long: bool = False
    claimed: bool = False
    unreported: bool = False
    name: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreported:
    """A file that came without a request that DevTools reports; `made` says that the page itself made it."""

    url: str
    name: str
    began: datetime
    file: Path
    made: bool


class Downloads:
    """Downloads of one browser, written below `folder`.

    Attributes:
        refused: downloads that were no request to DevTools, in order: URL and time.
    """

    def __init__(
        self, client: OwnClient, folder: Path, limit: int, on_bytes: Callable[[int], None], *, peers_known: bool
    ) -> None:
        """Prepare; `peers_known` says that it need not be known, or will be, from where an unreported file came."""
        self._peers_known = peers_known
        self.refused: list[tuple[str, datetime]] = []
        self._client = client
        self._folder = folder
        self._limit = limit
        self._on_bytes = on_bytes
        self._session = ""
        self._awaited: dict[str, int] = {}
        self._began = asyncio.Event()
        self._all: dict[str, _Download] = {}

    async def start(self, session: str) -> None:
        """Send downloads to our folder from now on.

        Raises:
            BrowserError: the browser does not.
            StorageError: the folder cannot be made.
        """
        self._session = session
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(self._folder, error) from error
        settings: Params = {"behavior": "allowAndName", "downloadPath": str(self._folder), "eventsEnabled": True}
        await self._client.call("Browser.setDownloadBehavior", settings, session)

    def expect(self, flight: Flight) -> None:
        """A document's request has an answer: if it is a download, it is one that we know of."""
        if flight.resource_type == "Document":
            url = _bare(flight.url)
            self._awaited[url] = self._awaited.get(url, 0) + 1

    def event(self, method: str, params: Params) -> None:
        """Take `Browser.downloadWillBegin` or `Browser.downloadProgress`."""
        guid = text_of(params, "guid")
        if method == "Browser.downloadWillBegin":
            self._begin(guid, text_of(params, "url"), text_of(params, "suggestedFilename")[:_NAME_CHARS])
        elif guid in self._all:
            self._progress(self._all[guid], params)

    def _begin(self, guid: str, url: str, name: str) -> None:
        bare = _bare(url)
        reported = bool(self._awaited.get(bare))
        if not reported and not self._takes_unreported(url):
            self.refused.append((url, datetime.now(UTC)))
            self._cancel(guid)
            return
        if reported:
            self._awaited[bare] -= 1
        self._all[guid] = _Download(guid=guid, url=bare, unreported=not reported, claimed=not reported, name=name)
        self._began.set()

    def _takes_unreported(self, url: str) -> bool:
        if sum(each.unreported for each in self._all.values()) >= MOST_UNREPORTED:
            return False
        return url.startswith(_INNER) or self._peers_known

    def _progress(self, download: _Download, params: Params) -> None:
        received = integer_of(params, "receivedBytes") or 0
        self._on_bytes(max(received - download.received, 0))
        download.received = max(received, download.received)
        state = text_of(params, "state")
        if state in {"completed", "canceled"}:
            download.completed = state == "completed"
            download.ended.set()
        elif download.received > self._limit and not download.too_long:
            download.too_long = True
            self._cancel(download.guid)

    def _cancel(self, guid: str) -> None:
        self._client.post("Browser.cancelDownload", {"guid": guid}, self._session)

    async def finish(self, *, timeout_s: float) -> None:
        """Wait, bounded, for the files that no request tells of."""
        waiting = [each.ended.wait() for each in self._all.values() if each.unreported]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waiting), timeout_s)

    def unreported(self) -> list[Unreported]:
        """The files that came whole without a request that DevTools reports; others of them become refused."""
        whole: list[Unreported] = []
        for each in self._all.values():
            if each.unreported and each.completed:
                made, file = each.url.startswith(_INNER), self._folder / each.guid
                whole.append(Unreported(url=each.url, name=each.name, began=each.began, file=file, made=made))
            elif each.unreported:
                self.refused.append((each.url, each.began))
                each.unreported = False
        return whole

    @property
    def running(self) -> bool:
        """Whether a download is under way."""
        return any(not download.ended.is_set() for download in self._all.values())

    def unlogged_exchanges(self, first: int, page: str | None) -> list[Exchange]:
        """Lines for what DevTools does not report, numbered from `first`, where no network log tells of it."""
        cancelled = "a download that DevTools does not report was cancelled"
        beside = "a download that DevTools does not report; its file stands in capture/downloads.json"
        lines = [(url, at, cancelled) for url, at in self.refused]
        lines += [(each.url, each.began, beside) for each in self.unreported() if not each.made]
        return [
            build_exchange(
                _flight(f"{number:06d}", page, url, at), None, ExchangeOutcome.NOT_RETRIEVABLE, reason, late=True
            )
            for number, (url, at, reason) in enumerate(lines, first)
        ]

    async def take(self, flight: Flight) -> tuple[Body | None, str] | None:
        """The file that a flight became, or None and why; None when it did not become a download.

        Raises:
            StorageError: the file cannot be read.
        """
        if flight.error != ABORTED or flight.response is None or flight.resource_type != "Document":
            return None
        if flight.has_no_body or flight.is_redirect_hop:
            return None
        download = await self._claim(_bare(flight.url))
        if download is None:
            return None
        await download.ended.wait()
        if download.too_long:
            return None, "a download longer than the body limit"
        if not download.completed:
            return None, "a download that the browser cancelled"
        return await asyncio.to_thread(_hash, self._folder / download.guid), ""

    async def _claim(self, url: str) -> _Download | None:
        deadline = asyncio.get_running_loop().time() + _BEGIN_S
        while True:
            for download in self._all.values():
                if download.url == url and not download.claimed:
                    download.claimed = True
                    return download
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return None
            self._began.clear()
            try:
                await asyncio.wait_for(self._began.wait(), left)
            except TimeoutError:
                return None


def _flight(identifier: str, page: str | None, url: str, at: datetime) -> Flight:
    return Flight(
        id=identifier,
        request_id="",
        session="",
        page=page,
        target="page",
        url=url,
        method="GET",
        resource_type="Other",
        initiator="other",
        started=at,
        monotonic_s=0.0,
        finished=at,
    )


def _bare(url: str) -> str:
    return url.partition("#")[0]


def _hash(file: Path) -> Body:
    try:
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        return Body(file=file, size=file.stat().st_size, sha256=digest)
    except OSError as error:
        raise _refused(file, error) from error


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the download {path} cannot be kept: {error.strerror or error}; free space on the disk and capture again",
        f"无法保存下载文件 {path}：{error.strerror or error}；请清理磁盘后重新取证",
    )
