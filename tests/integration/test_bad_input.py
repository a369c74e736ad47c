"""What cannot become evidence ends in one sentence, with the right status, and leaves nothing half-done behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidencekit.home import Home
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query, parse_query
from evidencekit.verify.verifier import verify_bundle
from tests.support import site
from tests.support.program import Done, Program, leftovers, processes_naming, read_ledger
from tests.support.strangepage import strange
from tests.support.tools import browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAST = ("--allow-private", "--mode", "fast")
ALONE = (*FAST, "--tsa", "none")
EVIDENCE_SUFFIXES = (".zip", ".age", ".part")
PARTIAL = 3
FULL_DISK_BYTES = 320 << 20

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    browser()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(home=tmp_path / "home")


@pytest.fixture
def shop() -> Iterator[str]:
    with site.serve(site.page) as url:
        yield url


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def refuse(program: Program, *arguments: str, status: int, reasons: tuple[str, ...] = ()) -> str:
    """Run a capture that must fail, and check everything that a failed one may not leave."""
    files = set(program.home.parent.rglob("*"))
    done = program.run("capture", *arguments)
    assert done.status == status, done.err
    assert done.out == ""
    check_nothing_left(program, reasons)
    made = {path for path in set(program.home.parent.rglob("*")) - files if path.suffix in EVIDENCE_SUFFIXES}
    assert made == set()
    return done.sentence


def check_nothing_left(program: Program, reasons: tuple[str, ...]) -> None:
    assert processes_naming(program.home) == []
    if not (program.home / "ledger.sqlite").exists():
        assert reasons == ()
        return
    assert leftovers(program.home) == []
    ledger = read_ledger(program.home)
    assert (ledger.unclosed, tuple(ledger.reasons), ledger.numbers) == ([], reasons, [])


NAVIGATION = ("capture.navigation",)


def test_a_refused_port(program: Program) -> None:
    url = f"http://127.0.0.1:{closed_port()}/"
    sentence = refuse(program, url, *ALONE, status=11, reasons=NAVIGATION)
    assert sentence.startswith(f"{url}: the server refuses the connection")


def test_a_name_that_does_not_resolve_in_chinese(program: Program) -> None:
    sentence = refuse(program, "http://nowhere.invalid/", *ALONE, "--lang", "zh", status=11, reasons=NAVIGATION)
    assert sentence.startswith("http://nowhere.invalid/")
    assert "域名无法解析" in sentence


def test_a_certificate_from_nobody(program: Program, tmp_path: Path) -> None:
    with site.serve(site.page, tls=site.self_signed(tmp_path)) as url:
        sentence = refuse(program, url, *ALONE, status=11, reasons=NAVIGATION)
        assert sentence.startswith(f"{url}: the server's certificate is from no trusted authority")
        assert "--allow-tls-errors" in sentence
        done = program.run("capture", url, *ALONE, "--allow-tls-errors", "--json")
    assert done.status == 0, done.err
    manifest, certificate, report = documents_of(done)
    assert manifest["request"]["allow_tls_errors"] is True
    assert "tls.errors_allowed" in [step["kind"] for step in manifest["transformations"]]
    for text in (certificate, report):
        assert "identity was not checked" in text
        assert "未核验服务器身份" in text


def documents_of(done: Done) -> tuple[Any, str, str]:
    with zipfile.ZipFile(json.loads(done.out)["bundle"]) as bundle:
        assert bundle.testzip() is None
        return (
            json.loads(bundle.read("manifest.json")),
            bundle.read("certificate.html").decode(),
            bundle.read("report.html").decode(),
        )


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_page_is_evidence_only_on_request(program: Program, status: int) -> None:
    with site.serve(site.status_page(status)) as url:
        sentence = refuse(program, url, *ALONE, status=11, reasons=NAVIGATION)
        assert sentence.startswith(f"{url}: the server answers {status}; ")
        assert "--allow-http-errors" in sentence
        done = program.run("capture", url, *ALONE, "--allow-http-errors", "--json")
    assert done.status == 0, done.err
    manifest, certificate, report = documents_of(done)
    assert [(page["status"], page["verdict"]) for page in manifest["pages"]] == [(status, "http_error")]
    for text in (certificate, report):
        assert f"the server answered with status {status}" in text
        assert f"服务器返回状态码 {status}" in text


def test_words_that_no_file_can_hold(program: Program) -> None:
    """Half characters in title, storage, console, address and source end no capture; they read U+FFFD."""
    with site.serve(strange) as url:
        done = program.run("capture", url, "--allow-private", "--tsa", "none", "--no-third-party", "--json")
    assert done.status == 0, done.err
    manifest, _, report = documents_of(done)
    (page,) = manifest["pages"]
    assert page["title"].startswith("标题\ufffd坏")
    assert "secret-password-1" not in report
    verified = verify_bundle(json.loads(done.out)["bundle"])
    assert [each.id for each in verified.findings if each.outcome == "FAILED"] == []


def test_a_page_that_leads_in_circles(program: Program) -> None:
    with site.serve(site.circle) as url:
        done = program.run("capture", url, "--allow-private", "--tsa", "none", "--no-third-party", "--json")
    assert done.status == PARTIAL, done.err
    said = [each["en"] for each in json.loads(done.out)["partial"]]
    assert "page 0001: the page's running script was ended: it led elsewhere again and again" in said


def test_a_page_of_frames_alone(program: Program) -> None:
    """A document whose body is a frameset has nothing that scrolls."""
    with site.serve(site.frames) as url:
        done = program.run("capture", url, "--allow-private", "--tsa", "none", "--no-third-party", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["partial"] == []


def test_a_download_instead_of_a_page(program: Program) -> None:
    with site.serve(site.download) as url:
        sentence = refuse(program, url, *ALONE, status=11, reasons=NAVIGATION)
    assert sentence.startswith(f"{url}: the load was aborted: a download")


def test_a_server_that_never_answers(program: Program) -> None:
    with site.serve(site.silence) as url:
        sentence = refuse(program, url, *ALONE, status=11, reasons=NAVIGATION)
    assert sentence == f"{url}: the server did not answer within 30 s; try again"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "ftp://a.test/"])
def test_addresses_that_are_no_pages(program: Program, url: str) -> None:
    sentence = refuse(program, url, *ALONE, status=11)
    assert sentence == f"{url} is refused: only http: and https: pages can be captured"


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "localhost", "169.254.169.254"])
def test_private_addresses(program: Program, host: str) -> None:
    sentence = refuse(program, f"http://{host}:{closed_port()}/", "--mode", "fast", "--tsa", "none", status=11)
    assert "private" in sentence
    assert "--allow-private" in sentence


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"EVIDENCEKIT_BROWSER": "/nowhere/chromium"}, "the browser /nowhere/chromium cannot be read"),
        ({"PATH": "", "HOME": "/nowhere"}, "no browser was found; install one with `apt-get install chromium`"),
    ],
)
def test_no_browser(tmp_path: Path, shop: str, variables: dict[str, str], said: str) -> None:
    sentence = refuse(Program(home=tmp_path / "home", variables=variables), shop, *ALONE, status=11)
    assert sentence.startswith(said)


@pytest.mark.skipif(shutil.which("fc-list") is None, reason="fontconfig is not installed, so nobody knows the fonts")
def test_no_chinese_font(tmp_path: Path, shop: str) -> None:
    fonts = tmp_path / "fonts.conf"
    fonts.write_text(f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    program = Program(home=tmp_path / "home", variables={"FONTCONFIG_FILE": str(fonts)})
    sentence = refuse(program, shop, *ALONE, status=11)
    assert sentence.startswith("no font on this machine draws Chinese")
    assert "apt-get install fonts-noto-cjk" in sentence


def test_an_output_that_cannot_be_written(program: Program, shop: str, tmp_path: Path) -> None:
    missing = tmp_path / "no" / "such"
    assert refuse(program, shop, *ALONE, "-o", str(missing / "a.zip"), status=15).startswith(
        f"cannot write in {missing}: No such file or directory"
    )
    assert refuse(program, shop, *ALONE, "-o", "/proc/a.zip", status=15).startswith("cannot write in /proc: ")


def test_an_output_that_exists(program: Program, shop: str, tmp_path: Path) -> None:
    out = tmp_path / "mine.txt"
    out.write_text("mine")
    assert refuse(program, shop, *ALONE, "-o", str(out), status=15).startswith(f"{out} exists and is not overwritten")
    assert out.read_text() == "mine"
    private = tmp_path / "new.private.zip.age"
    private.write_text("of another record")
    refused = refuse(program, shop, *ALONE, "-o", str(tmp_path / "new.zip"), status=15)
    assert refused.startswith(f"{private} exists and is not overwritten")
    assert private.read_text() == "of another record"


def test_an_output_that_appears_meanwhile(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "mine.zip"

    def answer(path: str) -> site.Answer:
        out.write_text("mine")
        return site.page(path)

    with site.serve(answer) as url:
        done = program.run("capture", url, *ALONE, "-o", str(out))
    assert done.status == 15
    assert done.sentence.startswith(f"{out} exists and is not overwritten")
    assert out.read_text() == "mine"
    ledger = read_ledger(program.home)
    assert (ledger.unclosed, ledger.reasons, len(ledger.numbers)) == ([], [], 1)
    kept = next(program.home.glob("interrupted/*"))
    assert str(kept) in done.sentence
    assert (kept / "capture" / "bundle" / "manifest.json").is_file()


@pytest.mark.parametrize("command", [("list",), ("capture", "http://127.0.0.1:9/", *ALONE)])
def test_a_home_of_a_newer_version(program: Program, command: tuple[str, ...]) -> None:
    program.home.mkdir()
    (program.home / "version").write_text("99\n")
    done = program.run(*command)
    assert (done.status, done.out) == (15, "")
    assert "was made by a newer version (home format 99, this program knows 1)" in done.sentence


def test_a_home_that_is_no_folder(program: Program, shop: str) -> None:
    program.home.write_text("")
    done = program.run("capture", shop, *ALONE)
    assert (done.status, done.out) == (15, "")
    assert done.sentence.startswith(f"the data folder {program.home} cannot be used: ")


def test_a_ledger_that_another_process_holds(program: Program, shop: str) -> None:
    assert program.run("capture", shop, *ALONE).status == 0
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(program.home / "ledger.sqlite.lock")], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = program.run("capture", shop, *ALONE)
        holder.kill()
    assert (done.status, done.out) == (14, "")
    assert done.sentence.startswith("Another process has held ")
    program.run("list")
    assert read_ledger(program.home).unclosed == []


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(120)
"""


