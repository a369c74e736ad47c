"""Anchors by fingerprint: a certificate that the bundle shows counts when its SHA-256 was obtained elsewhere.

The fingerprint is the anchor; where the bytes that have it come from does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.verify.tally import InputMissingError
from evidencekit.verify.trust import Trust, certificates_of
from evidencekit.x509.certificate import fingerprint
from evidencekit.x509.signerinfo import load_embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryptography import x509

    from evidencekit.verify.case import Case
    from evidencekit.verify.outer import OuterChecks
    from evidencekit.verify.policy import PinnedAnchors
    from evidencekit.verify.seals import SealChecks
    from evidencekit.verify.timestamps import Stamp, TimeChecks

_Each = TypeVar("_Each")


def pinned_trust(case: Case, anchors: PinnedAnchors, times: TimeChecks, outer: OuterChecks, seals: SealChecks) -> Trust:
    """Give the certificates of the bundle that the policy names, and its log keys."""
    signers = _having(anchors.signers, _shown_signers(case, outer, seals)) if anchors.signers else ()
    tsas = _having(anchors.tsas, _shown_tsas(case, times, outer)) if anchors.tsas else ()
    return Trust(signers=signers, tsas=tsas, logs=anchors.logs)


def _having(prints: Sequence[str], shown: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    found = {fingerprint(certificate): certificate for certificate in shown}
    return tuple(found[each] for each in dict.fromkeys(prints) if each in found)


def _shown_signers(case: Case, outer: OuterChecks, seals: SealChecks) -> Iterator[x509.Certificate]:
    yield from _quiet(lambda: seals.inner.embedded)
    for signature in _quiet(lambda: outer.signatures):
        yield from signature.check.embedded
    yield from _quiet(lambda: certificates_of(case.data(paths.TRUST_SIGNER)))


def _shown_tsas(case: Case, times: TimeChecks, outer: OuterChecks) -> Iterator[x509.Certificate]:
    groups: tuple[Callable[[], Sequence[Stamp]], ...] = (
        lambda: times.opens,
        lambda: [stamp for stamps in times.captures.values() for stamp in stamps],
        lambda: times.seals,
        lambda: outer.proofs,
    )
    for group in groups:
        for stamp in _quiet(group):
            if stamp.check.token is not None:
                yield from load_embedded(stamp.check.token.signed_data)
    yield from _quiet(lambda: certificates_of(case.data(paths.TRUST_TSA)))


def _quiet(read: Callable[[], Sequence[_Each]]) -> Sequence[_Each]:
    """What cannot be read shows nothing; the check of that part says why."""
    try:
        return read()
    except (FormatError, InputMissingError):
        return ()
