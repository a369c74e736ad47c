"""Scrolling makes a page load what it holds back, ends by itself or at a limit, and is listed."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.capture.behaviours import BehaviourOutcome, scroll_to_load
from evidencekit.capture.request import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

_PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
_LAZY = (
    "<!DOCTYPE html><style>img{display:block;width:300px;height:300px;margin:50px}</style>"
    + "".join(f'<img loading="lazy" src="/native/{n}.gif"><img class="own" data-src="/own/{n}.gif">' for n in range(12))
    + """<script>
let timer;
const load = () => document.querySelectorAll('img.own').forEach(i => {
  const box = i.getBoundingClientRect();
  if (box.top < innerHeight && box.bottom > 0) i.src = i.dataset.src;
});
addEventListener('scroll', () => { clearTimeout(timer); timer = setTimeout(load, 200); });
load();
</script>"""
)
_ENDLESS = """<!DOCTYPE html><div id=list></div><script>
const more = () => { for (let n = 0; n < 10; n++) list.append(Object.assign(document.createElement('p'),
  {textContent: 'item', style: 'height:200px'})); };
more(); addEventListener('scroll', () => { if (innerHeight + scrollY > document.body.scrollHeight - 500) more(); });
</script>"""
_LIMITS = Limits()


def _scroll(
    open_page: Callable[..., Any], serve_pages: Callable[..., Any], page: str, limits: Limits, within_s: float = 60.0
) -> tuple[BehaviourOutcome, set[str], object]:
    asked: set[str] = set()
    lock = threading.Lock()

    def answer(path: str) -> tuple[int, str, bytes]:
        with lock:
            asked.add(path)
        return (200, "text/html", page.encode()) if path == "/" else (200, "image/gif", _PIXEL)

    async def quiet() -> bool:
        await asyncio.sleep(0.3)
        return True

    async def run() -> tuple[BehaviourOutcome, object]:
        async with open_page() as tab:
            await tab.goto(f"{base}/")
            outcome = await scroll_to_load(tab, limits, quiet, page="0001", within_s=within_s)
            return outcome, await tab.evaluate("scrollY")

    with serve_pages(answer) as base:
        outcome, at = asyncio.run(run())
    return outcome, asked, at


def test_every_lazy_image_is_asked_for(open_page: Callable[..., Any], serve_pages: Callable[..., Any]) -> None:
    outcome, asked, at = _scroll(open_page, serve_pages, _LAZY, _LIMITS)
    assert {path for path in asked if re.match(r"/(native|own)/", path)} == {
        f"/{kind}/{n}.gif" for kind in ("native", "own") for n in range(12)
    }
    assert outcome.ended == "end"
    assert outcome.partial == ()
    assert [(each.kind, each.page) for each in outcome.transformations] == [("scroll", "0001")]
    assert at == 0


def test_an_endless_page_ends_at_the_limit_and_says_so(
    open_page: Callable[..., Any], serve_pages: Callable[..., Any]
) -> None:
    outcome, _, at = _scroll(open_page, serve_pages, _ENDLESS, replace(_LIMITS, page_height_px=12_000))
    assert outcome.ended == "height"
    assert "12000 px" in outcome.partial[0].en
    assert outcome.height_after_px > outcome.height_before_px
    assert at == 0
    outcome, _, _ = _scroll(open_page, serve_pages, _ENDLESS, replace(_LIMITS, scroll_steps=5))
    assert (outcome.ended, outcome.steps) == ("steps", 5)
    outcome, _, _ = _scroll(open_page, serve_pages, _ENDLESS, _LIMITS, within_s=0.0)
    assert outcome.ended == "time"


def test_a_short_page_is_not_touched(open_page: Callable[..., Any], serve_pages: Callable[..., Any]) -> None:
    outcome, _, _ = _scroll(open_page, serve_pages, "<!DOCTYPE html><p>short", _LIMITS)
    assert (outcome.steps, outcome.transformations, outcome.ended) == (0, (), "end")
