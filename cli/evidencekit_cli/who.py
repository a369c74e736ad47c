"""Who captures or deposits, where and on whose behalf: options, then settings, asked once where somebody can answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from evidencekit.model import EnvironmentControl, Operator, Relationship
from evidencekit_cli.options import ENVIRONMENT_CONTROLS, RELATIONSHIPS
from evidencekit_cli.output import Sentence
from evidencekit_cli.settings import CONFIG_FILE, read_settings
from evidencekit_cli.settingsfile import write_settings

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit_cli.capture_options import WhoOptions
    from evidencekit_cli.output import Session
    from evidencekit_cli.settings import Settings, SettingValue

_INTRODUCTION = Sentence(
    "Before the first record: who works, for whom and where. It is printed on page 1 and asked only once;\n"
    "Enter takes what stands in brackets. Change it later with `evidencekit config set operator.name …`.",
    "首次使用,请说明由谁、为谁、在何处操作。以下内容印在证书首页,仅询问一次;直接回车采用方括号内的值,\n"
    "以后可用 `evidencekit config set operator.name …` 修改。",
)
_QUESTIONS: tuple[tuple[str, Sentence, tuple[str, ...]], ...] = (
    ("operator.name", Sentence("Your name", "操作人姓名"), ()),
    ("operator.on_behalf_of", Sentence("On whose behalf", "代表何人(委托人)"), ()),
    ("operator.relationship", Sentence("Your relation to the matter", "与案件当事人的关系"), RELATIONSHIPS),
    ("operator.environment_control", Sentence("Who controls this machine", "本机由谁控制"), ENVIRONMENT_CONTROLS),
    ("operator.place", Sentence("Place", "操作地点"), ()),
    ("operator.purpose", Sentence("Purpose", "取证目的"), ()),
    ("operator.lawful_basis", Sentence("Lawful basis for personal data", "处理个人信息的合法性基础"), ()),
)
_KEPT = Sentence("kept in {file}", "已保存于 {file}")


def operator_of(settings: Settings, options: WhoOptions) -> Operator:
    """Put together who works: options first, then the settings."""
    return Operator(
        name=options["operator"] or settings.text("operator.name"),
        role=options["role"] or settings.text("operator.role"),
        relationship=Relationship(options["relationship"] or settings.text("operator.relationship")),
        environment_control=EnvironmentControl(
            options["environment_control"] or settings.text("operator.environment_control")
        ),
        identity=settings.text("operator.identity"),
        on_behalf_of=options["on_behalf_of"] or settings.text("operator.on_behalf_of"),
        place=options["place"] or settings.text("operator.place"),
        purpose=options["purpose"] or settings.text("operator.purpose"),
        lawful_basis=options["lawful_basis"] or settings.text("operator.lawful_basis"),
    )


def ask_once(session: Session, home: Path, settings: Settings, options: WhoOptions) -> Settings:
    """Ask on a terminal who works, where neither an option nor `config.toml` says it; keep the answers.

    Without a terminal, or with `--json`, nobody is asked, and the defaults of self-service hold.

    Raises:
        ConfigError: `config.toml` cannot be written.
    """
    asked = options["operator"] is None and "operator.name" not in settings.given
    if not asked or session.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return settings
    session.note(_INTRODUCTION)
    answers: dict[str, SettingValue | None] = {}
    for name, question, choices in _QUESTIONS:
        if name in settings.given:
            continue
        answers[name] = click.prompt(
            session.text(question),
            default=settings.text(name),
            type=click.Choice(choices) if choices else str,
            show_default=bool(settings.text(name)),
            err=True,
        )
    file = home / CONFIG_FILE
    write_settings(file, answers)
    session.note(Sentence(_KEPT.en.format(file=file), _KEPT.zh.format(file=file)))
    return read_settings(file)
