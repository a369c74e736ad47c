"""Page after page: what ReplayWeb.page shows of an archive, offline, is what the live page showed.

Two measures a page, each the share of pixels that differ (`tests.support.pixels`), at most one in a thousand: the
window (1280 × 800) against the first picture of the capture; and the whole page, in a window as tall as it, against
the live page in the same window. The second is not held against the full picture of the capture, because there the
window stays as it is: what is as tall as the window (`100vh`) or sticks to it would be compared with another layout.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from evidencekit.capture.launcher import find_browser
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support.pixels import Picture, share_that_differs, shown_by
from tests.support.replay import ATTEMPTS, replaying_any
from tests.support.replaypages import DOCUMENTS, PAGES, ReplayPage, documentation, replay_sites

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Frame, Page

    from evidencekit.capture.launcher import BrowserOptions

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("replay-pages")]

WIDTH, HEIGHT = 1280, 800
TALLEST = 16_000
MOST = 0.001
ALL = PAGES | {name: page for name, page in DOCUMENTS.items() if name in documentation()}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What differs in the window and in the whole page; None where the replay never showed the words."""

    window: float | None
    whole: float | None


@pytest.fixture(scope="module")
def compared(replayer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compared]:
    folder = tmp_path_factory.mktemp("replay")
    with replay_sites(folder) as browser:
        capture(folder, browser)
        live = live_pictures(browser)
    # The servers are gone: what the replay shows comes from the archive.
    found, place = {}, folder / "replaying"
    place.mkdir()
    bundle = folder / "staging/bundle/capture"
    with replaying_any((bundle / "page.wacz").read_bytes(), replayer, place) as show:
        for number, (name, page) in enumerate(ALL.items(), 1):
            initial = shown_by((bundle / f"pages/{number:04d}/screenshot-initial.png").read_bytes())
            found[name] = compare(show(page.shown, page.words, 1 if page.limit else ATTEMPTS), initial, live[name])
    return found


def capture(folder: Path, browser: BrowserOptions) -> None:
    request = CaptureRequest(
        urls=tuple(page.url for page in ALL.values()),
        width_px=WIDTH,
        height_px=HEIGHT,
        allow_private=True,
        allow_http_errors=True,
        third_party=False,
    )
    with ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32) as worklog:
        asyncio.run(
            capture_session(
                request,
                capture_id="0" * 32,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
                options=browser,
            )
        )


def live_pictures(browser: BrowserOptions) -> dict[str, Picture]:
    """Each live page in a window as tall as it."""
    found = {}
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(find_browser().path),
            args=["--no-sandbox", *browser.extra_args],
            env={"HOME": str(browser.home)},
        )
        for name, each in ALL.items():
            page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="zh-CN")
            page.goto(each.url)
            wait_for_words(page, each)
            found[name] = shown_by(whole_picture(page, page.main_frame))
            page.close()
        opened.close()
    return found


def wait_for_words(page: Page, each: ReplayPage) -> None:
    """As the replay waits; what comes only by scrolling is scrolled to."""
    for _ in range(40):
        if each.words in page.inner_text("body"):
            break
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(250)
    page.evaluate("scrollTo(0, 0)")


def compare(frame: Frame | None, initial: Picture, live: Picture) -> Compared:
    if frame is None:
        return Compared(window=None, whole=None)
    page = frame.page
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    settle(page, frame)
    window = shown_by(page.screenshot())
    whole = shown_by(whole_picture(page, frame, live.height))
    return Compared(window=share_that_differs(initial, window), whole=share_that_differs(live, whole))


def whole_picture(page: Page, frame: Frame, height: int | None = None) -> bytes:
    """What the frame shows in a window of this height; as tall as its document when None."""
    if height is None:
        page.wait_for_timeout(500)
        height = min(TALLEST, max(HEIGHT, frame.evaluate("document.documentElement.scrollHeight")))
    page.set_viewport_size({"width": WIDTH, "height": height})
    settle(page, frame)
    return page.screenshot()


def settle(page: Page, frame: Frame) -> None:
    frame.wait_for_load_state()
    # A lazy picture below the window is never asked for.
    frame.wait_for_function("[...document.images].every((image) => image.complete || image.loading === 'lazy')")
    page.wait_for_timeout(700)


@pytest.mark.parametrize("name", [*PAGES, *DOCUMENTS])
def test_the_replay_shows_what_the_live_page_showed(name: str, compared: dict[str, Compared]) -> None:
    if name not in ALL:
        pytest.skip("Debian's documents are not there; EVIDENCEKIT_DOCUMENTS names where they are unpacked")
    found = compared[name]
    alike = None not in (found.window, found.whole) and max(found.window or 0, found.whole or 0) <= MOST
    assert alike == (ALL[name].limit is None), (found, ALL[name].limit)
