"""The checks of what a policy demands: signers, time-stamp authorities, witnesses (docs/spec/policy.md).

A demand that is not met leaves its finding INDETERMINATE: nothing is wrong, there is too little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.model import Outcome
from evidencekit.verify.tally import Tally
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.path import Purpose, build_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.model import Finding
    from evidencekit.verify.case import Case
    from evidencekit.verify.ledger import LedgerChecks
    from evidencekit.verify.outer import OuterChecks
    from evidencekit.verify.policy import Policy
    from evidencekit.verify.timestamps import Stamp


def check_signatures(case: Case, outer: OuterChecks, policy: Policy) -> Finding:
    """`policy.signatures`: enough different certificates signed, and the demanded ones and roles are among them."""
    tally = Tally("policy.signatures", "META-INF/signature*.p7s")
    counted, claimed = _signers(case, outer)
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


def check_timestamps(seals: Sequence[Stamp], outer: Sequence[Stamp], policy: Policy) -> Finding:
    """`policy.timestamps`: enough authorities vouch for the sealed record, none of them the issuer's own.

    Authorities are told apart by the anchors that the caller gave: two that lead to one anchor count once.
    """
    tally = Tally("policy.timestamps", f"{paths.seal_token(1)}, META-INF/")
    stamps = [stamp for stamp in (*seals, *outer) if stamp.trusted and not stamp.check.self_issued]
    counted = {fingerprint(stamp.check.chain[-1]): name_of(stamp.check.chain[-1]) for stamp in stamps}
    tally.details["tsas"] = dict(counted)
    if len(counted) < policy.tsas:
        tally.doubt(
            f"{len(counted)} time-stamp authorities you trust vouch for the sealed record, {policy.tsas} are demanded",
            f"为已封存记录作证的、您信任的时间戳机构有 {len(counted)} 家，要求 {policy.tsas} 家",
        )
    return tally.close(f"{len(counted)} time-stamp authorities, as demanded", f"{len(counted)} 家时间戳机构，符合要求")


def check_witnesses(ledger: LedgerChecks, policy: Policy) -> Finding:
    """`policy.witnesses`: enough witnesses cosigned the checkpoint that holds the entry."""
    tally = Tally("policy.witnesses", paths.ENTRY_PROOF)
    counted = ledger.witnesses
    tally.details["witnesses"] = list(counted)
    if len(counted) < policy.witnesses:
        tally.doubt(
            f"{len(counted)} witnesses you trust cosigned the checkpoint, {policy.witnesses} are demanded",
            f"您信任的见证人中有 {len(counted)} 个联署了检查点，要求 {policy.witnesses} 个",
        )
    return tally.close(f"{len(counted)} witnesses, as demanded", f"{len(counted)} 个见证人，符合要求")


def _signers(case: Case, outer: OuterChecks) -> tuple[dict[str, str], set[str]]:
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
