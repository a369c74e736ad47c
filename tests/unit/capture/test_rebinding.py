"""Names that lead inward: each way for a page to reach a private server, and what stops it.

A server on loopback plays the public page (Chromium is told to take its port for public address space); a second one
is the private server, whose log is the oracle: not one request may reach it.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.exchanges import ExchangeOutcome
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.capture.staging import Staging
from evidencekit.capture.studio import open_studio, settings_of
from evidencekit.capture.supervision import Supervisor
from evidencekit.errors import BlockedUrlError
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange

pytestmark = pytest.mark.browser

WAYS = """<!doctype html><title>public</title><img src=http://{host}/image><iframe src=http://{host}/frame></iframe>
<link rel=stylesheet href=http://{host}/style><script src=http://{host}/script></script>
<script>
fetch("http://{host}/fetch").catch(() => 0); fetch("http://{host}/blind", {{mode: "no-cors"}}).catch(() => 0);
new WebSocket("ws://{host}/socket"); new EventSource("http://{host}/events");
navigator.sendBeacon("http://{host}/beacon", "x");
</script>"""


@contextmanager
def serving(pages: dict[str, str]) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = pages.get(self.path, "inner").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 (http.server's names)
        do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "secure context"])
def test_a_public_page_reaches_no_private_server_under_a_public_name(tmp_path: Path, secure: bool) -> None:
    pages: dict[str, str] = {}
    with serving({}) as (inner, reached), serving(pages) as (outer, _):
        pages["/"] = WAYS.format(host=f"rebind.example:{inner}")
        exchanges, breach, policies = asyncio.run(_visit(tmp_path, outer, secure=secure))
    assert reached == []
    inward = [each for each in exchanges if "rebind.example" in each.url]
    assert {each.outcome for each in inward} == {ExchangeOutcome.FAILED}
    assert {"image", "frame", "fetch", "blind", "socket", "events", "beacon"} <= {
        each.url.rpartition("/")[2] for each in inward
    }
    assert policies == {"PermissionBlock" if secure else "BlockFromInsecureToMorePrivate"}
    # The page itself stands on loopback: its own peer is the breach, after the one GET that the manual states.
    assert isinstance(breach, BlockedUrlError)


def test_a_navigation_inward_is_given_up_after_one_get_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    """Chromium does not hold main-frame navigations off: the stated limit of the guard (docs/threat-model.md)."""
    pages: dict[str, str] = {}
    with serving({}) as (inner, reached), serving(pages) as (outer, _):
        pages["/"] = f"<!doctype html><p>public</p><script>location = 'http://rebind.example:{inner}/secret'</script>"
        request = CaptureRequest(urls=(f"http://8.8.8.8:{outer}/",), third_party=False)
        rules = f"--host-resolver-rules=MAP 8.8.8.8:{outer} 127.0.0.1:{outer},MAP rebind.example 127.0.0.1"
        with (
            ChainWriter(tmp_path / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32) as worklog,
            pytest.raises(BlockedUrlError, match="private address"),
        ):
            asyncio.run(
                capture_session(
                    request,
                    capture_id="0" * 32,
                    staging=tmp_path / "staging",
                    worklog=worklog,
                    on_root=lambda _root, _document: None,
                    options=BrowserOptions(extra_args=(rules,)),
                )
            )
    assert len(reached) <= 1, reached
    assert not (tmp_path / "staging/bodies").exists()
    assert not (tmp_path / "staging/bundle").exists()


async def _visit(folder: Path, port: int, *, secure: bool) -> tuple[list[Exchange], BaseException | None, set[str]]:
    url = f"http://public.example:{port}/"
    request = CaptureRequest(urls=(url,), third_party=False)
    extra = (
        "--host-resolver-rules=MAP public.example 127.0.0.1,MAP rebind.example 127.0.0.1",
        f"--ip-address-space-overrides=127.0.0.1:{port}=public",
        *((f"--unsafely-treat-insecure-origin-as-secure=http://public.example:{port}",) if secure else ()),
    )
    staging, binary = Staging(folder / "staging"), find_browser()
    options = BrowserOptions(extra_args=extra)
    launch = prepare_launch(options, staging.profile, settings_of(request), request.timezone)
    ended: BaseException | None = None
    async with Supervisor(None) as supervisor:
        async with open_studio(request, binary, launch, staging, supervisor) as studio:
            studio.recorder.begin_page("0001")
            page = await studio.driver.open_page(lambda _url: None)
            await page.goto(url, timeout_s=20)
            await page.wait_loaded(timeout_s=20)
            await studio.recorder.quiet(idle_s=1, timeout_s=10)
            await studio.recorder.drain(timeout_s=5)
        try:
            supervisor.check()
        except BlockedUrlError as error:
            ended = error
        return list(studio.recorder.exchanges), ended, set(studio.recorder.traffic.local_network)
