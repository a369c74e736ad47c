"""The second signature over `manifest.json`, with ML-DSA-65: what is left when ECDSA and RSA can be forged.

The signed manifest names its certificate, so a bundle cannot lose it unseen while the first signature holds. It counts
for whoever holds its certificate as an anchor; that the bundle brings one along proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.model import Outcome
from evidencekit.signing.cades import check_detached
from evidencekit.verify.tally import InputMissingError, Tally
from evidencekit.x509 import oids
from evidencekit.x509.certificate import fingerprint, name_of
from evidencekit.x509.checks import first_not_passed
from evidencekit.x509.cms import parse_signed_data
from evidencekit.x509.path import Purpose, build_path

if TYPE_CHECKING:
    from cryptography import x509

    from evidencekit.model import Finding
    from evidencekit.signing.cades import SealCheck
    from evidencekit.verify.case import Case
    from evidencekit.verify.outer import OuterChecks


def has_post_quantum(case: Case) -> bool:
    """Tell whether there is a second signature, or the manifest says that there should be one."""
    return paths.POST_QUANTUM_SEAL in case.names or _named(case) is not None


def check_post_quantum(case: Case, outer: OuterChecks) -> Finding:
    """`seal.post_quantum`: intact, with ML-DSA-65, by the certificate that the manifest names, which is trusted."""
    tally = Tally("seal.post_quantum", paths.POST_QUANTUM_SEAL)
    if not case.has(paths.POST_QUANTUM_SEAL):
        tally.fail("the manifest names a second signature, which is missing", "清单载明有第二签名，但已缺失")
        return tally.close("", "")
    data = case.data(paths.POST_QUANTUM_SEAL)
    check = check_detached(data, case.content(paths.MANIFEST), known=case.trust.signers)
    flaw = first_not_passed(check.checks)
    if flaw is not None:
        tally.note(flaw.outcome, flaw.reason)
    certificate = check.certificate
    if certificate is not None:
        tally.details["certificate_sha256"] = fingerprint(certificate)
        _note_signer(tally, case, certificate)
        if flaw is None and parse_signed_data(data).signers[0].signature_algorithm.oid != oids.ML_DSA_65:
            tally.fail("it is not made with ML-DSA-65", "该签名并非以 ML-DSA-65 作出")
        _note_path(tally, case, outer, check, certificate)
    return tally.close(
        "the second signature, with ML-DSA-65, is intact and by a signer you trust",
        "以 ML-DSA-65 作出的第二签名完整，且签署人受您信任",
    )


def _named(case: Case) -> str | None:
    try:
        return case.manifest.signer.post_quantum_sha256
    except InputMissingError:
        return None


def _note_signer(tally: Tally, case: Case, certificate: x509.Certificate) -> None:
    if case.named_signer is None:
        tally.doubt("the manifest does not tell who should have signed it", "清单不可读，无法得知应由谁签署")
    elif fingerprint(certificate) != _named(case):
        tally.fail("the signer is not the one whom the manifest names", "签署人不是清单所载明的签署人")


def _note_path(tally: Tally, case: Case, outer: OuterChecks, check: SealCheck, certificate: x509.Certificate) -> None:
    if not case.trust.signers:
        tally.doubt(
            f"no anchor for signers was given; {name_of(certificate)} proves integrity only",
            f"未提供签署人的信任锚；{name_of(certificate)} 仅能证明完整性",
        )
        return
    moment = outer.moment  # the outer time-stamp covers every member, this one among them
    path = build_path(certificate, check.embedded, case.trust.signers, at=moment, purpose=Purpose.SEALING)
    if path.outcome is not Outcome.PASSED:
        tally.note(path.outcome, path.reason)
