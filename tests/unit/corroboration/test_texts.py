"""Where texts come from: what accounts for one, what does not, and that hostile sizes stay within their bounds."""

from __future__ import annotations

import gzip
import json
import time

import brotli
import pytest

from evidencekit.corroboration.account import Account, account_for
from evidencekit.corroboration.corpus import Corpus, read_corpus
from evidencekit.corroboration.domtext import read_dom, visible
from evidencekit.corroboration.sources import MAX_BODY_BYTES, Message, UnreadableBodyError, decoded

HTML = "text/html; charset=utf-8"


def message(body: str | bytes, media_type: str = HTML, coding: str = "") -> Message:
    data = body.encode() if isinstance(body, str) else body
    return Message(exchange="000001", url="https://shop.test/", media_type=media_type, coding=coding, body=data)


def account(dom: str, *sources: Message) -> Account:
    read = read_dom(dom)
    return account_for(read.runs, read_corpus(sources), read.tags)


def unaccounted(dom: str, *sources: Message) -> list[str]:
    return [each.text for each in account(dom, *sources).snippets]


PAGE = "<body><h1>Ming lamps</h1><p class=price>¥1,280.00</p><p>Sold by Aihua &amp; Co.</p></body>"
SCRIPT = message("document.querySelector('#basket').textContent = `共 ${n} 件商品`;", "text/javascript")


def test_a_page_as_it_was_sent_is_accounted_for() -> None:
    assert unaccounted(PAGE, message(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ming lamps", "Qing lamps"),
        ("¥1,280.00", "¥9,280.00"),
        ("Sold by Aihua &amp; Co.", "Never sold by Aihua &amp; Co."),
        ("</body>", "<p>Everything here is counterfeit.</p></body>"),
        ("Ming lamps", "明代宫灯"),
    ],
)
@pytest.mark.parametrize("script", [(), (SCRIPT,)])
def test_an_edit_is_listed(old: str, new: str, script: tuple[Message, ...]) -> None:
    assert len(unaccounted(PAGE.replace(old, new), message(PAGE), *script)) == 1


@pytest.mark.parametrize(
    "source",
    [
        message(json.dumps({"name": "明代宫灯 一对"}), "application/json"),
        message(
            json.dumps({"name": "明代宫灯 一对"}, ensure_ascii=False).encode("gbk"), "application/json; charset=gbk"
        ),
        message('<meta charset="gb2312"><p>明代宫灯 一对</p>'.encode("gbk"), "text/html"),
        message('<p data-state="{&quot;name&quot;:&quot;\\u660e\\u4ee3\\u5bab\\u706f 一对&quot;}">'),
        message(json.dumps({"html": json.dumps({"name": "明代宫灯 一对"})}), "application/json"),
        message("x('%E6%98%8E%E4%BB%A3%E5%AE%AB%E7%81%AF%20一对')", "text/javascript"),
        message("p::before{content:'\\660e\\4ee3\\5bab\\706f 一对'}", "text/css"),
        message("<p>&#26126;&#20195;&#23467;&#28783;&nbsp;一对</p>"),
        message(gzip.compress("<p>明代宫灯\n 一对</p>".encode()), HTML, "gzip"),
        message(brotli.compress("<p>明代宫灯 一对</p>".encode()), HTML, "br"),
        message("data: 明代宫灯 一对\n\n", "text/event-stream"),
    ],
)
def test_texts_are_found_however_they_were_written(source: Message) -> None:
    assert unaccounted("<p>明代宫灯 一对</p>", source) == []
    assert unaccounted("<p>明代宫灯 三对</p>", source) == ["明代宫灯 三对"]


