"""Bundles that grew: later signatures in roles, evidence records and their renewals, policies over them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.bundle import paths
from evidencekit.bundle.asic import EVIDENCE_RECORD_TYPE, SIGNATURE_TYPE, AsicReference, format_asic_manifest
from evidencekit.signing.cades import sign_detached
from evidencekit.signing.signer import KeySigner
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.renewal import begin_records, renew_hash_tree, renew_stamp
from evidencekit.timestamp.token import parse_response
from evidencekit.verify.policy import PinnedAnchors, Policy
from evidencekit.verify.trust import Trust
from evidencekit.x509 import der
from evidencekit.x509.certificate import fingerprint
from evidencekit.x509.digests import digest
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop, grown
from tests.support.assembly import FOREIGN_POLICY, NOW, Hooks, bare_token
from tests.support.pki import AT as PKI_AT
from tests.support.pki import Entity, Pki

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from evidencekit.signing.signer import Signer
    from tests.support.assembly import Members

PKI = Pki()
VALID = (-400, 3000)
"""Days around the kit's own moment, so that the certificates are valid when the cases' bundles are made and judged."""


def _manifest_over(members: Mapping[str, bytes], reference: str, kind: str) -> bytes:
    names = sorted(name for name in members if name != paths.MIMETYPE)
    return format_asic_manifest(
        reference,
        kind,
        [
            AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
            for name in names
        ],
    )


# --- later signatures ----------------------------------------------------------------------------


def countersigned(
    shop: Workshop, members: Members, signer: Signer, role: str | None, *, stamped: bool = True, n: int = 2
) -> Members:
    """Add signature `n` in a role, and a time-stamp over it, as `evidencekit sign` does."""
    place = 2 * n - 1
    over = _manifest_over(members, paths.asic_signature(n), SIGNATURE_TYPE)
    signature = sign_detached(hashlib.sha256(over).digest(), signer, at=NOW + timedelta(hours=1), role=role)
    members = members | {paths.asic_manifest(place): over, paths.asic_signature(n): signature}
    if not stamped:
        return members
    stamp = _manifest_over(members, paths.asic_timestamp(n), "application/vnd.etsi.timestamp-token")
    token = bare_token(stamp, shop.keys, NOW + timedelta(hours=1))
    return members | {paths.asic_manifest(place + 1): stamp, paths.asic_timestamp(n): token}


def _signed(role: str | None, *, known: bool = True, **terms: object) -> Forgery:
    def make(shop: Workshop) -> Exhibit:
        members = countersigned(shop, shop.members(), shop.others.signer, role)
        trust = shop.keys.trust.merged(Trust(signers=shop.others.trust.signers)) if known else shop.keys.trust
        return shop.exhibit(members, trust=trust, **terms)

    return make


CASES["roles_notary"] = _signed("notary")
CASES["roles_unclaimed"] = _signed(None)
CASES["roles_unknown"] = _signed("archbishop")
CASES["roles_of_stranger"] = _signed("notary", known=False)


def _two_roles(shop: Workshop) -> Exhibit:
    """A notary and a witness, one after the other."""
    witness = PKI.make("Witness", PKI.sealing, valid=VALID)
    members = countersigned(shop, shop.members(), shop.others.signer, "notary")
    members = countersigned(shop, members, _signer(witness), "witness", n=3)
    trust = shop.keys.trust.merged(Trust(signers=(*shop.others.trust.signers, witness.certificate)))
    policy = Policy(signers=3, roles=("notary", "witness"), certificates=(fingerprint(witness.certificate),))
    return shop.exhibit(members, trust=trust, policy=policy)


def _signer(entity: Entity, *chain: Entity) -> KeySigner:
    return KeySigner(entity.key, entity.certificate, tuple(each.certificate for each in chain))


def _broken(shop: Workshop) -> Exhibit:
    """The role is changed after signing."""
    members = countersigned(shop, shop.members(), shop.others.signer, "notary", stamped=False)
    name = paths.asic_signature(2)
    return shop.exhibit(members | {name: members[name].replace(b"notary", b"votary")})


def _role_by_expired(shop: Workshop) -> Exhibit:
    """The certificate had ended when it signed."""
    root = PKI.make("Root", PKI.authority(), valid=VALID)
    ended = PKI.make("Former notary", PKI.sealing, issuer=root, valid=(-100, 100))
    members = countersigned(shop, shop.members(), _signer(ended), "notary")
    return shop.exhibit(members, trust=shop.keys.trust.merged(Trust(signers=(root.certificate,))))


def _role_by_revoked(shop: Workshop) -> Exhibit:
    """The certificate had been revoked for a compromised key when it signed."""
    root = PKI.make("Root", PKI.authority(), valid=VALID)
    notary = PKI.make("Notary", PKI.sealing, issuer=root, valid=VALID)
    trust = Trust(signers=(root.certificate,), crls=(_revocation(root, notary, x509.ReasonFlags.key_compromise),))
    members = countersigned(shop, shop.members(), _signer(notary), "notary")
    return shop.exhibit(members, trust=shop.keys.trust.merged(trust))


def _revocation(
    issuer: Entity, revoked: Entity, reason: x509.ReasonFlags, *, days: int = 10
) -> x509.CertificateRevocationList:
    from cryptography.hazmat.primitives import hashes

    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial_number)
        .revocation_date(PKI_AT + timedelta(days=days))
        .add_extension(x509.CRLReason(reason), critical=False)
        .build()
    )
    return PKI.revoke(issuer, [entry], issued=days, renewed=3000).sign(issuer.key, hashes.SHA256())


CASES["roles_notary_and_witness"] = _two_roles
CASES["roles_changed_fail"] = _broken
CASES["roles_by_expired_fail"] = _role_by_expired
CASES["roles_by_revoked_fail"] = _role_by_revoked

# --- policies ------------------------------------------------------------------------------------

CASES["policy_role_missing"] = _signed("notary", policy=Policy(roles=("witness",)))
CASES["policy_certificate_missing"] = lambda shop: shop.exhibit(
    shop.members(), policy=Policy(certificates=(fingerprint(shop.others.signer.certificate),))
)
CASES["policy_one_tsa_met"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(tsas=1))
CASES["policy_two_tsas_missing"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(tsas=2))
CASES["policy_self_issued_tsa_missing"] = lambda shop: shop.exhibit(
    shop.members(policy=SELF_ISSUED_POLICY), policy=Policy(tsas=1)
)
CASES["policy_witness_met"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(witnesses=1))
CASES["policy_two_witnesses_missing"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(witnesses=2))
CASES["policy_witness_of_unsigned_log_fail"] = lambda shop: shop.exhibit(
    shop.members(hooks=Hooks(checkpoint_signers=lambda keys: (keys.witness,))), policy=Policy(witnesses=1)
)
CASES["policy_finding_met"] = lambda shop: shop.exhibit(shop.members(), policy=Policy(findings=("time.independent",)))
CASES["policy_finding_missing"] = lambda shop: shop.exhibit(
    shop.members(), policy=Policy(findings=("seal.revocation",))
)


def _two_tsas(shop: Workshop) -> Exhibit:
    """A second authority stamps the grown bundle."""
    members = shop.members()
    stamp = _manifest_over(members, paths.asic_timestamp(2), "application/vnd.etsi.timestamp-token")
    token = bare_token(stamp, shop.others, NOW + timedelta(hours=2))
    members = members | {paths.asic_manifest(3): stamp, paths.asic_timestamp(2): token}
    trust = shop.keys.trust.merged(Trust(tsas=shop.others.trust.tsas))
    return shop.exhibit(members, trust=trust, policy=Policy(tsas=2))


def _pinned(shop: Workshop) -> Exhibit:
    """The policy names every anchor by its fingerprint or key, and the time; nothing else is given."""
    keys = shop.keys
    anchors = PinnedAnchors(
        signers=(fingerprint(keys.signer.certificate),),
        tsas=(fingerprint(keys.tsa_certificate),),
        logs=keys.trust.logs,
    )
    return shop.exhibit(shop.members(), trust=Trust.stranger(), policy=Policy(anchors=anchors))


def _pinned_other(shop: Workshop) -> Exhibit:
    """The policy names somebody else's certificates."""
    anchors = PinnedAnchors(
        signers=(fingerprint(shop.others.signer.certificate),), tsas=(fingerprint(shop.others.tsa_certificate),)
    )
    return shop.exhibit(shop.members(), trust=Trust.stranger(), policy=Policy(anchors=anchors))


