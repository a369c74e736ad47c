"""Pages that hold their pictures back, each in one way known from real sites, and a server that logs what was asked.

Every picture has a colour of its own, so that it is found again both in the server's log and in a screenshot.
"""

# ruff: noqa: E501 (a page is read whole)

from __future__ import annotations

import struct
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 12
"""Pictures of a page."""

_BASE = "<!doctype html><html lang=zh><meta charset=utf-8><title>{name}</title><style>body{{margin:0}}{style}</style>"
_IMG = "img{display:block;width:300px;height:260px;margin:60px 20px;background:#ddd}"
_FIRST = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_SET = "const put = t => { t.dataset.bg ? t.style.backgroundImage = `url(${t.dataset.bg})` : t.src = t.dataset.src; };"


def _numbers(text: str, count: int = COUNT) -> str:
    return "".join(text.replace("@", str(n)) for n in range(count))


def _observer(options: str) -> str:
    return (
        f"<script>{_SET}const io = new IntersectionObserver(es => es.forEach(e => {{ if (e.isIntersecting) "
        f"{{ put(e.target); io.unobserve(e.target); }} }}), {options});"
        "document.querySelectorAll('[data-src],[data-bg]').forEach(e => io.observe(e));</script>"
    )


_HELD = _numbers(f'<img src="{_FIRST}" data-src="/i/PAGE/@.png">')
_NATIVE = _numbers('<img loading=lazy src="/i/PAGE/@.png">')
_SCROLLED = (
    "<script>" + _SET + "let timer; const look = () => document.querySelectorAll('[data-src]').forEach(i => {"
    "const b = i.getBoundingClientRect(); if (b.top < innerHeight && b.bottom > 0) { put(i); i.removeAttribute('data-src'); } });"
    "const later = () => { clearTimeout(timer); timer = setTimeout(look, 250); };"
    "addEventListener('scroll', later, {capture: true, passive: true}); look();</script>"
)

# Sources known to the script alone, so that nothing in the markup tells what is still to come.
_UNTOLD = """<script>
document.querySelectorAll('.late').forEach((e, n) => { new IntersectionObserver((es, io) => es.forEach(x => {
  if (x.isIntersecting) { io.disconnect(); setTimeout(() => { e.innerHTML = `<img src="/i/PAGE/${n}.png">`; }, 300); }
})).observe(e); });
</script>"""

_STILL = """<script>
let timer; const seen = new Set(); const boxes = [...document.querySelectorAll('.late')];
const look = () => boxes.forEach((e, n) => { const b = e.getBoundingClientRect();
  if (b.top < innerHeight && b.bottom > 0 && !seen.has(n)) { seen.add(n); e.innerHTML = `<img src="/i/PAGE/${n}.png">`; } });
const still = () => { clearTimeout(timer); timer = setTimeout(look, 2000); };
addEventListener('scroll', still); still();
</script>"""

_VIRTUAL = """<div id=list style="position:relative;height:9600px"></div><script>
const draw = () => { const first = Math.max(0, Math.floor(scrollY / 800) - 0), last = Math.min(11, Math.floor((scrollY + innerHeight) / 800));
  for (const e of [...list.children]) if (e.dataset.n < first || e.dataset.n > last) e.remove();
  for (let n = first; n <= last; n++) if (!list.querySelector(`[data-n="${n}"]`)) list.insertAdjacentHTML('beforeend',
    `<img data-n="${n}" src="/i/PAGE/${n}.png" style="position:absolute;top:${n * 800}px;margin:0">`); };
addEventListener('scroll', draw); addEventListener('resize', draw); draw();
</script>"""

_INFINITE = """<div id=list></div><div id=end style="height:20px"></div><script>
let n = 0, busy = false; const more = async () => { if (busy || n >= 12) return; busy = true;
  await new Promise(done => setTimeout(done, 400)); for (let k = 0; k < 3 && n < 12; k++, n++)
    list.insertAdjacentHTML('beforeend', `<img src="/i/PAGE/${n}.png" style="height:700px">`); busy = false;
  if (end.getBoundingClientRect().top < innerHeight + 200) more(); };
new IntersectionObserver(es => es.some(e => e.isIntersecting) && more(), {rootMargin: '200px'}).observe(end);
</script>"""

