"""The recorder against a real Chromium; the oracle is what the server sent."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.browser import drive, starting_playwright
from evidencekit.capture.browserprocess import BrowserProcess
from evidencekit.capture.cdp import OwnClient
from evidencekit.capture.devtools import PipeMultiplexer
from evidencekit.capture.exchanges import Exchange, ExchangeOutcome
from evidencekit.capture.gate import Gate
from evidencekit.capture.guard import RecorderCallbacks
from evidencekit.capture.httpmessage import response_block
from evidencekit.capture.launcher import BrowserOptions, find_browser, prepare_launch
from evidencekit.capture.methodlog import MethodLog
from evidencekit.capture.recorder import Recorder
from evidencekit.capture.request import Limits
from evidencekit.capture.url_policy import host_resolver_rules
from evidencekit.errors import BlockedUrlError, BrowserError, EvidenceError
from evidencekit.hashing.digest import digest_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

PAGE = b"""<!doctype html><title>t</title>
<link rel=stylesheet href=/style.css><script src=/gbk.js></script><img src=/picture.png>
<iframe src=/frame.html></iframe><iframe src=/file.bin></iframe><a id=saved download=s.bin href=/saved.bin>s</a>
<script>
const drop = r => r.arrayBuffer().catch(() => 0);
for (const path of ["/bom", "/binary", "/chunked", "/big", "/redirect", "/cut", "/empty", "/duplicates"])
  fetch(path).then(drop).catch(() => 0);
fetch("/blob").then(r => r.blob()); saved.click();
fetch("/none204"); fetch("/head", {method: "HEAD"});
fetch("/post", {method: "POST", body: "name=\xe5\xbc\xa0", headers: {"X-Asked": "yes"}}).then(drop);
const stop = new AbortController();
fetch("/endless", {signal: stop.signal}).then(async r => { await r.body.getReader().read(); stop.abort(); })
  .catch(() => 0);
