"""`evidencekit config show|set`: which settings hold, where each comes from; changing one in `config.toml`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evidencekit.errors import UsageError
from evidencekit_cli.bilingual import BilingualGroup, Member, command
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.options import json_option, language_option
from evidencekit_cli.output import Sentence, Session, inert, table

if TYPE_CHECKING:
    from evidencekit.model import JsonValue
    from evidencekit_cli.settings import SettingValue

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


@command(
    "set",
    en="""Set a standing setting in config.toml, or without VALUE go back to its default.

    NAME is one that `config show` lists; a list takes several VALUEs. Comments in the file stay.
    """,
    zh="""在 config.toml 中写入一项长期设置;不给 VALUE 则恢复默认值。

    \b
    NAME 为 `config show` 所列的名称;列表可给出多个 VALUE。文件中的注释保留不变。
    """,
)
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[VALUE]...")
@language_option
@click.pass_obj
def set_value(session: Session, *, name: str, values: tuple[str, ...]) -> ExitCode:
    """Run the command."""
    from evidencekit.home import Home, default_home
    from evidencekit_cli.settings import CONFIG_FILE, default_of, read_settings
    from evidencekit_cli.settingsfile import write_settings

    file = default_home() / CONFIG_FILE
    read_settings(file)
    value = _value_of(default_of(name), values)
    Home.open()
    write_settings(file, {name: value})
    shown = read_settings(file).values[name]
    session.say(Sentence(f"{name} = {_shown(shown)}  ({file})", f"{name} = {_shown(shown)}  ({file})"))
    return ExitCode.OK


def _value_of(default: SettingValue | None, values: tuple[str, ...]) -> SettingValue | None:
    """Read the words of the command line as the setting's kind of value; None to go back to the default."""
    if len(values) == 0:
        return None
    if isinstance(default, tuple):
        return values
    if isinstance(default, bool) and values in {("true",), ("false",)}:
        return values == ("true",)
    if len(values) > 1:
        raise UsageError(
            "this setting takes one value; put a text with spaces into quotes",
            "该设置只接受一个值;含空格的文字请加引号",
        )
    return values[0]


config = BilingualGroup(
    "config",
    help="Show and change the standing settings (config.toml in the home).",
    zh="查看与修改长期设置(数据目录中的 config.toml)。",
    members=(
        Member(
            "show",
            "evidencekit_cli.commands.config:show",
            en="Print every setting, its value and where it comes from.",
            zh="列出全部设置、其值与来源。",
        ),
        Member(
            "set",
            "evidencekit_cli.commands.config:set_value",
            en="Set a standing setting in config.toml.",
            zh="在 config.toml 中写入一项长期设置。",
        ),
    ),
)
