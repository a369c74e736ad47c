"""What a page holds back is brought out, bounded and said: folded parts, "more", inner scrollers, media, banners."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.capture.exploration import Exploration, Explorer
from evidencekit.capture.pagepicture import PagePicture, PictureFiles, page_picture
from evidencekit.capture.request import Limits
from evidencekit.capture.stitching import picture_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.model import JsonValue

pytestmark = pytest.mark.browser

_PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


@dataclass(frozen=True)
class Explored:
    found: Exploration
    asked: set[str]
    said: dict[str, str]
    after: JsonValue
    picture: PagePicture | None


@pytest.fixture
def explore(open_page: Callable[..., Any], serve_pages: Callable[..., Any], tmp_path: Path) -> Callable[..., Explored]:
    """Explore one page, evaluate something in it afterwards and, if asked, take its picture."""

    def run(page: str, after: str = "1", *, banners: bool = False, picture: bool = False) -> Explored:
        asked: set[str] = set()
        lock = threading.Lock()

        def answer(path: str) -> tuple[int, str, bytes]:
            with lock:
                asked.add(path)
            if path == "/":
                return 200, "text/html; charset=utf-8", page.encode()
            if path == "/away":
                return 200, "text/html; charset=utf-8", b"<!doctype html><title>away</title>elsewhere"
            return 200, "image/gif", _PIXEL

        async def quiet() -> bool:
            await asyncio.sleep(0.3)
            return True

        async def visit() -> Explored:
            async with open_page() as tab:
                await tab.goto(f"{base}/")
                explorer = Explorer(tab, Limits(), quiet, page="0001", remaining=lambda most: min(most, 30.0))
                if banners:
                    await explorer.dismiss_banners()
                found = await explorer.run()
                files = PictureFiles(
                    full=tmp_path / "full.png", inner=tmp_path / "inner.png", scrolled=tmp_path / "scrolled.png"
                )
                taken = await page_picture(tab, files, quiet, max_height_px=100_000) if picture else None
                steps = (*found.transformations, *(taken.transformations if taken else ()))
                said = {each.kind: each.detail.en for each in steps}
                return Explored(found, asked, said, await tab.evaluate(after), taken)

        with serve_pages(answer) as base:
            return asyncio.run(visit())

    return run


def test_folded_parts_are_opened_and_named(explore: Callable[..., Explored]) -> None:
    page = "<!doctype html><details><summary>运费 Shipping</summary>inside<details><summary>inner</summary>x</details>"
    page += "</details><details name=g><summary>a</summary>1</details><details name=g><summary>b</summary>2</details>"
    seen = explore(page, "document.querySelectorAll('details[open]').length")
    assert seen.after == 3
    assert seen.said["expand"].startswith("3 closed <details> opened: “运费 Shipping”")
    assert seen.found.partial == []
    assert "scroll" not in seen.said


_MORE = """<!doctype html><meta charset=utf-8><div id=list></div><button id=b>加载更多评论</button>
<a href="/away">查看更多</a><button>打开APP阅读全文</button><form action=/away><button>show more</button></form>
<div class=fold><span id=read>展开阅读全文</span></div><p id=rest hidden>the rest of the article</p><script>
let n = 0; b.onclick = () => { for (let i = 0; i < 5; i++) list.append(Object.assign(document.createElement('p'),
  {textContent: 'comment ' + n++, style: 'height:200px'})); if (n >= 15) b.remove(); };
read.onclick = () => { rest.hidden = false; read.remove(); };
</script>"""


def test_controls_that_show_more_are_pressed_and_others_left_alone(explore: Callable[..., Explored]) -> None:
    seen = explore(_MORE, "[list.children.length, rest.hidden, location.pathname].join()")
    assert seen.after == "15,false,/"
    assert seen.said["load_more"].startswith("4 controls that show more were pressed: “加载更多评论”; “展开阅读全文”")
    assert "/away" not in seen.asked
    assert seen.found.partial == []


def test_endless_more_ends_and_says_so(explore: Callable[..., Explored]) -> None:
    page = "<!doctype html><div id=list></div><script>for (let k = 0; k < 3; k++) { const b = document.createElement("
    page += "'button'); b.textContent = 'Load more'; b.onclick = () => list.append('item '); document.body.append(b) }"
    seen = explore(page + "</script>")
    assert seen.said["load_more"].startswith("20 controls")
    assert [text.en for text in seen.found.partial] == ["20 presses of “more” controls were made; the page offers more"]


def test_a_control_that_leaves_the_page_is_undone(explore: Callable[..., Explored]) -> None:
    page = "<!doctype html><title>here</title><button onclick=\"location.href='/away'\">show more</button>"
    seen = explore(page, "document.title")
    assert seen.after == "here"
    assert "led to another page" in seen.found.partial[0].en
    assert "history.back" in seen.said


_INNER = (
    """<!doctype html><style>body{margin:0;height:100vh;display:flex;flex-direction:column;overflow:hidden}
