"""The checks of `evidencekit doctor` that remind: tokens used up, time-stamps owed, renewals due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.home import Home
from evidencekit.ledger.keeping import Standing
from evidencekit.owed import owed_in, tokens_used
from evidencekit_cli.diagnosis import Diagnosis, informed, passed, warned
from evidencekit_cli.output import inert
from evidencekit_cli.settings import CONFIG_FILE, read_settings
from evidencekit_cli.states import states_of

if TYPE_CHECKING:
    from pathlib import Path

_NEARLY_USED = 0.9


def check_tokens(home: Path) -> Diagnosis:
    """Compare the tokens used with what the contracts pay for."""
    used = {tsa: sum(roles.values()) for tsa, roles in tokens_used(home).items()}
    own = read_settings(home / CONFIG_FILE).tsas
    counted = {tsa.name: tsa.tokens for tsa in own if tsa.tokens}
    words = [
        f"{inert(name)} {count}" + (f"/{counted[name]}" if name in counted else "") for name, count in used.items()
    ]
    text = ", ".join(words) or "-"
    for name, paid in counted.items():
        if used.get(name, 0) >= paid * _NEARLY_USED:
            return warned(
                "tokens",
                f"{name} has given {used.get(name, 0)} of {paid} tokens; renew the contract (used: {text})",
                f"{name} 的 {paid} 枚时间戳已用 {used.get(name, 0)} 枚;请续约(已用:{text})",
            )
    return informed("tokens", f"used: {text}", f"已用时间戳:{text}")


def check_pending(home: Path) -> Diagnosis:
    """Say how many bundles wait for a third-party time-stamp."""
    owed = owed_in(home)
    if not owed:
        return passed("pending", "no time-stamp is owed", "没有待补的时间戳")
    return warned(
        "pending",
        f"{len(owed)} bundles are PENDING since {owed[0].since:%Y-%m-%d}: evidencekit timestamp stamp --pending",
        f"{len(owed)} 个证据包自 {owed[0].since:%Y-%m-%d} 起待补时间戳:evidencekit timestamp stamp --pending",
    )


def check_renewal(home: Path) -> Diagnosis:
    """Say which time-stamps should be renewed soon."""
    if not home.is_dir():
        return passed("renewal", "no bundle yet", "尚无证据包")
    states = states_of(Home(home, Standing()))
    due = [state for state in states if state.due and state.renew_by is not None]
    if not due:
        return passed("renewal", "no time-stamp ends within 180 days", "没有 180 天内到期的时间戳")
    first = min(state.renew_by for state in due if state.renew_by is not None)
    return warned(
        "renewal",
        f"the time-stamps of {len(due)} bundles end, the first on {first:%Y-%m-%d}: evidencekit timestamp renew",
        f"{len(due)} 个证据包的时间戳将到期,最早为 {first:%Y-%m-%d}:evidencekit timestamp renew",
    )
