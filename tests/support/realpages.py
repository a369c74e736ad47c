"""Pages of the cases that rights holders bring, with a log of the pictures that were asked for.

A 公众号 article, a novel, a page in an inner scroller, one of 60,000 px, a live stream.
"""

# ruff: noqa: E501 (a page is read whole)

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.lazypages import png
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ARTICLE_PICTURES = 30
TALL_PX, TALL_PICTURES = 60_000, 120
INNER_PICTURES = 24
GO = "e0a001"
"""The colour of the button that starts the live stream."""
ENDED = "e005a0"
"""The colour that the page shows once a stream of segments has ended."""
PLAYING = "05e0a0"
"""The colour that the page shows once the stream plays."""

_HEAD = "<!doctype html><html lang=zh><meta charset=utf-8><title>{title}</title><style>body{{margin:0;font:17px sans-serif}}{style}</style>"
_GAP = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E"


def article() -> str:
    """As such articles are built: shown by a script, pictures by `data-src` on scroll, the end behind a button."""
    body = "".join(
        f"<p>第{n}段 明前龙井的真伪，向来众说纷纭。{'本文由湖畔茶庄原创，未经许可不得转载。' * 4}</p>"
        f'<section style="text-align:center"><img class="rich_pages wxw-img" data-src="/pic/article/{n}.png" src="{_GAP}" data-w=640 style="width:640px;height:400px"></section>'
        for n in range(ARTICLE_PICTURES - 2)
    )
    rest = "".join(
        f'<p>续{n}</p><img data-src="/pic/article/{n}.png" src="{_GAP}" style="width:640px;height:400px">'
        for n in range(ARTICLE_PICTURES - 2, ARTICLE_PICTURES)
    )
    return (
        _HEAD.format(title="明前龙井辨伪", style="#page{max-width:677px;margin:auto}#js_content{visibility:hidden}")
        + f"<div id=page><h1>明前龙井辨伪</h1><p>原创 湖畔茶庄 <em>2026-03-01</em></p><div id=js_content>{body}"
        f"<div id=rest style='display:none'>{rest}<p>全文完</p></div><p><span id=more>展开阅读全文</span></p></div></div>"
        """<script>setTimeout(() => { js_content.style.visibility = 'visible'; }, 100);
const load = () => document.querySelectorAll('img[data-src]').forEach(i => { const b = i.getBoundingClientRect();
  if (b.height && b.top < innerHeight + 200 && b.bottom > -200) { i.src = i.dataset.src; i.removeAttribute('data-src'); } });
let t; addEventListener('scroll', () => { clearTimeout(t); t = setTimeout(load, 150); }); setTimeout(load, 150);
more.onclick = () => { rest.style.display = 'block'; more.remove(); load(); };</script>"""
    )


def chapter(number: int, count: int) -> str:
    """A chapter of a novel, with its neighbours named."""
    text = "".join(f"<p>却说那人走进店来，正是第{number}回第{n}段，且听下文分解。</p>" for n in range(30))
    return (
        _HEAD.format(title=f"第{number}章", style="main{max-width:700px;margin:auto;line-height:2}")
        + f"<main><h1>第 {number} 章，共 {count} 章</h1>{text}<a href=/novel/{number + 1}>下一章</a></main>"
    )


def inner() -> str:
    """Everything scrolls inside <main>, as in applications."""
    rows = "".join(
        f'<p>第{n}行</p><img loading=lazy src="/pic/inner/{n}.png" style="display:block;width:500px;height:300px">'
        for n in range(INNER_PICTURES)
    )
    return (
        _HEAD.format(title="inner", style="body{height:100vh;display:flex;flex-direction:column;overflow:hidden}")
        + f"<header style='height:56px;background:#07c160'>店铺</header><main style='flex:1;overflow:auto'>{rows}</main>"
    )


def tall() -> str:
    """60,000 px with 120 lazy pictures."""
    each = TALL_PX // TALL_PICTURES
    return _HEAD.format(title="tall", style="section{overflow:hidden}") + "".join(
        f'<section style="height:{each}px;background:hsl({n * 3},60%,90%)"><h2>第 {n} 件</h2>'
        f'<img loading=lazy src="/pic/tall/{n}.png" style="width:600px;height:{each - 120}px"></section>'
        for n in range(TALL_PICTURES)
    )


_LIVE = (
    _HEAD.format(
        title="直播间", style="button{border:0;width:300px;height:60px;background:#" + GO + "}video{display:block}"
    )
    + "<h1>直播间</h1><button id=go></button><video id=v width=640 height=360></video><p id=s></p><script>"
    "go.onclick = () => { v.src = '/live.webm'; v.play(); go.remove(); };"
    "v.ontimeupdate = () => { s.textContent = v.currentTime.toFixed(0); s.style = 'width:300px;height:60px;background:#"
    + PLAYING
    + "'; }; v.onended = () => { s.textContent = '直播已结束'; };</script>"
)


def live() -> str:
    """A room whose stream starts at the press of a button."""
    return _LIVE


