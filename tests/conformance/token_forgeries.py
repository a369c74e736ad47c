"""Outer time-stamps that other verifiers take although they must not, or refuse although they are good.

Every token is over the right bytes and properly signed unless its case is about that, so that only one step can
notice. docs/spec/known-holes.md lists what each stands for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.bundle import paths
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.token import parse_response
from evidencekit.verify.trust import Trust
from evidencekit.x509.certificate import to_der
from tests.conformance.forgeries import CASES, Exhibit, Workshop
from tests.conformance.grown_forgeries import PKI, VALID, _revocation
from tests.support.assembly import FOREIGN_POLICY, NOW
from tests.support.tokens import Recipe, basic, bound, cook, imprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tests.support.pki import Entity, Extension

STAMPED_AT = NOW + timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A TSA: key, certificate, and the anchor that a user would give for it."""

    key: Any
    certificate: x509.Certificate
    anchor: x509.Certificate


def _identity(extensions: Sequence[Extension] = PKI.stamping, *, valid: tuple[int, int] = VALID) -> Identity:
    root = PKI.make("Stamp root", PKI.authority(), valid=VALID)
    leaf = PKI.make("TSA", extensions, issuer=root, valid=valid)
    return Identity(key=leaf.key, certificate=leaf.certificate, anchor=root.certificate)


def _stamped(at: datetime, imprint: bytes, **terms: Any) -> Recipe:
    return Recipe(imprint=imprint, **({"time": f"{at:%Y%m%d%H%M%S}Z"} | terms))


def _over(shop: Workshop, token: Callable[[bytes], bytes], trust: Trust, *, at: datetime | None = None) -> Exhibit:
    """Put the token in the outer time-stamp's place."""
    members = shop.members()
    members[paths.asic_timestamp(1)] = token(hashlib.sha256(members[paths.asic_manifest(2)]).digest())
    exhibit = shop.exhibit(members, trust=shop.keys.trust.merged(trust))
    return exhibit if at is None else replace(exhibit, at=at)


def _case(
    name: str,
    make: Callable[[], Identity] = _identity,
    *,
    recipe: Callable[[bytes], dict[str, Any]] = lambda _: {},
    at: datetime = STAMPED_AT,
    change: Callable[[bytes], bytes] = lambda token: token,
    trusted: bool = True,
) -> None:
    def forge(shop: Workshop) -> Exhibit:
        who = make()

        def token(digest: bytes) -> bytes:
            terms = {"imprint": imprint_of("sha256", digest)} | recipe(digest)
            return change(cook(who, _stamped(at, terms.pop("imprint"), **terms)))

        return _over(shop, token, Trust(tsas=(who.anchor,)) if trusted else Trust())

    CASES[name] = forge


def _swap_last(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(token: bytes) -> bytes:
        assert old in token
        return token.replace(old, new, 1)

    return change


_EKU = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
_LEAF = (x509.BasicConstraints(ca=False, path_length=None), True)
_USAGE = (PKI.usage("digital_signature"), True)
_STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


def _with(*extensions: Extension) -> Callable[[], Identity]:
    return lambda: _identity(extensions)


_case("token_good_under_a_root")
_case("token_root_of_the_token_itself", trusted=False)
_case("token_imprint_sha1_fail", recipe=lambda digest: {"imprint": imprint_of("sha1", digest[:20])})
_case("token_imprint_md5_fail", recipe=lambda digest: {"imprint": imprint_of("md5", digest[:16])})
_case("token_before_certificate_fail", lambda: _identity(valid=(300, 3000)))
_case("token_after_certificate_fail", lambda: _identity(valid=(-100, 100)))
_case("token_in_the_future_fail", at=NOW + timedelta(days=2))
_case("token_usage_not_critical_fail", _with(_LEAF, _USAGE, (_EKU, False)))
_case(
    "token_usage_also_code_signing_fail",
    _with(
        _LEAF,
        _USAGE,
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]), True),
    ),
)
_case("token_key_usage_wrong_fail", _with(_LEAF, (PKI.usage("key_encipherment"), True), (_EKU, True)))
_case("token_usage_missing_fail", _with(_LEAF, _USAGE))
_case(
    "token_usage_wrong_fail",
    _with(_LEAF, _USAGE, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True)),
)
_case("token_unknown_critical_extension_fail", _with(_LEAF, _USAGE, (_EKU, True), (_STRANGE, True)))
_case("token_certificate_not_bound_fail", recipe=lambda _: {"attributes": basic})
_case("token_certificate_bound_wrongly_fail", recipe=lambda _: {"attributes": bound(spoil=True)})
_case("token_trailing_bytes_fail", recipe=lambda _: {"trailing": b"\0"})
_case(
    "token_time_changed_fail",
    change=_swap_last(
        f"{STAMPED_AT:%Y%m%d%H%M%S}Z".encode(), f"{STAMPED_AT - timedelta(days=9):%Y%m%d%H%M%S}Z".encode()
    ),
)
_case("token_imprint_changed_fail", recipe=lambda digest: {"imprint": imprint_of("sha256", digest[:31] + b"!")})
_case(
    "token_signature_of_another_key_fail",
    recipe=lambda _: {
        "sign": lambda _who, data: ec.generate_private_key(ec.SECP256R1()).sign(data, ec.ECDSA(hashes.SHA256()))
    },
)
_case("token_without_its_certificate", recipe=lambda _: {"certificates": lambda _who: []})


