"""A small internet in network namespaces: a public page, a private server, a resolver whose answers turn inward.

    unshare --net --mount --propagation private python -m tests.support.inward CASE FOLDER

Runs inside namespaces of its own, which stand for the capturing machine; a second one stands for everything beyond.
Prints one line of JSON: which requests reached the private server, how the capture ended, what is left behind.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.message
import dns.rdatatype
import dns.rrset

from evidencekit.capture.exchanges import parse_exchanges
from evidencekit.capture.isolation import isolated
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.errors import EvidenceError
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import JsonValue

PUBLIC, PRIVATE = "93.184.216.34", "10.66.0.5"
CLONE_NEWNET = 0x40000000
NAVIGATES = (
    "<!doctype html><title>public</title><p>public</p><script>location = 'http://inward.example/secret'</script>"
)
ASKS = """<!doctype html><title>public</title><p>public</p><img src=http://inward.example/image>
<iframe src=http://inward.example/frame></iframe><script>
fetch("http://inward.example/fetch", {mode: "no-cors"}).catch(() => 0);
new WebSocket("ws://inward.example/socket"); navigator.sendBeacon("http://inward.example/beacon", "x");
</script>"""
PAGES = {"navigates.example": NAVIGATES, "asks.example": ASKS}


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Beyond:
    """The namespace beyond: one web server on a public address, one on a private one."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.shown: list[str] = []
        made = threading.Event()
        threading.Thread(target=self._make, args=(made,), daemon=True).start()
        made.wait()
        place = f"/proc/{os.getpid()}/fd/{self.namespace}"
        run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "up0")
        run("ip", "link", "set", "up0", "netns", place)
        run("ip", "address", "add", "192.0.2.2/24", "dev", "out0")
        run("ip", "link", "set", "out0", "up")
        inside = ("nsenter", f"--net={place}", "ip")
        run(*inside, "address", "add", "192.0.2.1/24", "dev", "up0")
        run(*inside, "link", "set", "up0", "up")
        run("ip", "route", "add", "default", "via", "192.0.2.1")

    def _make(self, made: threading.Event) -> None:
        """In a thread of its own: a thread may have another network namespace than its process."""
        if ctypes.CDLL(None).unshare(CLONE_NEWNET):
            raise OSError("unshare")
        self.namespace = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        run("ip", "link", "set", "lo", "up")
        for address in (PUBLIC, PRIVATE):
            run("ip", "address", "add", f"{address}/32", "dev", "lo")
        for address, log in ((PUBLIC, self.shown), (PRIVATE, self.reached)):
            server = ThreadingHTTPServer((address, 80), _handler(log))
            threading.Thread(target=server.serve_forever, daemon=True).start()
        made.set()


