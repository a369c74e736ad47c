"""Where the URLs of a capture come from: arguments, a list in a file, or the environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from evidencekit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVIRONMENT_VARIABLE = "EVIDENCEKIT_URL"
_LIST_LIMIT_BYTES = 1 << 20


def gather_urls(arguments: Sequence[str], list_file: str | None) -> tuple[str, ...]:
    """Return the URLs to capture, exactly as given.

    The environment is read only when neither arguments nor a list say what to capture; that is how
    `make capture URL=…` hands a URL over without make or a shell reading it.

    Args:
        arguments: URLs of the command line.
        list_file: A file with one URL a line, `-` for standard input; blank lines and lines that start
            with `#` are passed over.

    Raises:
        UsageError: there is no URL, or the list cannot be read.
    """
    listed = _read_list(list_file) if list_file is not None else ()
    urls = (*arguments, *listed)
    if not urls and list_file is None and os.environ.get(ENVIRONMENT_VARIABLE):
        urls = (os.environ[ENVIRONMENT_VARIABLE],)
    if not urls:
        raise UsageError(
            "no URL was given; name one (evidencekit capture https://…), a list (--from FILE), "
            "or try --demo, which needs no internet",
            "没有给出网址;请给出网址(evidencekit capture https://…)、网址列表(--from 文件),或试用无需联网的 --demo",
        )
    return urls


def _read_list(name: str) -> tuple[str, ...]:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LIST_LIMIT_BYTES + 1)
        else:
            with open(name, "rb") as file:  # noqa: PTH123  a name, not a path: `-` has a meaning
                data = file.read(_LIST_LIMIT_BYTES + 1)
        if len(data) > _LIST_LIMIT_BYTES:
            raise UsageError(
                f"the list {name} is larger than {_LIST_LIMIT_BYTES} bytes; split it into several",
                f"列表 {name} 超过 {_LIST_LIMIT_BYTES} 字节;请拆分为多个",
            )
        lines = data.decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the list {name} cannot be read as UTF-8 text: {error}; check its name and contents",
            f"无法按 UTF-8 文本读取列表 {name}:{error};请检查文件名与内容",
        ) from error
    stripped = (line.rstrip("\r") for line in lines)
    return tuple(line for line in stripped if line.strip() and not line.startswith("#"))