def test_scripts_put_texts_together_of_whole_pieces_and_recorded_numbers() -> None:
    dom = "<body><div id=basket>共 12 件商品</div><p id=greeting>Hello, Wang Xiaoming!</p><b>¥1,299.00</b></body>"
    page = message("<body><div id=basket></div><p id=greeting></p><b></b>")
    data = message('{"count":12,"user":"Wang Xiaoming","cents":129900}', "application/json")
    script = message("basket.t(`共 ${n} 件商品`); g('Hello, ' + user + '!')", "text/javascript")
    found = account(dom, page, data, script)
    assert (found.unaccounted, found.computed) == (0, 0)
    assert found.script + found.direct == 3
    assert unaccounted(dom.replace("12 件", "99 件").replace("Wang", "Zhang"), page, data, script) == [
        "Hello, Zhang Xiaoming!"
    ], "a number in an element that the page leaves to scripts is computed, a name is not"


def test_a_number_that_scripts_compute_needs_an_element_that_they_name_or_made() -> None:
    page = message("<body><span id=clock>00:00:00</span><span class=fixed>40</span>")
    script = message(
        "setInterval(() => { document.getElementById('clock').textContent = left() }, 1000)", "text/javascript"
    )
    dom = "<body><span id=clock>01:59:37</span><span class=fixed>40</span>"
    assert account(dom, page, script).computed == 1
    assert unaccounted(dom.replace(">40<", ">90<"), page, script) == ["90"]
    assert unaccounted(dom, page) == ["01:59:37"], "nothing computes without a script"


def test_numbers_of_form_and_code_are_no_source_of_a_price() -> None:
    page = message('<body><img width="900" style="margin:900px"><script>wait(900)</script><b class=price>¥100</b>')
    style = message("p{font-weight:900}", "text/css")
    assert unaccounted("<body><b class=price>¥900</b>", page, style) == ["¥900"]
    assert unaccounted("<body><b class=price>¥100</b>", page, style) == []


def test_shadow_trees_count_and_hidden_texts_do_not() -> None:
    dom = read_dom(
        "<body><p>seen</p><p hidden>not seen</p><template>never</template>"
        "<x-card><template shadowrootmode=open><b>in the shadow</b></template></x-card><script>'a'</script></body>"
    )
    assert [run.text for run in visible(dom, "seen")] == ["seen", "in the shadow"]


def test_a_text_cut_short_by_a_script_is_the_beginning_of_a_recorded_one() -> None:
    page = message("<div id=list></div>")
    data = message('{"body":"A long story about lamps and the people who sold them"}', "application/json")
    assert unaccounted("<p>A long story about lamps…</p>", page, data, SCRIPT) == []
    assert unaccounted("<p>A short story about lamps…</p>", page, data, SCRIPT) == ["A short story about lamps…"]


def test_withheld_words_are_no_text() -> None:
    assert unaccounted("<p>Dear [withheld:storage]</p>", message("<p>Dear [withheld:storage]</p>")) == []


@pytest.mark.parametrize(
    "dom",
    [
        "<p>" * 300_000,
        "<" * 2_000_000,
        "<!--" * 500_000,
        "<script" * 300_000,
        '<p a="' * 300_000,
        "".join(f"<p>{n} nowhere</p>" for n in range(60_000)),
        "<p>" + "一" * 3_000_000 + "</p>",
        "<p>" + "a b " * 500_000 + "</p>",
    ],
)
def test_hostile_pages_are_bounded(dom: str) -> None:
    started = time.process_time()
    found = account(dom, message(dom[: 1 << 20] + "<script>1</script>"), message("q" * (4 << 20), "application/json"))
    assert time.process_time() - started < 60, "the bounds are counts; this only says that there are some"
    assert found.texts >= found.direct + found.script + found.computed + found.unaccounted


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(MAX_BODY_BYTES + (1 << 20)))
    for coding, body in (("gzip", bomb), ("br", brotli.compress(bytes(MAX_BODY_BYTES + (1 << 20)))), ("x-own", b"abc")):
        with pytest.raises(UnreadableBodyError):
            decoded(body, coding)
    assert read_corpus([message(bomb, HTML, "gzip")]).unread == {"long": 1}


def test_the_budget_of_looking_is_counted_and_what_is_left_over_said() -> None:
    corpus: Corpus = read_corpus([message("<p>one</p>")])
    corpus.left = 1
    read = read_dom("<p>two and some</p><p>three and more</p>")
    found = account_for(read.runs, corpus, read.tags)
    assert found.uncompared >= 1
