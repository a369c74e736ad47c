"""What the verifier's user demands beyond the required findings (docs/spec/policy.md).

A policy file is one JSON object, each field optional: how many different certificates must have signed, which must be
among them and in which roles; how many time-stamp authorities and witnesses must vouch; which further findings must be
PASSED; anchors by their SHA-256, logs by their key; and the time to judge at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.errors import ConfigError, FormatError, UsageError
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.signing.note import VerifierKey, parse_vkey
from evidencekit.verify.outcome import KINDS
from evidencekit.verify.roles import ROLES
from evidencekit.verify.trust import MAX_ANCHORS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

MAX_BYTES: Final = 1 << 20
_MAX_COUNT: Final = 100
_HEX_CHARS: Final = 64
_MAX_LISTED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedAnchors:
    """Anchors that a policy names: certificates by SHA-256 in hex, which the bundle may show, and log keys."""

    signers: tuple[str, ...] = ()
    tsas: tuple[str, ...] = ()
    logs: tuple[VerifierKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What must be so beside the required findings; demands nothing by default.

    `signers` different certificates, among them `certificates` (SHA-256 in hex), and one signature for each role;
    `tsas` time-stamp authorities over the sealed record, `witnesses` over the entry's checkpoint; `findings` are ids of
    docs/spec/findings.md that must be PASSED although a verdict does not need them otherwise. `anchors` count beside
    the caller's own; `at` is the time to judge at where the caller names none.
    """

    signers: int = 0
    certificates: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tsas: int = 0
    witnesses: int = 0
    findings: tuple[str, ...] = ()
    anchors: PinnedAnchors = field(default_factory=PinnedAnchors)
    at: datetime | None = None

    @property
    def own(self) -> tuple[str, ...]:
        """Those of the policy's own findings that it asks for."""
        asked = {
            "policy.signatures": self.signers > 0 or bool(self.certificates) or bool(self.roles),
            "policy.timestamps": self.tsas > 0,
            "policy.witnesses": self.witnesses > 0,
        }
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def demands(self) -> tuple[str, ...]:
        """All ids that it makes required."""
        return (*self.own, *self.findings)


def load_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        UsageError: it cannot be read or is not a policy.
    """
    try:
        with path.open("rb") as file:
            return parse_policy(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise UsageError(
            f"The policy {path} cannot be read ({error}); check the path.",
            f"无法读取策略 {path}({error})；请检查路径。",
        ) from error
    except FormatError as error:
        raise ConfigError(
            f"{path} is not a policy ({error.en}); see the documentation of --policy.",
            f"{path} 不是策略文件({error.zh})；请参阅 --policy 的说明。",
        ) from error


def parse_policy(data: bytes) -> Policy:
    """Read a policy.

    Raises:
        FormatError: not JSON, not a policy, or over 1 MiB.
    """
    try:
        value = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"policy: not JSON: {error}", f"策略：不是 JSON:{error}") from error
    fields = Fields(value, "policy")
    check_version(fields, "policy")
    return Policy(
        signers=_count(fields, "signers"),
        certificates=_digests(fields, "certificates"),
        roles=_known(fields, "roles", ROLES),
        tsas=_count(fields, "tsas"),
        witnesses=_count(fields, "witnesses"),
        findings=_known(fields, "findings", KINDS),
        anchors=_read_anchors(fields.object("anchors")) if fields.has("anchors") else PinnedAnchors(),
        at=fields.time("at") if fields.has("at") else None,
    )


def _count(fields: Fields, name: str) -> int:
    return fields.integer(name, 0, _MAX_COUNT) if fields.has(name) else 0


def _known(fields: Fields, name: str, known: Collection[str]) -> tuple[str, ...]:
    found = fields.texts(name) if fields.has(name) else ()
    for each in found:
        if each not in known:
            choices = ", ".join(known) if len(known) <= _MAX_LISTED else "those of docs/spec/findings.md"
            fields.refuse(
                name,
                f"holds {each[:80]!r}, which is not known; known are {choices}",
                f"含有未知的取值 {each[:80]!r}；已知的有 {choices}",
            )
    return tuple(found)


def _digests(fields: Fields, name: str) -> tuple[str, ...]:
    found = fields.texts(name) if fields.has(name) else ()
    for each in found:
        if len(each) != _HEX_CHARS or not set(each) <= set("0123456789abcdef"):
            fields.refuse(
                name, "holds something else than SHA-256 in lower-case hex", "含有非小写十六进制 SHA-256 的内容"
            )
    return tuple(found)


def _read_anchors(fields: Fields) -> PinnedAnchors:
    anchors = PinnedAnchors(
        signers=_digests(fields, "signers"),
        tsas=_digests(fields, "tsas"),
        logs=tuple(parse_vkey(key) for key in fields.texts("logs")) if fields.has("logs") else (),
    )
    if len(anchors.signers) + len(anchors.tsas) + len(anchors.logs) > MAX_ANCHORS:
        fields.refuse(
            "signers", f"and the other anchors are more than {MAX_ANCHORS}", f"与其他信任锚合计超过 {MAX_ANCHORS} 个"
        )
    return anchors
