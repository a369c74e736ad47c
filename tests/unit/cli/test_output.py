"""Foreign text on a terminal is inert, tables line up, a reader who leaves changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evidencekit_cli.output import inert, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("山间茶铺 €", "山间茶铺 €"),
        ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
        ("a\u202eb", "a\\u{202e}b"),
        ("a\nb\r", "a\\u{a}b\\u{d}"),
        ("\ud800", "\\u{d800}"),
        ("\u2028", "\\u{2028}"),
    ],
)
def test_control_and_direction_characters_become_visible(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_a_long_text_is_cut_visibly() -> None:
    assert inert("x" * 50, limit=10) == "x" * 10 + "…"


def test_columns_count_wide_characters_twice() -> None:
    assert table([["设置", "x"], ["home", "y"]]) == "设置  x\nhome  y"


def test_no_rows_make_no_table() -> None:
    assert table([]) == ""


def test_a_closed_pipe_neither_prints_a_traceback_nor_changes_the_status() -> None:
    program = (
        "import sys; from evidencekit_cli.language import Language\n"
        "from evidencekit_cli.output import Session, close_streams\n"
        "session = Session(language=Language.EN)\n"
        "for _ in range(20000): session.print('x' * 100)\n"
        "close_streams(); sys.exit(3)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), errors) == (3, b"")


def test_a_terminal_without_chinese_shows_escapes() -> None:
    program = (
        "from evidencekit_cli.output import Session, prepare_streams; from evidencekit_cli.language import Language\n"
        "prepare_streams(); Session(language=Language.ZH).print('茶')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii:strict", "PATH": "/usr/bin:/bin"},
    )
    assert shown.stdout == b"\\u8336\n"
