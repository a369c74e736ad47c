"""Documents that a stranger wrote to keep a verifier busy: work is bounded, and what was not read is said."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from evidencekit.corroboration import domtext
from evidencekit.corroboration.domtext import read_dom, visible

if TYPE_CHECKING:
    from collections.abc import Callable

CPU_S = 5
"""Each took minutes for a file as long as is read: with the length squared, or the stack gone through each time."""


def _spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.parametrize(
    "source",
    [
        "<p>" * 1990 + "<title></title>" * 20_000,
        "<p>" * 1990 + "<svg>" + "<title>x</title>" * 20_000,
        "<svg></svg>" * 20_000 + "<title></title>" * 20_000,
    ],
    ids=["empty-titles", "titles-of-a-picture", "many-pictures"],
)
def test_titles_cost_no_more_than_their_length(source: str) -> None:
    assert _spent(lambda: read_dom(source)) < CPU_S


def test_a_title_of_a_picture_is_none_of_the_page_until_the_picture_ends() -> None:
    assert read_dom("<svg><g><title>no</title></g></svg><title>yes</title>").title == "yes"
    assert read_dom("<svg><title>no</title>").title == ""
    assert read_dom("<p><svg></p><title>closed with its parent</title>").title == "closed with its parent"


def test_tags_beyond_the_limit_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domtext, "MAX_TAGS", 3)
    dom = read_dom("<p>one</p><p>two</p><p>three</p>")
    assert [run.text for run in dom.runs] == ["one", "two"]
    assert dom.cut


def test_a_text_is_looked_for_once_and_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    dom = read_dom("<p>shown</p><p>hidden</p>" * 50 + "<p>never looked for</p>")
    monkeypatch.setattr(domtext, "MAX_LOOKED", 2 * len("shown"))
    assert {run.text for run in visible(dom, "shown")} == {"shown", "never looked for"}


def test_a_text_of_a_shadow_tree_shows_no_other_text() -> None:
    dom = read_dom('<b><template shadowrootmode="open">same</template></b><i>same</i>')
    assert [run.tag for run in visible(dom, "else")] == ["template"]
