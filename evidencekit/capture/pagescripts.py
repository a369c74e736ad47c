"""The scripts that behaviours and pictures run, all in an isolated world: the page's own scripts cannot reach them.

Each is one expression; `%d` takes numbers from this package, never text of a page. Every loop has an
end, and whatever is remembered between two scripts lives in the isolated world under `evidencekit`.
"""

# ruff: noqa: E501 (regular expressions of words are read whole)

from __future__ import annotations

HELPERS = """const keep = globalThis.evidencekit ??= {inner: [], dead: new WeakSet(), clicked: null};
const sleep = ms => new Promise(done => setTimeout(done, ms));
const frames = () => Promise.race([sleep(250),
  new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))]);
const all = (selector, most = 50000) => {
  const found = [], roots = [document];
  for (let n = 0; n < roots.length && n < 2000 && found.length < most; n++) {
    for (const e of roots[n].querySelectorAll('*')) {
      if (found.length >= most) break;
      if (e.shadowRoot) roots.push(e.shadowRoot);
      if (e.matches(selector)) found.push(e);
    }
  }
  return found;
};
const shown = e => { const box = e.getBoundingClientRect(); return box.width > 0 && box.height > 0
  && (!e.checkVisibility || e.checkVisibility({visibilityProperty: true, opacityProperty: true})); };
const approach = e => {
  keep.moved ??= new Map();
  for (let n = e.parentElement ?? e.getRootNode().host, depth = 0; n && depth < 60;
      n = n.parentElement ?? n.getRootNode().host, depth++)
    if (!keep.moved.has(n) && (n.scrollHeight > n.clientHeight || n.scrollWidth > n.clientWidth))
      keep.moved.set(n, [n.scrollTop, n.scrollLeft]);
  e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
};
const said = e => (e.innerText ?? e.textContent ?? '').replace(/\\s+/g, ' ').trim().slice(0, 60);
"""
"""Waiting for two frames lets observers of visibility run; the timer serves pages whose frames do not run. `approach`
remembers where everything stood that it moves, clipped boxes too, which no viewer can scroll back."""

WAIT_FOR_LAZY = """const names = ['src', 'original', 'lazySrc', 'lazy', 'lazyload', 'ksLazyload', 'actualsrc', 'echo',
  'srcset', 'lazySrcset', 'bg', 'background', 'backgroundImage', 'imgSrc', 'url'];
const held = names.map(k => `[data-${k.replace(/[A-Z]/g, c => '-' + c.toLowerCase())}]`).join();
const waits = (e, anywhere) => {
  const box = e.getBoundingClientRect();
  if (!box.width || !anywhere && (box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth))
    return false;
  const wanted = names.map(k => e.dataset[k]).find(Boolean);
  if (!wanted || !/[./]/.test(wanted) || !/^(?:IMG|SOURCE|IFRAME|VIDEO|DIV|A|LI|SPAN|SECTION|FIGURE)$/.test(e.tagName))
    return false;
  if (e.dataset.url && wanted === e.dataset.url && e.tagName !== 'IMG') return false;
  const now = `${e.currentSrc || ''} ${e.src || ''} ${e.srcset || ''} ${e.poster || ''} ${e.style?.backgroundImage || ''}`;
  return !now.includes(wanted.trim().slice(-32));
};
const lazy = async () => {
  for (let n = 0; n < 12 && [...document.querySelectorAll(held)].slice(0, 5000).some(e => waits(e)); n++)
    await sleep(50);
};
"""
"""Home-made lazy loaders act some time after the last scroll event, so a window that shows an image still waiting
for its source is looked at longer."""

SCROLL_WINDOW = (
    "(async top => {" + HELPERS + WAIT_FOR_LAZY + "scrollTo({top, behavior: 'instant'}); await frames(); await lazy();"
    """ keep.seen ??= new Set();
  for (const x of [0.15, 0.5, 0.8]) for (const y of [0.25, 0.5, 0.75]) {
    const e = document.elementFromPoint(innerWidth * x, innerHeight * y);
    if (e && e !== document.body && e !== document.documentElement && keep.seen.size < 900) keep.seen.add(e);
  }
  return scrollY; })(%d)"""
)