_CAROUSEL_STYLE = (
    ".v{width:600px;height:320px;overflow:hidden;margin:40px}.t{display:flex;width:7200px;transition:transform .2s}"
    ".t img{width:600px;height:320px;margin:0;flex:none}"
)
_CAROUSEL = (
    "<div style='height:1200px'>top</div><div class=v><div class=t>"
    + _HELD
    + """</div></div><button aria-label=Next id=next>›</button><script>
let at = 0; const t = document.querySelector('.t'), s = [...t.children];
const show = () => { t.style.transform = `translateX(${-600 * at}px)`; s[at].src = s[at].dataset.src; };
next.onclick = () => { at = (at + 1) % s.length; show(); }; show();
</script>"""
)
_HIDDEN_SLIDES = (
    "<div style='height:1200px'>top</div><div id=c>"
    + _numbers(f'<div class=s><img src="{_FIRST}" data-src="/i/PAGE/@.png"></div>')
    + """</div><style>.s{display:none}.s.on{display:block}</style><button aria-label=Next id=next>›</button><script>
let at = 0; const s = [...document.querySelectorAll('.s')];
const show = () => { s.forEach((e, n) => e.classList.toggle('on', n === at)); const i = s[at].firstChild; i.src = i.dataset.src; };
next.onclick = () => { at = (at + 1) % s.length; show(); }; show();
</script>"""
)

_SHADOW = """<script>
customElements.define('x-card', class extends HTMLElement { connectedCallback() {
  const n = this.getAttribute('n'), closed = n % 2; const root = this.attachShadow({mode: closed ? 'closed' : 'open'});
  root.innerHTML = `<style>img{display:block;width:300px;height:260px;margin:60px 20px}</style><img data-src="/i/PAGE/${n}.png">`;
  const i = root.querySelector('img');
  new IntersectionObserver((es, io) => es.forEach(e => { if (e.isIntersecting) { i.src = i.dataset.src; io.disconnect(); } })).observe(i);
} });
</script>""" + _numbers("<x-card n=@></x-card>")

_SHADOW_SCROLLER = """<script>
customElements.define('x-app', class extends HTMLElement { connectedCallback() {
  const root = this.attachShadow({mode: 'MODE'});
  root.innerHTML = `<style>#s{height:100vh;overflow:auto}img{display:block;width:300px;height:260px;margin:60px 20px}</style><div id=s>${
    [...Array(12).keys()].map(n => `<img data-src="/i/PAGE/${n}.png">`).join('')}</div>`;
  const io = new IntersectionObserver(es => es.forEach(e => { if (e.isIntersecting) { e.target.src = e.target.dataset.src; io.unobserve(e.target); } }), {root: root.getElementById('s')});
  root.querySelectorAll('img').forEach(i => io.observe(i));
} });
</script><x-app></x-app>"""

_JACK = (
    """<style>html,body{overflow:hidden;height:100%}#t{transition:transform .4s}.p{height:100vh}.p img{margin:0}</style><div id=t>"""
    + _numbers("<div class=p><span class=late></span></div>")
    + """</div><script>
let at = 0, busy = false; const t = document.getElementById('t'), s = document.querySelectorAll('.late');
const show = () => { t.style.transform = `translateY(${-100 * at}vh)`; s[at].innerHTML = `<img src="/i/PAGE/${at}.png">`; };
addEventListener('wheel', e => { e.preventDefault(); if (busy) return; busy = true; setTimeout(() => { busy = false; }, 500);
  at = Math.max(0, Math.min(s.length - 1, at + Math.sign(e.deltaY))); show(); }, {passive: false}); show();
</script>"""
)

_SMOOTH_JACK = (
    """<style>html,body{overflow:hidden;height:100%}#t{will-change:transform}</style><div id=t>"""
    + _HELD
    + """</div><script>
const t = document.getElementById('t'); let y = 0; const most = () => t.scrollHeight - innerHeight;
const look = () => document.querySelectorAll('[data-src]').forEach(i => { const b = i.getBoundingClientRect();
  if (b.top < innerHeight && b.bottom > 0) { i.src = i.dataset.src; i.removeAttribute('data-src'); } });
addEventListener('wheel', e => { e.preventDefault(); y = Math.max(0, Math.min(most(), y + e.deltaY)); t.style.transform = `translateY(${-y}px)`; look(); }, {passive: false}); look();
</script>"""
)

_OVERLAY = """<div style="position:fixed;inset:0;background:rgba(0,0,0,.5);z-index:9" id=veil><div style="background:#fff;margin:200px;padding:40px">
We use cookies. <button onclick="veil.remove();document.body.style.overflow=''">Accept all</button></div></div>
<div style="position:sticky;top:0;height:50px;background:#36c">bar</div>"""

_SNAP = "html{scroll-snap-type:y mandatory}img{scroll-snap-align:start;height:90vh}"
_BODY_SCROLL = (
    "html,body{height:100%;overflow:hidden}#app{height:100%;overflow-y:auto;-webkit-overflow-scrolling:touch}"
)

