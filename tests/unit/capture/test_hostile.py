"""Pages that want to exhaust the recorder: the session is bounded, says why it is partial, and seals what it has."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import resource
import signal
import socketserver
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture import cdp, visit
from evidencekit.capture.exchanges import ExchangeOutcome, parse_exchanges
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Limits
from evidencekit.capture.session import capture_session
from evidencekit.errors import BrowserError
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support import site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from evidencekit.model import Capture, JsonValue

pytestmark = pytest.mark.browser

CAPTURE_ID = "0" * 32
BOMB = gzip.compress(bytes(64 << 20), mtime=0)
"""64 MiB of zeros in 64 KiB."""
PAGES = {
    "/bomb": b"<!doctype html><title>b</title><p>before</p><script>fetch('/zeros').then(r => r.arrayBuffer())</script>",
    "/prints": b"<!doctype html><title>p</title><p>read me</p><script>addEventListener('beforeprint', () => {"
    b"const ask = new XMLHttpRequest(); ask.open('GET', '/while-printing', false); ask.send(); });</script>",
    "/quiet": b"<!doctype html><title>q</title><p>read me</p>",
    "/endless": b"<!doctype html><title>e</title><p>read me</p><script>let n = 0; setInterval(() => "
    b"fetch('/more?' + n++).catch(() => 0), 20); for (let i = 0; i < 3; i++) setTimeout(() => alert(i), 1)</script>",
    "/growing": b"<!doctype html><title>g</title><p>read me</p><script>addEventListener('scroll', () => {"
    b"for (let i = 0; i < 40; i++) document.body.append(Object.assign(document.createElement('p'), "
    b"{textContent: 'more'})) })</script><div style='height:3000px'>tall</div>",
    "/storm": b"<!doctype html><title>s</title><p>read me</p><script>for (;;) alert('again')</script>",
    "/tall": b"<!doctype html><title>t</title><div style='height:400000px'>tall</div>",
}


def answer(path: str) -> site.Answer:
    if path == "/zeros":
        return 200, {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}, BOMB
    return 200, site.HTML, PAGES.get(path, b"x")


def run(
    folder: Path,
    path: str,
    limits: Limits,
    *,
    while_printing: Callable[[], object] = lambda: None,
    on_event: Callable[[str, Mapping[str, JsonValue]], None] | None = None,
) -> Capture:
    def answers(asked: str) -> site.Answer:
        if asked == "/while-printing":
            while_printing()
        return answer(asked)

    with site.serve(answers) as url:
        return capture_url(folder, url.rstrip("/") + path, limits, on_event=on_event)


def capture_url(
    folder: Path,
    url: str,
    limits: Limits,
    *,
    on_event: Callable[[str, Mapping[str, JsonValue]], None] | None = None,
) -> Capture:
    with ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id=CAPTURE_ID) as worklog:
        request = CaptureRequest(urls=(url,), allow_private=True, third_party=False, limits=limits)
        return asyncio.run(
            capture_session(
                request,
                capture_id=CAPTURE_ID,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
                options=BrowserOptions(),
                on_event=on_event,
            )
        )


def _cookie(number: int) -> bytes:
    return b"Set-Cookie: s%d=%s\r\n" % (number, b"v" * 300)


MALFORMED = {
    "/no-number": (b"HTTP/1.1 2x0 whatever\r\nContent-Length: -5\r\n\r\nxxxxx", "recorded"),
    "/no-http": (b"\x00\x01\x02 nothing of HTTP \xff\xfe", "failed"),
    "/two-lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nabc",
        "partial",
    ),
    "/no-gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip..", "partial"),
    "/header-of-600-kB": (b"HTTP/1.1 200 OK\r\nX-Long: " + b"h" * 600_000 + b"\r\n\r\n", "failed"),
    "/headers-of-120-kB": (b"HTTP/1.1 204 No\r\n" + b"X-Long: %s\r\n" % (b"h" * 2000) * 60 + b"\r\n", "recorded"),
    "/cookies": (b"HTTP/1.1 204 No\r\n" + b"".join(_cookie(n) for n in range(500)) + b"\r\n", "recorded"),
}
"""Answers that are not what they should be, and how each must end."""


@contextmanager
def serve_malformed() -> Iterator[str]:
    """A page that asks for all of them; every answer is given as it is and the connection closed."""
    asked = "".join(f"fetch('{path}').catch(() => 0);" for path in MALFORMED)
    page = f"<!doctype html><title>m</title><p>read me</p><script>{asked}</script>".encode()
    answers = {path: data for path, (data, _) in MALFORMED.items()}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split(b" ")[1].decode()
            while self.rfile.readline().strip():
                pass
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
            self.wfile.write(answers.get(path, head + page))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """The browser breaks such connections off."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_malformed_answers_each_end_in_the_ledger_and_the_page_is_sealed(tmp_path: Path) -> None:
    with serve_malformed() as url:
        capture = capture_url(tmp_path, url, Limits())
    assert has_minimum(capture)
    lines = parse_exchanges((tmp_path / "staging/bundle/capture/exchanges.jsonl").read_bytes())[1]
    outcomes = {line.url.removeprefix(url[:-1]): line.outcome.value for line in lines}
    assert {path: outcomes.get(path) for path in MALFORMED} == {path: end for path, (_, end) in MALFORMED.items()}
    assert all(line.reason for line in lines if line.outcome is not ExchangeOutcome.RECORDED)


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


