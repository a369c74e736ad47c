"""A page that was edited while it was captured, three ways, and which finding says so; the page untouched says nothing.

The operator holds the machine: another DevTools client beside ours, an extension in a wrapped browser, and a proxy with
a root of its own that rewrites what the server sent.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPSConnection
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import BrowserBinary, BrowserOptions, find_browser
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.home import Home
from evidencekit.model import Finding, Outcome
from evidencekit.notary import preserve
from evidencekit.rerender import rerender_bundle
from evidencekit.verify.verifier import Beside, verify_bundle
from tests.support.preserved import _serve, trusted_context

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from evidencekit.notary import Evidence

# What its module makes is made once: one worker runs it whole.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("edited_pages")]

_PAGE = """<!doctype html><html lang=zh><meta charset=utf-8><title>Lamp shop 灯铺</title>
<h1>Ming lamp 明代宫灯</h1><p class=price>¥1,280.00</p><p id=seller>Sold by Aihua</p><ul id=list></ul><script>
fetch('/more.json').then(r => r.json()).then(all => {
  for (const one of all)
    document.getElementById('list').insertAdjacentHTML('beforeend', `<li>${one.name}: ${one.n} 件</li>`);
});</script></html>"""
_FILES = {
    "/": ("text/html; charset=utf-8", _PAGE.encode()),
    "/more.json": ("application/json", json.dumps([{"name": "青花瓷碗", "n": 12}, {"name": "Desk", "n": 3}]).encode()),
}
_LIE = "Sold by a convicted counterfeiter 假冒"
_EDIT = f"document.getElementById('seller').textContent = {json.dumps(_LIE)}"

_CLIENT = """
import json, sys, time, urllib.request
from websockets.sync.client import connect
port, script = sys.argv[1:]
for _ in range(400):
    try:
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=2))
        page = next(each for each in pages if each["url"].startswith("https://shop.test/"))
        with connect(page["webSocketDebuggerUrl"]) as socket:
            socket.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": script}}))
            if "exceptionDetails" not in socket.recv():
                print("edited")
                break
    except (OSError, StopIteration):
        pass
    time.sleep(0.02)
