"""Scripts for pictures that wait for more than scrolling: carousels, and places that fill when one stands before them.

As all of `pagescripts`: one expression each, in an isolated world, every loop with an end.
"""

# ruff: noqa: E501 (regular expressions of words are read whole)

from __future__ import annotations

from evidencekit.capture.pagescripts import HELPERS

_OWED = """const sources = ['src', 'original', 'lazySrc', 'lazy', 'lazyload', 'ksLazyload', 'actualsrc', 'echo', 'srcset',
  'lazySrcset', 'bg', 'background', 'imgSrc', 'flickityLazyload', 'splideLazy'];
const owes = e => {
  const wanted = sources.map(k => e.dataset[k]).find(v => v && /[./]/.test(v));
  if (!wanted) return e.tagName === 'IMG' && e.loading === 'lazy' && !!(e.getAttribute('src') || e.srcset) && !e.complete;
  const now = `${e.currentSrc || ''} ${e.src || ''} ${e.srcset || ''} ${e.style?.backgroundImage || ''}`;
  return !now.includes(wanted.trim().slice(-32));
};
const debt = e => [...e.querySelectorAll('img, source, [data-bg], [data-background]')].slice(0, 500).filter(owes).length;
"""
"""A hidden slide has no size: what it owes is asked without looking at its box, inside one carousel only."""

TURN_CAROUSELS = (
    "(async most => {"
    + HELPERS
    + _OWED
    + """const named = /^(?:next|next (?:slide|image|photo|picture|item|page)|slide right|下一?[张个页组幅]|后一[张个页]|[›»❯→▶>])$/i;
  const classed = /(?:swiper|slick|carousel|slide|slider|owl|splide|flickity|glide|banner|gallery|arrow)[\\w-]*[-_ ](?:next|right)(?:$|[-_ ])/i;
  const done = []; let left = 0;
  const until = performance.now() + 8000;
  const words = e => (e.getAttribute('aria-label') || e.title || said(e)).trim().slice(0, 40);
  const isNext = e => named.test(words(e)) || classed.test(`${e.className?.baseVal ?? e.className ?? ''}`);
  const usable = e => {
    if (e.disabled || e.getAttribute('aria-disabled') === 'true' || e.type === 'submit' && e.form) return false;
    const link = e.closest('a[href]');
    return (!link || /^(?:#.*|javascript:.*)?$/i.test(link.getAttribute('href'))) && shown(e);
  };
  const around = e => {
    for (let n = e.parentElement ?? e.getRootNode().host, depth = 0; n && depth < 6;
        n = n.parentElement ?? n.getRootNode().host, depth++)
      if (debt(n)) return n;
    return null;
  };
  for (const e of all('button, [role=button], a, div, span, i', 50000).filter(isNext).slice(0, 200)) {
    if (done.length >= most || performance.now() > until) break;
    const box = usable(e) && around(e);
    if (!box) continue;
    approach(e); await frames();
    for (let n = 0, idle = 0; n < 40 && idle < 4 && performance.now() < until && done.length < most; n++) {
      const before = debt(box);
      if (!before || !e.isConnected || !usable(e)) break;
      e.click(); done.push(words(e) || 'next'); await sleep(300);
      idle = debt(box) < before ? 0 : idle + 1;
    }
    if (performance.now() > until || done.length >= most) left += debt(box);
  }
  return {done, left};
})(%d)"""
)
"""Only while pictures of the carousel are still owed: a carousel that has them all is not touched."""

_BLANK = """const grey = colour => { const n = (colour.match(/[\\d.]+/g) ?? []).map(Number);
  return n.length < 3 || n[3] === 0 || Math.max(n[0], n[1], n[2]) - Math.min(n[0], n[1], n[2]) < 24; };
const blank = e => {
  if (!e.isConnected) return false;
  const box = e.getBoundingClientRect();
  if (box.width < 60 || box.height < 60) return false;
  if (e.tagName === 'IMG') return !e.getAttribute('src') && !e.srcset
    || e.complete && e.naturalWidth > 0 && e.naturalWidth < 3 && e.naturalHeight < 3;
  if (e.shadowRoot || [...e.children].some(c => !/^(?:NOSCRIPT|TEMPLATE|SCRIPT|STYLE)$/.test(c.tagName))) return false;
  if ([...e.childNodes].some(c => c.nodeType === 3 && c.data.trim())) return false;
  const style = getComputedStyle(e);
  return style.backgroundImage === 'none' && grey(style.backgroundColor) && shown(e);
};
const plain = 'img,div,span,figure,section,li,a,p,i,picture,article';
"""
"""A box without text, picture or colour, as a page draws it where something is still to come."""

FIND_BLANKS = (
    "(most => {"
    + HELPERS
    + _BLANK
    + """const alike = new Map();
  for (const e of all(plain, 20000)) {
    if (!blank(e)) continue;
    const key = `${e.tagName} ${e.className} ${Math.round(e.getBoundingClientRect().width)}`;
    alike.has(key) ? alike.get(key).push(e) : alike.set(key, [e]);
  }
  keep.blanks = [...alike.values()].filter(g => g.length > 1).sort((a, b) => b.length - a.length).slice(0, 3)
    .map(g => g.slice(0, most));
  return keep.blanks.map(g => g.length);
})(%d)"""
)
"""One empty box may be decoration; several of a kind are places to be filled."""

STAND_BEFORE = (
    "(async (group, n) => {"
    + HELPERS
    + _BLANK
    + """const e = keep.blanks?.[group]?.[n];
  if (!e || !blank(e)) return 2;
  approach(e);
  const until = performance.now() + 2800;
  while (performance.now() < until) { await sleep(100); if (!blank(e)) return 1; }
  return 0;
})(%d, %d)"""
)
"""2: it needs nothing any more; 1: it was filled while one stood before it; 0: it stayed empty."""

HIDDEN_BELOW = (
    "(() => {"
    + HELPERS
    + """if ((document.scrollingElement ?? document.documentElement).scrollHeight > innerHeight + 16) return 0;
  let most = 0;
  for (const e of all('*', 20000)) {
    if (e.clientHeight < innerHeight * 0.8 || e.clientWidth < innerWidth * 0.5) continue;
    if (e.tagName.includes('-') && !e.shadowRoot && !e.childElementCount) most = Math.max(most, 1);
    const hidden = e.scrollHeight - e.clientHeight, way = getComputedStyle(e).overflowY;
    if (hidden < innerHeight * 0.5) continue;
    if (/auto|scroll/.test(way) && e !== document.body) return 0;
    if (/hidden|clip/.test(way)) most = Math.max(most, hidden);
  }
  return most;
})()"""
)
"""Pixels that a box as large as the window clips, where neither the page nor such a box scrolls; 1 for an element of
the page's own making that shows nothing of what is in it (a closed shadow root), which the wheel alone may scroll."""
