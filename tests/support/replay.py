"""Replay of a web archive in ReplayWeb.page, offline, in a browser of its own."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import contextmanager, suppress
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Frame, Page, sync_playwright

from evidencekit.capture.launcher import find_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_MS = 20_000
ATTEMPTS = 3
_EMBED = (
    '<!doctype html><style>body { margin: 0 }</style><script src="ui.js"></script>'
    '<replay-web-page source="/page.wacz" url="ADDRESS" replayBase="/replay/" embed="replayonly" deepLink '
    'style="height:100vh;display:block"></replay-web-page>'
)


def fetch_replayer(npm: str, folder: Path) -> Path:
    """ReplayWeb.page as npm has it.

    Raises:
        CalledProcessError: npm gives none.
    """
    subprocess.run(
        [npm, "pack", "--silent", "replaywebpage@2"], cwd=folder, capture_output=True, timeout=300, check=True
    )
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, filter="data")
    return folder / "package"


@contextmanager
def replaying(wacz: bytes, address: str, replayer: Path, folder: Path) -> Iterator[Callable[[str], Frame | None]]:
    """Replay an archive; the function given waits for a frame that shows some words."""
    with replaying_any(wacz, replayer, folder) as show:
        yield lambda words: show(address, words, ATTEMPTS)


@contextmanager
def replaying_any(wacz: bytes, replayer: Path, folder: Path) -> Iterator[Callable[[str, str, int], Frame | None]]:
    """Replay an archive; the function given opens an address, so many times, until a frame of it shows some words."""
    (folder / "replay").mkdir()
    for source, name in (("ui.js", "ui.js"), ("ui.js", "replay/ui.js"), ("sw.js", "replay/sw.js")):
        shutil.copyfile(replayer / source, folder / name)
    (folder / "page.wacz").write_bytes(wacz)
    offline = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with _served(folder) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find_browser().path), args=offline)
        try:
            page = browser.new_page()

            def show(address: str, words: str, attempts: int) -> Frame | None:
                (folder / "embed.html").write_text(_EMBED.replace("ADDRESS", escape(address)), encoding="utf-8")
                # On a busy machine the replayer's page may wait for ever for its own service worker: load it again.
                for _ in range(attempts):
                    page.goto("about:blank")
                    page.goto(f"{origin}/embed.html")
                    if found := _frame_that_shows(page, words):
                        return found
                return None

            yield show
        finally:
            browser.close()


def _frame_that_shows(page: Page, words: str) -> Frame | None:
    for _ in range(PATIENCE_MS // 250):
        page.wait_for_timeout(250)
        # "mp_/" marks what is replayed; the frame around it is the replayer's own.
        for frame in [each for each in page.frames[1:] if "mp_/" in each.url]:
            with suppress(PlaywrightError):  # the frame went on to its next document meanwhile
                body = frame.query_selector("body")
                if body is not None and words in body.inner_text():
                    return frame
    return None


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