_SERIES = (
    _HEAD.format(
        title="直播间", style="button{border:0;width:300px;height:60px;background:#" + GO + "}video{display:block}"
    )
    + "<h1>直播间</h1><button id=go></button><video id=v width=640 height=360></video><p id=s></p><script>"
    """go.onclick = async () => { go.remove(); const source = new MediaSource(); v.src = URL.createObjectURL(source);
  await new Promise(done => { source.onsourceopen = done; });
  const buffer = source.addSourceBuffer('video/mp4; codecs="avc1.42c01e,mp4a.40.2"'), seen = new Set(); v.play();
  for (;;) { const list = await (await fetch('/hls/live.m3u8')).text();
    for (const [, map, part] of list.startsWith('#EXTM3U') ? list.matchAll(/URI="([^"]+)"|^([^#\\s].*)$/gm) : []) {
      const name = map || part; if (seen.has(name)) continue; seen.add(name);
      buffer.appendBuffer(await (await fetch('/hls/' + name)).arrayBuffer());
      await new Promise(done => { buffer.onupdateend = done; }); }
    if (list.includes('#EXT-X-ENDLIST')) break; await new Promise(done => setTimeout(done, 300)); }
  source.endOfStream(); };
v.onended = () => { s.textContent = '直播已结束'; s.style = 'width:300px;height:60px;background:#"""
    + ENDED
    + "'; };</script>"
)


def series() -> str:
    """A room whose stream comes in segments, named by a playlist that grows until the stream ends by itself."""
    return _SERIES


class RealSite:
    """What was asked, and how long the live stream lasts in seconds."""

    def __init__(self, *, chapters: int = 0, live_s: float = 3600.0) -> None:
        self.asked: Counter[str] = Counter()
        self.chapters = chapters
        self.live_s = live_s
        self.lock = threading.Lock()
        self.broadcast: subprocess.Popen[bytes] | None = None
        self.segments: Path | None = None
        """Where the segments of a stream are written while it lasts; given by the test."""

    def page(self, path: str) -> str | None:
        """The page at a path, None when there is none."""
        pages: dict[str, Callable[[], str]] = {
            "/article": article,
            "/inner": inner,
            "/tall": tall,
            "/live": live,
            "/series": series,
        }
        if path in pages:
            return pages[path]()
        number = path.removeprefix("/novel/")
        if path.startswith("/novel/") and number.isdecimal() and 1 <= int(number) <= self.chapters:
            return chapter(int(number), self.chapters)
        return None

    def missing(self, name: str, count: int) -> list[int]:
        """Numbers of the pictures of a page that nobody asked for."""
        return [n for n in range(count) if not self.asked[f"/pic/{name}/{n}.png"]]


def _stream_command(seconds: float) -> list[str]:
    """A picture that moves and a tone, as they would be sent live: at their own speed."""
    sources = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10", "-f", "lavfi", "-i", "sine=frequency=440"]
    codecs = [
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-b:v",
        "400k",
        "-g",
        "30",
        "-c:a",
        "libopus",
    ]
    return [
        program("ffmpeg"),
        "-v",
        "error",
        "-nostdin",
        "-re",
        *sources,
        "-t",
        str(seconds),
        *codecs,
        "-f",
        "webm",
        "-",
    ]


def _segments_command(seconds: float, folder: Path) -> list[str]:
    """The same as HLS: segments of a second, written as they come to their end."""
    sources = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10", "-f", "lavfi", "-i", "sine=frequency=440"]
    codecs = [
        "-c:v",
        "libx264",
        "-profile:v",
        "baseline",
        "-level",
        "3.0",
        "-pix_fmt",
        "yuv420p",
        "-preset",
        "ultrafast",
        "-g",
        "10",
        "-c:a",
        "aac",
    ]
    form = [
        "-f",
        "hls",
        "-hls_time",
        "1",
        "-hls_playlist_type",
        "event",
        "-hls_segment_type",
        "fmp4",
        "-hls_flags",
        "temp_file",
    ]
    names = ["-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", str(folder / "part%d.m4s")]
    ffmpeg = [program("ffmpeg"), "-v", "error", "-nostdin", "-re"]
    return [*ffmpeg, *sources, "-t", str(seconds), *codecs, *form, *names, str(folder / "live.m3u8")]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        site = self.server.site if isinstance(self.server, _Server) else RealSite()
        with site.lock:
            site.asked[path] += 1
        text = site.page(path)
        if text is not None:
            self._answer("text/html; charset=utf-8", text.encode())
        elif path == "/live.webm":
            self._stream(site.live_s)
        elif path.startswith("/hls/"):
            self._segment(site, path.removeprefix("/hls/"))
        elif path.startswith("/pic/"):
            number = int(path.rpartition("/")[2].removesuffix(".png"))
            self._answer("image/png", png((number * 2 % 256, 90, 255 - number * 2 % 256)))
        else:
            self._answer("text/plain", b"nothing", 404)

    def _segment(self, site: RealSite, name: str) -> None:
        """A file of the stream, which begins with the first question for its playlist."""
        assert site.segments is not None
        with site.lock:
            if site.broadcast is None:
                site.broadcast = subprocess.Popen(_segments_command(site.live_s, site.segments))
        file = site.segments / name
        if file.is_file():
            kind = "application/vnd.apple.mpegurl" if name.endswith(".m3u8") else "video/mp4"
            self._answer(kind, file.read_bytes())
        else:
            self._answer("text/plain", b"nothing", 404)

    def _stream(self, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/webm")
        self.end_headers()
        with subprocess.Popen(_stream_command(seconds), stdout=subprocess.PIPE) as source:
            try:
                while source.stdout is not None and (data := os.read(source.stdout.fileno(), 1 << 16)):
                    self.wfile.write(data)
            except OSError:
                source.kill()

    def _answer(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the tests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, site: RealSite) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = site

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers that are killed break connections."""


@contextmanager
def open_real_site(site: RealSite) -> Iterator[str]:
    """Serve a site; yields its URL without the slash."""
    server = _Server(site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
