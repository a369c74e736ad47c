"""The home as its `config.toml` says that it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import ConfigError, FormatError
from evidencekit.home import Home, default_home
from evidencekit.ledger.keeping import Database, Standing
from evidencekit.ledger.policy import MAX_BYTES, Policy, parse_policy
from evidencekit.ledger.witnessing import Witnessing
from evidencekit_cli.places import source_at
from evidencekit_cli.settings import CONFIG_FILE, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.ledger.anchors.anchor import Anchor


def open_home() -> tuple[Home, Settings]:
    """Open the home of this user, or make it.

    Raises:
        ConfigError: `config.toml`, or the policy that it names, cannot be used.
        StorageError: the folder cannot be used.
    """
    settings = read_settings(default_home() / CONFIG_FILE)
    return Home.open(None, standing=standing_of(settings)), settings


def standing_of(settings: Settings) -> Standing:
    """Read how the settings want the ledger kept.

    Raises:
        ConfigError: the policy cannot be used.
        UsageError: an extra is not installed.
    """
    mirror, policy = settings.text("ledger.head_mirror"), settings.text("ledger.witness_policy")
    fail_open, conninfo = settings.flag("ledger.fail_open"), settings.text("ledger.postgres")
    endpoint = settings.text("ledger.s3_endpoint") or None
    return Standing(
        head_mirror=Path(mirror).expanduser() if mirror else None,
        witnessing=Witnessing(policy=read_policy(Path(policy).expanduser()), fail_open=fail_open) if policy else None,
        database=Database(conninfo=conninfo, schema=settings.text("ledger.schema")) if conninfo else None,
        anchors=_anchors(settings.texts("ledger.anchors")),
        published=tuple(source_at(place, endpoint) for place in settings.texts("ledger.published")),
    )


def _anchors(places: tuple[str, ...]) -> tuple[Anchor, ...]:
    if not places:
        return ()
    from evidencekit_cli.anchorfiles import anchors_of

    return anchors_of(places)


def read_policy(path: Path, wrong: Callable[[str, str], Exception] = ConfigError) -> Policy:
    """Read a witness policy.

    Raises:
        ConfigError: it cannot be read, or says nothing usable; or what `wrong` makes.
    """
    try:
        with path.open("rb") as file:
            return parse_policy(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise wrong(
            f"the witness policy {path} cannot be read: {error.strerror}; name another file",
            f"无法读取见证策略 {path}:{error.strerror};请指定其他文件",
        ) from error
    except FormatError as error:
        raise wrong(f"{path}: {error.en} See C2SP tlog-policy.", f"{path}:{error.zh}") from error