CASES["policy_two_tsas_met"] = _two_tsas
CASES["policy_names_anchors"] = _pinned
CASES["policy_names_other_anchors"] = _pinned_other

# --- evidence records ----------------------------------------------------------------------------


class _Tsa:
    """An authority that stamps at given moments, with whatever hash function is asked for."""

    def __init__(self, name: str, *, valid: tuple[int, int] = VALID) -> None:
        self._entity = PKI.make(name, PKI.stamping, valid=valid)

    @property
    def certificate(self) -> x509.Certificate:
        return self._entity.certificate

    def at(self, moment: datetime) -> Callable[[str, bytes], bytes]:
        authority = Authority(self._entity.key, self.certificate, policy=FOREIGN_POLICY, clock=lambda: moment)

        def stamp(algorithm: str, imprint: bytes) -> bytes:
            token = parse_response(authority.reply(build_query(imprint, algorithm=algorithm))).token
            assert token is not None
            return token

        return stamp


def _days(count: int) -> datetime:
    return NOW + timedelta(days=count)


def _recorded(
    shop: Workshop,
    make: Callable[[Callable[[str], list[bytes]], _Tsa], bytes],
    *,
    at: datetime | None = None,
    tsa: _Tsa | None = None,
) -> Exhibit:
    """Add the evidence record that `make` makes of the members' digests."""
    stamper = tsa or _Tsa("Archive TSA")
    members = shop.members()
    covered = sorted(name for name in members if name != paths.MIMETYPE)
    record = make(lambda algorithm: [digest(algorithm, members[name]) for name in covered], stamper)
    manifest = _manifest_over(members, paths.evidence_record(1), EVIDENCE_RECORD_TYPE)
    members = members | {paths.evidence_record_manifest(1): manifest, paths.evidence_record(1): record}
    trust = shop.keys.trust.merged(Trust(tsas=(stamper.certificate,)))
    return shop.exhibit(members, trust=trust, at=at or _days(400))


