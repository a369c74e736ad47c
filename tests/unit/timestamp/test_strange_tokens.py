"""Tokens as they are found in the wild, and tokens that are wrong in one way each: judged by the step that is about it.

Every token is properly signed unless its case says otherwise, so only that one step can notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from evidencekit.model import Outcome
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.token import parse_token
from evidencekit.x509 import der, oids
from evidencekit.x509.certificate import encoded_parts, load_certificates, to_der
from evidencekit.x509.digests import digest
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.signerinfo import load_embedded
from tests.support.tokens import (
    NOW,
    SHA256,
    STAMPED,
    Recipe,
    also,
    attribute,
    basic,
    bound,
    cook,
    ess,
    imprint_of,
    tlv,
    usual,
    without,
)

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "timestamp"
Identities = Callable[[str], Any]


def judge(token: bytes, identity: Any, **terms: Any) -> TokenCheck:
    return check_token(token, **{"digest": STAMPED, "anchors": [identity.anchor], "at": NOW, **terms})


def pss(identity: Any, data: bytes) -> bytes:
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    return bytes(identity.key.sign(data, scheme, hashes.SHA256()))


PSS_PARAMETERS = der.sequence(
    tlv(der.context(0), SHA256),
    tlv(der.context(1), der.sequence(der.oid(oids.MGF1), SHA256)),
    tlv(der.context(2), der.integer(32)),
)
EXTENSION = der.sequence(der.oid("1.2.3"), der.octet_string(b"x"))
CRITICAL = der.sequence(der.oid("1.2.3"), der.boolean(value=True), der.octet_string(b"x"))

GOOD: dict[str, tuple[str, Recipe]] = {
    "plain": ("p256", Recipe()),
    "bare id-ecPublicKey": ("p256", Recipe(signature_algorithm=der.sequence(der.oid(oids.EC_PUBLIC_KEY)))),
    "bare rsaEncryption": ("rsa", Recipe(signature_algorithm=der.sequence(der.oid(oids.RSA), der.null()))),
    "RSASSA-PSS": (
        "rsa",
        Recipe(signature_algorithm=der.sequence(der.oid(oids.RSASSA_PSS), PSS_PARAMETERS), sign=pss),
    ),
    "digest algorithm with NULL": (
        "p256",
        Recipe(digest_algorithm=der.sequence(der.oid(oids.HASH_OIDS["sha256"]), der.null())),
    ),
    "another hash listed outside": ("p256", Recipe(listed=der.sequence(der.oid(oids.HASH_OIDS["sha1"])))),
    "ESSCertID v1 alone": ("p256", Recipe(attributes=bound(v1=True))),
    "ESSCertIDv2 by SHA-512": ("p256", Recipe(attributes=bound(name="sha512"))),
    "both ESSCertIDs": ("p256", Recipe(attributes=also(lambda who, _: [ess(who, v1=True)]))),
    "named by key identifier": ("p256", Recipe(by_key=True)),
    "a tenth of a second": ("p256", Recipe(time=f"{NOW:%Y%m%d%H%M%S}.1Z")),
    "nanoseconds": ("p256", Recipe(time=f"{NOW:%Y%m%d%H%M%S}.123456789Z")),
    "microseconds of accuracy": (
        "p256",
        Recipe(rest=(der.sequence(der.integer(500, tag=der.implicit(0)), der.integer(1, tag=der.implicit(1))),)),
    ),
    "ordering written out": ("p256", Recipe(rest=(der.boolean(value=False),))),
    "an extension that is not critical": ("p256", Recipe(rest=(tlv(der.context(1), EXTENSION),))),
    "certificates in the other order": (
        "p256",
        Recipe(certificates=lambda who: [to_der(who.anchor), to_der(who.certificate)]),
    ),
    "GM/T 0010 content type": ("p256", Recipe(kind=oids.GM_SIGNED_DATA)),
    "a large serial": ("p256", Recipe(serial=der.integer(1 << 158))),
    "an unknown signed attribute": (
        "p256",
        Recipe(attributes=also(lambda _who, _info: [attribute("1.2.840.113549.1.9.16.2.99", der.null())])),
    ),
}

BAD: dict[str, tuple[str, str, Recipe]] = {
    "trailing bytes": ("p256", "structure", Recipe(trailing=b"\0")),
    "content that is no TSTInfo": ("p256", "structure", Recipe(content_type=oids.DATA)),
    "version 2": ("p256", "version", Recipe(version=2)),
    "an unknown critical extension": ("p256", "extensions", Recipe(rest=(tlv(der.context(1), CRITICAL),))),
    "two signers": ("p256", "signer-count", Recipe(signers=2)),
    "no signer": ("p256", "signer-count", Recipe(signers=0)),
    "no content type": ("p256", "signed-attributes", Recipe(attributes=without(oids.CONTENT_TYPE))),
    "another content type": (
        "p256",
        "signed-attributes",
        Recipe(
            attributes=lambda recipe, who, info: [
                attribute(oids.CONTENT_TYPE, der.oid(oids.DATA)),
                *usual(recipe, who, info)[1:],
            ]
        ),
    ),
    "message digest twice": (
        "p256",
        "message-digest",
        Recipe(
            attributes=also(
                lambda _who, info: [attribute(oids.MESSAGE_DIGEST, der.octet_string(digest("sha256", info)))]
            )
        ),
    ),
    "message digest with two values": (
        "p256",
        "message-digest",
        Recipe(
            attributes=lambda recipe, who, info: [
                *without(oids.MESSAGE_DIGEST)(recipe, who, info),
                attribute(oids.MESSAGE_DIGEST, *[der.octet_string(digest("sha256", info))] * 2),
            ]
        ),
    ),
    "no message digest": ("p256", "message-digest", Recipe(attributes=without(oids.MESSAGE_DIGEST))),
    "message digest of something else": (
        "p256",
        "message-digest",
        Recipe(attributes=lambda recipe, who, info: usual(recipe, who, info + b"!")),
    ),
    "message digest by SHA-1": (
        "p256",
        "message-digest",
        Recipe(digest_name="sha1", digest_algorithm=der.sequence(der.oid(oids.HASH_OIDS["sha1"]))),
    ),
    "no ESSCertID": ("p256", "signing-certificate", Recipe(attributes=basic)),
    "ESSCertIDv2 of another certificate": ("p256", "signing-certificate", Recipe(attributes=bound(spoil=True))),
    "ESSCertID of another certificate": ("p256", "signing-certificate", Recipe(attributes=bound(spoil=True, v1=True))),
    "a right and a wrong ESSCertID": (
        "p256",
        "signing-certificate",
        Recipe(attributes=also(lambda who, _: [ess(who, v1=True, spoil=True)])),
    ),
    "ESSCertIDv2 by SHA-1": ("p256", "signing-certificate", Recipe(attributes=bound(name="sha1"))),
    "ESSCertIDv2 with another serial": (
        "p256",
        "signing-certificate",
        Recipe(attributes=bound(issuer=der.sequence())),
    ),
    "signature by another key": (
        "p256",
        "signature",
        Recipe(sign=lambda _who, data: ec.generate_private_key(ec.SECP256R1()).sign(data, ec.ECDSA(hashes.SHA256()))),
    ),
    "ECDSA with SHA-1": (
        "p256",
        "signature",
        Recipe(
            signature_algorithm=der.sequence(der.oid("1.2.840.10045.4.1")),
            sign=lambda who, data: who.key.sign(data, ec.ECDSA(hashes.SHA1())),  # noqa: S303 - it must be refused
        ),
    ),
    "an imprint by SHA-1": ("p256", "imprint-algorithm", Recipe(imprint=imprint_of("sha1", bytes(20)))),
    "an imprint by SHA-224": ("p256", "imprint-algorithm", Recipe(imprint=imprint_of("sha224", bytes(28)))),
    "an imprint of another length": ("p256", "imprint", Recipe(imprint=imprint_of("sha256", STAMPED[:31]))),
    "an imprint by another function": ("p256", "imprint", Recipe(imprint=imprint_of("sm3", STAMPED))),
    "a time in the future": (
        "p256",
        "gen-time",
        Recipe(time=f"{NOW + timedelta(hours=1):%Y%m%d%H%M%S}Z"),
    ),
    "a time with an offset": ("p256", "structure", Recipe(time=f"{NOW:%Y%m%d%H%M%S}+0800")),
    "a time that does not exist": ("p256", "structure", Recipe(time="20260230000000Z")),
    "accuracy out of range": (
        "p256",
        "structure",
        Recipe(rest=(der.sequence(der.integer(1000, tag=der.implicit(0))),)),
    ),
    "a time before the certificate": ("p256", "path", Recipe(time=f"{NOW - timedelta(days=350):%Y%m%d%H%M%S}Z")),
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_found_in_the_wild_is_accepted(tsa_identities: Identities, name: str) -> None:
    kind, recipe = GOOD[name]
    identity = tsa_identities(kind)
    found = judge(cook(identity, recipe), identity)
    assert found.trusted is Outcome.PASSED, found.reason
    assert {step.outcome for step in found.checks} <= {Outcome.PASSED, Outcome.NOT_PERFORMED}
    response = der.sequence(der.sequence(der.integer(0)), cook(identity, recipe))
    assert judge(response, identity).trusted is Outcome.PASSED


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_wrong_is_refused_for_that_reason(tsa_identities: Identities, name: str) -> None:
    kind, step, recipe = BAD[name]
    identity = tsa_identities(kind)
    found = judge(cook(identity, recipe), identity)
    assert found.trusted is Outcome.FAILED
    assert step in {check.id for check in found.checks if check.outcome is Outcome.FAILED}, found.reason
    assert all(check.reason.en for check in found.checks)
    assert all(check.reason.zh for check in found.checks)


def test_what_cannot_be_decided_is_neither(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    bare = judge(cook(identity, Recipe(certificates=lambda _: [])), identity)
    assert (bare.integrity, bare.trusted) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)
    given = judge(cook(identity, Recipe(certificates=lambda _: [])), identity, intermediates=[identity.certificate])
    assert given.trusted is Outcome.PASSED
    for algorithm in ("1.2.3.4", oids.RSA_SHA256):  # unknown; known, but not for this kind of key
        unknown = judge(cook(identity, Recipe(signature_algorithm=der.sequence(der.oid(algorithm)))), identity)
        assert unknown.trusted is Outcome.INDETERMINATE


def test_an_issuer_in_other_letters_is_the_same_and_is_reported(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    token = cook(identity, Recipe())
    issuer = encoded_parts(identity.certificate).issuer
    at = token.rindex(issuer)
    changed = token[:at] + issuer.replace(b"Test stamp root", b"TEST STAMP ROOT") + token[at + len(issuer) :]
    found = judge(changed, identity)
    assert found.trusted is Outcome.PASSED, found.reason
    assert any("other letters" in text.en for text in found.unaccounted)
    assert not any("other letters" in text.en for text in judge(token, identity).unaccounted)


# --- the path, against cryptography's own verifier ---------------------------------------------


def must_be_only_timestamping(_policy: Any, _certificate: Any, extension: x509.ExtendedKeyUsage) -> None:
    if list(extension) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("not only timeStamping")


def may_sign(_policy: Any, _certificate: Any, usage: x509.KeyUsage | None) -> None:
    if usage is None:
        return
    others = (usage.key_encipherment, usage.data_encipherment, usage.key_agreement, usage.key_cert_sign, usage.crl_sign)
    if any(others) or not (usage.digital_signature or usage.content_commitment):
        raise ValueError("not for signing alone")


def is_leaf(_policy: Any, _certificate: Any, constraints: x509.BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("a CA")


def is_ca(_policy: Any, _certificate: Any, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("no CA")


def may_issue(_policy: Any, _certificate: Any, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("may not issue")


def accepted_by_cryptography(
    leaf: x509.Certificate, pool: list[x509.Certificate], root: x509.Certificate, at: datetime
) -> bool:
    anything = ExtensionPolicy.permit_all()
    leaves = (
        anything.require_present(x509.ExtendedKeyUsage, Criticality.CRITICAL, must_be_only_timestamping)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, may_sign)
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, is_leaf)
    )
    issuers = anything.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, is_ca).may_be_present(
        x509.KeyUsage, Criticality.AGNOSTIC, may_issue
    )
    builder = PolicyBuilder().store(Store([root])).time(at)
    verifier = builder.extension_policies(ca_policy=issuers, ee_policy=leaves).build_client_verifier()
    try:
        verifier.verify(leaf, pool)
    except VerificationError:
        return False
    return True


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
def test_no_path_of_the_vectors_differs_from_cryptography() -> None:
    """The differences that are known lie outside these: RSASSA-PSS keys, brainpool and SM2, which it does not know."""
    files = {path.name: load_certificates(path.read_bytes()) for path in (VECTORS / "pki").glob("*.pem")}
    root, middle = files["root.pem"][0], files["int.pem"][0]
    moments = [NOW, *(datetime(2026, 11, day, tzinfo=UTC) for day in (1, 22, 23)), datetime(2020, 1, 1, tzinfo=UTC)]
    compared = accepted = 0
    for certificates in files.values():
        for leaf in certificates:
            for at in (
                *moments,
                leaf.not_valid_after_utc - timedelta(hours=1),
                leaf.not_valid_after_utc + timedelta(1),
            ):
                ours = build_path(leaf, [middle], [root], at=at, purpose=Purpose.TIMESTAMPING).ok
                if leaf != root:
                    assert ours == accepted_by_cryptography(leaf, [middle], root, at), (leaf.subject, at)
                    compared, accepted = compared + 1, accepted + ours
    assert compared > 80
    assert 0 < accepted < compared


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
def test_no_token_of_the_vectors_differs_from_cryptography_in_its_path() -> None:
    from evidencekit.errors import FormatError
    from evidencekit.timestamp.token import parse_response

    root = load_certificates((VECTORS / "pki" / "root.pem").read_bytes())[0]
    middle = load_certificates((VECTORS / "pki" / "int.pem").read_bytes())[0]
    seen = 0
    for path in sorted((VECTORS / "tokens").glob("*.tsr")):
        try:
            token = parse_token(parse_response(path.read_bytes()).token or b"")
        except FormatError:
            continue
        embedded = load_embedded(token.signed_data)
        for leaf in embedded:
            pool = [middle, *embedded]
            ours = build_path(leaf, pool, [root], at=token.gen_time, purpose=Purpose.TIMESTAMPING).ok
            if leaf != root:
                assert ours == accepted_by_cryptography(leaf, pool, root, token.gen_time), (path.name, leaf.subject)
                seen += 1
    assert seen > 20


def test_the_recipe_is_what_the_tsa_writes(tsa_identities: Identities) -> None:
    """The judge of the bad ones: the same builder, unchanged, gives what `openssl ts` accepts."""
    import subprocess
    import tempfile

    identity = tsa_identities("p256")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "t.tst").write_bytes(cook(identity, replace(Recipe(), policy="1.2.3.4.1")))
        (folder / "data").write_bytes(b"what was seen")
        command = ["openssl", "ts", "-verify", "-token_in", "-in", f"{name}/t.tst", "-data", f"{name}/data"]
        command += ["-CAfile", str(identity.anchor_file)]
        shown = subprocess.run(command, capture_output=True, check=False)
    assert shown.returncode == 0, shown.stderr