FIND_SCROLLERS = (
    "(() => {"
    + HELPERS
    + """const found = [];
  for (const e of all('*')) {
    const dy = e.scrollHeight - e.clientHeight, dx = e.scrollWidth - e.clientWidth;
    const whole = e === document.scrollingElement;
    if (e.clientHeight < 48 || e.clientWidth < 48 || (dy < 16 && dx < 16) || whole && self === top) continue;
    if (e === document.body && getComputedStyle(document.documentElement).overflowY === 'visible') continue;
    const style = getComputedStyle(e), scrolls = whole ? /auto|scroll|visible/ : /auto|scroll/;
    const y = dy >= 16 && scrolls.test(style.overflowY), x = dx >= 16 && scrolls.test(style.overflowX);
    if ((x || y) && (whole || shown(e))) found.push({e, x, y});
    if (found.length >= %d) break;
  }
  keep.inner = found.map(f => ({e: f.e, top: f.e.scrollTop, left: f.e.scrollLeft}));
  return found.map(f => [f.y ? f.e.scrollHeight : 0, f.e.clientHeight, f.x ? f.e.scrollWidth : 0, f.e.clientWidth]);
})()"""
)

SCROLL_INNER = (
    "(async (index, top, left) => {"
    + HELPERS
    + WAIT_FOR_LAZY
    + """const e = keep.inner[index]?.e;
  if (!e?.isConnected) return [0, 0];
  if (!top && !left) e.scrollIntoView({block: 'nearest', inline: 'nearest', behavior: 'instant'});
  e.scrollTo({top, left, behavior: 'instant'});
  await frames(); await lazy();
  return [e.scrollHeight, e.scrollWidth];
})(%d, %d, %d)"""
)

RESTORE_INNER = (
    "(async () => {"
    + HELPERS
    + """for (const f of keep.inner) if (f.e.isConnected) f.e.scrollTo({top: f.top, left: f.left, behavior: 'instant'});
  for (const [e, [top, left]] of keep.moved ?? []) if (e.isConnected) e.scrollTo({top, left, behavior: 'instant'});
  keep.moved?.clear();
  scrollTo({top: 0, left: 0, behavior: 'instant'}); await frames(); return keep.inner.length; })()"""
)

MAIN_SCROLLER = (
    "(() => {"
    + HELPERS
    + """keep.main = null; let most = 0;
  const window_ = innerWidth * innerHeight;
  for (const e of all('*')) {
    const hidden = e.scrollHeight - e.clientHeight;
    if (hidden < 100 || e === document.scrollingElement || e.clientWidth * e.clientHeight < window_ * 0.3) continue;
    if (e === document.body && getComputedStyle(document.documentElement).overflowY === 'visible') continue;
    if (!/auto|scroll/.test(getComputedStyle(e).overflowY) || !shown(e)) continue;
    if (hidden * e.clientWidth > most) { most = hidden * e.clientWidth; keep.main = e; }
  }
  const e = keep.main;
  return e && [e.scrollHeight, e.clientHeight, innerWidth, innerHeight,
    e.tagName.toLowerCase() + (e.id ? '#' + e.id.slice(0, 60) : '')];
})()"""
)

MAIN_LEFT = "(() => { const e = globalThis.evidencekit?.main; return e ? e.scrollHeight - e.clientHeight : -1; })()"

MAIN_TILE = (
    "(async top => {"
    + HELPERS
    + """const e = keep.main;
  if (!e?.isConnected) return null;
  e.scrollTo({top, behavior: 'instant'}); await frames();
  const box = e.getBoundingClientRect();
  const x = Math.round(box.left + e.clientLeft + scrollX), y = Math.round(box.top + e.clientTop + scrollY);
  return [Math.max(x, 0), Math.max(y, 0), e.clientWidth + Math.min(x, 0), e.clientHeight + Math.min(y, 0),
    Math.round(e.scrollTop), e.scrollHeight - e.clientHeight];
})(%d)"""
)

