"""Twenty honest pages whose text comes to be in as many ways, on two origins and a WebSocket server, over real TLS."""

from __future__ import annotations

import io
import json
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import segno
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve as serve_sockets

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from websockets.sync.server import ServerConnection

Files = dict[str, tuple[str, bytes]]
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_JS = "text/javascript"
SOCKET_WORDS = "竞价更新 new bid"

_GOODS = [
    {"id": 17, "name": "明前龙井茶 礼盒", "cents": 129900, "sold": 20481, "city": "杭州", "rate": 0.985},
    {"id": 18, "name": "Oak desk lamp", "cents": 45950, "sold": 311, "city": "Suzhou", "rate": 0.93},
    {"id": 19, "name": "青花瓷碗", "cents": 8800, "sold": 1204567, "city": "景德镇", "rate": 1},
]

_FOLDER = Path(__file__).parent / "honest"
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.html")))


def shop_files() -> Files:
    """What https://shop.test/ serves."""
    files: Files = {f"/{name}": (_HTML, (_FOLDER / f"{name}.html").read_bytes()) for name in NAMES}
    feed = [
        {"title": f"第 {n} 条 story", "text": f"故事 {n} 讲述一盏灯如何从景德镇运到杭州，又从杭州运到北京。"}
        for n in range(40)
    ]
    events = [{"who": who, "what": "买了", "n": 2 + n} for n, who in enumerate(("张三", "Li Si", "王五"))]
    notes = "Lamps are **made by hand** in _Suzhou_ since 1911.\n\nNobody makes them **twice** the same.\n"
    sw = (
        "self.addEventListener('install', e => self.skipWaiting());"
        "self.addEventListener('activate', e => e.waitUntil(clients.claim()));"
        "self.addEventListener('fetch', e => { if (e.request.url.endsWith('/made-by-worker'))"
        " e.respondWith(new Response('由服务工作线程生成 made offline')); });"
    )
    files |= {
        "/goods.json": (_JSON, json.dumps(_GOODS).encode()),
        "/feed": (_JSON, json.dumps(feed[:10], ensure_ascii=False).encode()),
        "/stream": ("text/event-stream", "".join(f"data: {json.dumps(each)}\n\n" for each in events).encode()),
        "/notes.md": ("text/markdown", notes.encode()),
        "/sw.js": (_JS, sw.encode()),
        "/worker.js": (
            _JS,
            b"onmessage = e => { let f = 1; for (let n = 2; n <= e.data; n++) f *= n; postMessage('Result ' + f); };",
        ),
        "/gbk": ("text/html", (_FOLDER / "gbk.html").read_text("utf-8").encode("gbk")),
        "/gbk.json": (
            "application/json; charset=gbk",
            json.dumps({"words": "每斤售价 元起，假一罚十"}, ensure_ascii=False).encode("gbk"),
        ),
    }
    return files


def asset_files() -> Files:
    """What https://cdn.test/ serves."""
    ad = (
        "<!doctype html><body style='background:#ffc'><p>广告：电动车 from 2,999 yuan</p>"
        "<script>document.write('<b>Ad shown by script</b>')</script>"
    )
    weather = 'show({"city":"杭州","sky":"小雨转多云","low":12,"high":19});'
    files: Files = {"/ad": (_HTML, ad.encode()), "/weather.js": ("text/javascript; charset=utf-8", weather.encode())}
    for n in range(1, 10):
        image = io.BytesIO()
        segno.make(f"picture {n}").save(image, kind="png", scale=3)
        files[f"/{n}.png"] = ("image/png", image.getvalue())
    return files


@contextmanager
def serve_bids(context: ssl.SSLContext) -> Generator[int]:
    """Serve two bids over a WebSocket; yields the port."""

    def answer(connection: ServerConnection) -> None:
        for amount in (12800, 13500):
            connection.send(json.dumps({"text": SOCKET_WORDS, "amount": amount}))
        with suppress(ConnectionClosed):
            connection.recv()

    with serve_sockets(answer, "127.0.0.1", 0, ssl=context) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()