new EventSource("/events");
new Worker("/worker.js"); new SharedWorker("/shared.js");
navigator.serviceWorker.register("/service.js");
navigator.sendBeacon("/beacon", "tick");
fetch("http://127.0.0.1:1/unsafe").catch(() => 0);
fetch("data:text/plain,hello");
</script>"""

BODIES = {
    "/": PAGE,
    "/style.css": b"body { color: #123456 }",
    "/gbk.js": 'console.log("中文测试")'.encode("gbk"),
    "/picture.png": bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6364f8cf500f0003860180"
        "5a347d6a0000000049454e44ae426082"
    ),
    "/frame.html": "<p>框架</p>".encode(),
    "/bom": b"\xef\xbb\xbfbyte order mark",
    "/binary": bytes(range(256)) * 10,
    "/chunked": b"0123456789" * 5000,
    "/big": b"\x00\xffevidence" * 500_000,
    "/blob": b"read as a blob, past the renderer" * 90_000,
    "/file.bin": b"a file for the download manager" * 50_000,
    "/empty": b"",
    "/duplicates": b"two of them",
    "/worker.js": b"/*\xff*/ fetch('/from-worker')",
    "/shared.js": b"fetch('/from-shared')",
    "/service.js": b"fetch('/from-service')",
    "/from-worker": b"worker",
    "/from-shared": b"shared",
    "/from-service": b"service",
    "/landed": b"landed",
    "/post": b"posted",
    "/favicon.ico": b"icon",
}
TYPES = {".js": "application/javascript; charset=gbk", ".css": "text/css", ".png": "image/png", ".html": "text/html"}
EVENTS = [b"data: one\n\n", b"data: two\n\n"]


INWARD = [
    "http://127.0.0.1:{port}/a",
    "http://localhost:{port}/b",
    "http://x.localhost:{port}/c",
    "http://[::1]:{port}/d",
    "http://2130706433:{port}/e",
    "http://0x7f.1:{port}/f",
    "http://[::ffff:127.0.0.1]:{port}/g",
    "http://169.254.169.254/latest/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://100.100.100.200/",
]


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_GET(self) -> None:
        self.served.append(self.path)
        special = getattr(self, "_get" + self.path.replace("/", "_").replace(".", "_"), None)
        if special is not None:
            special()
        else:
            self._send(BODIES.get(self.path, b"unknown"))

    def do_HEAD(self) -> None:
        self.served.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "1234")
        self.end_headers()

    def do_POST(self) -> None:
        self.served.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._send(BODIES.get(self.path, b""))

    def _send(self, body: bytes, *extra: tuple[str, str]) -> None:
        ending = next((kind for suffix, kind in TYPES.items() if self.path.endswith(suffix)), None)
        self.send_response(200)
        self.send_header("Content-Type", ending or ("text/html; charset=utf-8" if self.path == "/" else "text/plain"))
        for name, value in extra:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _get_inward(self) -> None:
        port = self.connection.getsockname()[1]
        pictures = "".join(f"<img src='{url.format(port=port)}'>" for url in INWARD)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(pictures)))
        self.end_headers()
        self.wfile.write(pictures.encode())

    def _get_duplicates(self) -> None:
        self._send(BODIES[self.path], ("Set-Cookie", "a=1"), ("X-Twice", "1"), ("x-twice", "2"), ("Set-Cookie", "b=2"))

    def _get_file_bin(self) -> None:
        self._send(BODIES[self.path], ("Content-Disposition", "attachment"))

    def _get_chunked(self) -> None:
        packed = gzip.compress(BODIES[self.path], mtime=0)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(packed), 50):
            piece = packed[start : start + 50]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _get_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/landed")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"moved")

    def _get_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"c" * 300)
        self.close_connection = True

    def _get_none204(self) -> None:
        self.send_response(204)
        self.end_headers()

    def _get_endless(self) -> None:
        self._drip([b"drip"] * 200)

    def _get_events(self) -> None:
        self._drip([*EVENTS, *[b": wait\n\n"] * 200])

    def _drip(self, pieces: list[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if self.path == "/events" else "text/plain")
        self.end_headers()
        self.close_connection = True
        try:
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return


@dataclass
class Recorded:
    port: int
    recorder: Recorder
    log: MethodLog
    served: list[str]
    breaches: list[BlockedUrlError] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    failures: list[EvidenceError] = field(default_factory=list)

    def one(self, path: str) -> Exchange:
        found = [each for each in self.recorder.exchanges if each.url == f"http://127.0.0.1:{self.port}{path}"]
        assert len(found) == 1, (path, [each.url for each in found])
        return found[0]


async def record(
    folder: Path,
    port: int,
    *,
    limits: Limits,
    allow_private: bool = True,
    quiet_s: float = 3,
    via: tuple[str, str] = ("", ""),
) -> Recorded:
    bodies = folder / "bodies"
    bodies.mkdir(parents=True)
    rules, url = via
    settings = ["--window-size=800,600", *([f"--host-resolver-rules={rules}"] if rules else [])]
    launch = prepare_launch(BrowserOptions(), folder / "profile", settings, "Asia/Shanghai")
    process = BrowserProcess.start(find_browser(), launch, folder)
    log = MethodLog()
    mux = PipeMultiplexer(log)
    await mux.open(process.read_fd, process.write_fd)
    client = OwnClient(mux)
    mux.join(client)
    breaches: list[BlockedUrlError] = []
    reached: list[str] = []
    failures: list[EvidenceError] = []
    callbacks = RecorderCallbacks(breach=breaches.append, limit=reached.append, failed=failures.append)
    recorder = Recorder(client, bodies, limits, callbacks, allow_private=allow_private)
    try:
        await recorder.start()
        async with starting_playwright() as playwright, Gate(mux) as gate, drive(gate.url, playwright) as driver:
            recorder.begin_page("0001")
            page = await driver.open_page(lambda _url: None)
            await driver.close_others(page)
            await page.goto(url or f"http://127.0.0.1:{port}/", timeout_s=20)
            await page.wait_loaded(timeout_s=10)
            await recorder.quiet(idle_s=0.5, timeout_s=quiet_s)
            assert await recorder.drain(timeout_s=10)
    finally:
        mux.close()
        assert await process.end()
    return Recorded(
        port=port, recorder=recorder, log=log, served=[], breaches=breaches, limits=reached, failures=failures
    )


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[int, list[str]]]:
    served: list[str] = []
    handler = type("Shop", (_Shop,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def recorded(shop: tuple[int, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    port, served = shop
    result = asyncio.run(record(tmp_path_factory.mktemp("recorded"), port, limits=Limits()))
    result.served = list(served)
    return result


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/style.css",
        "/gbk.js",
        "/picture.png",
        "/frame.html",
        "/bom",
        "/binary",
        "/chunked",
        "/big",
        "/blob",
        "/file.bin",
        "/duplicates",
        "/worker.js",
        "/shared.js",
        "/service.js",
        "/from-worker",
        "/from-shared",
        "/from-service",
        "/landed",
        "/post",
        "/favicon.ico",
    ],
)
def test_every_body_is_kept_byte_for_byte(recorded: Recorded, path: str) -> None:
    exchange = recorded.one(path)
    assert exchange.outcome is ExchangeOutcome.RECORDED, exchange.reason
    assert exchange.response_body is not None
    assert exchange.response_body.file.read_bytes() == BODIES[path]
    assert exchange.response_body.sha256 == hashlib.sha256(BODIES[path]).hexdigest()
    assert exchange.response_body.size == len(BODIES[path])


def test_every_request_the_server_saw_is_in_the_ledger_and_ends_once(recorded: Recorded) -> None:
    told = sorted(each.url.removeprefix(f"http://127.0.0.1:{recorded.port}") for each in recorded.recorder.exchanges)
    assert sorted(recorded.served) == [path for path in told if not path.startswith("http")]
    ids = sorted(each.id for each in recorded.recorder.exchanges)
    assert ids == [f"{number:06d}" for number in range(1, len(ids) + 1)]
    assert not recorded.failures


def test_a_download_that_devtools_does_not_report_is_refused_by_name(recorded: Recorded) -> None:
    saved = recorded.one("/saved.bin")
    assert saved.outcome is ExchangeOutcome.NOT_RETRIEVABLE
    assert "download" in (saved.reason or "")


def test_a_request_that_never_left_the_process_is_counted_but_not_an_exchange(recorded: Recorded) -> None:
    assert recorded.recorder.traffic.ignored["data:"] == 1


@pytest.mark.parametrize("path", ["/none204", "/head", "/beacon", "/empty"])
def test_an_answer_without_content_is_recorded_whole(recorded: Recorded, path: str) -> None:
    exchange = recorded.one(path)
    assert exchange.outcome is ExchangeOutcome.RECORDED
    assert exchange.response_body is None or exchange.response_body.size == 0


def test_a_redirect_is_an_exchange_of_its_own_and_says_that_its_body_is_not_given(recorded: Recorded) -> None:
    hop, landed = recorded.one("/redirect"), recorded.one("/landed")
    assert hop.response is not None
    assert hop.response.status == 302
    assert (hop.redirected_to, landed.redirected_from) == (landed.id, hop.id)
    assert hop.outcome is ExchangeOutcome.NOT_RETRIEVABLE
    assert "redirect" in (hop.reason or "")


def test_a_body_cut_by_the_server_is_partial_with_the_bytes_that_came(recorded: Recorded) -> None:
    exchange = recorded.one("/cut")
    assert exchange.outcome is ExchangeOutcome.PARTIAL
    assert exchange.reason == "net::ERR_CONTENT_LENGTH_MISMATCH"
    assert exchange.response_body is not None
    assert exchange.response_body.file.read_bytes() == b"c" * 300


def test_a_body_that_the_page_aborted_keeps_what_came(recorded: Recorded) -> None:
    exchange = recorded.one("/endless")
    assert exchange.outcome is ExchangeOutcome.PARTIAL
    assert exchange.response_body is not None
    assert exchange.response_body.file.read_bytes().startswith(b"drip")


def test_an_event_stream_that_is_still_open_keeps_its_events(recorded: Recorded) -> None:
    exchange = recorded.one("/events")
    assert exchange.outcome is ExchangeOutcome.PARTIAL
    assert "still open" in (exchange.reason or "")
    assert exchange.response_body is not None
    assert exchange.response_body.file.read_bytes().startswith(b"".join(EVENTS))


def test_a_refused_request_is_failed_with_the_browsers_reason(recorded: Recorded) -> None:
    failed = [each for each in recorded.recorder.exchanges if each.url == "http://127.0.0.1:1/unsafe"]
    assert [each.outcome for each in failed] == [ExchangeOutcome.FAILED]
    assert failed[0].reason == "net::ERR_UNSAFE_PORT"


def test_duplicate_headers_keep_order_case_and_number(recorded: Recorded) -> None:
    head = recorded.one("/duplicates").response
    assert head is not None
    kept = [pair for pair in head.headers if pair[0].lower() in {"set-cookie", "x-twice"}]
    assert kept == [("Set-Cookie", "a=1"), ("X-Twice", "1"), ("x-twice", "2"), ("Set-Cookie", "b=2")]
    assert head.raw is not None


def test_a_coded_body_is_decoded_and_its_header_kept(recorded: Recorded) -> None:
    exchange = recorded.one("/chunked")
    assert exchange.response is not None
    assert ("Content-Encoding", "gzip") in exchange.response.headers
    assert exchange.encoded_size is not None
    assert exchange.encoded_size < len(BODIES["/chunked"])


def test_a_posted_body_and_the_headers_sent_are_kept(recorded: Recorded) -> None:
    exchange = recorded.one("/post")
    assert exchange.method == "POST"
    assert exchange.request_body is not None
    assert exchange.request_body.file.read_bytes() == "name=张".encode()
    assert ("X-Asked", "yes") in exchange.request_headers
    assert any(name == "User-Agent" for name, _ in exchange.request_headers)


def test_workers_and_frames_are_told_apart_and_belong_to_the_page(recorded: Recorded) -> None:
    assert recorded.one("/from-worker").target == "worker"
    assert recorded.one("/from-shared").target == "shared_worker"
    assert recorded.one("/from-service").target == "service_worker"
    assert {each.page for each in recorded.recorder.exchanges} == {"0001"}
    assert recorded.recorder.traffic.main_documents["0001"] == [("000001", f"http://127.0.0.1:{recorded.port}/")]


def test_records_commit_to_the_blocks_in_order_of_completion(recorded: Recorded) -> None:
    responses = [each.id for each in recorded.recorder.records if each.id.endswith(".response")]
    assert responses == [f"{each.id}.response" for each in recorded.recorder.exchanges if each.response is not None]
    by_id = {each.id: each for each in recorded.recorder.records}
    for exchange in recorded.recorder.exchanges:
        if exchange.response is not None:
            block = b"".join(response_block(exchange))
            assert by_id[f"{exchange.id}.response"].digests == digest_bytes(block)


def test_the_peer_and_the_protocol_are_known(recorded: Recorded) -> None:
    exchange = recorded.one("/")
    assert exchange.remote_address == f"127.0.0.1:{recorded.port}"
    assert exchange.protocol == "http/1.1"


def test_only_playwright_was_let_in_and_changed_nothing_in_the_page(recorded: Recorded) -> None:
    assert (recorded.log.accepted, recorded.log.refused) == (1, 0)
    assert {
        method for client, method in recorded.log.counts if method.startswith(("Fetch.", "Emulation.", "Input."))
    } == set()
    assert not any(call.method.startswith("Runtime.") for call in recorded.log.altering)


def test_a_connection_to_a_private_address_is_a_breach(shop: tuple[int, list[str]], tmp_path: Path) -> None:
    result = asyncio.run(record(tmp_path, shop[0], limits=Limits(), allow_private=False, quiet_s=0.5))
    assert result.breaches
    assert "127.0.0.1" in result.breaches[0].en


def test_private_literals_and_local_names_are_not_even_connected_to(
    shop: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, served = shop
    before = len(served)
    rules = f"MAP shop.example 127.0.0.1:{port},{host_resolver_rules()}"
    url = f"http://shop.example:{port}/inward"
    result = asyncio.run(record(tmp_path, port, limits=Limits(), via=(rules, url), quiet_s=2))
    assert set(served[before:]) <= {"/inward", "/favicon.ico"}
    inward = [each for each in result.recorder.exchanges if "shop.example" not in each.url]
    assert len(inward) == len(INWARD)
    assert {each.outcome for each in inward} == {ExchangeOutcome.FAILED}
    assert all(each.remote_address is None for each in inward)


def test_a_request_limit_ends_in_refused_requests_not_in_missing_lines(
    shop: tuple[int, list[str]], tmp_path: Path
) -> None:
    result = asyncio.run(record(tmp_path, shop[0], limits=Limits(requests=3), quiet_s=1))
    assert result.limits == ["requests"]
    assert any(each.outcome is ExchangeOutcome.FAILED for each in result.recorder.exchanges)
    ids = sorted(each.id for each in result.recorder.exchanges)
    assert ids == [f"{number:06d}" for number in range(1, len(ids) + 1)]


def test_a_body_limit_cuts_long_bodies_and_says_so(shop: tuple[int, list[str]], tmp_path: Path) -> None:
    result = asyncio.run(record(tmp_path, shop[0], limits=Limits(body_bytes=100_000), quiet_s=2))
    big = result.one("/big")
    assert big.outcome is ExchangeOutcome.PARTIAL
    assert big.reason == "cut at the body limit"
    assert big.response_body is not None
    assert big.response_body.file.read_bytes() == BODIES["/big"][:100_000]
    assert result.one("/binary").outcome is ExchangeOutcome.RECORDED


def test_a_browser_that_dies_is_told_and_open_commands_fail(tmp_path: Path) -> None:
    async def die() -> None:
        launch = prepare_launch(BrowserOptions(), tmp_path / "profile", [], "UTC")
        process = BrowserProcess.start(find_browser(), launch, tmp_path)
        mux = PipeMultiplexer(MethodLog())
        await mux.open(process.read_fd, process.write_fd)
        client = OwnClient(mux)
        mux.join(client)
        gone = asyncio.Event()
        client.on_disconnect = gone.set
        await client.call("Browser.getVersion")
        client.post("Browser.crash")
        await asyncio.wait_for(gone.wait(), 20)
        with pytest.raises(BrowserError):
            await client.call("Browser.getVersion")
        mux.close()
        await process.end()

    asyncio.run(die())
