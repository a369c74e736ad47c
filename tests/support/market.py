"""A loopback market: sign in, pass a slider, search, look at a listing and its seller, order, pay, follow the parcel.

State is by cookie, as in a real shop. The listing plays a tone and moves, so that a film of it has something to show
and to hear.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import wave
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS = {
    "user": "01d0e0",
    "password": "02c0d4",
    "go": "03b0c8",
    "knob": "3366cc",
    "q": "05e0a0",
    "search": "06d094",
    "item": "07c088",
    "play": "e0a001",
    "seller": "d49002",
    "buy": "c88003",
    "pay": "bc7004",
    "invoice": "b06005",
    "parcel": "a45006",
}
"""What a person sees: each thing to press has a colour of its own, by which a test finds it on the screen."""

USER, PASSWORD, SESSION = "li-ming", "pw-Geheim-5501-x", "sess-77aa88bb99cc"
_STYLE = (
    "body{font:18px sans-serif;margin:24px;max-width:900px}a,button,input{font:18px sans-serif;padding:8px}"
    ".price{color:#b00;font-size:30px}"
    "button,input{border:4px solid #000;width:200px}a{display:inline-block;width:260px}"
    + "".join(f"#{name}{{background:#{colour}}}" for name, colour in COLOURS.items())
)
_SLIDER = """<h1>安全验证</h1><p>请拖动滑块到最右侧</p>
<div id=track style="width:400px;height:40px;background:#ddd;position:relative">
<div id=knob style="width:40px;height:40px;position:absolute;left:0"></div></div>
<form id=passed method=post action=/slider></form><script>
let from = null; const knob = document.getElementById("knob");
knob.onmousedown = e => { from = e.clientX; };
onmousemove = e => { if (from !== null) knob.style.left = Math.max(0, Math.min(360, e.clientX - from)) + "px"; };
onmouseup = () => { if (parseInt(knob.style.left) > 340) document.getElementById("passed").submit(); from = null; };
</script>"""


def tone(seconds: float = 30.0, rate: int = 8000, pitch_hz: float = 440.0) -> bytes:
    """A sine tone as WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = int(seconds * rate)
        file.writeframes(
            b"".join(struct.pack("<h", int(12000 * math.sin(2 * math.pi * pitch_hz * n / rate))) for n in range(count))
        )
    return out.getvalue()


_TONE = tone()


class _Market(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/tone.wav":
            self._answer(_TONE, "audio/wav")
        elif path == "/enter":  # as after a sign-in that is remembered
            self._go("/", f"sid={SESSION}; Max-Age=86400; HttpOnly")
        elif path == "/invoice":
            self._answer(b"%PDF-1.4 invoice 2026-0001", "application/pdf", 'attachment; filename="invoice.pdf"')
        elif f"sid={SESSION}" not in (self.headers.get("Cookie") or "") and path != "/login":
            self._go("/login")
        else:
            self._answer(self._page(path).encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        path = urlsplit(self.path).path
        if path == "/login":
            right = form.get("user") == [USER] and form.get("password") == [PASSWORD]
            self._go("/challenge" if right else "/login", *((f"sid={SESSION}; HttpOnly",) if right else ()))
        else:
            self._go({"/slider": "/", "/order": "/orders/1", "/pay": "/paid"}.get(path, "/"))

    def _page(self, path: str) -> str:
        query = parse_qs(urlsplit(self.path).query).get("q", [""])[0]
        pages = {
            "/login": "<h1>登录</h1><form method=post><p>账号 <input id=user name=user>"
            "<p>密码 <input id=password name=password type=password><p><button id=go>登录</button></form>",
            "/challenge": _SLIDER,
            "/": f"<h1>集市 Market</h1><p>您好,{USER}<form action=/search><input id=q name=q>"
            "<button id=search>搜索</button></form>",
            "/search": f"<h1>“{query}”的搜索结果</h1><p><a id=item href=/item/7 target=_blank>龙井茶 50 克 ¥128</a>",
            "/item/7": "<h1>明前龙井 50 克</h1><p class=price>¥128.00</p><p>月销 1024 件,评价 368</p>"
            "<p><a id=seller href=/seller target=_blank>湖畔茶庄 营业执照</a>"
            "<p><form method=post action=/order "
            "onsubmit=\"return confirm('确认购买?')\"><button id=buy>立即购买</button></form>"
            "<p><button id=play onclick=\"document.querySelector('audio').play();"
            "document.getElementById('box').style.animation='move 2s linear infinite alternate'\">播放视频</button>"
            "<audio src=/tone.wav loop></audio><style>@keyframes move{to{transform:translateX(600px)}}</style>"
            "<div id=box style='width:80px;height:80px;background:#2a6'></div>",
            "/seller": "<h1>湖畔茶庄</h1><p>统一社会信用代码 91330100TEST00000X<p>杭州市西湖区测试路 1 号",
            "/orders/1": "<h1>订单 2026-0001</h1><p>明前龙井 50 克 × 1,应付 ¥128.00"
            "<form method=post action=/pay><button id=pay>付款</button></form>",
            "/paid": "<h1>付款成功</h1><p>订单 2026-0001 已付 ¥128.00<p><a id=parcel href=/parcel>查看物流</a>"
            "<p><a id=invoice href=/invoice>下载发票</a>",
            "/parcel": "<h1>物流</h1><p>运单 SF0000000000001:已揽收",
        }
        body = pages.get(path, "<h1>没有这个页面</h1>")
        return (
            f"<!doctype html><html lang=zh><meta charset=utf-8><title>集市 {path}</title><style>{_STYLE}</style>{body}"
        )

    def _answer(self, body: bytes, kind: str, disposition: str = "inline") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Disposition", disposition)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _go(self, where: str, *cookies: str) -> None:
        self.send_response(303)
        self.send_header("Location", where)
        for cookie in cookies:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the tests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers that are killed break connections."""


@contextmanager
def open_market() -> Iterator[str]:
    """Serve the market; yields its URL."""
    server = _Server(("127.0.0.1", 0), _Market)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
