"""The record's own signer under an authority: validity and revocation at the time of the seal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.signing.signer import KeySigner
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop
from tests.conformance.grown_forgeries import PKI, VALID, _revocation
from tests.support.assembly import NOW
from tests.support.pki import AT as PKI_AT

if TYPE_CHECKING:
    from tests.support.pki import Entity

_SEALED = (NOW - PKI_AT).days
"""Days from the kit's own moment to the bundle's."""


def _exhibit(shop: Workshop, root: Entity, signer: Entity, *crls: x509.CertificateRevocationList) -> Exhibit:
    keys = replace(shop.keys, signer=KeySigner(signer.key, signer.certificate, (root.certificate,)))
    trust = replace(keys.trust, signers=(root.certificate,), crls=crls)
    return replace(shop, keys=keys).exhibit(replace(shop, keys=keys).members(), trust=trust)


def _issued(valid: tuple[int, int] = VALID) -> tuple[Entity, Entity]:
    root = PKI.make("Office root", PKI.authority(), valid=VALID)
    return root, PKI.make("Office", PKI.sealing, issuer=root, valid=valid)


def _with_crl(reason: x509.ReasonFlags | None, days: int) -> Forgery:
    """A revocation list names the signer, or somebody else when there is no reason."""

    def forge(shop: Workshop) -> Exhibit:
        root, signer = _issued()
        named = signer if reason is not None else PKI.make("Other", PKI.sealing, issuer=root, valid=VALID)
        crl = _revocation(root, named, reason or x509.ReasonFlags.superseded, days=days)
        return _exhibit(shop, root, signer, crl)

    return forge


CASES["signer_under_authority"] = lambda shop: _exhibit(shop, *_issued())
CASES["signer_not_revoked"] = _with_crl(None, _SEALED - 5)
CASES["signer_revoked_fail"] = _with_crl(x509.ReasonFlags.key_compromise, _SEALED - 5)
CASES["signer_revoked_later"] = _with_crl(x509.ReasonFlags.superseded, _SEALED + 30)
CASES["signer_certificate_too_young_fail"] = lambda shop: _exhibit(shop, *_issued((_SEALED + 2, 3000)))
CASES["signer_certificate_ended_before"] = lambda shop: _exhibit(shop, *_issued((-100, _SEALED - 2)))