_HOVER = (
    "<div id=row style='display:flex;overflow-x:auto;scroll-snap-type:x mandatory;width:700px'>"
    + _numbers(
        '<div style="flex:none;width:700px;scroll-snap-align:start"><img loading=lazy src="/i/PAGE/@.png"></div>'
    )
    + "</div>"
)

PAGES: dict[str, tuple[str, str]] = {
    "native": (_IMG, _NATIVE),
    "observer-margin": (_IMG, _HELD + _observer("{rootMargin: '100px 0px'}")),
    "observer-negative": (_IMG, _HELD + _observer("{rootMargin: '-40% 0px', threshold: 0.2}")),
    "observer-whole": (_IMG, _HELD + _observer("{threshold: 1}")),
    "scroll-event": (_IMG, _HELD + _SCROLLED),
    "background": (
        "i{display:block;width:300px;height:260px;margin:60px 20px}",
        _numbers('<i data-bg="/i/PAGE/@.png"></i>') + _observer("{}"),
    ),
    "class-background": (
        "i{display:block;width:300px;height:260px;margin:60px 20px}"
        + _numbers("i.seen:nth-of-type(@){background-image:url(/i/PAGE/@.png)}").replace(
            "nth-of-type(0)", "first-child"
        ),
        "".join(f"<i class=w id=b{n}></i>" for n in range(COUNT))
        + "<style>"
        + "".join(f"#b{n}.seen{{background-image:url(/i/PAGE/{n}.png)}}" for n in range(COUNT))
        + "</style>"
        + "<script>const io = new IntersectionObserver(es => es.forEach(e => e.isIntersecting && e.target.classList.add('seen')));"
        "document.querySelectorAll('i').forEach(e => io.observe(e));</script>",
    ),
    "picture": (
        _IMG,
        _numbers(
            f'<picture><source data-srcset="/i/PAGE/@.png 1x, /i/PAGE/@.png?2 2x"><img src="{_FIRST}" data-src="/i/PAGE/@.png"></picture>'
        )
        + "<script>const io = new IntersectionObserver(es => es.forEach(e => { if (!e.isIntersecting) return; const s = "
        "e.target.parentNode.querySelector('source'); s.srcset = s.dataset.srcset; io.unobserve(e.target); }));"
        "document.querySelectorAll('img').forEach(e => io.observe(e));</script>",
    ),
    "srcset-sizes": (
        _IMG,
        _numbers('<img loading=lazy sizes="300px" srcset="/i/PAGE/@.png 300w, /i/PAGE/@.png?big 900w">'),
    ),
    "carousel": (_IMG + _CAROUSEL_STYLE, _CAROUSEL),
    "hidden-slides": (_IMG, _HIDDEN_SLIDES),
    "row": (_IMG, "<div style='height:1500px'>top</div>" + _HOVER),
    "inner": (
        _IMG + _BODY_SCROLL,
        "<div id=app>" + _HELD + "</div>" + _observer("{root: document.getElementById('app'), rootMargin: '50px'}"),
    ),
    "inner-native": (_IMG + _BODY_SCROLL, "<div id=app>" + _NATIVE + "</div>"),
    "shadow": (_IMG, _SHADOW),
    "shadow-scroller-open": ("", _SHADOW_SCROLLER.replace("MODE", "open")),
    "shadow-scroller-closed": ("x-app{display:block}", _SHADOW_SCROLLER.replace("MODE", "closed")),
    "frame-same": (
        _IMG,
        "<div style='height:1800px'>top</div><iframe src=/p/native?as=PAGE width=600 height=500></iframe>",
    ),
    "frame-same-script": (
        _IMG,
        "<div style='height:1800px'>top</div><iframe loading=lazy src=/p/scroll-event?as=PAGE width=600 height=500></iframe>",
    ),
    "frame-cross": (
        _IMG,
        "<div style='height:1800px'>top</div><iframe src=OTHER/p/native?as=PAGE width=600 height=500></iframe>",
    ),
    "frame-cross-script": (
        _IMG,
        "<div style='height:1800px'>top</div><iframe loading=lazy src=OTHER/p/scroll-event?as=PAGE width=600 height=500></iframe>",
    ),
    "late": (".late{display:block;height:380px}" + _IMG, _numbers("<span class=late></span>") + _UNTOLD),
    "still": (".late{display:block;height:380px}" + _IMG, _numbers("<span class=late></span>") + _STILL),
    "virtual": (_IMG, _VIRTUAL),
    "visibility": (
        _IMG + "section{content-visibility:auto;contain-intrinsic-size:300px 60px}",
        _numbers('<section><img loading=lazy src="/i/PAGE/@.png"></section>'),
    ),
    "infinite": (_IMG, _INFINITE),
    "snap": (_IMG + _SNAP, _HELD + _observer("{threshold: 0.6}")),
    "overlay": (_IMG + "body{overflow:hidden}", _OVERLAY + _HELD + _observer("{}")),
    "sticky": (
        _IMG,
        "<div style='position:sticky;top:0;height:300px;background:#fc0;z-index:2'>bar</div>"
        + _HELD
        + _observer("{rootMargin: '-310px 0px 0px 0px'}"),
    ),
    "wheel": (_IMG, _JACK),
    "wheel-smooth": (_IMG, _SMOOTH_JACK),
    "attr-unknown": (
        _IMG,
        _numbers('<img class=z zoom-src="/i/PAGE/@.png">')
        + "<script>const io = new IntersectionObserver(es => es.forEach(e => { if (e.isIntersecting) setTimeout(() => { e.target.src = "
        "e.target.getAttribute('zoom-src'); }, 800); }));document.querySelectorAll('img').forEach(e => io.observe(e));</script>",
    ),
    "noscript": (
        _IMG,
        _numbers('<div class=n style="height:380px"><noscript><img src="/i/PAGE/@.png"></noscript></div>')
        + "<script>const io = new IntersectionObserver(es => es.forEach(e => { if (!e.isIntersecting || e.target.done) return; "
        "e.target.done = 1; e.target.innerHTML = e.target.querySelector('noscript').textContent; }));"
        "document.querySelectorAll('.n').forEach(e => io.observe(e));</script>",
    ),
    "tabs": (
        _IMG,
        "<details><summary>more</summary>" + _NATIVE + "</details>",
    ),
    "canvas": (
        _IMG + "canvas{display:block;width:300px;height:260px;margin:60px 20px}",
        _numbers("<canvas width=300 height=260></canvas>")
        + "<script>const c=[...document.querySelectorAll('canvas')];const io = new IntersectionObserver(es => es.forEach(e => { if (!e.isIntersecting) return;"
        "io.unobserve(e.target); const i = new Image(); i.onload = () => e.target.getContext('2d').drawImage(i, 0, 0, 300, 260); i.src = `/i/PAGE/${c.indexOf(e.target)}.png`; }));"
        "c.forEach(e => io.observe(e));</script>",
    ),
    "moving-height": (
        "img{display:block;width:300px;margin:10px}",
        _numbers('<img data-src="/i/PAGE/@.png" style="min-height:1px">')
        + "<div style='height:6000px'></div>"
        + _observer("{}")
        + "<style>img[src]{height:1500px}</style>",
    ),
}


