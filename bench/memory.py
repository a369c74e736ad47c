"""The recorder's own memory on large traffic: one 60 MB body, one 2 GB download, 10,000 requests.

    python bench/memory.py [--case body|download|requests]…
    EVIDENCEKIT_REQUESTS=100000 python bench/memory.py --case requests

Each case is a whole session (`capture_session`) in a process of its own; printed are its peak resident set in MB
(`ru_maxrss`, without the browser), the limit, and what became of the traffic. Sizes are those of
`EVIDENCEKIT_FULL_SIZE=1`; without it a twentieth or less, as in the tests.
Status 1 when a case needs more than the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest, Limits
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_MB = 300
FULL = os.environ.get("EVIDENCEKIT_FULL_SIZE") == "1"
BODY = (60 << 20) if FULL else (3 << 20)
DOWNLOAD = (2 << 30) if FULL else (40 << 20)
REQUESTS = int(os.environ.get("EVIDENCEKIT_REQUESTS", "10000" if FULL else "500"))
CASES = ("body", "download", "requests")
_PIECE = os.urandom(1 << 20)
_HEAD = "<!doctype html><title>t</title><p>large</p>"
PAGES = {
    "/body": f"{_HEAD}<script>fetch('/bytes?{BODY}').then(r => r.arrayBuffer())</script>",
    "/download": f"{_HEAD}<iframe src='/file?{DOWNLOAD}'></iframe>",
    "/requests": f"{_HEAD}<script>(async () => {{ for (let n = 0; n < {REQUESTS};) await Promise.all("
    "Array.from({length: 20}, () => fetch('/small?' + n++).then(r => r.text()))) })()</script>",
}


class Site(BaseHTTPRequestHandler):
    """Answers with as many bytes as the query says, in pieces."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        path, _, query = self.path.partition("?")
        if path in {"/bytes", "/file"}:
            attachment = [("Content-Disposition", "attachment")] if path == "/file" else []
            self._send(int(query), _pieces(int(query)), "application/octet-stream", *attachment)
        else:
            data = PAGES.get(path, "small").encode()
            self._send(len(data), iter((data,)), "text/html; charset=utf-8")

    def _send(self, size: int, pieces: Iterator[bytes], kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(200)
        for name, value in (("Content-Type", kind), ("Content-Length", str(size)), *headers):
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the result."""


def _pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(_PIECE)):
        yield _PIECE[: size - start]


def measure(case: str, port: int) -> dict[str, str | int | bool]:
    """Run one session in this process and tell its peak and its exchanges."""
    limits = Limits(
        page_s=3600, quiet_s=1800, requests=REQUESTS * 2, bytes_total=DOWNLOAD * 2, body_bytes=DOWNLOAD + BODY
    )
    request = CaptureRequest(
        urls=(f"http://127.0.0.1:{port}/{case}",), allow_private=True, third_party=False, limits=limits
    )
    capture_id = "0" * 32
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id=capture_id) as worklog:
            capture = asyncio.run(
                capture_session(
                    request,
                    capture_id=capture_id,
                    staging=folder / "staging",
                    worklog=worklog,
                    on_root=lambda _root, _document: None,
                    options=BrowserOptions(),
                )
            )
    done = capture.completeness
    sys.stderr.write("".join(f"{text.en}\n" for text in capture.partial))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {
        "case": case,
        "peak_mb": peak_mb,
        "limit_mb": LIMIT_MB,
        "requests": done.requests,
        "recorded": done.recorded,
        "body_bytes": done.body_bytes,
        "kept": peak_mb <= LIMIT_MB,
    }


def main() -> int:
    """Serve the pages, run each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure[0], int(options.measure[1]))) + "\n")
        return 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = True
    for case in options.case or CASES:
        command = [sys.executable, __file__, "--measure", case, str(server.server_address[1])]
        line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        sys.stdout.write(line)
        sys.stdout.flush()
        kept = kept and bool(json.loads(line)["kept"])
    server.shutdown()
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
