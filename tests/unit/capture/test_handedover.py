"""A file that a page hands over without a request is kept only where it demonstrably came from a public server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from evidencekit.capture.downloads import Unreported
from evidencekit.capture.handedover import keep_handed_over
from evidencekit.capture.journal import Journal
from evidencekit.capture.privacy import PrivateTexts
from evidencekit.capture.staging import Staging
from evidencekit.capture.visitnotes import Desk
from evidencekit.capture.withholding import Secrets
from evidencekit.hashing.chainlog import ChainWriter
from tests.support.exchanges import AT, exchange_with

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC, PRIVATE, UNKNOWN = "https://shop.test/a.bin", "https://inward.test/b.bin", "https://nowhere.test/c.bin"


def handed_over(folder: Path, *urls: str) -> tuple[Unreported, ...]:
    files = []
    for number, url in enumerate(urls):
        file = folder / f"download-{number}"
        file.write_bytes(b"\0" + url.encode())
        files.append(Unreported(url=url, name="File.BIN", began=AT, file=file, made=False))
    return tuple(files)


def keep(folder: Path, files: tuple[Unreported, ...], *, allow_private: bool) -> tuple[list[Unreported], Staging]:
    staging = Staging(folder / "staging")
    seen = [
        exchange_with(PUBLIC, "93.184.216.34:443"),
        exchange_with(PRIVATE, "10.0.0.8:443"),
        exchange_with(UNKNOWN, None),
    ]
    with ChainWriter(folder / "log.jsonl", format_name="worklog", capture_id="00" * 16) as log:
        desk = Desk(
            staging=staging,
            journal=Journal(log, None),
            privacy=PrivateTexts(staging, Secrets()),
            capture_id="00" * 16,
        )
        return asyncio.run(keep_handed_over(files, seen, desk, allow_private=allow_private)), staging


def test_a_file_from_a_private_or_unknown_peer_is_deleted_and_called_refused(tmp_path: Path) -> None:
    files = handed_over(tmp_path, PUBLIC, PRIVATE, UNKNOWN)
    refused, staging = keep(tmp_path, files, allow_private=False)
    assert [each.url for each in refused] == [PRIVATE, UNKNOWN]
    assert not any(each.file.exists() for each in files)
    kept = sorted(path.name for path in (staging.bundle / "capture" / "downloads").iterdir())
    assert kept == ["0001.bin"]
    rows = json.loads((staging.bundle / "capture" / "downloads.json").read_text())["downloads"]
    assert [(row["url"], row["exchange"]) for row in rows] == [(PUBLIC, "000001")]


def test_whoever_allows_private_addresses_gets_all(tmp_path: Path) -> None:
    refused, staging = keep(tmp_path, handed_over(tmp_path, PRIVATE, UNKNOWN), allow_private=True)
    assert not refused
    assert len(list((staging.bundle / "capture" / "downloads").iterdir())) == 2
