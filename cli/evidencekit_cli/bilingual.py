"""click with help in two languages: every option and command carries both, the session picks."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from evidencekit_cli.language import Language, in_language
from evidencekit_cli.output import Session

Function = TypeVar("Function", bound=Callable[..., object])

_WIDEST, _NARROWEST = 80, 50
"""Columns of help, as in `click.HelpFormatter`."""

_HEADINGS = {"Options": "选项", "Commands": "命令"}


def language_of(context: click.Context) -> Language:
    """Return the language of the session that `context` belongs to."""
    session = context.find_root().obj
    return session.language if isinstance(session, Session) else Language.EN


class ChineseFormatter(click.HelpFormatter):
    """Help with Chinese headings; click's own come from a catalogue that it does not ship."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, prefix or "用法: ")

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        super().write_heading(_HEADINGS.get(heading, heading))


class Member:
    """One command of a group: where it is defined (`module:name`), and its line in the list of commands."""

    __slots__ = ("_place", "en", "name", "zh")

    def __init__(self, name: str, place: str, *, en: str, zh: str) -> None:
        self.name = name
        self.en = en
        self.zh = zh
        self._place = place

    def load(self) -> click.Command:
        """Import the command's module and return the command."""
        module, _, name = self._place.partition(":")
        loaded: click.Command = getattr(importlib.import_module(module), name)
        return loaded


class BilingualContext(click.Context):
    """A context that formats help in the session's language."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return the formatter for this session's language."""
        kind = ChineseFormatter if language_of(self) is Language.ZH else click.HelpFormatter
        widest = self.max_content_width or _WIDEST
        return kind(width=self.terminal_width or max(min(_columns(), widest) - 2, _NARROWEST), max_width=widest)


def _columns() -> int:
    """How wide the terminal is, as click asks `shutil`, whose import costs a quarter of an empty interpreter."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDEST
    except (OSError, ValueError, AttributeError):
        return _WIDEST


class BilingualOption(click.Option):
    """An option with help in both languages."""

    # click hands every attribute of an option through as keywords of its own choosing.
    def __init__(self, param_decls: Sequence[str], *, zh: str, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(param_decls, **attributes)
        self.zh = zh

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line of help in the session's language."""
        if language_of(ctx) is not Language.ZH:
            return super().get_help_record(ctx)
        import copy

        translated = copy.copy(self)
        translated.help = self.zh
        return click.Option.get_help_record(translated, ctx)


class BilingualCommand(click.Command):
    """A command with help in both languages."""

    context_class = BilingualContext

    def __init__(self, name: str | None, *, zh: str, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(name, **attributes)
        self.zh = zh

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's description in the session's language."""
        if language_of(ctx) is not Language.ZH:
            super().format_help_text(ctx, formatter)
            return
        import copy

        translated = copy.copy(self)
        translated.help = self.zh
        click.Command.format_help_text(translated, ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the help option, explained in the session's language."""
        option = super().get_help_option(ctx)
        if option is not None and language_of(ctx) is Language.ZH:
            option.help = "显示本说明。"
        return option


class BilingualGroup(BilingualCommand, click.Group):
    """A group of commands that are imported when they are called, or described by one line until then.

    To import all of them would double what `--help` costs.
    """

    def __init__(self, name: str | None, *, zh: str, members: Sequence[Member] = (), **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(name, zh=zh, **attributes)
        self.members = {member.name: member for member in members}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the commands' names in the order of their usefulness."""
        return list(self.members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        member = self.members.get(cmd_name)
        return None if member is None else member.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        language = language_of(ctx)
        rows = [(member.name, in_language(member, language)) for member in self.members.values()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def option(*names: str, en: str, zh: str, **attributes: object) -> Callable[[Function], Function]:
    """Return a decorator that adds an option; `attributes` are those of `click.option`."""
    return click.option(*names, cls=BilingualOption, help=en, zh=zh, **attributes)


def command(name: str, *, en: str, zh: str) -> Callable[[Callable[..., object]], BilingualCommand]:
    """Return a decorator that makes a function a command."""
    return click.command(name, cls=BilingualCommand, help=en, zh=zh)
