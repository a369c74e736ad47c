"""Whole capture sessions with a real Chromium against loopback servers, friendly and hostile."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from evidencekit.capture.exchanges import ExchangeOutcome, parse_exchanges
from evidencekit.capture.launcher import BrowserBinary, BrowserOptions, find_browser
from evidencekit.capture.processes import end_recorded_browser, identify
from evidencekit.capture.request import CaptureRequest, Limits, Mode
from evidencekit.capture.session import capture_session
from evidencekit.errors import BlockedUrlError, BrowserError, CaptureError, MinimumError, NavigationError, UsageError
from evidencekit.hashing.chainlog import ChainWriter, check_chain
from evidencekit.hashing.merkle import root_of, salted_leaf
from evidencekit.hashing.records import artifact_descriptor, format_records, opening_is_true, parse_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidencekit.model import Capture, CaptureRoot

pytestmark = pytest.mark.browser

CAPTURE_ID = "0123456789abcdef0123456789abcdef"
COOKIE = "c00kie-value-9f8e7d6c5b4a"
TOKEN = "t0ken-in-storage-1a2b3c4d5e"  # noqa: S105 (seeded to be looked for)
LATE = "late-bearer-value-77665544"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6364f8cf500f00038601805a347d"
    "6a0000000049454e44ae426082"
)

ARCHIVE = b"PK and so on " * 9999
PAGES: dict[str, str] = {
    "/": "<!doctype html><title>店铺 Shop</title><h1>正品保证</h1><img src=/pixel.png><a href=/other>next</a>",
    "/other": "<!doctype html><title>second</title><p>second page</p>",
    "/lazy": "<!doctype html><title>lazy</title><div style='height:6000px'></div>"
    "<img loading=lazy src=/pixel.png?lazy>",
    "/secret": f"<!doctype html><title>s</title><p>{COOKIE}</p><script>localStorage.setItem('auth_token','{TOKEN}');"
    f"document.body.append('{TOKEN}'); fetch('/whoami', {{headers: {{Authorization: 'Bearer {TOKEN}'}}}})</script>",
    "/late": f"<!doctype html><title>late</title><p>{LATE}</p><div style='height:4000px'></div><script>"
    f"addEventListener('scroll', () => fetch('/whoami', {{headers: {{Authorization: 'Bearer {LATE}'}}}}))</script>",
    "/alerts": "<!doctype html><title>a</title><p>before</p><script>while (true) alert('again')</script>",
    "/dialog": "<!doctype html><title>d</title><script>alert('one'); document.title = String(confirm('two'))</script>",
    "/leave": "<!doctype html><title>l</title><p>stay</p><script>onbeforeunload = e => e.preventDefault()</script>",
    "/endless": "<!doctype html><title>e</title><script>addEventListener('scroll', () => { for (let i = 0; i < 30; i++)"
    " document.body.append(Object.assign(document.createElement('p'), {textContent: 'more'})) });"
    "document.write('<p>item</p>'.repeat(200))</script>",
    "/flood": "<!doctype html><title>f</title><script>let n = 0; setInterval(() => { for (let i = 0; i < 20; i++)"
    " fetch('/pixel.png?' + n++).catch(() => 0) }, 5)</script>",
    "/popups": "<!doctype html><title>p</title><p>popups</p>"
    "<script>for (let i = 0; i < 30; i++) open('/other')</script>",
    "/spin": "<!doctype html><title>spin</title><p>spinning</p>"
    "<script>setTimeout(() => { while (true); }, 300)</script>",
    "/hang": "<!doctype html><title>hang</title><p>shown</p><img src=/never.png>",
    "/socket": "<!doctype html><title>w</title><script>new WebSocket('ws://' + location.host + '/ws')</script>",
    "/downloads": "<!doctype html><title>d</title><p>files</p><iframe src=/taken.zip></iframe>"
    "<a id=a download href=/saved.zip>s</a><a id=b download=made.csv>m</a><script>a.click();"
    "b.href = URL.createObjectURL(new Blob(['sales,1024'])); setTimeout(() => b.click(), 300)</script>",
    "/missing": "<!doctype html><title>404</title><p>not here</p>",
}


class _Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in {"/taken.zip", "/saved.zip"}:
            self._answer(200, ARCHIVE, ("Content-Type", "application/zip"), ("Content-Disposition", "attachment"))
        elif path == "/never.png":
            time.sleep(8)
        elif path == "/jump":
            self._answer(302, b"", ("Location", "/"))
        elif path == "/inward":
            self._answer(302, b"", ("Location", "http://127.0.0.1:9/inner"))
        elif path == "/file.zip":
            self._answer(200, b"PK", ("Content-Type", "application/zip"), ("Content-Disposition", "attachment"))
        elif path == "/ws":
            self._answer(403, b"")
        elif path.endswith(".png"):
            self._answer(200, PIXEL, ("Content-Type", "image/png"))
        else:
            page = PAGES.get(path, "<p>x").encode()
            cookie = [("Set-Cookie", f"session={COOKIE}; HttpOnly")] if path == "/secret" else []
            status = 404 if path == "/missing" else 200
            self._answer(status, page, ("Content-Type", "text/html; charset=utf-8"), *cookie)

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


def _serve(server: ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    yield from _serve(ThreadingHTTPServer(("127.0.0.1", 0), _Site))


@dataclass
class Session:
    folder: Path
    capture: Capture
    roots: list[tuple[CaptureRoot, bytes]]
    steps: list[str] = field(default_factory=list)

    def read(self, path: str) -> bytes:
        return (self.folder / "staging/bundle" / path).read_bytes()

    def log(self) -> bytes:
        return (self.folder / "worklog.jsonl").read_bytes()


@cache
def _browser() -> BrowserBinary:
    return find_browser()


def run_session(
    folder: Path,
    request: CaptureRequest,
    *,
    options: BrowserOptions | None = None,
    cancel: threading.Event | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Session:
    roots: list[tuple[CaptureRoot, bytes]] = []
    steps: list[str] = []

    def note(step: str, _facts: object) -> None:
        steps.append(step)
        if on_step is not None:
            on_step(step)

    with ChainWriter(folder / "worklog.jsonl", format_name="worklog", capture_id=CAPTURE_ID) as worklog:
        capture = asyncio.run(
            capture_session(
                request,
                capture_id=CAPTURE_ID,
                staging=folder / "staging",
                worklog=worklog,
                on_root=lambda root, document: roots.append((root, document)),
                options=replace(options or BrowserOptions(), binary=_browser()),
                cancel=cancel,
                on_event=note,
            )
        )
    return Session(folder=folder, capture=capture, roots=roots, steps=steps)


def local(port: int, *paths: str, limits: Limits | None = None) -> CaptureRequest:
    urls = tuple(f"http://127.0.0.1:{port}{path}" for path in paths)
    return CaptureRequest(urls=urls, allow_private=True, third_party=False, limits=limits or Limits())


@pytest.fixture(scope="module")
def two_pages(site: int, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return run_session(tmp_path_factory.mktemp("two"), local(site, "/?a=$(id)&b='x#y", "/lazy"))


def test_each_page_has_source_pictures_and_texts(two_pages: Session) -> None:
    roles = {(each.page, each.role) for each in two_pages.capture.artifacts}
    for page in ("0001", "0002"):
        wanted = {"screenshot.initial", "dom.initial", "dom", "text", "mhtml", "pdf", "screenshot"}
        wanted |= {"media", "rendering", "dom.snapshot", "accessibility", "other"}
        assert {role for of, role in roles if of == page} == wanted
    assert {role for of, role in roles if of is None} >= {"archive", "exchanges", "har"}
    assert two_pages.capture.partial == ()
    assert "正品保证" in two_pages.read("capture/pages/0001/dom.html").decode()
    assert "正品保证" in two_pages.read("capture/pages/0001/text.txt").decode()
    assert two_pages.read("capture/pages/0001/screenshot.png").startswith(b"\x89PNG")
    assert two_pages.read("capture/pages/0001/page.pdf").startswith(b"%PDF")


def test_the_url_is_kept_exactly_and_the_page_described(two_pages: Session, site: int) -> None:
    first, second = two_pages.capture.pages
    assert first.requested_url == f"http://127.0.0.1:{site}/?a=$(id)&b='x#y"
    assert (first.title, first.status, first.content_type) == ("店铺 Shop", 200, "text/html")
    assert first.remote_address == f"127.0.0.1:{site}"
    assert (first.width_px, first.height_px) == (1280, 800)
    assert second.height_px > 6000
    assert first.started_at <= first.initial_at <= first.finished_at <= second.started_at


def test_artifacts_open_their_leaves_and_equal_their_files(two_pages: Session) -> None:
    for each in two_pages.capture.artifacts:
        assert each.file == two_pages.folder / "staging/bundle" / each.path
        assert each.file.stat().st_size == each.size
        assert salted_leaf(each.salt, artifact_descriptor(each.path, each.size, each.digests)) == each.leaf


def test_the_capture_root_is_that_of_the_first_records_and_the_untouched_views(two_pages: Session) -> None:
    assert len(two_pages.roots) == 2
    for root, document in two_pages.roots:
        by_role = {each.role: each for each in two_pages.capture.artifacts if each.page == root.page}
        leaves = [each.leaf for each in two_pages.capture.records[: root.records]]
        wanted = root_of([*leaves, by_role["screenshot.initial"].leaf, by_role["dom.initial"].leaf])
        assert root.root == wanted
        assert json.loads(document)["root"] == wanted.hex()
    assert two_pages.capture.roots == tuple(root for root, _ in two_pages.roots)


def test_scrolling_loads_lazy_pictures_after_t_capture(two_pages: Session) -> None:
    _, lines = parse_exchanges(two_pages.read("capture/exchanges.jsonl"))
    lazy = [each for each in lines if each.url.endswith("?lazy")]
    assert [each.outcome for each in lazy] == [ExchangeOutcome.RECORDED]
    assert lazy[0].after_t_capture
    assert two_pages.capture.completeness.after_t_capture >= 1
    assert any(each.kind == "scroll" and each.page == "0002" for each in two_pages.capture.transformations)


def test_every_request_is_a_line_and_the_counts_agree(two_pages: Session) -> None:
    capture_id, lines = parse_exchanges(two_pages.read("capture/exchanges.jsonl"))
    counts = two_pages.capture.completeness
    assert capture_id == CAPTURE_ID
    assert counts.requests == len(lines) == counts.recorded + counts.partial + counts.failed + counts.not_retrievable
    assert {name for each in lines for name in each.records} == {each.id for each in two_pages.capture.records}


def test_the_work_log_is_a_whole_chain_in_the_normative_order(two_pages: Session) -> None:
    assert check_chain(two_pages.log(), format_name="worklog", capture_id=CAPTURE_ID).ok
    order = ["session.start", "browser.start", "page.navigate", "page.root", "page.behaviours", "page.rendered"]
    places = [two_pages.steps.index(step) for step in order]
    assert places == sorted(places)


def test_nothing_runs_in_the_page_before_the_untouched_view(two_pages: Session) -> None:
    initial = two_pages.capture.pages[0].initial_at
    early = {each.kind for each in two_pages.capture.transformations if each.time <= initial}
    assert early <= {
        "Browser.setDownloadBehavior",
        "Browser.setContentsSize",
        "Page.addScriptToEvaluateOnNewDocument",
        "Page.createIsolatedWorld",
    }


def test_the_browser_is_gone_and_its_profile_removed(two_pages: Session) -> None:
    assert not (two_pages.folder / "staging/profile").exists()
    assert not (two_pages.folder / "staging/browser.json").exists()


def test_redirects_are_listed_hop_by_hop(site: int, tmp_path: Path) -> None:
    page = run_session(tmp_path, local(site, "/jump")).capture.pages[0]
    assert [(each.url, each.status) for each in page.redirects] == [(f"http://127.0.0.1:{site}/jump", 302)]
    assert page.final_url == f"http://127.0.0.1:{site}/"


def test_secrets_stay_out_of_the_bundle_and_can_be_opened_by_the_holder(site: int, tmp_path: Path) -> None:
    session = run_session(tmp_path, local(site, "/secret"))
    import gzip
    import zipfile

    for file in (tmp_path / "staging/bundle").rglob("*"):
        if file.suffix in {".html", ".txt", ".jsonl", ".mhtml"}:
            assert COOKIE.encode() not in file.read_bytes(), file
            assert TOKEN.encode() not in file.read_bytes(), file
    with zipfile.ZipFile(tmp_path / "staging/bundle/capture/page.wacz") as package:
        for name in package.namelist():
            data = package.read(name)
            text = gzip.decompress(data) if name.endswith(".gz") else data
            assert COOKIE.encode() not in text, name
            assert TOKEN.encode() not in text, name
    assert COOKIE not in session.log().decode()
    withheld = {each.id: each for each in session.capture.records if each.withheld}
    openings = parse_records(session.capture.private_files["withheld-records.jsonl"].read_bytes()).records
    assert {each.id for each in openings} == set(withheld)
    assert all(opening_is_true(each) and each.leaf == withheld[each.id].leaf for each in openings)
    assert any("cannot be masked" in each.en for each in session.capture.not_performed)
    private = gzip.decompress(session.capture.private_files["withheld.warc.gz"].read_bytes())
    assert COOKIE.encode() in private
    assert session.capture.withheld


def test_a_secret_learnt_after_t_capture_withholds_the_untouched_dom(site: int, tmp_path: Path) -> None:
    session = run_session(tmp_path, local(site, "/late"))
    initial = next(each for each in session.capture.artifacts if each.role == "dom.initial")
    assert initial.withheld
    assert not (tmp_path / "staging/bundle" / initial.path).exists()
    assert LATE.encode() in initial.file.read_bytes()
    assert b"[withheld:" in session.read("capture/pages/0001/dom-initial.public.html")
    for file in (tmp_path / "staging/bundle").rglob("*.*"):
        assert LATE.encode() not in file.read_bytes(), file
    openings = parse_records(format_records(CAPTURE_ID, session.capture.artifacts, session.capture.records))
    line = next(each for each in openings.artifacts if each.path == initial.path)
    assert (line.leaf, line.size) == (session.roots[0][0].initial_dom, None)


def test_websocket_frames_are_kept_beside_the_handshake(site: int, tmp_path: Path) -> None:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve_socket(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        PAGES["/talk"] = (
            f"<!doctype html><title>talk</title><script>const s = new WebSocket('ws://127.0.0.1:{port}/chat');"
            "s.onopen = () => { s.send('你好'); s.send(new Uint8Array([1, 2, 255])) }</script>"
        )
        session = run_session(tmp_path, local(site, "/talk"))
        server.shutdown()
        thread.join()
    frames = [json.loads(line) for line in session.read("capture/websockets.jsonl").splitlines()]
    assert [(each["direction"], each["opcode"], each["payload"]) for each in frames] == [
        ("sent", 1, "你好"),
        ("sent", 2, "AQL/"),
        ("received", 1, "你好"),
        ("received", 2, "AQL/"),
    ]
    _, lines = parse_exchanges(session.read("capture/exchanges.jsonl"))
    handshake = next(each for each in lines if each.resource_type == "WebSocket")
    assert (handshake.status, handshake.outcome) == (101, ExchangeOutcome.RECORDED)
    assert {each["exchange"] for each in frames} == {handshake.id}


def test_fast_mode_names_what_it_leaves_out(site: int, tmp_path: Path) -> None:
    request = CaptureRequest(urls=(f"http://127.0.0.1:{site}/",), allow_private=True, third_party=False, mode=Mode.FAST)
    capture = run_session(tmp_path, request).capture
    assert {"mhtml", "pdf"}.isdisjoint(each.role for each in capture.artifacts)
    assert any("PDF" in each.en for each in capture.not_performed)


def test_dialogs_are_answered_and_named(site: int, tmp_path: Path) -> None:
    capture = run_session(tmp_path, local(site, "/dialog")).capture
    answered = [each.detail.en for each in capture.transformations if each.kind == "dialog"]
    assert len(answered) == 2
    assert capture.pages[0].title == "false"


def test_a_page_that_will_not_be_left_does_not_hold_up_the_next(site: int, tmp_path: Path) -> None:
    capture = run_session(tmp_path, local(site, "/leave", "/other")).capture
    assert [each.title for each in capture.pages] == ["l", "second"]


def test_an_alert_loop_is_stopped_and_sealed_as_partial(site: int, tmp_path: Path) -> None:
    capture = run_session(tmp_path, local(site, "/alerts", limits=Limits(navigation_s=10, page_s=30))).capture
    assert any("dialogs" in each.en for each in capture.partial)


def test_a_script_that_never_yields_is_ended(site: int, tmp_path: Path) -> None:
    capture = run_session(tmp_path, local(site, "/spin", limits=Limits(quiet_s=3))).capture
    assert any("yield" in each.en for each in capture.partial)
    assert capture.pages[0].title == "spin"


def test_endless_scrolling_ends_at_the_limit(site: int, tmp_path: Path) -> None:
    limits = Limits(scroll_steps=15, quiet_s=2, page_height_px=20_000)
    capture = run_session(tmp_path, local(site, "/endless", limits=limits)).capture
    assert any("scroll" in each.en for each in capture.partial)


def test_a_flood_of_requests_ends_at_the_limit_with_no_line_missing(site: int, tmp_path: Path) -> None:
    session = run_session(tmp_path, local(site, "/flood", limits=Limits(requests=60, quiet_s=2, page_s=30)))
    assert any("limit of requests" in each.en for each in session.capture.partial)
    _, lines = parse_exchanges(session.read("capture/exchanges.jsonl"))
    assert [each.id for each in lines] == [f"{number:06d}" for number in range(1, len(lines) + 1)]


def test_a_load_that_never_ends_is_partial_and_the_open_request_named(site: int, tmp_path: Path) -> None:
    session = run_session(tmp_path, local(site, "/hang", limits=Limits(navigation_s=2, quiet_s=1)))
    assert any("load event" in each.en for each in session.capture.partial)
    _, lines = parse_exchanges(session.read("capture/exchanges.jsonl"))
    never = next(each for each in lines if each.url.endswith("/never.png"))
    assert never.outcome is ExchangeOutcome.FAILED


def test_popups_are_recorded_and_do_not_disturb(site: int, tmp_path: Path) -> None:
    capture = run_session(tmp_path, local(site, "/popups")).capture
    assert capture.pages[0].title == "p"


def test_a_file_that_a_page_loads_is_taken_through_the_download_manager(site: int, tmp_path: Path) -> None:
    session = run_session(tmp_path, local(site, "/downloads"))
    lines = [json.loads(line) for line in session.read("capture/exchanges.jsonl").splitlines()[1:]]
    (taken,) = [line for line in lines if line["url"].endswith("/taken.zip")]
    assert (taken["outcome"], taken["response"]["body_size"]) == ("recorded", len(ARCHIVE))
    assert taken["response"]["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    # What DevTools does not report stands beside the archive, and is a line all the same: the network log tells of it.
    listed = json.loads(session.read("capture/downloads.json"))["downloads"]
    assert [(each["name"], each["made_by_page"]) for each in listed] == [("saved.zip", False), ("made.csv", True)]
    assert [session.read(each["file"]) for each in listed] == [ARCHIVE, b"sales,1024"]
    assert session.capture.partial == ()
    assert [line["outcome"] for line in lines if line["url"].endswith("/saved.zip")] != []
    behaviour = [
        each.detail.en for each in session.capture.transformations if each.kind == "Browser.setDownloadBehavior"
    ]
    assert behaviour
    assert str(tmp_path) not in behaviour[0]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "404"),
        ("/file.zip", "download"),
    ],
)
def test_what_is_no_page_is_a_navigation_error_in_plain_words(site: int, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(NavigationError, match=words) as caught:
        run_session(tmp_path, local(site, path))
    assert caught.value.zh
    assert not list((tmp_path / "staging/bundle").rglob("*.zip"))
    assert not (tmp_path / "staging/profile").exists()


def test_an_error_page_can_be_captured_on_request(site: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{site}/missing"
    request = CaptureRequest(urls=(url,), allow_private=True, allow_http_errors=True, third_party=False)
    assert run_session(tmp_path, request).capture.pages[0].status == 404


def test_a_refused_connection_says_so(tmp_path: Path) -> None:
    with pytest.raises(NavigationError, match="refuses the connection"):
        run_session(tmp_path, local(18999, "/"))


def test_a_private_address_is_refused_before_the_browser_starts(site: int, tmp_path: Path) -> None:
    request = CaptureRequest(urls=(f"http://127.0.0.1:{site}/",))
    with pytest.raises(BlockedUrlError):
        run_session(tmp_path, request)
    assert not (tmp_path / "staging").exists()


def test_an_unusable_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run_session(tmp_path, CaptureRequest(urls=()))


def test_cancel_ends_the_session_and_the_browser(site: int, tmp_path: Path) -> None:
    cancel = threading.Event()

    def stop(step: str) -> None:
        if step == "page.committed":
            cancel.set()

    with pytest.raises(CaptureError, match="cancelled"):
        run_session(tmp_path, local(site, "/hang"), cancel=cancel, on_step=stop)
    assert not (tmp_path / "staging/browser.json").exists()


def test_a_killed_capture_takes_its_browser_with_it(site: int, tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from pathlib import Path
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import ChainWriter
folder = Path({str(tmp_path)!r})
log = ChainWriter(folder / "worklog.jsonl", format_name="worklog", capture_id={CAPTURE_ID!r})
def note(step, facts):
    if step == "page.committed":
        print("now", flush=True)
request = CaptureRequest(urls=("http://127.0.0.1:{site}/hang",), allow_private=True, third_party=False)
asyncio.run(capture_session(request, capture_id={CAPTURE_ID!r}, staging=folder / "staging", worklog=log,
                            on_root=lambda root, document: None, on_event=note))
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
        recorded = json.loads((tmp_path / "staging/browser.json").read_text())
        assert identify(recorded["pid"]) is not None
        child.send_signal(signal.SIGKILL)
        child.wait()
    deadline = time.monotonic() + 15
    while identify(recorded["pid"]) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert identify(recorded["pid"]) is None
    assert end_recorded_browser(tmp_path / "staging") is False


def test_only_the_recorded_process_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        identity = identify(sleeper.pid)
        assert identity is not None
        record = {"pid": identity.pid, "started": "1", "boot": identity.boot}
        (tmp_path / "browser.json").write_text(json.dumps(record))
        assert end_recorded_browser(tmp_path) is False
        assert sleeper.poll() is None
        record["started"] = identity.started
        (tmp_path / "browser.json").write_text(json.dumps(record))
        assert end_recorded_browser(tmp_path) is True
        assert sleeper.wait(5) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class TlsSite:
    port: int
    home: Path
    root: x509.Certificate

    def options(self) -> BrowserOptions:
        return BrowserOptions(
            home=self.home, extra_args=(f"--host-resolver-rules=MAP *.test:443 127.0.0.1:{self.port}",)
        )


def _certificate(
    name: str, issuer: x509.Name | None, signer: ec.EllipticCurvePrivateKey | None, days: int
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.DNSName("shop.test"), x509.DNSName("www.shop.test")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer or key, hashes.SHA256()), key


def _tls_server(folder: Path, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ThreadingHTTPServer:
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


@pytest.fixture(scope="module")
def tls_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsSite]:
    folder = tmp_path_factory.mktemp("tls")
    root, root_key = _certificate("Test Root", None, None, 30)
    leaf, leaf_key = _certificate("shop.test", root.subject, root_key, 30)
    store = folder / "home/.pki/nssdb"
    store.mkdir(parents=True)
    (folder / "root.crt").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    try:
        subprocess.run(["certutil", "-N", "-d", f"sql:{store}", "--empty-password"], check=True)
    except FileNotFoundError:
        pytest.skip("certutil is missing: install libnss3-tools")
    add = ["certutil", "-A", "-d", f"sql:{store}", "-n", "root", "-t", "C,,", "-i", str(folder / "root.crt")]
    subprocess.run(add, check=True)
    for port in _serve(_tls_server(folder, leaf, leaf_key)):
        yield TlsSite(port=port, home=folder / "home", root=root)


def test_a_tls_page_keeps_the_chain_of_its_own_connection(tls_site: TlsSite, tmp_path: Path) -> None:
    request = CaptureRequest(urls=("https://shop.test/",), allow_private=True, third_party=False)
    session = run_session(tmp_path, request, options=tls_site.options())
    chain = x509.load_pem_x509_certificates(session.read("capture/tls/shop.test.pem"))
    assert chain[0].subject.rfc4514_string() == "CN=shop.test"
    assert chain[-1] == tls_site.root
    line = json.loads(session.read("capture/exchanges.jsonl").splitlines()[1])
    assert line["security"]["protocol"] == "TLS 1.3"
    assert line["security"]["subject"] == "shop.test"
    assert line["security"]["valid_to"].endswith("Z")


def test_a_certificate_for_another_host_stops_the_capture_unless_allowed(tls_site: TlsSite, tmp_path: Path) -> None:
    request = CaptureRequest(urls=("https://wrong.test/",), allow_private=True, third_party=False)
    (tmp_path / "strict").mkdir()
    with pytest.raises(NavigationError, match="another host"):
        run_session(tmp_path / "strict", request, options=tls_site.options())
    lenient = CaptureRequest(
        urls=("https://wrong.test/",), allow_private=True, allow_tls_errors=True, third_party=False
    )
    (tmp_path / "lenient").mkdir()
    capture = run_session(tmp_path / "lenient", lenient, options=tls_site.options()).capture
    assert any("certificate" in each.detail.en for each in capture.transformations)


def test_a_public_name_that_leads_inward_is_a_breach(tls_site: TlsSite, tmp_path: Path) -> None:
    request = CaptureRequest(urls=("https://8.8.8.8/",), third_party=False)
    rule = f"--host-resolver-rules=MAP 8.8.8.8:443 127.0.0.1:{tls_site.port}"
    options = BrowserOptions(home=tls_site.home, extra_args=(rule, "--ignore-certificate-errors"))
    with pytest.raises(BlockedUrlError, match=r"private address 127\.0\.0\.1"):
        run_session(tmp_path, request, options=options)
    assert not (tmp_path / "staging/bodies").exists()
    assert not (tmp_path / "staging/bundle").exists()


def test_a_redirect_to_a_private_address_is_refused(site: int, tmp_path: Path) -> None:
    """The public server is played by a fixed address that is mapped; the inner literal is not resolved at all."""
    request = CaptureRequest(urls=("http://8.8.8.8/inward",), third_party=False)
    options = BrowserOptions(extra_args=(f"--host-resolver-rules=MAP 8.8.8.8:80 127.0.0.1:{site}",))
    with pytest.raises(BlockedUrlError):
        run_session(tmp_path, request, options=options)


def _descendants(pid: int) -> list[int]:
    children = [
        int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and _parent(int(each.name)) == pid
    ]
    return [*children, *(deeper for child in children for deeper in _descendants(child))]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _is_renderer(pid: int) -> bool:
    try:
        return b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_crashed_page_has_no_minimum(site: int, tmp_path: Path) -> None:
    def crash(step: str) -> None:
        if step == "page.committed":
            browser = json.loads((tmp_path / "staging/browser.json").read_text())["pid"]
            for pid in filter(_is_renderer, _descendants(browser)):
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(MinimumError, match="crashed"):
        run_session(tmp_path, local(site, "/hang"), on_step=crash)


def test_a_browser_that_dies_is_a_browser_error(site: int, tmp_path: Path) -> None:
    def end(step: str) -> None:
        if step == "page.committed":
            os.kill(json.loads((tmp_path / "staging/browser.json").read_text())["pid"], signal.SIGKILL)

    with pytest.raises(BrowserError, match="ended unexpectedly"):
        run_session(tmp_path, local(site, "/hang"), on_step=end)