# --- time-stamping authorities -----------------------------------------------------------------


@pytest.fixture
def tsa() -> Iterator[Callable[[Callable[[bytes], bytes]], str]]:
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[bytes], bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the terminal for the tests."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/tsr"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def stranger_tsa(folder: Path) -> Authority:
    """Another installation's authority."""
    from evidencekit.signing.signer import load_private_key

    identity = Home.open(folder).keys().tsa
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(key, identity.signer.certificate)


def check_pending(program: Program, done: Done, url: str, *reasons: str) -> None:
    """It is sealed all the same, says what is owed and why, and verifies."""
    assert done.status == 3, done.err
    pending = [each["en"] for each in json.loads(done.out)["pending"]]
    assert [sentence.partition(":")[0] for sentence in pending] == [
        "T_open",
        "T_capture of page 0001",
        "T_seal",
        "the outer time-stamp",
    ]
    for sentence in pending:
        assert any(reason in sentence for reason in reasons), sentence
    manifest, certificate, _ = documents_of(done)
    assert manifest["t_open"]["pending"] == [url]
    assert url in certificate
    assert len(read_ledger(program.home).numbers) == 1
    verdict = program.run("verify", json.loads(done.out)["bundle"])
    assert verdict.status == 3


def test_a_tsa_that_is_down(program: Program, shop: str) -> None:
    url = f"http://127.0.0.1:{closed_port()}/tsr"
    done = program.run("capture", shop, *FAST, "--tsa", url, "--json")
    check_pending(program, done, url, "refuse", "reach")


