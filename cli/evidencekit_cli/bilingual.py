"""click with help in two languages: every option and command carries both, the session picks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from evidencekit_cli.language import Language
from evidencekit_cli.output import Session

Function = TypeVar("Function", bound=Callable[..., object])

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


class BilingualContext(click.Context):
    """A context that formats help in the session's language."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return the formatter for this session's language."""
        kind = ChineseFormatter if language_of(self) is Language.ZH else click.HelpFormatter
        return kind(width=self.terminal_width, max_width=self.max_content_width)


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
        translated = copy.copy(self)
        translated.help = self.zh
        click.Command.format_help_text(translated, ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the help option, explained in the session's language."""
        option = super().get_help_option(ctx)
        if option is not None and language_of(ctx) is Language.ZH:
            option.help = "显示本说明。"
        return option

    def short_help_in(self, language: Language, limit: int) -> str:
        """Return the first sentence of the description, for the list of commands."""
        if language is not Language.ZH:
            return self.get_short_help_str(limit)
        return self.zh.strip().partition("\n")[0]


class BilingualGroup(BilingualCommand, click.Group):
    """The program itself: a group whose list of commands follows the session's language."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands in the order in which they were added."""
        language = language_of(ctx)
        limit = formatter.width - 6 - max(len(name) for name in self.commands)
        rows = [
            (name, command.short_help_in(language, limit))
            for name, command in self.commands.items()
            if isinstance(command, BilingualCommand)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def option(*names: str, en: str, zh: str, **attributes: object) -> Callable[[Function], Function]:
    """Return a decorator that adds an option; `attributes` are those of `click.option`."""
    return click.option(*names, cls=BilingualOption, help=en, zh=zh, **attributes)


def command(name: str, *, en: str, zh: str) -> Callable[[Callable[..., object]], BilingualCommand]:
    """Return a decorator that makes a function a command."""
    return click.command(name, cls=BilingualCommand, help=en, zh=zh)
