"""The site that every server of the oracle serves: one page that does everything a page can do on the network."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

from tests.support.oracle.answers import PIXEL, WORDS, Answer, streamed, whole
from tests.support.oracle.oddities import odd_answer

if TYPE_CHECKING:
    from tests.support.oracle.answers import Fields

BLOB = hashlib.shake_256(b"blob").digest(300_000)

PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>Everything</title>
<link rel="stylesheet" href="/gzip.css"><script src="/br.js"></script><script src="/zstd.js"></script>
<h1>明前龙井</h1><img src="/pixel.png" width="20" height="20"><img src="/pixel.png?again" width="20" height="20">
<iframe src="/frame.html" width="200" height="40"></iframe><iframe id="elsewhere" width="200" height="40"></iframe>
<p id="state">…</p><script>
(async () => {
  const said = [];
  const step = async (name, work) => { try { await work(); said.push(name) } catch (error) { said.push(name + "!") } };
  const read = (url, options) => fetch(url, options).then((answer) => answer.arrayBuffer());
  await step("another site", () => new Promise((done) => {
    addEventListener("message", done, { once: true });
    document.getElementById("elsewhere").src = `https://cdn.test:${location.port}/elsewhere.html`;
  }));
  await step("redirect", () => read("/redirect/1"));
  await step("post", () => read("/post", { method: "POST", body: "lamp=1&price=128" }));
  await step("head", () => fetch("/head", { method: "HEAD" }));
  await step("options", () => fetch("/options", { method: "OPTIONS" }));
  await step("empty", () => read("/204"));
  await step("missing", () => read("/missing"));
  await step("range", () => read("/blob", { headers: { Range: "bytes=100-299" } }));
  await step("duplicates", () => read("/duplicates"));
  await step("chunked", () => read("/chunked"));
  await step("trailers", () => read("/trailers"));
  await step("hints", () => read("/hints"));
  await step("fresh", () => read("/etag"));
  await step("confirmed", () => read("/etag", { cache: "no-cache" }));
  await step("cached", () => read("/cacheable"));
  await step("cached again", () => read("/cacheable"));
  await step("blob", () => read("/blob"));
  await step("put", () => read("/post", { method: "PUT", body: new Uint8Array([0, 255, 1, 254]) }));
  await step("beacon", () => navigator.sendBeacon("/beacon", "seen=1"));
  await step("events", () => new Promise((done) => {
    const source = new EventSource("/events");
    source.onmessage = (event) => { if (event.data == "two") { source.close(); done() } };
    source.onerror = () => { source.close(); done() };
  }));
  await step("abort", async () => {
    const control = new AbortController();
    const answer = await fetch("/slow", { signal: control.signal });
    await answer.body.getReader().read();
    control.abort();
  });
  await step("cookie", () => read("/cookie"));
  await step("cookie sent", () => read("/cookie/back"));
  await step("worker", () => new Promise((done) => { new Worker("/worker.js").onmessage = done }));
  if (%s) await step("socket", () => new Promise((done) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
    socket.onopen = () => socket.send("hello");
    socket.onmessage = () => { socket.close(); done() };
    socket.onerror = done;
  }));
  await step("shared worker", () => new Promise((done) => { new SharedWorker("/shared.js").port.onmessage = done }));
  await step("service worker", async () => {
    await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
    await new Promise((done) => setTimeout(done, 300));
  });
  document.getElementById("state").textContent = said.join(",");
})();
</script></html>"""