def _first(digests: Callable[[str], list[bytes]], tsa: _Tsa, day: int = 100) -> bytes:
    (record,) = begin_records([digests("sha256")], "sha256", tsa.at(_days(day)))
    return record


def _with_others(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    """One token over this bundle and two others."""
    other = [digest("sha256", bytes((n,))) for n in range(5)]
    return begin_records([other, digests("sha256"), other[:1]], "sha256", tsa.at(_days(100)))[1]


def _stamp_renewed(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    return renew_stamp(_first(digests, tsa), tsa.at(_days(200)))


def _tree_renewed(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    return renew_hash_tree(_stamp_renewed(digests, tsa), digests, "sha512", tsa.at(_days(300)))


def _tree_of_others(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    """The second chain is over other data."""
    spoilt = lambda algorithm: [digest(algorithm, each) for each in digests("sha256")]  # noqa: E731 - one line
    return renew_hash_tree(_first(digests, tsa), spoilt, "sha512", tsa.at(_days(300)))


def _out_of_order(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    return renew_stamp(_first(digests, tsa), tsa.at(_days(50)))


def _more_than_the_bundle(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    """The group holds a digest of something that is not in the bundle (RFC 4998 §4.3)."""
    group = [*digests("sha256"), digest("sha256", b"something else")]
    return begin_records([group], "sha256", tsa.at(_days(100)))[0]


def _with_crypto_information(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    version, algorithms, chains = (node.raw for node in der.children(der.parse(_first(digests, tsa))))
    return der.sequence(version, algorithms, der.encode(der.context(0)), chains)


def _of_md5(digests: Callable[[str], list[bytes]], tsa: _Tsa) -> bytes:
    """The record names a hash function that proves nothing."""
    record = _first(digests, tsa)
    sha256, md5 = der.oid("2.16.840.1.101.3.4.2.1"), der.oid("1.2.840.113549.2.5")
    version, _, chains = (node.raw for node in der.children(der.parse(record)))
    chain = der.children(der.children(der.parse(chains))[0])[0]
    parts = [node.raw for node in der.children(chain)]
    parts[0] = der.encode(der.context(0), md5)
    assert sha256 in record
    return der.sequence(version, der.sequence(der.sequence(md5)), der.sequence(der.sequence(der.sequence(*parts))))


def _record(make: Callable[[Callable[[str], list[bytes]], _Tsa], bytes], **terms: object) -> Forgery:
    return lambda shop: _recorded(shop, make, **terms)  # type: ignore[arg-type]


CASES["renewed_by_record"] = _record(_first)
CASES["renewed_with_other_bundles"] = _record(_with_others)
CASES["renewed_twice"] = _record(_stamp_renewed)
CASES["renewed_with_a_stronger_hash"] = _record(_tree_renewed)
CASES["renewed_hash_over_other_data_fail"] = _record(_tree_of_others)
CASES["renewed_out_of_order_fail"] = _record(_out_of_order)
CASES["renewed_over_more_than_the_bundle_fail"] = _record(_more_than_the_bundle)
CASES["renewed_with_loose_information"] = _record(_with_crypto_information)
CASES["renewed_by_weak_hash_fail"] = _record(_of_md5)
CASES["renewed_record_garbage_fail"] = _record(lambda _digests, _tsa: b"\x30\x03\x02\x01\x02")
CASES["renewed_by_unknown_tsa"] = lambda shop: replace(_recorded(shop, _first), trust=shop.keys.trust)


def _record_then_stamp(shop: Workshop) -> Exhibit:
    """A time-stamp over the bundle with its record; the record's own labels are then protected."""
    made = _recorded(shop, _with_crypto_information)
    import io
    import zipfile

    assert isinstance(made.data, bytes)
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return replace(shop.exhibit(grown(shop, members)), trust=made.trust, at=made.at)


CASES["renewed_then_stamped"] = _record_then_stamp
