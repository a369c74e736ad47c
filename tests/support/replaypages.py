"""Pages to replay: those of `honestpages`, more that behave as sites do, and documentation as Debian ships it.

Left out is what is not the same twice: clocks, carousels and random advertisements.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.capture.launcher import BrowserOptions
from tests.support.honestpages import asset_files, serve_bids, shop_files
from tests.support.preserved import serve_with, trusted_context
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.honestpages import Files

SHOP = "https://shop.test"
_HTML = "text/html; charset=utf-8"
_JS = "text/javascript"


@dataclass(frozen=True, kw_only=True)
class ReplayPage:
    """A page: its address, words that it shows when it is ready, and where its capture ends when elsewhere.

    `limit` says why ReplayWeb.page shows something else than the page did.
    """

    url: str
    words: str
    final: str | None = None
    limit: str | None = None

    @property
    def shown(self) -> str:
        """The address in the archive."""
        return self.final or self.url


def _page(title: str, rest: str) -> tuple[str, bytes]:
    style = "<link rel=stylesheet href=/site.css>"
    head = f"<!doctype html><html lang=zh><meta charset=utf-8><title>{title}</title>{style}"
    return _HTML, f"{head}<body><h1>{title}</h1>{rest}".encode()


_WORKER = (
    "self.addEventListener('install', e => self.skipWaiting());"
    "self.addEventListener('activate', e => e.waitUntil(clients.claim()));"
    "const made = (kind, text) => new Response(text, {headers: {'Content-Type': kind}});"
    "self.addEventListener('fetch', e => { const path = new URL(e.request.url).pathname;"
    "if (path.endsWith('/made')) e.respondWith(made('text/html; charset=utf-8', `<!doctype html><meta charset=utf-8>"
    "<title>由线程合成</title><body style='background:#def'><h1>由服务工作线程合成</h1>"
    "<img src=picture.svg><p id=p></p>"
    "<script>fetch('words').then(r => r.json()).then(j => { p.textContent = j.words; })</script>`));"
    "if (path.endsWith('/picture.svg')) e.respondWith(made('image/svg+xml', `<svg xmlns='http://www.w3.org/2000/svg' "
    "width='200' height='120'><circle cx='100' cy='60' r='45' fill='#396'/></svg>`));"
    "if (path.endsWith('/words')) e.respondWith(made('application/json', JSON.stringify({words: '合成完毕'}))); });"
)
_CONTROLLED = (
    "navigator.serviceWorker.register('sw.js').then(() => navigator.serviceWorker.ready).then(async () => {"
    "if (!navigator.serviceWorker.controller) await new Promise(d => navigator.serviceWorker.oncontrollerchange = d);"
)


def behaving_files() -> Files:
    """What https://shop.test/ serves beside the honest pages."""
    return {
        "/site.css": ("text/css", b"body{margin:24px;font:18px/1.6 sans-serif;background:#f6f1e7}h1{color:#163}"),
        "/made/begin": _page("登记", f"<script>{_CONTROLLED} location = 'made'; }});</script>"),
        "/made/sw.js": (_JS, _WORKER.encode()),
        "/again/made": _page("登记", f"<script>{_CONTROLLED} location.reload(); }});</script>"),
        "/again/sw.js": (_JS, _WORKER.encode()),
        "/posting": _page(
            "按条件查询",
            "<ul id=list></ul><script>const ask = (kind, body) => fetch('/query', {method: 'POST', body, "
            "headers: {'Content-Type': kind}}).then(r => r.text()).then(t => { list.innerHTML += `<li>${t}`; });"
            "(async () => { await ask('application/json', JSON.stringify({query: '{tea {name}}', variables: {n: 1}}));"
            "await ask('application/json', JSON.stringify({query: '{cup {name}}', variables: {n: 2}}));"
            "await ask('application/x-www-form-urlencoded', 'q=%E8%8C%B6&page=3');"
            "await ask('text/plain', 'plain words'); list.innerHTML += '<li>查询完毕'; })()</script>",
        ),
        "/film": _page(
            "视频",
            "<video id=v src=/film.webm width=320 height=180 muted preload=auto></video><p id=s>…</p>"
            "<script>v.onloadeddata = () => { v.currentTime = 0.5; };"
            "v.onseeked = () => { s.textContent = '视频已就绪'; };</script>",
        ),
        "/popups": _page(
            "弹窗",
            "<p id=s></p><script>const w = open('/popup', '_blank'); s.textContent = '弹窗已处理';</script>",
        ),
        "/popup": _page("新窗口", "<p>弹出的内容"),
        "/files": _page(
            "下载",
            "<a id=a href=/price.csv download>价目表</a><iframe src=/price.csv?attached width=1 height=1></iframe>"
            "<p id=s></p><script>a.click(); s.textContent = '下载已开始';</script>",
        ),
        "/dialogs": _page(
            "对话框",
            "<p id=s></p><script>alert('请阅读'); const yes = confirm('同意?'), name = prompt('姓名');"
            "s.textContent = `对话框已关闭 ${yes} ${name}`;</script>",
        ),
        "/leaving": _page(
            "离开前确认", "<p>请勿离开<script>addEventListener('beforeunload', e => e.preventDefault())</script>"
        ),
        "/frames": _page(
            "框架",
            "<iframe src=https://cdn.test/framed width=400 height=120></iframe>"
            "<iframe srcdoc='<p>行内框架</p>' width=400 height=80></iframe><p>三个框架</p>",
        ),
        "/landed": _page("跳转到达", "<p>三次跳转之后"),
        "/refused": _page("403 验证", "<p>请完成安全验证"),
    }