@pytest.mark.parametrize("lie", ["nonce", "imprint"])
def test_a_tsa_that_lies(
    program: Program, shop: str, tmp_path: Path, tsa: Callable[[Callable[[bytes], bytes]], str], lie: str
) -> None:
    authority = stranger_tsa(tmp_path / "stranger")

    def answer(query: bytes) -> bytes:
        asked = parse_query(query)
        digest = asked.imprint.digest if lie == "nonce" else bytes(32)
        return authority.reply(build_query(digest, nonce=1 if lie == "nonce" else asked.nonce))

    url = tsa(answer)
    done = program.run("capture", shop, *FAST, "--tsa", url, "--json")
    check_pending(program, done, url, {"nonce": "nonce", "imprint": "the stamp is over other data"}[lie])


# --- the end comes meanwhile -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_capture_in_order(program: Program, number: signal.Signals) -> None:
    asked = threading.Event()

    def answer(path: str) -> site.Answer:
        asked.set()
        time.sleep(2)
        return site.page(path)

    with site.serve(answer) as url, program.start("capture", url, *ALONE) as process:
        assert asked.wait(60)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "stopping; press Ctrl-C again to stop at once" in err.splitlines()
    assert Done(status=130, out=out, err=err).sentence.startswith("interrupted; ")
    check_nothing_left(program, ("interrupted",))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={FULL_DISK_BYTES}", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("mounting a small file system takes root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_with_little_room_is_refused_first(small_disk: Path, shop: str) -> None:
    (small_disk / "filler").write_bytes(bytes(FULL_DISK_BYTES - (100 << 20)))
    sentence = refuse(Program(home=small_disk / "home"), shop, *ALONE, status=15)
    assert "a capture needs 200 MiB; free space first" in sentence


def test_a_disk_that_fills_up_meanwhile(small_disk: Path) -> None:
    program, filler = Program(home=small_disk / "home"), small_disk / "filler"

    def answer(path: str) -> site.Answer:
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - (64 << 10))
        noise = os.urandom(1 << 20).hex().encode()
        return 200, site.HTML, site.PAGE + b"<!--" + noise + b"-->" + path.encode()

    with site.serve(answer) as url:
        done = program.run("capture", url, *ALONE)
    assert done.out == ""
    assert done.status in {11, 15}, done.err
    assert "No space left on device; free space" in done.sentence
    assert processes_naming(program.home) == []
    filler.unlink()
    listed = program.run("list")
    assert listed.status == 0, listed.err
    ledger = read_ledger(program.home)
    assert (ledger.unclosed, len(ledger.reasons), ledger.numbers) == ([], 1, [])
    assert leftovers(program.home) == []
    assert list((program.home / "captures").glob("*")) == []