header{height:60px;background:#36c}main{flex:1;overflow:auto}img,i{display:block;width:200px;height:150px;margin:50px}
#side{position:fixed;right:0;top:80px;width:120px;height:200px;overflow:auto}</style><header>head</header><main>"""
    + "".join(f'<img loading=lazy src="/native/{n}.gif"><i data-bg="/bg/{n}.gif"></i>' for n in range(20))
    + """<div id=row style="width:400px;height:160px;overflow-x:auto;white-space:nowrap">"""
    + "".join(f'<img style="display:inline-block" class=io data-lazy="/row/{n}.gif">' for n in range(8))
    + "</div></main><div id=side>"
    + "".join(f'<img loading=lazy src="/side/{n}.gif">' for n in range(10))
    + """</div><script>
const io = new IntersectionObserver(es => es.forEach(e => { if (!e.isIntersecting) return; const t = e.target;
  t.dataset.bg ? t.style.backgroundImage = `url(${t.dataset.bg})` : t.src = t.dataset.lazy; io.unobserve(t); }));
document.querySelectorAll('[data-bg],.io').forEach(e => io.observe(e));
</script>"""
)


def test_inner_scrollers_load_everything_and_stand_in_the_picture(explore: Callable[..., Explored]) -> None:
    seen = explore(_INNER, "document.querySelector('main').scrollTop + ' ' + innerHeight", picture=True)
    wanted = {
        f"/{kind}/{n}.gif"
        for kind, count in (("native", 20), ("bg", 20), ("row", 8), ("side", 10))
        for n in range(count)
    }
    assert wanted - seen.asked == set()
    assert seen.found.partial == []
    assert "3 elements that scroll by themselves" in seen.said["scroll.inner"]
    assert seen.picture is not None
    assert seen.picture.inner is None
    assert seen.picture.full.height_px == 60 + 8_210
    assert "scrolls inside <main>" in seen.said["picture.window"]
    assert "1 fixed and 0 sticky" in seen.said["picture.floating"]
    assert re.fullmatch(r"0 \d{3}", str(seen.after))


def test_an_inner_scroller_of_fixed_height_is_joined_from_tiles(explore: Callable[..., Explored]) -> None:
    page = "<!doctype html><style>body{margin:0}#s{height:700px;width:1000px;overflow-y:scroll}</style><div id=s>"
    page += "".join(f'<div style="height:100px;background:rgb({n},0,{255 - n})"></div>' for n in range(95)) + "</div>"
    seen = explore(page, picture=True)
    assert seen.picture is not None
    assert seen.picture.inner is not None
    assert (seen.picture.inner.height_px, seen.picture.inner.truncated) == (9_500, False)
    assert seen.picture.full.height_px < 800
    assert "screenshot-inner.png" in seen.said["picture.tiles"]


def test_what_a_fixed_bar_covers_is_pictured_beside_it(explore: Callable[..., Explored], tmp_path: Path) -> None:
    page = "<!doctype html><style>body{margin:0}p{height:100px;margin:0}</style>"
    page += "<div style='position:fixed;bottom:0;width:100%;height:50px;background:red'>bar</div>" + "<p>line</p>" * 40
    seen = explore(page, "scrollY", picture=True)
    assert "1 fixed and 0 sticky" in seen.said["picture.floating"]
    assert "half a window down" in seen.said["picture.scrolled"]
    assert picture_size((tmp_path / "scrolled.png").read_bytes())[0] == 1280
    assert seen.after == 0


_BANNER = """<!doctype html><p>content</p><div id=bar style="position:fixed;bottom:0;left:0;right:0;height:99px">
We use cookies and similar. <button onclick="bar.remove();document.title='accepted'">Accept all</button>
<button onclick="bar.remove();document.title='refused'">Reject all</button></div>"""


def test_a_cookie_banner_is_left_alone_unless_asked(explore: Callable[..., Explored]) -> None:
    seen = explore(_BANNER, "document.title + document.querySelectorAll('#bar').length")
    assert seen.after == "1"
    assert seen.found.transformations == []


def test_a_cookie_banner_is_refused_when_asked(explore: Callable[..., Explored]) -> None:
    seen = explore(_BANNER, "document.title + document.querySelectorAll('#bar').length", banners=True)
    assert seen.after == "refused0"
    assert seen.said["banner"].endswith("“Reject all”")


def test_pictures_that_never_come_are_counted(explore: Callable[..., Explored]) -> None:
    page = "<!doctype html><img width=50 height=50 src=data:,x><img width=9 height=9 data-src='/never.gif'>"
    seen = explore(page)
    assert seen.found.pictures is not None
    assert (seen.found.pictures.broken, seen.found.pictures.waiting) == (1, 1)
    assert "1 of 1 pictures had not loaded" in seen.found.partial[0].en
