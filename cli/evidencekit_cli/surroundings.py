"""From the settings to what the probes of the environment ask and compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.capture.environment.knownbrowsers import read_digests
from evidencekit.capture.environment.probe import ProbeSources
from evidencekit.errors import ConfigError

if TYPE_CHECKING:
    from evidencekit_cli.settings import Settings


def sources_of(settings: Settings) -> ProbeSources:
    """Return whom the probes of the environment ask.

    Raises:
        ConfigError: the file of browser digests cannot be read.
    """
    known = settings.text("environment.browser_digests")
    try:
        digests = read_digests(Path(known)) if known else {}
    except OSError as error:
        raise ConfigError(
            f"environment.browser_digests names {known}, which cannot be read ({error.strerror}); correct config.toml",
            f"environment.browser_digests 所指的 {known} 无法读取({error.strerror});请更正 config.toml",
        ) from error
    return ProbeSources(
        resolvers=settings.texts("environment.resolvers"),
        time_servers=settings.texts("environment.time_servers"),
        egress_servers=settings.texts("environment.egress_servers"),
        browser_digests=digests,
    )
