"""click's complaints about a command line, said in both languages."""

from __future__ import annotations

import click

from evidencekit_cli.output import Sentence, inert


def usage_sentence(error: click.ClickException) -> Sentence:
    """Return what is wrong with the command line and where the help is."""
    english = inert(error.format_message()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "evidencekit"
    return Sentence(
        f"{english}; see '{path} --help'",
        f"{_chinese(error, english)};用法见 '{path} --help'",
    )


def _chinese(error: click.ClickException, english: str) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"没有选项 {inert(error.option_name)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"缺少参数 {_name(error.param)}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        if isinstance(error.param.type, click.Choice):
            return f"{_name(error.param)} 应为 {'、'.join(str(choice) for choice in error.param.type.choices)} 之一"
        return f"{_name(error.param)} 的值不可用:{inert(error.message)}"
    if english.startswith("No such command"):
        return "没有命令" + english.removeprefix("No such command")
    return f"命令行有误:{english}"


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return (parameter.metavar or parameter.name or "").strip(".")
    return " / ".join(parameter.opts)
