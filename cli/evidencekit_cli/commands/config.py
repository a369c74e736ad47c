"""`evidencekit config show`: which settings hold, and where each comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import BilingualGroup, Member, command
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.options import json_option, language_option
from evidencekit_cli.output import Sentence, Session, inert, table

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

_SOURCES = {
    "default": Sentence("default", "默认"),
    "file": Sentence("config.toml", "config.toml"),
    "environment": Sentence("environment", "环境变量"),
}
_HEADER = (Sentence("setting", "设置"), Sentence("source", "来源"), Sentence("value", "值"))


@command(
    "show",
    en="Print every setting, its value and where it comes from.",
    zh="列出全部设置、其值与来源。",
)
@json_option
@language_option
@click.pass_obj
def show(session: Session) -> ExitCode:
    """Run the command."""
    from evidencekit.home import default_home
    from evidencekit.transport.http import public_url
    from evidencekit_cli.settings import CONFIG_FILE, read_settings

    home = default_home()
    settings = read_settings(home / CONFIG_FILE)
    rows: list[tuple[str, str, JsonValue]] = [("home", _source_of("EVIDENCEKIT_HOME"), str(home))]
    if os.environ.get("EVIDENCEKIT_BROWSER"):
        rows.append(("browser", "environment", os.environ["EVIDENCEKIT_BROWSER"]))
    rows += [(name, "file" if name in settings.given else "default", value) for name, value in settings.values.items()]
    for tsa in settings.tsas:
        rows += [(f"tsa.{tsa.name}.url", "file", public_url(tsa.url)), (f"tsa.{tsa.name}.roles", "file", tsa.roles)]
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/settings",
                "version": 1,
                "settings": {name: {"source": source, "value": value} for name, source, value in rows},
            }
        )
    else:
        cells = [[name, session.text(_SOURCES[source]), _shown(value)] for name, source, value in rows]
        session.print(table([[session.text(heading) for heading in _HEADER], *cells]))
    return ExitCode.OK


def _source_of(variable: str) -> str:
    return "environment" if os.environ.get(variable) else "default"


def _shown(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(inert(str(item)) for item in value)
    return inert(str(value))


config = BilingualGroup(
    "config",
    help="Show the standing settings (config.toml in the home).",
    zh="查看长期设置(数据目录中的 config.toml)。",
    members=(
        Member(
            "show",
            "evidencekit_cli.commands.config:show",
            en="Print every setting, its value and where it comes from.",
            zh="列出全部设置、其值与来源。",
        ),
    ),
)