@pytest.mark.parametrize(
    ("path", "limits", "reason"),
    [
        ("/endless", Limits(quiet_s=3), "went on asking for more without end"),
        ("/endless", Limits(quiet_s=3, requests=60), "limit of requests"),
        ("/growing", Limits(scroll_steps=8), "scrolling ended early"),
        ("/storm", Limits(navigation_s=20), "too many dialogs"),
    ],
    ids=["asks for ever", "asks beyond the limit", "grows as it is scrolled", "alerts for ever"],
)
def test_a_page_without_end_is_sealed_as_partial_with_its_reason(
    tmp_path: Path, path: str, limits: Limits, reason: str
) -> None:
    capture = run(tmp_path, path, limits)
    assert has_minimum(capture)
    told = [text.en for text in capture.partial]
    assert any(reason in text for text in told), told


def browser_pid(folder: Path) -> int:
    return int(json.loads((folder / "staging/browser.json").read_bytes())["pid"])


def signal_renderers(browser: int, number: signal.Signals) -> list[int]:
    """Send a signal to the process of every tab; their ids."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if os.getpgid(int(entry.name)) == browser and b"--type=renderer" in words:
                    os.kill(int(entry.name), number)
                    found.append(int(entry.name))
    return found


def test_a_tab_that_dies_over_a_copy_leaves_source_and_picture_sealed_as_partial(tmp_path: Path) -> None:
    capture = run(
        tmp_path, "/prints", Limits(), while_printing=lambda: signal_renderers(browser_pid(tmp_path), signal.SIGKILL)
    )
    assert has_minimum(capture)
    told = [text.en for text in capture.partial]
    assert any("the browser tab crashed after source and full picture were kept" in text for text in told), told
    assert "pdf" not in {each.role for each in capture.artifacts}


def test_a_browser_that_dies_over_a_copy_leaves_source_and_picture_sealed_as_partial(tmp_path: Path) -> None:
    capture = run(tmp_path, "/prints", Limits(), while_printing=lambda: os.kill(browser_pid(tmp_path), signal.SIGKILL))
    assert has_minimum(capture)
    assert any("the browser ended unexpectedly after source and picture" in text.en for text in capture.partial)
    lines = parse_exchanges((tmp_path / "staging/bundle/capture/exchanges.jsonl").read_bytes())[1]
    outcomes = {line.url.rpartition("/")[2]: line.outcome for line in lines}
    assert outcomes["prints"] is ExchangeOutcome.RECORDED
    # Its answer may have come while the browser died; nobody can say what it was.
    assert outcomes["while-printing"] in {ExchangeOutcome.FAILED, ExchangeOutcome.NOT_RETRIEVABLE}


def test_a_browser_that_dies_before_the_picture_is_no_evidence(tmp_path: Path) -> None:
    def kill(name: str, _facts: Mapping[str, JsonValue]) -> None:
        if name == "page.root":
            os.kill(browser_pid(tmp_path), signal.SIGKILL)

    with pytest.raises(BrowserError, match="ended unexpectedly"):
        run(tmp_path, "/quiet", Limits(), on_event=kill)


def test_a_page_that_answers_no_more_is_sealed_as_first_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((cdp, "_HUNG_S"), (visit, "_HUNG_S"), (visit, "_STOP_S")):
        monkeypatch.setattr(module, name, 1.0)
    stopped: list[int] = []

    def stop(name: str, _facts: Mapping[str, JsonValue]) -> None:
        if name == "page.behaviours":
            stopped.extend(signal_renderers(browser_pid(tmp_path), signal.SIGSTOP))

    capture = run(tmp_path, "/quiet", Limits(), on_event=stop)
    assert stopped
    assert has_minimum(capture)
    told = [text.en for text in capture.partial]
    assert any("screenshot.png is the window as first shown" in text for text in told), told
    assert any("dom.html is the source as first shown" in text for text in told), told
    folder = tmp_path / "staging/bundle/capture/pages/0001"
    assert (folder / "screenshot.png").read_bytes() == (folder / "screenshot-initial.png").read_bytes()