"""


@contextmanager
def shop(folder: Path) -> Generator[BrowserOptions]:
    context = trusted_context(folder)
    with _serve(_FILES, context) as port:
        rules = f"--host-resolver-rules=MAP shop.test:443 127.0.0.1:{port}"
        yield BrowserOptions(home=folder / "browserhome", extra_args=(rules,))


def capture(folder: Path, browser: BrowserOptions, mode: Mode = Mode.STANDARD) -> Evidence:
    request = CaptureRequest(urls=("https://shop.test/",), allow_private=True, third_party=False, mode=mode)
    return preserve(
        request.urls,
        home=Home.open(folder / "home"),
        request=request,
        tsas=(),
        output=folder / "bundle.zip",
        browser=browser,
    )


def findings(evidence: Evidence) -> dict[str, Finding]:
    return {each.id: each for each in evidence.report.findings}


def flagged(evidence: Evidence) -> set[str]:
    return {
        name for name, each in findings(evidence).items() if each.outcome in {Outcome.FAILED, Outcome.INDETERMINATE}
    }


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("untouched")
    with shop(folder) as browser:
        return capture(folder, browser, Mode.FORENSIC)


def test_the_page_untouched_agrees_and_its_own_re_render_is_sealed(untouched: Evidence) -> None:
    found = {name: each.outcome for name, each in findings(untouched).items() if name.startswith("corroboration.")}
    assert found == dict.fromkeys(found, Outcome.PASSED), findings(untouched)
    assert "corroboration.rerender" in found
    assert "--rerender" in findings(untouched)["corroboration.rerender"].reason.en
    assert not {name for name in flagged(untouched) if name.startswith("devtools.")}


def test_anybody_can_re_render_offline_and_gets_the_measure(untouched: Evidence, tmp_path: Path) -> None:
    again = rerender_bundle(untouched.bundle)
    report = verify_bundle(untouched.bundle, beside=Beside(rerendered=again))
    found = next(each for each in report.findings if each.id == "corroboration.rerender")
    assert found.outcome is Outcome.PASSED, found
    assert found.details["pages"][0]["squares"] > 1000  # type: ignore[index,call-overload,operator]
    missing = BrowserBinary(path=tmp_path / "none", name="none", version="0", sha256="")
    none = rerender_bundle(untouched.bundle, options=BrowserOptions(binary=missing))
    report = verify_bundle(untouched.bundle, beside=Beside(rerendered=none))
    found = next(each for each in report.findings if each.id == "corroboration.rerender")
    assert found.outcome is Outcome.NOT_PERFORMED


def test_another_devtools_client_that_edits_the_page_is_flagged(untouched: Evidence, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with shop(tmp_path) as browser:
        opened = replace(browser, extra_args=(*browser.extra_args, f"--remote-debugging-port={port}"))
        editor = subprocess.Popen([sys.executable, "-c", _CLIENT, str(port), _EDIT], stdout=subprocess.PIPE, text=True)
        try:
            evidence = capture(tmp_path, opened)
        finally:
            editor.kill()
            said, _ = editor.communicate()
    assert "edited" in said
    found = findings(evidence)
    assert found["corroboration.text"].outcome is Outcome.INDETERMINATE
    assert _LIE in found["corroboration.text"].reason.en
    assert found["devtools.exclusive"].outcome is Outcome.FAILED
    assert "corroboration.text" not in flagged(untouched)
    report = verify_bundle(evidence.bundle, beside=Beside(rerendered=rerender_bundle(evidence.bundle)))
    again = next(each for each in report.findings if each.id == "corroboration.rerender")
    assert again.outcome is Outcome.INDETERMINATE
    assert _LIE in again.reason.en


def test_an_extension_that_edits_the_page_is_flagged(tmp_path: Path) -> None:
    extension = tmp_path / "extension"
    extension.mkdir()
    manifest = {
        "manifest_version": 3,
        "name": "Editor",
        "version": "1",
        "web_accessible_resources": [{"resources": ["badge.png"], "matches": ["<all_urls>"]}],
        "content_scripts": [{"matches": ["https://shop.test/*"], "js": ["edit.js"], "run_at": "document_end"}],
    }
    (extension / "manifest.json").write_text(json.dumps(manifest))
    badge = (
        "const i = document.createElement('img'); i.src = chrome.runtime.getURL('badge.png'); document.body.append(i);"
    )
    (extension / "edit.js").write_text(f"{_EDIT};{badge}", encoding="utf-8")
    (extension / "badge.png").write_bytes(_png())
    real = find_browser()
    wrapper = tmp_path / "browser"
    wrapper.write_text(
        "#!/bin/bash\nargs=()\n"
        'for each in "$@"; do [ "$each" = --disable-extensions ] || args+=("$each"); done\n'
        f"exec {real.path} --load-extension={extension} "
        '--disable-features=DisableLoadExtensionCommandLineSwitch "${args[@]}"\n'
    )
    wrapper.chmod(0o755)
    with shop(tmp_path) as browser:
        evidence = capture(tmp_path, replace(browser, binary=replace(real, path=wrapper)))
    found = findings(evidence)
    assert found["corroboration.text"].outcome is Outcome.INDETERMINATE, found["corroboration.text"]
    assert _LIE in found["corroboration.text"].reason.en
    assert found["corroboration.images"].outcome is Outcome.INDETERMINATE
    assert "chrome-extension://" in found["corroboration.images"].reason.en


def _png() -> bytes:
    from tests.support.assembly import make_png

    return make_png(40, 40)


class _Rewriting(StreamRequestHandler):
    """A proxy that answers CONNECT itself, under a root that the operator added, and changes what it passes on."""

    context: ssl.SSLContext
    origin: int
    timeout = 20

    def handle(self) -> None:
        with suppress(OSError):
            asked = self.connection.recv(65536)
            if not asked.startswith(b"CONNECT shop.test:443 "):
                return
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with self.context.wrap_socket(self.connection, server_side=True) as inner:
                path = inner.recv(65536).split(b" ")[1].decode()
                media_type, body = self._fetch(path)
                body = body.replace(b"Sold by Aihua", _LIE.encode())
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
                inner.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)

    def _fetch(self, path: str) -> tuple[str, bytes]:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with closing(HTTPSConnection("127.0.0.1", self.origin, context=trusting, timeout=10)) as upstream:
            upstream.request("GET", path, headers={"Host": "shop.test"})
            answer = upstream.getresponse()
            return answer.headers["Content-Type"], answer.read()


class _Proxy(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def test_a_proxy_that_rewrites_the_page_is_flagged(tmp_path: Path) -> None:
    context = trusted_context(tmp_path)
    with ExitStack() as stack:
        origin = stack.enter_context(_serve(_FILES, context))
        handler = type("Handler", (_Rewriting,), {"context": context, "origin": origin})
        proxy = stack.enter_context(_Proxy(("127.0.0.1", 0), handler))
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        stack.callback(proxy.shutdown)
        port = proxy.server_address[1]
        browser = BrowserOptions(
            home=tmp_path / "browserhome",
            extra_args=(f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>"),
        )
        evidence = capture(tmp_path, browser)
    found = findings(evidence)
    assert found["corroboration.text"].outcome is Outcome.PASSED, "what was recorded is what the proxy sent"
    assert found["corroboration.network"].outcome is Outcome.INDETERMINATE, found["corroboration.network"]
    assert "proxy" in found["corroboration.network"].reason.en
    assert found["environment.report"].outcome is Outcome.INDETERMINATE
    assert evidence.report.overall is not Outcome.PASSED
