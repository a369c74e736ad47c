"""What ReplayWeb.page shows of an archive, offline, is what the live page showed: compared pixel by pixel.

The measure: of the pixels of the window (1280 × 800) and of the whole page, at most one in a thousand may differ, a
pixel differing when one of its channels does by more than 16 of 255.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter
from tests.support import site
from tests.support.pixels import share_that_differs, shown_by
from tests.support.replay import replaying

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Frame

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTH, HEIGHT = 1280, 800
MOST = 0.001

STYLE = """body { margin: 0; font: 18px/1.6 'Noto Sans CJK SC', sans-serif; background: #f6f1e7 url(/tile.svg) }
header { background: linear-gradient(90deg, #163, #6a2); color: #fff; padding: 24px; text-shadow: 1px 1px 2px #000 }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 24px; padding: 24px }
article { background: #fff; border-radius: 12px; box-shadow: 0 2px 12px #0003; padding: 16px }
img { width: 100%; height: 120px; object-fit: cover } table { border-collapse: collapse } td { border: 1px solid #999 }
"""
GOODS = "".join(
    f"<article><img src=/goods.svg?{n} alt=''><h2>龙井茶 第{n}号</h2><p>明前采摘,手工炒制,{n}00 克,售价 ¥{n}28。</p>"
    f"<table><tr><td>产地<td>杭州<tr><td>等级<td>特级</table></article>"
    for n in range(1, 10)
)
ARTICLE = (
    "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>茶庄</title><link rel=stylesheet href=/style.css>"
    f"<header><h1>西湖茶庄</h1></header><main>{GOODS}</main><footer>读到这里了</footer>"
)
PROGRAM = """<!doctype html><html lang=zh-CN><meta charset=utf-8><title>应用</title>
<link rel=stylesheet href=/style.css><h1 id=title>载入中</h1><canvas id=chart width=400 height=200></canvas>
<canvas id=space width=200 height=200></canvas><x-card></x-card><iframe src=/frame width=400 height=120></iframe>
<img src=/goods.svg?lazy loading=lazy style="width:200px"><ul id=list></ul><script src=/program.js></script>"""
SCRIPT = """const pen = document.getElementById('chart').getContext('2d');
[40, 90, 60, 150, 120].forEach((high, n) => { pen.fillStyle = `hsl(${n * 60} 70% 45%)`;
  pen.fillRect(20 + n * 70, 190 - high, 50, high); });
const gl = document.getElementById('space').getContext('webgl', {preserveDrawingBuffer: true});
if (gl) { gl.clearColor(0.1, 0.3, 0.6, 1); gl.clear(gl.COLOR_BUFFER_BIT); gl.enable(gl.SCISSOR_TEST);
  gl.scissor(50, 50, 100, 100); gl.clearColor(0.9, 0.7, 0.1, 1); gl.clear(gl.COLOR_BUFFER_BIT); }
customElements.define('x-card', class extends HTMLElement { connectedCallback() {
  this.attachShadow({mode: 'open'}).innerHTML =
    '<style>p { color: #a22; border: 2px dashed; padding: 8px }</style><p>影子里的文字</p>'; } });
fetch('/goods.json').then(r => r.json()).then(goods => { for (const each of goods) {
  const line = document.createElement('li'); line.textContent = `${each.name}:¥${each.price}`;
  document.getElementById('list').append(line); } document.getElementById('title').textContent = '清单已载入'; });
"""
SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='120'><rect width='200' height='120' fill='#cde'/>"
    "<circle cx='100' cy='60' r='45' fill='#396'/><path d='M20 100 Q100 10 180 100' stroke='#c33' fill='none'/></svg>"
)
FILES = {
    "/article": ("text/html; charset=utf-8", ARTICLE),
    "/program": ("text/html; charset=utf-8", PROGRAM),
    "/frame": ("text/html; charset=utf-8", "<!doctype html><meta charset=utf-8><body style='background:#fed'>框架"),
    "/program.js": ("text/javascript", SCRIPT),
    "/style.css": ("text/css", STYLE),
    "/goods.json": ("application/json", json.dumps([{"name": f"茶{n}", "price": n * 10} for n in range(1, 6)])),
    "/tile.svg": (
        "image/svg+xml",
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='3' height='3' fill='#edc'/></svg>",
    ),
    "/goods.svg": ("image/svg+xml", SVG),
}


def answer(path: str) -> site.Answer:
    kind, text = FILES.get(path.partition("?")[0], ("text/plain", ""))
    return 200 if text else 404, {"Content-Type": kind}, text.encode()


@pytest.mark.parametrize(("path", "words"), [("/article", "读到这里了"), ("/program", "清单已载入")])
def test_the_replay_shows_what_the_live_page_showed(path: str, words: str, replayer: Path, tmp_path: Path) -> None:
    with (
        site.serve(answer) as url,
        ChainWriter(tmp_path / "worklog.jsonl", format_name=WORKLOG, capture_id="0" * 32) as worklog,
    ):
        address = url.rstrip("/") + path
        asyncio.run(
            capture_session(
                CaptureRequest(
                    urls=(address,), width_px=WIDTH, height_px=HEIGHT, allow_private=True, third_party=False
                ),
                capture_id="0" * 32,
                staging=tmp_path / "staging",
                worklog=worklog,
                on_root=lambda _root, _document: None,
                options=BrowserOptions(),
            )
        )
    # The server is gone: what the replay shows comes from the archive.
    bundle, place = tmp_path / "staging/bundle/capture", tmp_path / "replaying"
    place.mkdir()
    live = shown_by((bundle / "pages/0001/screenshot.png").read_bytes())
    with replaying((bundle / "page.wacz").read_bytes(), address, replayer, place) as find:
        frame = find(words)
        assert frame is not None
        first = shown_by(picture(frame, HEIGHT))
        whole = shown_by(picture(frame, live.height))
    initial = shown_by((bundle / "pages/0001/screenshot-initial.png").read_bytes())
    assert share_that_differs(initial, first) <= MOST
    assert share_that_differs(live, whole) <= MOST


def picture(frame: Frame, height: int) -> bytes:
    """What the frame shows in a window of this height."""
    page = frame.page
    page.set_viewport_size({"width": WIDTH, "height": height})
    frame.wait_for_function("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    page.wait_for_timeout(500)
    return page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})


def test_the_measure_sees_what_differs_and_passes_over_rounding() -> None:
    def bar(level: int) -> bytes:
        return png(100, 1, b"\0" + b"".join(bytes((level if 40 <= x < 50 else 255,)) * 3 for x in range(100)))

    assert share_that_differs(shown_by(bar(0)), shown_by(bar(0))) == 0
    assert share_that_differs(shown_by(bar(0)), shown_by(bar(255))) == pytest.approx(0.1)
    assert share_that_differs(shown_by(bar(250)), shown_by(bar(255))) == 0


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG of 24-bit rows, each after its filter byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