def _handler(log: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log.append(self.path)
            data = PAGES.get(self.headers.get("Host", ""), "<!doctype html><p>inner</p>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            """Keep quiet."""

    return Handler


class Resolver:
    """The machine's resolver: `rebind.example` is public while the capture checks it, and then turns private."""

    def __init__(self) -> None:
        self.turned = False
        self.asked: Counter[str] = Counter()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        while True:
            data, sender = sock.recvfrom(4096)
            query = dns.message.from_wire(data)
            question = query.question[0]
            reply = dns.message.make_response(query)
            if question.rdtype == dns.rdatatype.A:
                name = question.name.to_text(omit_final_dot=True)
                reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", self._address(name)))
                self.asked[name] += 1
            sock.sendto(reply.to_wire(), sender)

    def _address(self, name: str) -> str:
        inward = name == "inward.example" or (name == "rebind.example" and self.turned)
        return PRIVATE if inward else PUBLIC


def capture(url: str, folder: Path, resolver: Resolver, *, isolate: bool) -> dict[str, Any]:
    request = CaptureRequest(urls=(url,), third_party=False, isolate=isolate, packets=isolate)
    lines: dict[str, str] = {}
    told: dict[str, Any] = {}

    def note(name: str, facts: Mapping[str, JsonValue]) -> None:
        told[name] = dict(facts)
        resolver.turned = resolver.turned or name == "page.resolve"

    with ChainWriter(folder / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32) as worklog:
        try:
            made = asyncio.run(
                capture_session(
                    request,
                    capture_id="0" * 32,
                    staging=folder / "staging",
                    worklog=worklog,
                    on_root=lambda _root, _document: None,
                    on_event=note,
                )
            )
        except EvidenceError as error:
            return {"ended": error.en, "kind": type(error).__name__, "told": told, "lines": lines}
    exchanges = parse_exchanges((folder / "staging/bundle/capture/exchanges.jsonl").read_bytes())[1]
    packets = folder / "staging/bundle/capture/packets.json"
    return {
        "ended": "",
        "told": told,
        "lines": {each.url: [each.outcome.value, each.reason, each.remote_address] for each in exchanges},
        "transformations": [each.detail.en for each in made.transformations if each.kind == "browser.isolated"],
        "partial": [text.en for text in made.partial],
        "not_performed": [text.en for text in made.not_performed],
        "title": made.pages[0].title,
        "packets": json.loads(packets.read_bytes()) if packets.exists() else None,
    }


def killed(folder: Path) -> dict[str, Any]:
    """Kill a run that holds a namespace; say what stood before."""
    script = (
        "import asyncio, sys; from pathlib import Path; from evidencekit.capture.isolation import isolated\n"
        "async def main():\n"
        "    async with isolated(Path(sys.argv[1])):\n"
        "        print('stands', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "stands"
    before = left()
    child.send_signal(signal.SIGKILL)
    child.wait()
    for _ in range(200):
        if not any(left().values()):
            break
        time.sleep(0.05)
    return {"before": before}


def left() -> dict[str, list[str]]:
    """What of a namespace is there: tables, devices, forwarding, keepers."""
    links = json.loads(run("ip", "-json", "link"))
    return {
        "tables": [line for line in run("nft", "list", "tables").splitlines() if "evidencekit" in line],
        "devices": [each["ifname"] for each in links if each["ifname"].startswith("ek")],
        "forwarding": [
            each for each in ("out0",) if Path(f"/proc/sys/net/ipv4/conf/{each}/forwarding").read_text().strip() == "1"
        ],
        "state": [str(each) for each in Path("/run").glob("evidencekit*")],
    }


async def _twice(folder: Path) -> dict[str, Any]:
    """Two namespaces at a time: the first to end leaves the second its way out."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    async with isolated(folder / "a") as first:
        async with isolated(folder / "b") as second:
            both = left()
        one = left()
        ask = [*first.entering, sys.executable, "-c", f"import socket; socket.create_connection(('{PUBLIC}', 80), 5)"]
        reaches = (await asyncio.to_thread(subprocess.run, ask, capture_output=True, check=False)).returncode == 0
    return {"both": both, "one": one, "reaches": reaches, "different": first.netns != second.netns}


def main() -> int:
    case, folder = sys.argv[1], Path(sys.argv[2])
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    (folder / "resolver").write_text("nameserver 127.0.0.1\n")
    run("mount", "--bind", str(folder / "resolver"), "/etc/resolv.conf")
    run("ip", "link", "set", "lo", "up")
    beyond, resolver = Beyond(), Resolver()
    found: dict[str, Any]
    if case == "killed":
        found = killed(folder)
    elif case == "twice":
        found = asyncio.run(_twice(folder))
    else:
        url, isolate = case.rsplit(",", 1)
        found = capture(url, folder, resolver, isolate=isolate == "isolated")
    found |= {"reached": beyond.reached, "shown": beyond.shown, "asked": dict(resolver.asked), "left": left()}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # servers and resolver are daemons


if __name__ == "__main__":
    raise SystemExit(main())
