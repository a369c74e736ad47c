"""What `--tsa` and `capture.tsa` name: `auto`, `none`, names of `[tsa.NAME]` tables, or URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidencekit.errors import UsageError
from evidencekit.timestamp.authorities import auto_tsas
from evidencekit.timestamp.client import TsaConfig
from evidencekit.timestamp.roles import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.timestamp.client import TimeStamper
    from evidencekit_cli.settings import OwnTsa


def authorities_named(names: Sequence[str], own: Sequence[OwnTsa] = ()) -> tuple[TimeStamper, ...]:
    """Return the authorities in order; empty for `none`.

    Args:
        names: what was asked for.
        own: the user's own, which a name may mean.

    Raises:
        UsageError: `auto` or `none` beside something else, or a value that is no HTTP URL.
    """
    if len(names) > 1 and {"auto", "none"} & set(names):
        raise UsageError(
            "auto and none stand alone as time-stamping authority; give one of them, or URLs",
            "时间戳机构 auto 与 none 不能与其他值并用;请只给其一,或给出网址",
        )
    if tuple(names) in ((), ("none",)):
        return ()
    if tuple(names) == ("auto",):
        return auto_tsas()
    known = {tsa.name: tsa for tsa in own}
    return tuple(_own(known[name]) if name in known else TsaConfig(url=name, name=_host(name)) for name in names)


def _own(tsa: OwnTsa) -> TsaConfig:
    roles = frozenset(Role(role) for role in tsa.roles)
    return TsaConfig(url=tsa.url, name=tsa.name, policy=tsa.policy, roles=roles)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if host is None:
        raise UsageError(
            f"the time-stamping authority {url[:200]!r} is neither auto, none, a [tsa.NAME] of config.toml "
            "nor an http: or https: URL; correct it",
            f"时间戳机构 {url[:200]!r} 既不是 auto、none、config.toml 中的 [tsa.名称],"
            "也不是 http: 或 https: 网址;请更正",
        )
    return host
