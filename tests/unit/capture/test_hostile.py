"""Pages that want to exhaust the recorder: the session is bounded, says why it is partial, and seals what it has."""

from __future__ import annotations

import asyncio
import gzip
import resource
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.exchanges import ExchangeOutcome, parse_exchanges
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Limits
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support import site

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import Capture

pytestmark = pytest.mark.browser

CAPTURE_ID = "0" * 32
BOMB = gzip.compress(bytes(64 << 20), mtime=0)
"""64 MiB of zeros in 64 KiB."""
PAGES = {
    "/bomb": b"<!doctype html><title>b</title><p>before</p><script>fetch('/zeros').then(r => r.arrayBuffer())</script>",
    "/tall": b"<!doctype html><title>t</title><div style='height:400000px'>tall</div>",
}


def answer(path: str) -> site.Answer:
    if path == "/zeros":
        return 200, {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}, BOMB
    return 200, site.HTML, PAGES.get(path, b"x")


def run(folder: Path, path: str, limits: Limits) -> Capture:
    with (
        site.serve(answer) as url,
        ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id=CAPTURE_ID) as worklog,
    ):
        request = CaptureRequest(urls=(url.rstrip("/") + path,), allow_private=True, third_party=False, limits=limits)
        return asyncio.run(
            capture_session(
                request,
                capture_id=CAPTURE_ID,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
                options=BrowserOptions(),
            )
        )


def has_minimum(capture: Capture) -> bool:
    return {"screenshot.initial", "dom.initial", "screenshot", "dom"} <= {each.role for each in capture.artifacts}


def test_a_compression_bomb_is_cut_at_the_limit_and_sealed_as_partial(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    capture = run(tmp_path, "/bomb", Limits(body_bytes=4 << 20, bytes_total=16 << 20))
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) - before
    assert has_minimum(capture)
    assert any("limit of bytes" in text.en for text in capture.partial)
    lines = parse_exchanges((tmp_path / "staging/bundle/capture/exchanges.jsonl").read_bytes())[1]
    (zeros,) = [line for line in lines if line.url.endswith("/zeros")]
    assert zeros.outcome is ExchangeOutcome.PARTIAL
    assert (zeros.reason, zeros.body_size) == ("cut at the body limit", 4 << 20)
    assert grown_mb < 64


def test_a_page_of_endless_height_is_cut_and_sealed_as_partial(tmp_path: Path) -> None:
    capture = run(tmp_path, "/tall", Limits(page_height_px=20_000, scroll_steps=20))
    assert has_minimum(capture)
    assert any("the picture ends at 20000 px" in text.en for text in capture.partial)
