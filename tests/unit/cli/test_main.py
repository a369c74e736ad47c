"""Errors become one sentence and one status, in the user's language; nothing ends with Python's own 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from evidencekit import errors
from evidencekit_cli import main as program
from evidencekit_cli.exit_codes import ExitCode, exit_code_for


class Raising:
    """A command of the test's own: it raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.name = "raise"
        self.en = self.zh = ""
        self._error = error

    def load(self) -> click.Command:
        def fail() -> None:
            raise self._error

        return click.Command("raise", callback=fail)


def run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException, *options: str) -> int:
    monkeypatch.setitem(program.evidencekit.members, "raise", Raising(error))
    return program.main([*options, "raise"])


ERROR_CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EvidenceError) and kind is not errors.EvidenceError
]


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_an_error_is_one_sentence_and_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[errors.EvidenceError]
) -> None:
    error = kind("it broke", "坏了")
    assert run_raising(monkeypatch, error, "--lang", "en") == exit_code_for(kind)
    assert run_raising(monkeypatch, error, "--lang", "zh") == exit_code_for(kind)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: it broke\n错误:坏了\n"


def test_an_unexpected_exception_is_a_bug_and_says_where_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EVIDENCEKIT_DEBUG", raising=False)
    assert run_raising(monkeypatch, ZeroDivisionError("a\x1b[2Jb")) == ExitCode.BUG
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: a\\u{1b}[2Jb" in shown
    assert "CONTRIBUTING.md" in shown
    assert "Traceback" not in shown
    assert shown.count("\n") == 1


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_DEBUG", "1")
    assert run_raising(monkeypatch, ZeroDivisionError("why")) == ExitCode.BUG
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    assert run_raising(monkeypatch, error) == ExitCode.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        (["frobnicate"], "No such command 'frobnicate'", "没有命令 'frobnicate'"),
        (["verify"], "Missing argument", "缺少参数 BUNDLE"),
        (["verify", "--frob", "x"], "--frob", "没有选项 --frob"),
        (["capture", "--mode", "slow"], "standard", "--mode 应为 standard、fast、forensic 之一"),
        (["capture", "--tsa"], "--tsa", "--tsa"),
        (["list", "more"], "more", "more"),
        (["verify", "x", "--at", "yesterday"], "--at 'yesterday'", "--at 'yesterday'"),
        (["verify", "x", "--at", "2026-11-23"], "time zone", "时区"),
    ],
)
def test_a_wrong_command_line_is_2_in_both_languages(
    capsys: pytest.CaptureFixture[str], arguments: list[str], en: str, zh: str
) -> None:
    assert program.main(["--lang", "en", *arguments]) == ExitCode.USAGE
    assert program.main(["--lang", "zh", *arguments]) == ExitCode.USAGE
    english, chinese = capsys.readouterr().err.splitlines()
    assert en in english
    assert zh in chinese


def test_the_language_may_stand_behind_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["verify", "--lang", "zh"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("错误:")


def test_no_command_shows_the_help_and_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Commands:" in shown.err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_0(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert program.main([option]) == ExitCode.OK
    assert "evidencekit" in capsys.readouterr().out


def test_errors_are_json_for_who_reads_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["verify", "--json", "--at", "never", str(tmp_path)]) == ExitCode.USAGE
    error = json.loads(capsys.readouterr().out)
    assert (error["format"], error["version"], error["code"], error["exit_status"]) == (
        "evidencekit/error",
        1,
        "usage",
        2,
    )
    assert set(error["message"]) == {"en", "zh"}


def run_program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evidencekit_cli", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_the_locale_chooses_the_language() -> None:
    assert "没有命令" in run_program("frobnicate", LC_ALL="zh_CN.UTF-8").stderr
    assert "No such command" in run_program("frobnicate").stderr


def test_without_a_url_nothing_is_asked(tmp_path: Path) -> None:
    process = run_program("capture", EVIDENCEKIT_HOME=str(tmp_path / "home"), EVIDENCEKIT_URL="")
    assert process.returncode == ExitCode.USAGE
    assert "--demo" in process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_waiting_program_ends_with_130(tmp_path: Path, number: signal.Signals) -> None:
    """`--from -` waits for standard input, which stays open and empty."""
    with subprocess.Popen(
        [sys.executable, "-m", "evidencekit_cli", "capture", "--from", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "EVIDENCEKIT_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"},
    ) as process:
        try:
            wait_until_it_reads(process.pid)
            process.send_signal(number)
            _, shown = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"interrupted" in shown
    assert b"Traceback" not in shown


def wait_until_it_reads(pid: int) -> None:
    """Wait until the process sleeps in a read of its pipe (Linux)."""
    wchan = Path(f"/proc/{pid}/syscall")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if wchan.read_text().startswith("0 0x0 "):
            return
        time.sleep(0.02)
    pytest.fail("the program never read its standard input")
