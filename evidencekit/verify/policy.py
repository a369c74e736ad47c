"""What the verifier's user demands beyond the required findings: signatures over the whole bundle, further findings.

A policy file is one JSON object, each field optional:
`{"format":"evidencekit/policy","version":1,"signers":2,"certificates":["<SHA-256 of a certificate>",…],
"findings":["time.independent",…]}`. `findings` are ids that must be PASSED beside those always required. `signers` is
how many different certificates must have signed, the issuer's included; `certificates` are those that must be among
them. A signature counts when it is intact and its certificate leads to an anchor for signers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import ConfigError, FormatError, UsageError
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.model import Outcome
from evidencekit.verify.outcome import KINDS
from evidencekit.verify.roles import ROLES
from evidencekit.verify.tally import Tally
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.path import Purpose, build_path

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import Finding
    from evidencekit.verify.case import Case
    from evidencekit.verify.outer import OuterChecks

MAX_BYTES: Final = 1 << 20
_MAX_SIGNERS: Final = 100
_HEX_CHARS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`signers` different certificates, among them `certificates` (SHA-256 in hex), and one signature for each role.

    `findings` are ids of docs/spec/findings.md that must be PASSED although a verdict does not need them otherwise.
    Demands nothing by default.
    """

    signers: int = 0
    certificates: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it demands signatures."""
        return self.signers > 0 or bool(self.certificates) or bool(self.roles)


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
    certificates = fields.texts("certificates") if fields.has("certificates") else ()
    for certificate in certificates:
        if len(certificate) != _HEX_CHARS or not set(certificate) <= set("0123456789abcdef"):
            fields.refuse(
                "certificates",
                "holds something else than SHA-256 in lower-case hex",
                "含有非小写十六进制 SHA-256 的内容",
            )
    signers = fields.integer("signers", 0, _MAX_SIGNERS) if fields.has("signers") else 0
    roles = fields.texts("roles") if fields.has("roles") else ()
    for role in roles:
        if role not in ROLES:
            fields.refuse("roles", f"holds {role[:40]!r}; known are {', '.join(ROLES)}", "含未知角色")
    findings = fields.texts("findings") if fields.has("findings") else ()
    for identifier in findings:
        if identifier not in KINDS:
            fields.refuse("findings", f"names {identifier[:80]!r}, which is no finding", "含有未登记的核验事项")
    return Policy(signers=signers, certificates=tuple(certificates), roles=tuple(roles), findings=tuple(findings))


def check_policy(case: Case, outer: OuterChecks, policy: Policy) -> Finding:
    """`policy.signatures`: enough different certificates signed, and the demanded ones are among them."""
    tally = Tally("policy.signatures", "META-INF/signature*.p7s")
    counted, claimed = _counted(case, outer)
    tally.details["signers"] = dict(counted)
    if len(counted) < policy.signers:
        tally.doubt(
            f"{len(counted)} signers you trust, {policy.signers} are demanded",
            f"您信任的签署人有 {len(counted)} 个，要求 {policy.signers} 个",
        )
    for role in policy.roles:
        if role not in claimed:
            tally.doubt(f"nobody you trust signed as {role}", f"没有您信任的人以 {role} 身份签名")
    for wanted in policy.certificates:
        if wanted not in counted:
            tally.doubt(f"no counted signature by {wanted}", f"没有 {wanted} 的有效签名")
    return tally.close(f"{len(counted)} signers, as demanded", f"{len(counted)} 个签署人，符合要求")


def _counted(case: Case, outer: OuterChecks) -> tuple[dict[str, str], set[str]]:
    """Name the signers that count, by certificate, and the roles that their signatures claim."""
    counted: dict[str, str] = {}
    claimed: set[str] = set()
    for signature in outer.signatures:
        certificate = signature.check.certificate
        if certificate is None or not signature.check.intact:
            continue
        path = build_path(
            certificate,
            signature.check.embedded,
            case.trust.signers,
            at=outer.moment_of(signature),
            purpose=Purpose.SEALING,
        )
        if path.outcome is Outcome.PASSED:
            counted[fingerprint(certificate)] = name_of(certificate)
            claimed |= set(signature.check.roles)
    return counted, claimed
