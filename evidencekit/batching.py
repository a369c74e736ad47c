"""A list of URLs, each its own bundle: several at a time, resumable, and one failure spoils nothing (R50).

Each item is a whole capture with a browser, an entry and a verdict of its own. What became of it is written to the
batch's journal as soon as it ended, so a batch that was killed goes on where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.batchjournal import BatchJournal, Failure, ItemLine
from evidencekit.errors import (
    CaptureError,
    EvidenceError,
    TimestampError,
    UsageError,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.notary import Evidence

MAX_ITEMS = 10_000
MAX_JOBS = 16

CaptureOne = Callable[[str], "Evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one URL; `evidence` is None when it failed or an earlier run had sealed it (`before`)."""

    line: ItemLine
    evidence: Evidence | None = None
    before: bool = False


def run_batch(
    urls: Sequence[str],
    capture: CaptureOne,
    *,
    journal: BatchJournal,
    jobs: int = 1,
    cancel: threading.Event | None = None,
    on_item: Callable[[Item], None] = lambda _item: None,
) -> tuple[Item, ...]:
    """Capture each URL by itself.

    Args:
        urls: in the order of the list; the same one twice is captured twice.
        capture: makes the bundle of one URL; called in several threads at a time when `jobs` is more than one.
        journal: what an earlier run of the same list has sealed is not captured again.
        jobs: how many captures, and so browsers, run at a time.
        cancel: when set, no further one is begun; those under way are the business of `capture`.
        on_item: called for each item as it ends, from one thread at a time.

    Returns:
        The items that ended, in the order of the list.

    Raises:
        UsageError: the list is empty or too long, or `jobs` is out of range.
        EvidenceError: the disk, the ledger or a key does not work: every further item would fail for the same reason.
            What was sealed before stands in the journal.
    """
    _check(urls, jobs)
    run = _Run(capture, journal, cancel or threading.Event(), on_item)
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="evidencekit-batch") as pool:
        waiting = [pool.submit(run.one, number, url) for number, url in enumerate(urls, 1)]
        ended = [future.result() for future in waiting]
    if run.broken is not None:
        raise run.broken
    return tuple(item for item in ended if item is not None)


class _Run:
    def __init__(
        self, capture: CaptureOne, journal: BatchJournal, stop: threading.Event, on_item: Callable[[Item], None]
    ) -> None:
        self.broken: EvidenceError | None = None
        self._capture = capture
        self._journal = journal
        self._stop = stop
        self._on_item = on_item
        self._telling = threading.Lock()

    def one(self, number: int, url: str) -> Item | None:
        """Capture one URL; None when the batch was stopped before it ended."""
        if self._stop.is_set() or self.broken is not None:
            return None
        before = self._journal.sealed(number, url)
        item = Item(line=before, before=True) if before is not None else self._attempt(number, url)
        if item is not None:
            with self._telling:
                self._on_item(item)
        return item

    def _attempt(self, number: int, url: str) -> Item | None:
        try:
            evidence = self._capture(url)
        except (CaptureError, TimestampError, UsageError) as error:
            if self._stop.is_set():
                return None  # it was cancelled, which is no fault of the URL's
            line = ItemLine(n=number, url=url, failure=_failure(error))
            self._journal.append(line)
            return Item(line=line)
        except EvidenceError as error:
            # A full disk or a damaged ledger would fail every further item: stop, and say it once.
            self.broken = self.broken or error
            return None
        line = ItemLine(
            n=number,
            url=url,
            number=evidence.number,
            bundle=str(evidence.bundle.absolute()),
            manifest_sha256=evidence.manifest_sha256,
            complete=not evidence.pending and not evidence.partial,
        )
        self._journal.append(line)
        return Item(line=line, evidence=evidence)


def _failure(error: EvidenceError) -> Failure:
    return Failure(code=error.code, reason=Text(en=error.en, zh=error.zh))


def _check(urls: Sequence[str], jobs: int) -> None:
    if not 1 <= len(urls) <= MAX_ITEMS:
        raise UsageError(
            f"a batch holds 1 to {MAX_ITEMS} URLs; {len(urls)} were given; split the list",
            f"一批可包含 1 至 {MAX_ITEMS} 个网址；给出了 {len(urls)} 个；请拆分列表",
        )
    if not 1 <= jobs <= MAX_JOBS:
        raise UsageError(
            f"{jobs} captures at a time were asked for; choose 1 to {MAX_JOBS}",
            f"要求同时进行 {jobs} 个取证；请选择 1 至 {MAX_JOBS}",
        )