class _Site:
    """What one name serves: files in memory, then a folder, then answers to what was asked."""

    def __init__(self, files: Mapping[str, tuple[str, bytes]], folders: Mapping[str, Path] | None = None) -> None:
        self.files, self.folders = files, folders or {}

    def find(self, path: str) -> tuple[str, bytes] | None:
        """The file at a path."""
        if path in self.files:
            return self.files[path]
        first, _, rest = path.lstrip("/").partition("/")
        place = self.folders[first] / rest if first in self.folders else None
        if place is None or not place.is_file():
            return None
        return _KINDS.get(place.suffix, "application/octet-stream"), place.read_bytes()


_KINDS = {".html": _HTML, ".css": "text/css", ".js": _JS, ".png": "image/png", ".svg": "image/svg+xml"}
_REDIRECTS = {"/redirect": "/hop?1", "/hop?1": "/hop?2", "/hop?2": "/landed"}


def _handler(site: _Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_GET(self) -> None:
            status, kind, body, headers = _answer_to(site, self.path, self.headers.get("Range", ""))
            self._answer(status, kind, body, *headers)

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, "text/plain; charset=utf-8", f"答 {asked.decode()}".encode())

        def _answer(self, status: int, kind: str, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the tests."""

    return Handler


def _answer_to(site: _Site, asked: str, wanted: str) -> tuple[int, str, bytes, list[tuple[str, str]]]:
    """Status, kind, body and header fields for a path and a range."""
    if asked in _REDIRECTS:
        return 302, "text/plain", b"", [("Location", _REDIRECTS[asked])]
    path = urlsplit(asked).path
    found = site.find(path)
    if found is None:
        return 404, _HTML, b"nothing", []
    if wanted.startswith("bytes=") and wanted.endswith("-"):
        start, whole = int(wanted[6:-1]), found[1]
        return 206, found[0], whole[start:], [("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")]
    attached = [("Content-Disposition", "attachment")] if path == "/price.csv" else []
    kind, body = found
    return 403 if path == "/refused" else 200, kind, body, [("Accept-Ranges", "bytes"), *attached]


def film() -> bytes:
    """Two seconds that move."""
    command = [program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=10", "-t", "2"]
    done = subprocess.run(
        [*command, "-c:v", "libvpx", "-b:v", "300k", "-f", "webm", "-"], capture_output=True, check=True
    )
    return done.stdout


@contextmanager
def replay_sites(folder: Path) -> Iterator[BrowserOptions]:
    """Serve all of them by real names over real TLS; yields what a browser needs to get there."""
    context = trusted_context(folder)
    files = shop_files() | behaving_files()
    files |= {"/film.webm": ("video/webm", film()), "/price.csv": ("text/csv", "茶,128\n".encode())}
    assets = asset_files() | {"/framed": _page("另一网站", "<p>另一网站的内容")}
    with ExitStack() as stack:
        sites = (_Site(files, documentation()), _Site(assets))
        ports = [stack.enter_context(serve_with(_handler(site), context)) for site in sites]
        bids = stack.enter_context(serve_bids(context))
        names = zip(("shop.test:443", "cdn.test:443", "cdn.test:8443"), (*ports, bids), strict=True)
        rules = ",".join(f"MAP {name} 127.0.0.1:{port}" for name, port in names)
        yield BrowserOptions(home=folder / "browserhome", extra_args=(f"--host-resolver-rules={rules}",))


_DEBIAN = {
    "python": "python3.11/html",
    "handbook": "debian-handbook/html",
    "jdk": "openjdk-17-jre-headless/api",
}


def documentation() -> dict[str, Path]:
    """Folders of Debian's documents: installed ones, or below `EVIDENCEKIT_DOCUMENTS` as `dpkg-deb -x` unpacks them."""
    root = Path(os.environ.get("EVIDENCEKIT_DOCUMENTS", "/")) / "usr/share/doc"
    return {name: root / path for name, path in _DEBIAN.items() if (root / path).is_dir()}


def _shop(path: str, words: str, final: str | None = None, limit: str | None = None) -> ReplayPage:
    return ReplayPage(url=f"{SHOP}{path}", words=words, final=None if final is None else f"{SHOP}{final}", limit=limit)


PAGES: dict[str, ReplayPage] = {
    "canvas": _shop("/canvas", "青花瓷碗: 98"),
    "chart": _shop("/chart", "青花瓷碗"),
    "events": _shop("/events", "王五"),
    "formats": _shop("/formats", "en-IN"),
    "gbk": _shop("/gbk", "假一罚十"),
    "hydrated": _shop("/hydrated", "21"),
    "infinite": _shop("/infinite", "第 9 条"),
    "jsonp": _shop("/jsonp", "小雨转多云"),
    "markdown": _shop("/markdown", "words"),
    "pictures": _shop("/pictures", ""),
    "rendered": _shop("/rendered", "好评率"),
    "shadow": _shop("/shadow", "送货上门"),
    "sockets": _shop("/sockets", "", limit="ReplayWeb.page answers no WebSocket"),
    "storage": _shop("/storage", "欢迎回来"),
    "styled": _shop("/styled", "Every lamp"),
    "table": _shop("/table", "合计"),
    "template": _shop("/template", "No. 19"),
    "posting": _shop("/posting", "查询完毕"),
    "film": _shop("/film", "视频已就绪"),
    "popups": _shop("/popups", "弹窗已处理", limit="ReplayWeb.page opens a window in the place of its opener"),
    "popup": _shop("/popup", "弹出的内容"),
    "files": _shop("/files", "下载已开始", limit="ReplayWeb.page opens a download in the place of its page"),
    "dialogs": _shop("/dialogs", "对话框已关闭"),
    "leaving": _shop("/leaving", "请勿离开"),
    "frames": _shop("/frames", "三个框架"),
    "redirected": _shop("/redirect", "三次跳转之后", "/landed"),
    "refused": _shop("/refused", "请完成安全验证"),
    "made by a service worker": _shop("/made/begin", "合成完毕", "/made/made"),
    "made anew by a service worker": _shop("/again/made", "合成完毕"),
    "worker": _shop("/worker", "made offline", limit="ReplayWeb.page refuses a page its service worker"),
}
DOCUMENTS = {
    "python": _shop("/python/library/functions.html", "__import__"),
    "handbook": _shop("/handbook/zh-CN/sect.apt-get.html", "apt"),
    "jdk": _shop(
        "/jdk/java.base/java/lang/String.html",
        "compareTo",
        limit="ReplayWeb.page makes links absolute, and this page marks those that are",
    ),
}
