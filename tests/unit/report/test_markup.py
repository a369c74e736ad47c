"""Foreign text: nothing in it acts, hides or turns the line around."""

from __future__ import annotations

import html
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from evidencekit.report.markup import digest, escape, escape_url, visible

ANY_TEXT = st.text(alphabet=st.characters())


@given(ANY_TEXT)
def test_visible_text_is_one_harmless_encodable_line(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff")


@given(ANY_TEXT)
def test_escaped_text_holds_no_markup_but_ours(text: str) -> None:
    for shown in (escape(text), escape_url(text)):
        assert set(re.findall(r"<[^>]*>", shown)) <= {
            "<bdi>",
            '<bdi class="url">',
            "</bdi>",
            '<span class="cp">',
            "</span>",
            "<wbr>",
        }
        assert '"' not in re.sub(r"<[^>]*>", "", shown)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=300))
def test_ordinary_text_survives(text: str) -> None:
    fillers = "\u115f\u1160\u2800\u3164\uffa0"
    plain = "".join(char for char in text if char not in fillers)
    assert html.unescape(re.sub(r"<[^>]*>", "", escape(plain))) == plain


def test_hidden_characters_are_written_as_code_points() -> None:
    assert visible("a\u202eb") == "a⟨U+202E⟩b"
    assert visible("\x1b[2J") == "⟨U+001B⟩[2J"
    assert visible("\ud800") == "⟨U+D800⟩"
    assert visible("x\u3164") == "x⟨U+3164⟩"
    assert visible("\U000e0041") == "⟨U+E0041⟩"


def test_different_titles_never_look_the_same() -> None:
    assert visible("paypal") != visible("pay\u200bpal")
    assert visible("line\nbreak") != visible("line break")


def test_emoji_sequences_and_rare_hanzi_stay_whole() -> None:
    family, rare = "👩‍👩‍👧‍👦", "𠮷𰻝\U000323af"
    assert visible(family) == family
    assert visible(rare) == rare
    assert visible("a\u200db") == "a⟨U+200D⟩b"


def test_a_pile_of_accents_is_cut_down() -> None:
    assert visible("e" + "\u0301" * 500).count("\u0301") == 4


def test_length_is_bounded_and_said() -> None:
    shown = visible("x" * 10_000, limit=100)
    assert shown.endswith("… [100/10000]")
    assert len(shown) < 130


def test_digest_keeps_its_characters_and_may_break() -> None:
    value = "0123456789abcdef" * 4
    assert re.sub(r"<[^>]*>", "", digest(value)) == value
    assert digest(value).count("<wbr>") == 7


def test_url_breaks_after_punctuation_only_by_mark() -> None:
    url = "https://a.example/b?c=d&e=<f>"
    assert html.unescape(re.sub(r"<[^>]*>", "", escape_url(url))) == url
    assert "href" not in escape_url(url)