def answer(method: str, path: str, fields: Fields, body: bytes, *, sockets: bool) -> Answer:  # noqa: C901, PLR0912
    """What the site answers."""
    asked = {name.lower(): value for name, value in fields}
    name = path.partition("?")[0]
    text = "text/plain; charset=utf-8"
    if name.startswith("/odd/"):
        return odd_answer(method, name.removeprefix("/odd/"), body)
    if method == "OPTIONS":
        return Answer(status=204, headers=[("allow", "GET, HEAD, OPTIONS"), ("x-order", "b"), ("x-first", "a")])
    if name == "/":
        return whole(200, "text/html; charset=utf-8", (PAGE % str(sockets).lower()).encode(), coding="br")
    if name == "/redirect/1":
        extra = [("location", "/redirect/2"), ("x-dup", "1"), ("x-middle", "m"), ("x-dup", "2")]
        return whole(302, text, b"moved on", extra=extra)
    if name == "/redirect/2":
        return whole(301, text, b"moved for good", extra=[("location", "/landed")])
    if name in {"/post", "/beacon"}:
        return whole(200, text, b"got %d" % len(body)) if name == "/post" else Answer(status=204, headers=[])
    if name == "/head":
        return Answer(status=200, headers=[("content-type", text), ("content-length", "1234")])
    if name == "/204":
        return Answer(status=204, headers=[("x-empty", "yes")])
    if name == "/missing":
        return whole(404, text, b"not here", coding="gzip")
    if name == "/blob" and "range" in asked:
        return whole(
            206, "application/octet-stream", BLOB[100:300], extra=[("content-range", f"bytes 100-299/{len(BLOB)}")]
        )
    if name == "/blob":
        return whole(200, "application/octet-stream", BLOB, extra=[("cache-control", "no-store")])
    if name == "/duplicates":
        extra = [
            ("z-last", "1"),
            ("x-dup", "one"),
            ("a-first", "2"),
            ("x-dup", "two"),
            ("link", "</a>; rel=x"),
            ("x-dup", "one"),
        ]
        return whole(200, text, WORDS, coding="gzip", extra=extra)
    if name == "/chunked":
        coded = gzip.compress(WORDS, mtime=0)
        pieces = [(0.0, coded[:100]), (0.02, coded[100:])]
        return Answer(
            status=200, headers=[("content-encoding", "gzip"), ("content-type", text)], pieces=pieces, plain=WORDS
        )
    if name == "/trailers":
        found = streamed(text, [(0.0, b"before the "), (0.02, b"trailer")], extra=[("trailer", "x-checksum")])
        found.trailers = [("x-checksum", "abc")]
        return found
    if name == "/hints":
        found = whole(200, text, b"after the hints")
        found.hints = [("link", "</gzip.css>; rel=preload; as=style"), ("x-early", "yes")]
        return found
    if name == "/etag":
        cached = [("etag", '"v1"'), ("cache-control", "max-age=60")]
        return (
            Answer(status=304, headers=cached)
            if "if-none-match" in asked
            else whole(200, text, b"tagged", extra=cached)
        )
    if name == "/cacheable":
        return whole(200, text, b"keep me", extra=[("cache-control", "max-age=600")])
    if name == "/events":
        return streamed("text/event-stream", [(0.0, b"data: one\n\n"), (0.1, b"data: two\n\n"), (1.0, b": end\n\n")])
    if name == "/cookie":
        kept = [("set-cookie", "a=1-one; Path=/cookie"), ("set-cookie", "b=2-two; Path=/")]
        return whole(200, text, b"set", extra=kept)
    if name == "/slow":
        found = streamed(text, [(0.0, b"first part"), (3.0, b"never read")])
        found.aborts = True
        return found
    return _static(name, text)


def _static(name: str, text: str) -> Answer:  # noqa: C901 (a table of files)
    script, plain = "text/javascript; charset=utf-8", b"void 0; // \xe8\x8c\xb6\n" * 200
    if name == "/gzip.css":
        return whole(200, "text/css", b"h1 { color: #263 }\n" * 50, coding="gzip")
    if name in {"/br.js", "/zstd.js"}:
        coding = name[1:].removesuffix(".js")
        return whole(200, script, b"window.ran_%s = true;\n%s" % (coding.encode(), plain), coding=coding)
    if name == "/pixel.png":
        return whole(200, "image/png", PIXEL, extra=[("cache-control", "no-store")])
    if name == "/frame.html":
        return whole(200, "text/html", b"<!doctype html><p>frame <img src=/pixel.png?frame>")
    if name == "/elsewhere.html":
        body = b"<!doctype html><p>another site<script>fetch('/from-elsewhere').then((a) => a.text())"
        return whole(200, "text/html", body + b".then(() => parent.postMessage('done', '*'))</script>")
    if name == "/worker.js":
        return whole(200, script, b"fetch('/from-worker').then((a) => a.text()).then(postMessage)")
    if name == "/shared.js":
        body = b"onconnect = (e) => fetch('/from-shared').then((a) => a.text()).then((t) => e.ports[0].postMessage(t))"
        return whole(200, script, body)
    if name == "/sw.js":
        body = b"addEventListener('install', () => skipWaiting());"
        body += b"addEventListener('activate', (e) => e.waitUntil(fetch('/from-service-worker')))"
        return whole(200, script, body)
    return whole(200, text, b"body of " + name.encode())
