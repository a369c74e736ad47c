"""What --tsa names."""

from __future__ import annotations

import pytest

from evidencekit.errors import UsageError
from evidencekit_cli.authorities import authorities_named


def test_auto_names_several_operators_and_none_nobody() -> None:
    assert len({authority.name for authority in authorities_named(["auto"])}) >= 2
    assert authorities_named(["none"]) == ()
    assert authorities_named([]) == ()


def test_urls_are_kept_in_order_and_as_given() -> None:
    urls = ["https://user:word@tsa.example/a?b=c", "http://127.0.0.1:3161/"]
    named = authorities_named(urls)
    assert [authority.url for authority in named] == urls
    assert [authority.name for authority in named] == ["tsa.example", "127.0.0.1"]


@pytest.mark.parametrize(
    "names", [["auto", "none"], ["auto", "https://tsa.example/"], ["ftp://tsa.example/"], ["tsa"], ["http://[", "x"]]
)
def test_anything_else_is_refused(names: list[str]) -> None:
    with pytest.raises(UsageError):
        authorities_named(names)
