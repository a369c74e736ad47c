"""Scripts are checked as a whole before anything runs, and hold secrets by reference alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.steps import MOST_STEPS, Verb, parse_script, read_script, seconds_of, text_to_type
from evidencekit.errors import UsageError
from evidencekit.hashing.process import Marker

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """# search to order
goto https://shop.example/
type "#user" li
type "#password" env:SHOP_PASSWORD
click "a[href='/item 7']"

wait 2.5s
wait "#price"
scroll 3
marker price
tab 2
deed login
shot
press Enter
"""


def test_a_script_is_read_as_written() -> None:
    steps = parse_script(SCRIPT)
    assert [step.verb for step in steps][:4] == [Verb.GOTO, Verb.TYPE, Verb.TYPE, Verb.CLICK]
    assert steps[3].arguments == ("a[href='/item 7']",)
    assert steps[2].shown == "type '#password' env:SHOP_PASSWORD"
    assert steps[2].line == 4
    assert [seconds_of(step) for step in steps if step.verb is Verb.WAIT] == [2.5, None]
    assert next(step.marker for step in steps if step.verb is Verb.MARKER) is Marker.PRICE


def test_secrets_are_read_when_typed_and_shown_by_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "Geheim-1")
    (tmp_path / "pin").write_text("4711\n")
    by_env, by_file, plain, text = parse_script(
        f"type a env:SHOP_PASSWORD\ntype a file:{tmp_path}/pin\ntype a b:c\ntype a text:env:X"
    )
    assert text_to_type(by_env) == ("Geheim-1", True)
    assert text_to_type(by_file) == ("4711", True)
    assert text_to_type(plain) == ("b:c", False)
    assert text_to_type(text) == ("env:X", False)
    assert "Geheim" not in by_env.shown
    monkeypatch.delenv("SHOP_PASSWORD")
    with pytest.raises(UsageError, match="SHOP_PASSWORD"):
        text_to_type(by_env)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jump https://a/", "no step"),
        ("click", "takes 1 arguments"),
        ("type #a", "takes 2 arguments"),
        ("click 'a", "quotes"),
        ("marker delivery", "not one of"),
        ("press F5", "not one of"),
        ("scroll -1", "number up to"),
        ("wait 601", "seconds"),
        ("type a env:", "names nothing"),
        ("", "1 to"),
        ("shot\n" * (MOST_STEPS + 1), "1 to"),
    ],
)
def test_what_is_no_script_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        parse_script(line)
    assert refused.value.zh


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    for name in ("a", "b"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_script(tmp_path / name)


@given(st.text())
def test_any_text_is_a_script_or_refused(text: str) -> None:
    try:
        steps = parse_script(text)
    except UsageError:
        return
    assert steps