def _leaf_as_authority() -> Identity:
    """A certificate that is no CA issued the TSA's."""
    root = PKI.make("Stamp root", PKI.authority(), valid=VALID)
    leaf = PKI.make("Shop", PKI.sealing, issuer=root, valid=VALID)
    tsa = PKI.make("TSA", PKI.stamping, issuer=leaf, valid=VALID)
    return Identity(key=tsa.key, certificate=tsa.certificate, anchor=leaf.certificate)


_case("token_issued_by_a_leaf_fail", _leaf_as_authority)


def _revoked(reason: x509.ReasonFlags, days: int) -> Callable[[Workshop], Exhibit]:
    """The TSA's certificate is revoked `days` after the kit's moment, which is 175 days before the bundle."""

    def forge(shop: Workshop) -> Exhibit:
        root = PKI.make("Stamp root", PKI.authority(), valid=VALID)
        tsa = PKI.make("TSA", PKI.stamping, issuer=root, valid=VALID)
        who = Identity(key=tsa.key, certificate=tsa.certificate, anchor=root.certificate)
        crl = _revocation(root, tsa, reason, days=days)
        trust = Trust(tsas=(root.certificate,), crls=(crl,))
        return _over(shop, lambda digest: cook(who, _stamped(STAMPED_AT, imprint_of("sha256", digest))), trust)

    return forge


CASES["token_tsa_revoked_fail"] = _revoked(x509.ReasonFlags.key_compromise, 10)
CASES["token_tsa_compromised_later_fail"] = _revoked(x509.ReasonFlags.key_compromise, 300)
CASES["token_tsa_superseded_later"] = _revoked(x509.ReasonFlags.superseded, 300)
CASES["token_tsa_superseded_before_fail"] = _revoked(x509.ReasonFlags.superseded, 10)


def _expired_since(shop: Workshop) -> Exhibit:
    """The certificate was valid at genTime, and has ended since: good, but to be renewed."""
    who = _identity(valid=(-400, 200))
    return _over(
        shop,
        lambda digest: cook(who, _stamped(STAMPED_AT, imprint_of("sha256", digest))),
        Trust(tsas=(who.anchor,)),
        at=NOW + timedelta(days=60),
    )


def _certificate_apart(shop: Workshop) -> Exhibit:
    """The token does not embed the certificate; the user gave it as anchor."""
    who = _identity()
    return _over(
        shop,
        lambda digest: cook(who, _stamped(STAMPED_AT, imprint_of("sha256", digest), certificates=lambda _who: [])),
        Trust(tsas=(who.certificate,)),
    )


def _by(key: Any) -> Callable[[Workshop], Exhibit]:
    """A TSA with another kind of key, by this library's own authority."""

    def forge(shop: Workshop) -> Exhibit:
        root = PKI.make("Stamp root", PKI.authority(), valid=VALID)
        certificate = _certified(root, key)
        authority = Authority(key, certificate, (root.certificate,), policy=FOREIGN_POLICY, clock=lambda: STAMPED_AT)

        def token(digest: bytes) -> bytes:
            made = parse_response(authority.reply(build_query(digest))).token
            assert made is not None
            return made

        return _over(shop, token, Trust(tsas=(root.certificate,)))

    return forge


def _certified(root: Entity, key: Any) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(PKI.name("TSA"))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(NOW + timedelta(days=3000))
    )
    for extension, critical in PKI.stamping:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(root.key, hashes.SHA256())


def _unsorted(shop: Workshop) -> Exhibit:
    """The set of certificates is in another order than DER's, as `openssl ts` writes it."""
    who = _identity()
    embedded = sorted([to_der(who.certificate), to_der(who.anchor)], reverse=True)
    return _over(
        shop,
        lambda digest: cook(
            who, _stamped(STAMPED_AT, imprint_of("sha256", digest), certificates=lambda _who: embedded)
        ),
        Trust(tsas=(who.anchor,)),
    )


CASES["token_tsa_certificate_ended_since"] = _expired_since
CASES["token_certificate_given_apart"] = _certificate_apart
CASES["token_by_ed25519"] = _by(ed25519.Ed25519PrivateKey.generate())
CASES["token_by_rsa"] = _by(rsa.generate_private_key(65537, 3072))
CASES["token_certificates_unsorted"] = _unsorted
