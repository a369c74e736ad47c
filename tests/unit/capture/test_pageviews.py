"""Every view of a page that the browser can give: frames, shadow roots, console, stores, media, icon, HAR, banners."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.exchanges import parse_exchanges
from evidencekit.capture.launcher import BrowserOptions, find_browser
from evidencekit.capture.pagefacts import glyph_sentence
from evidencekit.capture.request import CaptureRequest
from evidencekit.capture.session import capture_session
from evidencekit.hashing.chainlog import ChainWriter
from tests.support.pictures import rows_of
from tests.support.site import HTML, serve
from tests.support.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit.model import Capture

pytestmark = pytest.mark.browser

CAPTURE_ID = "fedcba9876543210fedcba9876543210"
GIF = bytes.fromhex("47494638396101000100800000ff00002c00000000010001000002024401003b")
BLOCKED = "token-in-a-store-8877665544"
PAGE = f"""<!doctype html><html><head><title>视图</title><link rel=icon href=/site.ico></head><body>
<p>Seven words that a reader may see 七个字</p><div id=host></div>
<div><template shadowrootmode=open><b>declared shadow</b></template></div>
<iframe name=inner src=/frame></iframe><iframe name=far src="OTHER/far"></iframe>
<img src=/a.gif alt="a picture" width=9 height=9><div style="background-image:url(/b.gif);height:9px"></div>
<div id=bar style="position:fixed;bottom:0;left:0;right:0;height:40px">This site uses cookies
<button onclick="bar.remove()">Reject all</button></div><script>
host.attachShadow({{mode: 'closed'}}).innerHTML = '<i>closed shadow</i>';
localStorage.setItem('auth_token', '{BLOCKED}'); document.cookie = 'seen=before';
console.warn('a warning', {{n: 1}}); console.log('{BLOCKED}'); setTimeout(() => {{ throw Error('boom') }});
</script></body></html>"""


class Views:
    """A finished session and its files."""

    def __init__(self, folder: Path, capture: Capture) -> None:
        self.capture = capture
        self._bundle = folder / "staging/bundle"

    def read(self, name: str, page: str = "pages/0001/") -> bytes:
        return (self._bundle / "capture" / f"{page}{name}").read_bytes()

    def text(self, name: str) -> str:
        return self.read(name).decode()


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    folder = tmp_path_factory.mktemp("views")

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/":
            return 200, HTML, PAGE.replace("OTHER", other).encode()
        if path in {"/frame", "/far"}:
            words = f"<p>words of {path}</p><div><template shadowrootmode=closed>deep in {path}</template></div>"
            return 200, HTML, words.encode()
        return 200, {"Content-Type": "image/x-icon" if path.endswith(".ico") else "image/gif"}, GIF

    with serve(answer) as base:
        # Another site lives in another process, also on loopback.
        other = base.replace("127.0.0.1", "far.test").rstrip("/")
        rules = "--host-resolver-rules=MAP far.test 127.0.0.1"
        request = CaptureRequest(urls=(base,), allow_private=True, third_party=False, dismiss_banners=True)
        with ChainWriter(folder / "worklog.jsonl", format_name="worklog", capture_id=CAPTURE_ID) as worklog:
            capture = asyncio.run(
                capture_session(
                    request,
                    capture_id=CAPTURE_ID,
                    staging=folder / "staging",
                    worklog=worklog,
                    on_root=lambda *_: None,
                    options=BrowserOptions(binary=find_browser(), extra_args=(rules, "--site-per-process")),
                )
            )
        yield Views(folder, capture)


def test_shadow_roots_of_every_kind_stand_in_the_dom(views: Views) -> None:
    for name in ("dom.html", "dom-initial.html"):
        source = views.text(name)
        assert '<template shadowrootmode="closed"><i>closed shadow</i></template>' in source
        assert '<template shadowrootmode="open"><b>declared shadow</b></template>' in source


def test_frames_of_this_and_other_processes_are_kept(views: Views) -> None:
    frames = json.loads(views.read("frames.json"))["frames"]
    assert [each["name"] for each in frames if each["name"]] == ["inner", "far"]
    sources = {each["url"].rpartition("/")[2]: views.text(each["file"]) for each in frames}
    for name in ("frame", "far"):
        assert f"words of /{name}" in sources[name]
        assert f'<template shadowrootmode="closed">deep in /{name}</template>' in sources[name]


def test_snapshot_and_accessibility_tree_tell_what_is_shown(views: Views) -> None:
    snapshot = json.loads(views.read("dom-snapshot.json"))
    assert "Seven words that a reader may see 七个字" in snapshot["strings"]
    assert len(snapshot["documents"]) >= 1
    assert snapshot["documents"][0]["layout"]["bounds"]
    tree = json.loads(views.read("accessibility.json"))
    names = [node.get("name", {}).get("value") for node in tree["nodes"]]
    assert "a picture" in names


def test_the_console_is_kept_without_secrets(views: Views) -> None:
    lines = [json.loads(line) for line in views.read("console.jsonl").splitlines()]
    assert [line["kind"] for line in lines] == ["warning", "log", "exception"]
    assert lines[0]["text"].startswith("a warning")
    assert lines[2]["text"] == "Error: boom"
    assert BLOCKED not in views.text("console.jsonl")


def test_stores_go_to_the_private_archive_alone(views: Views) -> None:
    kept = json.loads(views.capture.private_files["storage/0001.json"].read_bytes())
    assert any(BLOCKED in json.dumps(store) for store in kept["storage"].values())
    assert any(cookie["name"] == "seen" for cookie in kept["cookies"])
    assert not any(each.path.endswith("storage.json") for each in views.capture.artifacts)


def test_media_are_listed_with_the_exchanges_that_brought_them(views: Views) -> None:
    media = json.loads(views.read("media.json"))["media"]
    _, lines = parse_exchanges(views.read("exchanges.jsonl", page=""))
    urls = {line.id: line.url for line in lines}
    rows = {(row["kind"], row["url"].rpartition("/")[2]): row for row in media}
    assert set(rows) == {
        ("icon", "site.ico"),
        ("image", "a.gif"),
        ("background", "b.gif"),
        ("iframe", "frame"),
        ("iframe", "far"),
    }
    assert rows["image", "a.gif"]["loaded"]
    for (_, name), row in rows.items():
        if row["exchange"] is not None:
            assert urls[row["exchange"]].endswith(name)
    assert rows["image", "a.gif"]["exchange"] is not None


def test_the_icon_is_what_the_server_gave(views: Views) -> None:
    assert views.read("favicon.ico") == GIF


def test_circumstances_of_rendering_are_recorded(views: Views) -> None:
    facts = json.loads(views.read("rendering.json"))
    assert facts["headless"] is True
    assert "HeadlessChrome" in facts["seen_by_page"]["user_agent"]
    assert facts["seen_by_page"]["webdriver"] is True
    assert facts["seen_by_page"]["device_scale"] == 1
    assert facts["fonts"][0]["characters"] > 10
    assert facts["missing_glyphs"] == ""


def test_both_states_of_an_answered_banner_are_kept(views: Views) -> None:
    roles = {each.role for each in views.capture.artifacts}
    assert {"screenshot.initial", "screenshot.before", "screenshot"} <= roles
    assert "uses cookies" in views.text("dom-initial.html")
    assert '<div id="bar"' not in views.text("dom.html")
    assert [each.detail.en for each in views.capture.transformations if each.kind == "banner"]


def test_the_har_satisfies_its_judge(views: Views, tmp_path: Path) -> None:
    har = views.read("network.har", page="")
    entries = json.loads(har)["log"]["entries"]
    _, lines = parse_exchanges(views.read("exchanges.jsonl", page=""))
    assert [entry["comment"].split()[0] for entry in entries] == [line.id for line in lines]
    assert BLOCKED.encode() not in har
    done = subprocess.run(
        [program("npm"), "install", "--silent", "--no-audit", "--no-fund", "har-validator@5"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm gives no har-validator: {done.stderr[-200:]!r}")
    (tmp_path / "page.har").write_bytes(har)
    script = (
        "require('har-validator').har(JSON.parse(require('fs').readFileSync('page.har')))"
        ".then(() => console.log('lawful')).catch(e => { console.log(JSON.stringify(e.errors)); process.exit(1) })"
    )
    judged = subprocess.run([program("node"), "-e", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert judged.stdout == "lawful\n", judged.stdout[:2000] + judged.stderr[-500:]


def test_a_window_on_request_is_recorded_and_pictures_alike(tmp_path: Path) -> None:
    program("Xvfb")
    page = b"<!doctype html><title>w</title><style>body{margin:0}div{height:100px}</style>" + b"".join(
        b"<div style='background:rgb(%d,%d,77)'></div>" % (n % 256, n // 256) for n in range(175)
    )
    with (
        serve(lambda _: (200, HTML, page)) as base,
        ChainWriter(tmp_path / "worklog.jsonl", format_name="worklog", capture_id=CAPTURE_ID) as worklog,
    ):
        capture = asyncio.run(
            capture_session(
                CaptureRequest(urls=(base,), allow_private=True, third_party=False, headed=True),
                capture_id=CAPTURE_ID,
                staging=tmp_path / "staging",
                worklog=worklog,
                on_root=lambda *_: None,
                options=BrowserOptions(binary=find_browser()),
            )
        )
    views = Views(tmp_path, capture)
    facts = json.loads(views.read("rendering.json"))
    assert facts["headless"] is False
    assert "Headless" not in facts["seen_by_page"]["user_agent"]
    assert (capture.pages[0].width_px, capture.pages[0].height_px) == (1280, 17_500)
    assert b"process.screen" in (tmp_path / "worklog.jsonl").read_bytes()
    # Chromium with a window was once wrong below 16,384 px: look at every row.
    rows = rows_of(views.read("screenshot.png"))
    assert [row[:3] for row in rows] == [bytes((y // 100 % 256, y // 100 // 256, 77)) for y in range(17_500)]


def test_characters_without_a_font_are_named() -> None:
    assert glyph_sentence("plain 中文 words") is None
    sentence = glyph_sentence("unassigned \U000e1234 and private \ue123")
    assert sentence is None or "U+E123" not in sentence.en
    drawn = glyph_sentence("\U00013000\U000120001")  # hieroglyph and cuneiform: hardly ever installed
    assert drawn is None or "U+13000" in drawn.en or "U+12000" in drawn.en
