"""A batch's journal, and who is told what, without a browser: `capture` is a function of the caller's."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from evidencekit.batching import Item, run_batch
from evidencekit.batchjournal import BatchJournal
from evidencekit.errors import EvidenceError, LedgerError, NavigationError, StorageError, UsageError

if TYPE_CHECKING:
    from evidencekit.notary import Evidence

URLS = tuple(f"https://example.test/{n}" for n in range(8))
REQUEST = {"mode": "fast"}


@dataclass(frozen=True)
class Sealed:
    """What of an `Evidence` a batch reads."""

    number: str
    bundle: Path
    manifest_sha256: str = "0" * 64
    pending: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class Office:
    """Seals by writing a file; fails where told."""

    def __init__(self, folder: Path, faults: dict[str, EvidenceError] | None = None) -> None:
        self.folder = folder
        self.faults = faults or {}
        self.asked: list[str] = []

    def capture(self, url: str) -> Evidence:
        self.asked.append(url)
        if url in self.faults:
            raise self.faults[url]
        bundle = self.folder / f"{url.rpartition('/')[2]}-{len(self.asked)}.zip"
        bundle.write_bytes(b"PK")
        return cast("Evidence", Sealed(number=f"N-{len(self.asked)}", bundle=bundle))


def journal(home: Path, *, resume: bool, urls: tuple[str, ...] = URLS) -> BatchJournal:
    return BatchJournal.open(home, urls, REQUEST, resume=resume)


def test_a_fault_spoils_no_other_and_resuming_captures_only_what_is_missing(tmp_path: Path) -> None:
    office = Office(tmp_path, {URLS[3]: NavigationError("gone", "不在了")})
    with journal(tmp_path, resume=False) as log:
        items = run_batch(URLS, office.capture, journal=log, jobs=3)
    assert [item.line.url for item in items] == list(URLS)
    assert [item.line.n for item in items if item.line.failure is not None] == [4]
    office.faults.clear()
    office.asked.clear()
    with journal(tmp_path, resume=True) as log:
        again = run_batch(URLS, office.capture, journal=log)
    assert office.asked == [URLS[3]]
    assert [item.before for item in again] == [url != URLS[3] for url in URLS]
    office.asked.clear()
    with journal(tmp_path, resume=False) as log:
        run_batch(URLS, office.capture, journal=log)
    assert office.asked == list(URLS)


def test_a_torn_line_and_a_bundle_that_is_gone_are_captured_again(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with journal(tmp_path, resume=False) as log:
        items = run_batch(URLS, office.capture, journal=log)
    (file,) = (tmp_path / "batches").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    Path(str(items[2].line.bundle)).unlink()
    office.asked.clear()
    with journal(tmp_path, resume=True) as log:
        run_batch(URLS, office.capture, journal=log)
    assert sorted(office.asked) == sorted([URLS[2], URLS[7]])
    with journal(tmp_path, resume=True) as log:
        assert all(item.before for item in run_batch(URLS, office.capture, journal=log))


def test_another_list_is_another_batch_and_the_same_one_is_held_by_one_process(tmp_path: Path) -> None:
    with journal(tmp_path, resume=True), journal(tmp_path, resume=True, urls=URLS[:2]):
        with pytest.raises(StorageError, match="another process"):
            journal(tmp_path, resume=True)
        assert len(list((tmp_path / "batches").iterdir())) == 2


def test_what_every_further_item_would_meet_stops_the_batch(tmp_path: Path) -> None:
    office = Office(tmp_path, {URLS[2]: LedgerError("damaged", "已损坏")})
    with journal(tmp_path, resume=False) as log, pytest.raises(LedgerError):
        run_batch(URLS, office.capture, journal=log)
    assert office.asked == list(URLS[:3])


def test_a_stop_is_no_fault_of_the_url(tmp_path: Path) -> None:
    office, stop, told = Office(tmp_path, {URLS[1]: NavigationError("cancelled", "已取消")}), threading.Event(), []

    def tell(item: Item) -> None:
        told.append(item)
        stop.set()

    with journal(tmp_path, resume=False) as log:
        run_batch(URLS, office.capture, journal=log, cancel=stop, on_item=tell)
    assert [item.line.n for item in told] == [1]
    assert len((next((tmp_path / "batches").iterdir())).read_bytes().splitlines()) == 2


@pytest.mark.parametrize(("urls", "jobs"), [((), 1), (URLS, 0), (URLS, 17)])
def test_what_is_no_batch_is_refused(tmp_path: Path, urls: tuple[str, ...], jobs: int) -> None:
    with journal(tmp_path, resume=False) as log, pytest.raises(UsageError):
        run_batch(urls, Office(tmp_path).capture, journal=log, jobs=jobs)
