"""Who signed a bundle beside its issuer, in which claimed role, and whether the verifier's user knows them.

A role is the signer's own claim (signer-attributes-v2); the certificate says who the signer is. Each signature is
judged at the earliest trusted time-stamp over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.model import Outcome
from evidencekit.verify.tally import Tally
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.revocation import check_revocation

if TYPE_CHECKING:
    from evidencekit.model import Finding, JsonValue
    from evidencekit.verify.case import Case
    from evidencekit.verify.outer import OuterChecks, OuterSignature

ROLES: Final = ("operator", "assistant", "notary", "witness")


def has_roles(case: Case) -> bool:
    """Tell whether somebody signed after the issuer."""
    first = paths.asic_signature(1)
    return any(name.startswith("META-INF/signature") and name != first for name in case.names)


def check_roles(case: Case, outer: OuterChecks) -> Finding:
    """`outer.roles`: every later signature is intact, claims a role, and its certificate leads to an anchor."""
    tally = Tally("outer.roles", "META-INF/signature*.p7s")
    signers = [_judge(tally, case, outer, signature) for signature in outer.signatures[1:]]
    tally.details["signers"] = signers
    return tally.close(
        f"{len(signers)} further signatures by signers you trust", f"另有 {len(signers)} 个您信任的签署人的签名"
    )


def _judge(tally: Tally, case: Case, outer: OuterChecks, signature: OuterSignature) -> JsonValue:
    check, where = signature.check, signature.path
    certificate = check.certificate
    if certificate is None or not check.intact:
        tally.note(check.integrity, check.reason)
        return {"path": where, "roles": list(check.roles)}
    if len(check.roles) != 1 or check.roles[0] not in ROLES:
        tally.doubt(f"{where} claims no role that is known", f"{where} 未声明已知的角色")
    at = outer.moment_of(signature)
    path = build_path(certificate, check.embedded, case.trust.signers, at=at, purpose=Purpose.SEALING)
    if path.outcome is not Outcome.PASSED:
        tally.note(path.outcome, path.reason)
    elif len(path.chain) > 1:
        step = check_revocation(
            path.chain,
            at=at,
            purpose=Purpose.SEALING,
            crls=(*case.crls, *check.crls),
            ocsp=case.ocsp,
            issuers=check.embedded,
        )
        if step.outcome is Outcome.FAILED:
            tally.note(step.outcome, step.reason)
    return {
        "path": where,
        "roles": list(check.roles),
        "subject": name_of(certificate),
        "certificate_sha256": fingerprint(certificate),
        "judged_at": at.isoformat(),
    }
