"""What the READMEs print is true of the program: the library example runs, every command and option exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit import CaptureRequest, Outcome

if TYPE_CHECKING:
    from tests.support.preserved import Shop

_ROOT = Path(__file__).parents[2]
_READMES = ("README.md", "README.zh-CN.md")
_PRINTED = 'preserve("https://example.com/")'


def _blocks(readme: str, language: str) -> list[str]:
    text = (_ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.browser
@pytest.mark.parametrize("readme", _READMES)
def test_the_library_example_runs(
    readme: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = _blocks(readme, "python")
    assert example.count(_PRINTED) == 1
    # Only the page is another: a loopback one, which must be allowed, and no authority is asked.
    ours = example.replace(_PRINTED, "preserve(request.urls, request=request, tsas=(), browser=browser)")
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    names = {"browser": shop.browser, "request": CaptureRequest(urls=(shop.url,), allow_private=True)}
    exec(compile(ours, readme, "exec"), names)  # noqa: S102 (the README's own code)
    number, bundle, verdict = capsys.readouterr().out.split(maxsplit=2)
    assert Path(bundle) == tmp_path / "home" / "captures" / f"{number}.zip"
    assert Path(bundle).is_file()
    assert verdict.startswith(str(Outcome.INDETERMINATE))


@pytest.mark.parametrize("readme", _READMES)
def test_every_command_and_option_exists(readme: str) -> None:
    lines = [line.partition(" #")[0] for block in _blocks(readme, "") for line in block.splitlines()]
    commands = [line.split() for line in lines if line.startswith("evidencekit ")]
    assert len(commands) > 5
    for _, command, *rest in commands:
        shown = subprocess.run(
            [sys.executable, "-m", "evidencekit_cli", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert all(option in shown for option in rest if option.startswith("-")), (command, rest)


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (
        [line.partition(" #")[0].split()[:2] for block in _blocks(readme, "") for line in block.splitlines()]
        for readme in _READMES
    )
    assert english == chinese