def colour_of(name: str, number: int) -> tuple[int, int, int]:
    """The colour of one picture of one page."""
    return 30 + number * 18, 60 + (sum(name.encode()) * 7) % 150, 200 - number * 9


def png(colour: tuple[int, int, int], width: int = 30, height: int = 26) -> bytes:
    """A plain picture."""
    row = b"\0" + bytes(colour) * width

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")
    )


class Log:
    """Which pictures were asked for, by page."""

    def __init__(self) -> None:
        self.asked: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, number: int) -> None:
        """A picture was asked for."""
        with self._lock:
            self.asked.setdefault(name, set()).add(number)

    def missing(self, name: str) -> list[int]:
        """Numbers of the pictures of a page that nobody asked for."""
        return sorted(set(range(COUNT)) - self.asked.get(name, set()))


def _handler(log: Log) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            _, kind, *rest = parts.path.split("/")
            if kind == "i" and len(rest) == 2:
                name, number = rest[0], int(rest[1].removesuffix(".png"))
                log.add(name, number)
                self._answer("image/png", png(colour_of(name, number)))
            elif kind == "p" and rest[0] in PAGES:
                style, body = PAGES[rest[0]]
                name = parts.query.removeprefix("as=") or rest[0]
                other = f"http://localhost:{(self.headers.get('Host') or '').rpartition(':')[2]}"
                whole = _BASE.format(name=name, style=style) + body
                self._answer("text/html; charset=utf-8", whole.replace("PAGE", name).replace("OTHER", other).encode())
            else:
                self._answer("text/plain", b"nothing", 404)

        def _answer(self, kind: str, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the tests."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers that end break connections."""


@contextmanager
def open_lazy_site() -> Iterator[tuple[str, Log]]:
    """Serve the pages under `/p/NAME`; yields the site's URL and the log."""
    log = Log()
    server = _Server(("127.0.0.1", 0), _handler(log))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