FLOATING = (
    "(() => {"
    + HELPERS
    + """const found = {fixed: [], sticky: []};
  let unpainted = 0;
  const below = e => { const box = e.getBoundingClientRect();
    return box.width > 40 && box.height > 40 && box.bottom > innerHeight; };
  for (const e of all('*', 20000)) {
    const {position, contentVisibility} = getComputedStyle(e);
    if ((position === 'fixed' || position === 'sticky') && shown(e)) found[position].push(said(e));
    if (contentVisibility === 'auto' && below(e) || e.tagName === 'IFRAME' && !e.contentDocument && below(e)) unpainted++;
  }
  const gone = [...keep.seen ?? []].filter(e => !e.isConnected).length;
  return [found.fixed.length, found.sticky.length, [...found.fixed, ...found.sticky].filter(Boolean).slice(0, 5),
    unpainted, gone > 2 && gone * 3 > keep.seen.size ? gone : 0];
})()"""
)
"""Besides what sticks to the window: what Chromium does not paint below it (frames of other sites,
`content-visibility`), and how many elements seen while scrolling the page has since taken out again."""

OPEN_DETAILS = (
    "(most => {"
    + HELPERS
    + """const groups = new Set(all('details[open]').map(e => e.name).filter(Boolean));
  // Of parts that share a name only one can be open at a time.
  const closed = all('details:not([open])').filter(e => !e.name || !groups.has(e.name) && groups.add(e.name));
  const taken = closed.slice(0, most);
  for (const e of taken) e.open = true;
  return {done: taken.map(e => said(e.querySelector('summary') ?? e)), left: closed.length - taken.length};
})(%d)"""
)

# Only what looks like a control without a destination of its own, says nothing but "more", and neither buys nor logs in.
LOAD_MORE = (
    "(most => {"
    + HELPERS
    + """const more = /^(?:[+↓▼⌄﹀∨…. ]*)(?:(?:点击|继续)?(?:加载|查看|显示|展开|浏览)(?:更多|全文|全部|剩余|阅读全文).{0,8}|展开阅读|阅读全文|更多(?:评论|回复|内容)|(?:load|show|view|see|read) (?:more|all|the rest).{0,16}|(?:more|older) (?:comments|replies|results|posts|items)|expand(?: all)?)(?:[+↓▼⌄﹀∨…. ]*)$/i;
  const never = /app\\b|APP|下载|打开|登[录陆]|注册|购买|下单|支付|结算|log ?in|sign ?(?:in|up)|download|install|buy|pay|order/i;
  keep.counts ??= new WeakMap();
  if (keep.clicked && keep.size === document.documentElement.innerText.length) keep.dead.add(keep.clicked);
  keep.clicked = null;
  const usable = e => {
    if (e.childElementCount > 2 || keep.dead.has(e) || (keep.counts.get(e) ?? 0) >= most) return false;
    const text = said(e);
    if (text.length > 28 || !more.test(text) || never.test(text)) return false;
    const link = e.closest('a[href]');
    if (link && !/^(?:#.*|javascript:.*)?$/i.test(link.getAttribute('href'))) return false;
    const button = e.closest('button, input');
    if (button && (button.disabled || button.form && button.type === 'submit')) return false;
    return shown(e);
  };
  const found = all('button, [role=button], a, span, div, p').filter(usable);
  // The innermost of nested candidates is the control itself.
  const chosen = found.find(e => !found.some(other => other !== e && e.contains(other)));
  if (!chosen) return {done: [], left: 0};
  keep.counts.set(chosen, (keep.counts.get(chosen) ?? 0) + 1);
  keep.clicked = chosen; keep.size = document.documentElement.innerText.length;
  const words = said(chosen);
  chosen.scrollIntoView({block: 'center', behavior: 'instant'});
  chosen.click();
  return {done: [words], left: 1};
})(%d)"""
)

