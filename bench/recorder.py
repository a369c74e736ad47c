"""What recording costs a page: time to its load event, recorded and bare, in pairs.

    python bench/recorder.py [--runs 9] [--case h2] [--case h1+30ms] [--only standard] [--single-file PATH] [--json]

The page is that of the study: 206 requests, 4.1 MB, compressed text, 200 pictures, a frame, over TLS on loopback;
`h2` answers at once, `h1+30ms` speaks HTTP/1.1 and waits 30 ms before each picture. The page itself measures
`loadEventEnd` and reports it to the server, so every contender is measured alike. Each round runs every contender
once, in random order; the figure is the median of the rounds' ratios to the bare browser of the same round. Compare
ratios only, and only of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from playwright._impl._driver import compute_driver_executable
from playwright.async_api import async_playwright

from evidencekit.capture.launcher import QUIET_FLAGS, BrowserOptions, find_browser
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.capture.session import capture_session
from evidencekit.errors import CaptureError
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.site import self_signed

CASES = {"h2": "h2", "h1+30ms": "h1"}
DELAY_MS = 30
PATIENCE_S = 120.0
BARE = "bare"
BINARY = find_browser()


class Server:
    """The page's server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self_signed(folder)
        node = compute_driver_executable()
        program = node[0] if isinstance(node, tuple) else node
        script = Path(__file__).with_name("recorder_server.js")
        self._process = subprocess.Popen(
            [str(program), str(script), str(folder / "tls.pem"), str(DELAY_MS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports: dict[str, int] = json.loads(self._line())
        self._reports: queue.Queue[dict[str, str | float]] = queue.Queue()
        self._count = 0
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def new_url(self, case: str) -> tuple[str, str]:
        """A URL that was never asked for, and the id under which its page will report."""
        self._count += 1
        return f"https://127.0.0.1:{self.ports[CASES[case]]}/page?{self._count}", str(self._count)

    def wait_for(self, name: str) -> float:
        """Load time in ms that the page `name` reported."""
        while True:
            report = self._reports.get(timeout=PATIENCE_S)
            if report["id"] == name:
                return float(report["load_ms"])

    def _line(self) -> str:
        if self._process.stdout is None:
            raise AssertionError
        return self._process.stdout.readline()

    def _read(self) -> None:
        while line := self._line():
            self._reports.put(json.loads(line))


def run_bare(server: Server, case: str, folder: Path, *, har: bool = False) -> float:
    """The same browser driven by Playwright alone; with `har` also recording."""
    url, name = server.new_url(case)

    async def visit() -> float:
        async with async_playwright() as playwright:
            flags = [*QUIET_FLAGS, "--no-sandbox"]
            browser = await playwright.chromium.launch(executable_path=str(BINARY.path), args=flags)
            context = await browser.new_context(
                ignore_https_errors=True,
                record_har_path=folder / "page.har" if har else None,
                record_har_content="embed" if har else None,
            )
            page = await context.new_page()
            await page.goto(url, wait_until="load", timeout=PATIENCE_S * 1000)
            took = await asyncio.to_thread(server.wait_for, name)
            await context.close()
            await browser.close()
            return took

    return asyncio.run(visit())


def run_har(server: Server, case: str, folder: Path) -> float:
    """Playwright's own recording."""
    return run_bare(server, case, folder, har=True)


def recording(mode: Mode) -> Callable[[Server, str, Path], float]:
    """Our recorder in one mode; the session is ended when the page has reported."""

    def run(server: Server, case: str, folder: Path) -> float:
        url, name = server.new_url(case)
        enough = threading.Event()
        took: list[float] = []

        def wait() -> None:
            took.append(server.wait_for(name))
            enough.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        request = CaptureRequest(urls=(url,), mode=mode, allow_private=True, allow_tls_errors=True, third_party=False)
        capture_id = "0" * 32
        with (
            ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id=capture_id) as worklog,
            suppress(CaptureError),
        ):
            asyncio.run(
                capture_session(
                    request,
                    capture_id=capture_id,
                    staging=folder / "staging",
                    worklog=worklog,
                    on_root=lambda _root, _document: None,
                    options=BrowserOptions(binary=BINARY),
                    cancel=enough,
                )
            )
        waiter.join()
        return took[0]

    return run


def single_file(program: str) -> Callable[[Server, str, Path], float]:
    """single-file-cli (AGPL; run as a program beside, never used)."""

    def run(server: Server, case: str, folder: Path) -> float:
        url, name = server.new_url(case)
        arguments = [
            program,
            url,
            str(folder / "page.html"),
            f"--browser-executable-path={BINARY.path}",
            "--browser-arg=--ignore-certificate-errors",
            "--browser-arg=--no-sandbox",
            "--block-scripts=false",
        ]
        subprocess.run(arguments, check=True, capture_output=True, timeout=PATIENCE_S)
        return server.wait_for(name)

    return run


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="both when left out")
    parser.add_argument("--only", action="append", help="contenders beside the bare browser; all when left out")
    parser.add_argument("--single-file", help="path of single-file-cli's program")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    contenders: dict[str, Callable[[Server, str, Path], float]] = {
        **{mode.value: recording(mode) for mode in Mode},
        "record_har": run_har,
    }
    if options.single_file:
        contenders["single-file"] = single_file(options.single_file)
    if options.only:
        contenders = {name: run for name, run in contenders.items() if name in options.only}
    with ExitStack() as stack:
        server = Server(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(server.close)
        table = {case: rounds(server, case, contenders, options.runs) for case in options.case or sorted(CASES)}
    if options.json:
        sys.stdout.write(json.dumps(table, indent=2) + "\n")
    else:
        show(table)
    return 0


def rounds(
    server: Server, case: str, contenders: dict[str, Callable[[Server, str, Path], float]], runs: int
) -> dict[str, list[float]]:
    """Load times in ms of every contender, one a round; a first round warms up and is not counted."""
    everybody = {BARE: run_bare, **contenders}
    times: dict[str, list[float]] = {name: [] for name in everybody}
    for number in range(runs + 1):
        order = list(everybody)
        random.shuffle(order)
        for name in order:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                took = everybody[name](server, case, Path(folder))
            if number:
                times[name].append(took)
            sys.stderr.write(f"{case} {number} {name} {took:.0f} ms\n")
    return times


def show(table: dict[str, dict[str, list[float]]]) -> None:
    """Print medians, and medians of the paired ratios with their quartiles."""
    for case, times in table.items():
        for name, took in times.items():
            ratios = sorted(one / bare for one, bare in zip(took, times[BARE], strict=True))
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            sys.stdout.write(
                f"{case:8}  {name:12}  {statistics.median(took):7.0f} ms  x{middle:.2f}  ({low:.2f}-{high:.2f})\n"
            )


if __name__ == "__main__":
    raise SystemExit(main())
