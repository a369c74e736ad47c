"""A page whose words no file can hold, or whose shape no program expects: half characters, direction marks, depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.site import HTML

if TYPE_CHECKING:
    from tests.support.site import Answer

_PAGE = r"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>x</title>
<link rel="icon" href="data:,">
<style>#a::before { content: "伪元素 \1F600 \200F" }</style></head><body>
<h1 id="a">奇怪的页面 𠮷 㐂 👨&zwj;👩&zwj;👧&zwj;👦 &rlm;مرحبا</h1><div id="host"></div><div id="closed"></div>
<svg><text x="10" y="20">SVG 文字</text></svg><math><mi>x</mi></math><canvas id="c" width="100" height="30"></canvas>
<details><summary>更多</summary><p>隐藏的内容</p></details><dialog open>对话框</dialog><template><p>t</p></template>
<input type="password" value="secret-password-1"><input value="填写"><textarea>文本</textarea>
<p style="writing-mode: vertical-rl; height: 8em">竖排文字测试</p><p>&#xD800; &#0; &#x202E;反转</p>
<iframe src="javascript:'<p>script frame'"></iframe><iframe src="about:blank"></iframe>
<iframe src="data:text/html,<p>data frame"></iframe><iframe sandbox src="/frame"></iframe>
<script>
document.title = "标题\ud800坏\u0000\u202e" + "长".repeat(3000);
host.attachShadow({ mode: "open" }).innerHTML = "<p>open shadow 影</p>";
closed.attachShadow({ mode: "closed" }).innerHTML = "<p>closed shadow 影</p>";
const ring = {}; ring.ring = ring;
console.log("\ud800", ring); console.error(new Error("错误\udfff"));
for (let n = 0; n < 3000; n++) console.log("line " + n);
localStorage["k\ud800"] = "v\udfff"; sessionStorage["s"] = "二".repeat(1000); document.cookie = "名=值\u0001; path=/";
indexedDB.open("db\ud800").onupgradeneeded = (event) => event.target.result.createObjectStore("s");
history.pushState({}, "", "/推\u0001?q=\ud800#锚");
fetch("/json?q=\ud83d", { method: "POST", body: "\ud800" }).then((answer) => answer.json()).catch(() => 0);
setTimeout(() => { throw new Error("\ud800") }, 10); Promise.reject("\udc00");
setTimeout(() => { alert("警告\ud800"); confirm("?"); prompt("?") }, 300);
window.name = "\ud800";
const made = document.createElement("p");
made.textContent = "dom \ud800 half"; made.setAttribute("data-\u00e9", "\udfff"); document.body.append(made);
document.body.append(Object.assign(document.createElement("p"), { textContent: "a".repeat(300000), hidden: true }));
let deep = document.body; for (let n = 0; n < 600; n++) deep = deep.appendChild(document.createElement("div"));
document.body.append(new Comment("--> <script> \ud800"));
new Worker(URL.createObjectURL(new Blob(["console.log('w\\ud800'); postMessage(1)"])));
</script></body></html>"""


def strange(path: str) -> Answer:
    """Answer with that page, its frame, or JSON that holds half a character."""
    if path.startswith("/json"):
        return 200, {"Content-Type": "application/json"}, b'{"a":"\\ud800"}'
    if path == "/frame":
        return 200, HTML, b"<!doctype html><p>sandboxed"
    return 200, {**HTML, "Set-Cookie": "sid=\u00ff\u00fe; Path=/"}, _PAGE.encode()