PLAY_MEDIA = (
    "(async most => {"
    + HELPERS
    + """const idle = all('video, audio').filter(m => m.paused && !m.played.length && !m.ended
    && (m.currentSrc || m.src || m.srcObject || m.querySelector('source')));
  const taken = idle.slice(0, most), muted = taken.map(m => m.muted);
  const asked = Promise.allSettled(taken.map(m => { m.muted = true; return m.play(); }));
  await Promise.race([asked, sleep(1500)]);
  for (let n = 0; n < 20 && taken.some(m => m.readyState < 3 && !m.error); n++) await sleep(100);
  taken.forEach((m, n) => { m.pause(); m.muted = muted[n]; });
  return {done: taken.filter(m => m.played.length).map(m => m.tagName.toLowerCase()),
    left: idle.length - taken.length, refused: taken.filter(m => !m.played.length).length};
})(%d)"""
)

# Refusing comes first: it is what a visitor can do without agreeing to anything.
DISMISS_BANNERS = (
    "(most => {"
    + HELPERS
    + """const known = ['#onetrust-reject-all-handler', '#CybotCookiebotDialogBodyButtonDecline',
    '#didomi-notice-disagree-button', '.qc-cmp2-summary-buttons button[mode=secondary]', '[data-testid=uc-deny-all-button]',
    '#truste-consent-required', '.fc-cta-do-not-consent', '.cc-deny', '.cky-btn-reject', '.osano-cm-denyAll'];
  const about = /cookie|consent|gdpr|隐私|个人信息|Cookie/i;
  const refuse = /^(?:reject|decline|deny|refuse|disagree|only (?:necessary|essential)|necessary only|use necessary).{0,30}$|^(?:全部)?(?:拒绝|不同意|不接受|仅(?:必要|限必要)).{0,10}$/i;
  const close = /^(?:[x×✕✖]|close|dismiss|got it|ok|i understand|关闭|我?知道了|好的?)$/i;
  const accept = /^(?:accept|agree|allow).{0,20}$|^(?:我?(?:同意|接受|允许)).{0,8}$/i;
  const done = [];
  const press = e => { const words = said(e) || e.getAttribute('aria-label') || e.id; e.click(); done.push(words); };
  for (const e of known.flatMap(s => all(s, 3))) if (done.length < most && shown(e)) press(e);
  const floats = e => { for (let n = e, depth = 0; n && n !== document.body && depth < 12;
      n = n.parentElement ?? n.getRootNode().host, depth++)
    if (/fixed|sticky/.test(getComputedStyle(n).position) || n.tagName === 'DIALOG' || n.getAttribute('role') === 'dialog')
      return n;
    return null; };
  for (const rule of [refuse, close, accept]) {
    if (done.length) break;
    for (const e of all('button, [role=button], a, input[type=button]')) {
      const words = said(e) || e.value || e.getAttribute('aria-label') || '';
      if (done.length >= most || words.length > 40 || !rule.test(words.trim()) || !shown(e)) continue;
      const link = e.closest('a[href]');
      if (link && !/^(?:#.*|javascript:.*)?$/i.test(link.getAttribute('href'))) continue;
      const box = floats(e);
      if (box && about.test(said(box) + (box.innerText ?? '').slice(0, 2000) + box.id + box.className)) {
        press(e); break;
      }
    }
  }
  return {done, left: 0};
})(%d)"""
)

PICTURES_WAITING = (
    "(() => {"
    + HELPERS
    + WAIT_FOR_LAZY
    + """const images = all('img', 5000).filter(e => e.getAttribute('src') || e.currentSrc || e.srcset);
  const visible = images.filter(e => e.getBoundingClientRect().width > 1);
  return [visible.length, visible.filter(e => e.complete && !e.naturalWidth).length,
    visible.filter(e => !e.complete).length, all(held, 5000).filter(e => waits(e, true)).length];
})()"""
)

