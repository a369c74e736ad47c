"""What evidence costs: the whole command against a browser that only takes the picture, on the same pages, in pairs.

    python bench/capture.py [--runs 5] [--page small] [--only standard] [--single-file PATH] [--json]

Pages: `small` (7 requests), `heavy` (81 requests, a shop, about 4 MB), `long` (60,000 px, 120 lazy pictures that look
like photographs). The floor is Playwright alone: launch, goto, the same scrolling window by window, network idle,
full-page PNG. Each round runs every contender once, in random order, each as a process of its own with a new home;
figures are medians, ratios are medians of the rounds' ratios to the floor of the same round. CPU seconds and the
summed peak of resident memory are those of the process and all its descendants. `sealed` is the time from the last
quiet of the network to the finished bundle; no TSA is asked. Compare ratios only, and only of one machine.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 900.0
TICK = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FLOOR = "floor"
MODES = ("standard", "fast", "forensic")


@cache
def photograph(seed: int, width: int = 600, height: int = 400) -> bytes:
    """A PNG that compresses like a photograph: slow gradients under fine noise."""
    chance = random.Random(seed)  # noqa: S311 (noise of a picture)
    noise = [chance.randbytes(width * 3) for _ in range(16)]
    rows = bytearray()
    for y in range(height):
        base = (seed * 37 + y // 3) % 200
        rows += b"\0" + bytes(base + (value >> 3) for value in noise[y % 16])
    packed = zlib.compress(bytes(rows), 1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(data, zlib.crc32(kind)))

    head = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


STYLE = "<!doctype html><meta charset=utf-8><style>body{margin:0;font:16px sans-serif}img{display:block}</style>"
SMALL = (
    STYLE
    + "<title>small</title><link rel=stylesheet href=/a.css><script src=/a.js></script>"
    + "".join(f"<p>第 {n} 段 paragraph</p><img src=/icon/{n}.png width=64 height=48>" for n in range(4))
)
HEAVY = (
    STYLE
    + "<title>heavy</title>"
    + "".join(f"<script src=/script/{n}.js></script><link rel=stylesheet href=/style/{n}.css>" for n in range(10))
    + "<div style='display:flex;flex-wrap:wrap'>"
    + "".join(
        f"<div style='width:25%'><img src=/card/{n}.png width=240 height=160>商品 {n} ¥{n * 7}</div>" for n in range(60)
    )
    + "</div>"
    + "".join(f"<p>{'评价：正品，物流快。' * 12}</p>" for _ in range(150))
)
LONG = (
    STYLE
    + "<title>long</title>"
    + "".join(
        f"<section style='height:500px'><img loading=lazy src=/photo/{n}.png width=600 height=400>{n}</section>"
        for n in range(120)
    )
)
PAGES = {"small": SMALL, "heavy": HEAVY, "long": LONG}


class Site(BaseHTTPRequestHandler):
    """The pages; every name of a picture gives another picture."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        kind, body = "text/html; charset=utf-8", PAGES.get(path, "x").encode()
        if path.endswith(".png"):
            number = int(path.rpartition("/")[2].removesuffix(".png"))
            size = {"photo": (600, 400), "card": (160, 107)}.get(path.partition("/")[0], (64, 48))
            kind, body = "image/png", photograph(number, *size)
        elif path.endswith(".js"):
            kind, body = "text/javascript", b"// " + b"x" * 60_000
        elif path.endswith(".css"):
            kind, body = "text/css", b"/* " + b"y" * 20_000 + b" */"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


FLOOR_PROGRAM = """
import sys
from playwright.sync_api import sync_playwright
url, out, binary = sys.argv[1:]
with sync_playwright() as p:
    browser = p.chromium.launch(executable_path=binary, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url, wait_until="load", timeout=120000)
    top, height = 0, 1
    while top < height:
        height = page.evaluate("document.documentElement.scrollHeight")
        page.evaluate("top => { scrollTo({top, behavior: 'instant'}); return new Promise(d => requestAnimationFrame("
                      "() => requestAnimationFrame(d))) }", top)
        top += 800
    page.wait_for_load_state("networkidle", timeout=120000)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=out, full_page=True, timeout=240000)
    browser.close()
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of wall clock and CPU, peak of summed resident memory in MiB, seconds from quiet to sealed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    sealed_s: float | None = None


class Meter:
    """Samples a process and its descendants until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ticks: dict[int, int] = {}
        self._stop = threading.Event()
        self.peak_mib = 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """End; give the CPU seconds seen."""
        self._stop.set()
        self._thread.join()
        return sum(self._ticks.values()) / TICK

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._sample()

    def _sample(self) -> None:
        parents: dict[int, int] = {}
        facts: dict[int, tuple[int, int]] = {}
        for name in (each.name for each in Path("/proc").iterdir()):
            if name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                    parents[int(name)] = int(fields[1])
                    facts[int(name)] = int(fields[11]) + int(fields[12]), int(fields[21])
        ours = {self._pid}
        grown = True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in ours} - ours
            ours |= more
            grown = bool(more)
        pages = 0
        for pid in ours & facts.keys():
            ticks, resident = facts[pid]
            self._ticks[pid] = max(self._ticks.get(pid, 0), ticks)
            pages += resident
        self.peak_mib = max(self.peak_mib, pages * PAGE_BYTES / 2**20)


