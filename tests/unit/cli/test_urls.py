"""URLs come from arguments, a list, or the environment, and stay as typed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import UsageError
from evidencekit_cli.urls import gather_urls

if TYPE_CHECKING:
    from pathlib import Path

NASTY = "https://x/?a=$(id)&b='x#y z%20`id` 茶"


@pytest.fixture(autouse=True)
def _no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCEKIT_URL", raising=False)


def test_arguments_come_before_the_list(tmp_path: Path) -> None:
    listed = tmp_path / "urls"
    listed.write_bytes(b"\xef\xbb\xbf" + f"https://a/\r\n\n# a remark\n{NASTY}\n".encode())
    assert gather_urls(["https://z/"], str(listed)) == ("https://z/", "https://a/", NASTY)


def test_the_environment_speaks_only_when_nothing_else_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVIDENCEKIT_URL", NASTY)
    assert gather_urls([], None) == (NASTY,)
    assert gather_urls(["https://a/"], None) == ("https://a/",)
    empty = tmp_path / "urls"
    empty.write_text("\n# nothing\n")
    with pytest.raises(UsageError, match="no URL"):
        gather_urls([], str(empty))


def test_a_list_may_be_piped_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(NASTY.encode() + b"\n")))
    assert gather_urls([], "-") == (NASTY,)


def test_without_any_url_the_way_out_is_said() -> None:
    with pytest.raises(UsageError, match="--demo") as caught:
        gather_urls([], None)
    assert "--demo" in caught.value.zh


@pytest.mark.parametrize("data", [b"\xff\xff\n", b"https://a/\n" * 200_000])
def test_a_list_that_is_no_list_is_refused(tmp_path: Path, data: bytes) -> None:
    listed = tmp_path / "urls"
    listed.write_bytes(data)
    with pytest.raises(UsageError, match="the list"):
        gather_urls([], str(listed))


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        gather_urls([], str(tmp_path / "nowhere"))


def test_every_option_of_capture_is_declared_and_typed() -> None:
    from evidencekit_cli.capture_options import CaptureOptions
    from evidencekit_cli.commands.capture import capture

    declared = {each.name for each in capture.params if each.expose_value}
    assert declared == set(CaptureOptions.__annotations__)