SHOW_WAITING = (
    "(async most => {"
    + HELPERS
    + WAIT_FOR_LAZY
    + """const waiting = [...all(held, 5000).filter(e => waits(e, true)),
    ...all('img[loading=lazy]', 5000).filter(e => !e.complete && e.getBoundingClientRect().width)].slice(0, most);
  const until = performance.now() + 6000;
  let n = 0;
  for (const e of waiting) {
    if (performance.now() > until) break;
    approach(e);
    await frames(); await lazy(); n++;
  }
  return n;
})(%d)"""
)

MEDIA = (
    "(() => {"
    + HELPERS
    + """const listed = [];
  const size = e => { const b = e.getBoundingClientRect();
    return [Math.round(b.left + scrollX), Math.round(b.top + scrollY), Math.round(b.width), Math.round(b.height)]; };
  const add = (kind, url, e, more) => { if (url && listed.length < 5000) listed.push({kind,
    url: url.startsWith('data:') ? url.slice(0, 64) : url.slice(0, 4096), box: e && size(e), ...more}); };
  for (const e of document.querySelectorAll('link[rel~=icon i], link[rel=apple-touch-icon i]')) add('icon', e.href, null,
    {sizes: e.sizes?.value ?? ''});
  if (!listed.length && /^http/.test(location.protocol)) add('icon', new URL('/favicon.ico', location).href, null, {});
  for (const e of all('*', 50000)) {
    const tag = e.tagName;
    if (tag === 'IMG') add('image', e.currentSrc || e.src, e, {natural: [e.naturalWidth, e.naturalHeight],
      loaded: e.complete && e.naturalWidth > 0, alt: (e.alt || '').slice(0, 300)});
    else if (tag === 'VIDEO' || tag === 'AUDIO') {
      const seconds = Number.isFinite(e.duration) ? e.duration : null;
      add(tag.toLowerCase(), e.currentSrc || e.src, e, {seconds, natural: [e.videoWidth ?? 0, e.videoHeight ?? 0],
        ready: e.readyState, error: e.error?.code ?? null});
      if (e.poster) add('poster', e.poster, e, {});
      for (const s of e.querySelectorAll('source, track')) add(s.tagName.toLowerCase(), s.src, null,
        {type: s.type ?? '', language: s.srclang ?? ''});
    } else if (tag === 'IFRAME' || tag === 'EMBED' || tag === 'OBJECT') add(tag.toLowerCase(), e.src || e.data, e, {});
    else if (tag === 'CANVAS') listed.length < 5000 && listed.push({kind: 'canvas', url: '', box: size(e)});
    const background = getComputedStyle(e).backgroundImage;
    if (background && background !== 'none')
      for (const found of background.matchAll(/url\\("([^"]+)"\\)/g)) add('background', found[1], e, {});
  }
  return listed;
})()"""
)

FONTS = (
    "(() => {"
    + HELPERS
    + """const texts = all('body,h1,h2,h3,p,li,td,th,a,button,label,span,div,strong,em,pre,code');
const step = Math.max(1, Math.floor(texts.length / 240)), families = new Map();
for (let n = 0, asked = 0; n < texts.length && asked < 240; n += step, asked++) {
  const own = [...texts[n].childNodes].filter(c => c.nodeType === 3).reduce((sum, c) => sum + c.data.trim().length, 0);
  if (!own) continue;
  const family = getComputedStyle(texts[n]).fontFamily.slice(0, 300);
  families.set(family, (families.get(family) ?? 0) + own);
}
return {
  fonts: [...families].sort((a, b) => b[1] - a[1]).slice(0, 100).map(([family, characters]) => ({family, characters})),
  page_fonts: [...document.fonts].slice(0, 500).map(f => ({family: f.family.slice(0, 300), style: f.style,
    weight: f.weight, status: f.status})),
}; })()"""
)
"""Families that the styles of up to 240 elements ask for, with the characters they style; fonts the page declares."""