def measured(arguments: list[str], environment: dict[str, str], allowed: tuple[int, ...] = (0,)) -> tuple[Run, float]:
    """Run a program; also gives the time of day at its end."""
    begun = time.monotonic()
    process = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    meter = Meter(process.pid)
    try:
        _, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own: this process and what it started
        process.wait()
        raise
    finally:
        wall, cpu = time.monotonic() - begun, meter.stop()
    if process.returncode not in allowed:
        raise RuntimeError(errors.decode("utf-8", "replace")[-2000:])
    return Run(wall, cpu, meter.peak_mib), time.time()


def run_floor(url: str, folder: Path) -> Run:
    from evidencekit.capture.launcher import find_browser

    picture = folder / "full.png"
    program = [sys.executable, "-c", FLOOR_PROGRAM, url, str(picture), str(find_browser().path)]
    run, _ = measured(program, dict(os.environ))
    assert picture.stat().st_size
    return run


def run_mode(mode: str) -> Callable[[str, Path], Run]:
    def run(url: str, folder: Path) -> Run:
        bundle = folder / "evidence.zip"
        arguments = [sys.executable, "-m", "evidencekit_cli", "capture", url, "--mode", mode, "--allow-private"]
        arguments += ["--no-third-party", "--tsa", "none", "--lang", "en", "-o", str(bundle)]
        environment = {**os.environ, "EVIDENCEKIT_HOME": str(folder / "home")}
        measured_run, _ = measured(arguments, environment, allowed=(0, 3))
        sealed = bundle.stat().st_mtime - last_quiet(bundle)
        return Run(measured_run.wall_s, measured_run.cpu_s, measured_run.peak_mib, sealed)

    return run


def last_quiet(bundle: Path) -> float:
    """When the network had fallen quiet after the behaviours, by the work log."""
    with zipfile.ZipFile(bundle) as package:
        lines = package.read("capture/worklog.jsonl").splitlines()
    times = [line["time"] for line in map(json.loads, lines) if line.get("step") == "page.behaviours"]
    return datetime.fromisoformat(times[-1]).timestamp()


def run_single_file(program: str) -> Callable[[str, Path], Run]:
    """single-file-cli (AGPL; run as a program beside, never used): one HTML file, no picture."""

    def run(url: str, folder: Path) -> Run:
        from evidencekit.capture.launcher import find_browser

        out = folder / "page.html"
        arguments = [
            program,
            url,
            str(out),
            f"--browser-executable-path={find_browser().path}",
            "--browser-arg=--no-sandbox",
        ]
        measured_run, _ = measured(arguments, dict(os.environ))
        assert out.stat().st_size
        return measured_run

    return run


@contextmanager
def serving() -> Iterator[str]:
    """The site in a process of its own, so that nobody's figures hold it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        os.write(writing, f"{server.server_address[1]}\n".encode())
        server.serve_forever()
    port = int(os.read(reading, 16))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)


def rounds(page: str, contenders: dict[str, Callable[[str, Path], Run]], runs: int) -> dict[str, list[Run]]:
    """One run of every contender a round; a first round warms up and is not counted."""
    table: dict[str, list[Run]] = {name: [] for name in contenders}
    with serving() as base:
        for number in range(runs + 1):
            order = list(contenders)
            random.shuffle(order)
            for name in order:
                folder = Path(tempfile.mkdtemp(prefix="evidencekit-bench-"))
                try:
                    run = contenders[name](f"{base}/{page}", folder)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                if number:
                    table[name].append(run)
                sys.stderr.write(f"{page} {number} {name} {run.wall_s:.2f} s\n")
    return table


def show(page: str, table: dict[str, list[Run]]) -> None:
    for name, runs in table.items():
        ratio = statistics.median(one.wall_s / floor.wall_s for one, floor in zip(runs, table[FLOOR], strict=True))
        wall, cpu, peak = (
            statistics.median(getattr(run, each) for run in runs) for each in ("wall_s", "cpu_s", "peak_mib")
        )
        after = [run.sealed_s for run in runs if run.sealed_s is not None]
        sealed = f"sealed {statistics.median(after):5.2f} s" if after else ""
        sys.stdout.write(
            f"{page:6} {name:12} {wall:6.2f} s  x{ratio:.2f}  cpu {cpu:6.2f} s  peak {peak:5.0f} MiB  {sealed}\n"
        )


def compiled() -> None:
    """Compile the package, as an installer does: a source tree may be where no bytecode is written."""
    import evidencekit
    import evidencekit_cli

    for package in (evidencekit, evidencekit_cli):
        compileall.compile_dir(str(Path(str(package.__file__)).parent), quiet=1)


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", action="append", choices=sorted(PAGES), help="all when left out")
    parser.add_argument("--only", action="append", help="contenders beside the floor; all when left out")
    parser.add_argument("--single-file", help="path of single-file-cli's program")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    contenders: dict[str, Callable[[str, Path], Run]] = {mode: run_mode(mode) for mode in MODES}
    if options.single_file:
        contenders["single-file"] = run_single_file(options.single_file)
    if options.only:
        contenders = {name: run for name, run in contenders.items() if name in options.only}
    contenders = {FLOOR: run_floor, **contenders}
    compiled()
    results = {}
    for page in options.page or list(PAGES):
        table = rounds(page, contenders, options.runs)
        results[page] = {name: [asdict(run) for run in runs] for name, runs in table.items()}
        if not options.json:
            show(page, table)
    if options.json:
        sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
