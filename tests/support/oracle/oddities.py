"""A second page of the oracle's site: what pages do seldom, and what servers should not do."""

from __future__ import annotations

import gzip
import itertools
import zlib
from typing import TYPE_CHECKING

import brotli

from tests.support.oracle.answers import PIXEL, WORDS, Answer, streamed, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.oracle.answers import Fields

STATUSES = (201, 202, 203, 205, 226, 300, 400, 401, 403, 410, 418, 429, 451, 500, 502, 503, 599)

PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>Oddities</title>
<link rel="icon" href="/odd/icon.png"><link rel="prefetch" href="/odd/prefetched.txt">
<link rel="modulepreload" href="/odd/module.js"><link rel="preload" as="fetch" crossorigin href="/odd/preloaded.txt">
<style>@import url(/odd/import.css); @font-face { font-family: f; src: url(/odd/font.woff2) }
.x { font-family: f; background: url(/odd/bg.png) }</style>
<script src="/odd/sri.js" integrity="sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="></script>
<script type="module" src="/odd/module.js"></script>
<p class="x">字</p>
<picture><source srcset="/odd/wide.png" media="(min-width: 10px)"><img src="/odd/narrow.png"></picture>
<object data="/odd/object.svg" type="image/svg+xml" width="10" height="10"></object>
<embed src="/odd/embed.svg" width="10" height="10">
<video src="/odd/video.webm" preload="auto" width="10" height="10"></video>
<iframe srcdoc="<img src=/odd/srcdoc.png>"></iframe><iframe src="/odd/first-frame"></iframe>
<p id="state">…</p><script>
(async () => {
  const said = [];
  const late = () => new Promise((_, refuse) => setTimeout(refuse, 20000));
  const step = async (name, work) => {
    try { await Promise.race([work(), late()]); said.push(name) } catch (error) { said.push(name + "!") }
  };
  const read = (url, options) => fetch(url, options).then((answer) => answer.arrayBuffer());
  const other = `https://cdn.test:${location.port}`;
  const element = (name, source) => new Promise((done) => {
    const made = Object.assign(document.createElement(name), { onload: done, onerror: done, src: source });
    document.body.append(made);
  });
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  for (const name of ["double", "deflate", "raw-deflate", "empty-gzip", "two-gzips", "no-gzip", "own-coding"])
    await step(name, () => read("/odd/" + name));
  for (const name of ["utf8-field", "gbk-field", "long-field", "many-fields", "empty-field", "gbk-status"])
    await step(name, () => read("/odd/" + name));
  for (const code of STATUSES) await step("" + code, () => read("/odd/status/" + code));
  await step("308", () => read("/odd/308", { method: "POST", body: "kept" }));
  await step("303", () => read("/odd/303", { method: "POST", body: "dropped" }));
  await step("raw location", () => read("/odd/raw-location"));
  await step("loop", () => read("/odd/loop"));
  await step("form", () => {
    const form = new FormData();
    form.append("名", "值");
    form.append("file", new File([new Uint8Array(70000)], "样.bin"));
    return read("/odd/form", { method: "POST", body: form });
  });
  await step("large", () => read("/odd/large", { method: "POST", body: new Uint8Array(3000000) }));
  await step("blob", () => read("/odd/blob", { method: "POST", body: new Blob(["a", new Uint8Array([0, 200])]) }));
  await step("fields", () => read("/odd/fields", { method: "POST", body: new URLSearchParams({ a: "1", b: "二" }) }));
  await step("keepalive", () => read("/odd/keepalive", { keepalive: true, method: "POST", body: "k" }));
  await step("import", () => import("/odd/dynamic.js"));
  await step("xhr", async () => {
    const request = new XMLHttpRequest();
    request.open("GET", "/odd/xhr", false);
    request.send();
  });
  await step("preflight", () => read(other + "/odd/cors", { method: "PUT", headers: { "x-own": "1" }, body: "p" }));
  await step("forbidden", () => read(other + "/odd/no-cors"));
  await step("opaque", () => fetch(other + "/odd/opaque", { mode: "no-cors" }));
  await step("blocked", () => element("img", other + "/odd/page.html"));
  await step("nosniff", () => element("script", "/odd/nosniff"));
  await step("twins", () => Promise.all([1, 2, 3, 4].map(() => read("/odd/twin", { cache: "no-store" }))));
  const post = (number) => read("/odd/post", { method: "POST", body: "n" + number });
  await step("twin posts", () => Promise.all([1, 2, 3].map(post)));
  await step("long address", () => read("/odd/long?" + "a".repeat(20000)));
  await step("reconnect", () => new Promise((done) => {
    let count = 0;
    const source = new EventSource("/odd/reconnect");
    source.onmessage = () => { if (++count == 3) { source.close(); done() } };
  }));
  await step("worker", () => new Promise((done) => { new Worker("/odd/worker.js").onmessage = done }));
  await step("module worker", () => new Promise((done) => {
    new Worker("/odd/module-worker.js", { type: "module" }).onmessage = done;
  }));
  await step("cancel", async () => {
    const reader = (await fetch("/odd/endless")).body.getReader();
    await reader.read();
    await reader.cancel();
  });
  await step("report", async () => { await element("iframe", "/odd/policy.html"); await pause(300) });
  await step("ping", async () => {
    document.body.append(Object.assign(document.createElement("a"), { href: "#x", ping: "/odd/ping", id: "a" }));
    document.getElementById("a").click();
    await pause(300);
  });
  await step("farewell", async () => {
    await element("iframe", "/odd/leaving.html");
    document.querySelector("iframe[src*=leaving]").remove();
    await pause(300);
  });
  await step("cache", async () => (await caches.open("c")).add("/odd/cache"));
  document.getElementById("state").textContent = said.join(",");
})();
</script></html>""".replace("STATUSES", str(list(STATUSES)))

REFUSED = frozenset({"no-gzip", "loop", "forbidden"})
"""What a browser refuses the page, whoever records it."""
STEPS = (
    *("double", "deflate", "raw-deflate", "empty-gzip", "two-gzips", "no-gzip", "own-coding"),
    *("utf8-field", "gbk-field", "long-field", "many-fields", "empty-field", "gbk-status"),
    *map(str, STATUSES),
    *("308", "303", "raw location", "loop", "form", "large", "blob", "fields", "keepalive", "import", "xhr"),
    *("preflight", "forbidden", "opaque", "blocked", "nosniff", "twins", "twin posts", "long address", "reconnect"),
    *("worker", "module worker", "cancel", "report", "ping", "farewell", "cache"),
)
DONE = ",".join(name + "!" * (name in REFUSED) for name in STEPS)

_TEXT, _SCRIPT, _HTML = "text/plain; charset=utf-8", "text/javascript", "text/html; charset=utf-8"
_CORS: Fields = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "PUT"),
    ("access-control-allow-headers", "x-own"),
]
_GBK = "文件.pdf".encode("gbk").decode("utf-8", "surrogateescape")
_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>"
_numbers = itertools.count(1)


def odd_answer(method: str, name: str, body: bytes) -> Answer:
    """What the site answers below `/odd`; `name` is the path behind it."""
    if method == "OPTIONS":
        return Answer(status=204, headers=[*_CORS])
    if name.startswith("status/"):
        status = int(name.removeprefix("status/"))
        return Answer(status=205, headers=[]) if status == 205 else whole(status, _TEXT, b"body of %d" % status)
    if name in _MADE:
        return _MADE[name](body)
    media_type, content = _FILES.get(name, (_TEXT, b"body of " + name.encode()))
    return whole(200, "image/png", PIXEL) if name.endswith(".png") else whole(200, media_type, content)


def _coded(coding: str, wire: bytes, plain: bytes) -> Answer:
    headers = [("content-type", _TEXT), ("content-encoding", coding), ("content-length", str(len(wire)))]
    return Answer(status=200, headers=headers, pieces=[(0.0, wire)], plain=plain)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _to(status: int, location: str) -> Answer:
    return whole(status, _TEXT, b"elsewhere", extra=[("location", location)])


def _named(*fields: tuple[str, str]) -> Answer:
    return whole(200, _TEXT, b"named", extra=[*fields])


def _endless() -> Answer:
    found = streamed(_TEXT, [(0.0, b"first"), (5.0, b"never read")])
    found.aborts = True
    return found


def _ill_said() -> Answer:
    found = whole(200, _TEXT, b"said")
    found.said = "成功".encode("gbk").decode("utf-8", "surrogateescape")
    return found


def _page(_: bytes) -> Answer:
    policy = ("content-security-policy-report-only", "font-src 'none'; report-uri /odd/reported")
    return whole(200, _HTML, PAGE.encode(), extra=[policy])


_MADE: dict[str, Callable[[bytes], Answer]] = {
    "": _page,
    "double": lambda _: _coded("gzip, br", brotli.compress(gzip.compress(WORDS, mtime=0)), WORDS),
    "deflate": lambda _: _coded("deflate", zlib.compress(WORDS), WORDS),
    "raw-deflate": lambda _: _coded("deflate", _deflated(WORDS), WORDS),
    "empty-gzip": lambda _: _coded("gzip", b"", b""),
    "two-gzips": lambda _: _coded("gzip", gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0), b"one"),
    "no-gzip": lambda _: _coded("gzip", b"not gzip at all", b"not gzip at all"),
    "own-coding": lambda _: _coded("x-own", b"own coding", b"own coding"),
    "utf8-field": lambda _: _named(("content-disposition", "inline; filename=报告 100%.pdf"), ("x-after", "1")),
    "gbk-field": lambda _: _named(("content-disposition", f"inline; filename={_GBK}"), ("x-after", "1")),
    "long-field": lambda _: _named(("x-long", "v" * 60_000)),
    "many-fields": lambda _: _named(*((f"x-{number}", str(number)) for number in range(400))),
    "empty-field": lambda _: _named(("x-empty", ""), ("x-after", "1")),
    "gbk-status": lambda _: _ill_said(),
    "308": lambda _: _to(308, "/odd/kept"),
    "303": lambda _: _to(303, "/odd/dropped"),
    "raw-location": lambda _: _to(302, "/odd/茶?名=值"),
    "loop": lambda _: _to(302, "/odd/loop"),
    "cors": lambda _: whole(200, _TEXT, b"cors", extra=[*_CORS]),
    "nosniff": lambda _: whole(200, _TEXT, b"void 0", extra=[("x-content-type-options", "nosniff")]),
    "twin": lambda _: whole(200, _TEXT, b"twin %d" % next(_numbers)),
    "post": lambda body: whole(200, _TEXT, b"got " + body),
    "reconnect": lambda _: streamed("text/event-stream", [(0.0, b"retry: 100\ndata: again\n\n")]),
    "endless": lambda _: _endless(),
    "policy.html": lambda _: whole(
        200,
        _HTML,
        b"<!doctype html><img src=/odd/blocked.png><p>policy",
        extra=[("content-security-policy", "img-src 'none'; report-uri /odd/reported")],
    ),
    "reported": lambda _: Answer(status=204, headers=[]),
    "ping": lambda _: Answer(status=204, headers=[]),
    "bye": lambda _: Answer(status=204, headers=[]),
}
_FILES: dict[str, tuple[str, bytes]] = {
    "module.js": (_SCRIPT, b"import './deep.js'"),
    "deep.js": (_SCRIPT, b"export default 1"),
    "dynamic.js": (_SCRIPT, b"export default 2"),
    "sri.js": (_SCRIPT, b"window.never = 1"),
    "worker.js": (_SCRIPT, b"importScripts('/odd/imported.js'); postMessage(1)"),
    "imported.js": (_SCRIPT, b"self.got = 1"),
    "module-worker.js": (_SCRIPT, b"import '/odd/deep.js?again'; postMessage(1)"),
    "import.css": ("text/css", b"p { color: #123 }"),
    "object.svg": ("image/svg+xml", _SVG),
    "embed.svg": ("image/svg+xml", _SVG),
    "page.html": (_HTML, b"<!doctype html><p>not for others"),
    "first-frame": (_HTML, b"<!doctype html><script>location.replace('/odd/second-frame')</script>"),
    "second-frame": (_HTML, b"<!doctype html><p>second"),
    "leaving.html": (
        _HTML,
        b"<!doctype html><script>addEventListener('pagehide', () => navigator.sendBeacon('/odd/bye', 'bye'))</script>",
    ),
}
