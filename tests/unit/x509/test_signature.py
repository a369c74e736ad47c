"""One signature: what passes, what is too weak, what is not known; never the wrong one of these."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

from evidencekit.model import Outcome
from evidencekit.x509 import der, oids
from evidencekit.x509.digests import hash_algorithm
from evidencekit.x509.signature import AlgorithmIdentifier, check_signature, parse_algorithm

DATA = b"signed attributes"


def holder(pki: Any, key: Any) -> x509.Certificate:
    """A certificate for the key, signed by somebody else."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(pki.name("Holder"))
        .issuer_name(pki.name("Issuer"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(pki.at)
        .not_valid_after(pki.at + timedelta(days=1))
        .sign(issuer, hashes.SHA256())
    )


def algorithm(oid: str, *parameters: bytes) -> AlgorithmIdentifier:
    return parse_algorithm(der.parse(der.sequence(der.oid(oid), *parameters)))


def outcome(pki: Any, key: Any, name: AlgorithmIdentifier, signature: bytes, *, digest: str = "sha256") -> Outcome:
    certificate = holder(pki, key)
    changed = check_signature(certificate, name, digest=digest, signature=signature, data=DATA + b"!")
    assert changed.outcome is not Outcome.PASSED
    return check_signature(certificate, name, digest=digest, signature=signature, data=DATA).outcome


CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, ec.BrainpoolP256R1, ec.BrainpoolP384R1, ec.BrainpoolP512R1)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("oid", [oids.ECDSA_SHA256, oids.ECDSA_SHA384, oids.ECDSA_SHA512, oids.EC_PUBLIC_KEY])
def test_ecdsa(pki: Any, curve: type[ec.EllipticCurve], oid: str) -> None:
    key = ec.generate_private_key(curve())
    function = oids.ECDSA_SIGNATURES[oid] or "sha384"
    signature = key.sign(DATA, ec.ECDSA(hash_algorithm(function)))
    assert outcome(pki, key, algorithm(oid), signature, digest="sha384") is Outcome.PASSED


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("function", sorted(set(oids.DIGEST_SIZES) - {"sm3"}))
def test_rsa(pki: Any, rsa_key: rsa.RSAPrivateKey, function: str) -> None:
    signature = rsa_key.sign(DATA, padding.PKCS1v15(), hash_algorithm(function))
    assert outcome(pki, rsa_key, algorithm(oids.RSA, der.null()), signature, digest=function) is Outcome.PASSED
    assert outcome(pki, rsa_key, algorithm(oids.RSA), signature, digest=function) is Outcome.PASSED
    named = {name: oid for oid, name in oids.RSA_SIGNATURES.items()}[function]
    assert outcome(pki, rsa_key, algorithm(named, der.null()), signature, digest="sha512") is Outcome.PASSED


def pss_parameters(function: str, mask: str, salt: int, trailer: bytes = b"") -> bytes:
    hashed, masked = (der.sequence(der.oid(oids.HASH_OIDS[name]), der.null()) for name in (function, mask))
    generator = der.sequence(der.oid(oids.MGF1), masked)
    return der.sequence(
        der.encode(der.context(0), hashed),
        der.encode(der.context(1), generator),
        der.encode(der.context(2), der.integer(salt)),
        trailer,
    )


@pytest.mark.parametrize(("function", "mask", "salt"), [("sha256", "sha256", 32), ("sha512", "sha256", 0)])
def test_rsa_pss(pki: Any, rsa_key: rsa.RSAPrivateKey, function: str, mask: str, salt: int) -> None:
    scheme = padding.PSS(mgf=padding.MGF1(hash_algorithm(mask)), salt_length=salt)
    signature = rsa_key.sign(DATA, scheme, hash_algorithm(function))

    def judge(parameters: bytes) -> Outcome:
        return outcome(pki, rsa_key, algorithm(oids.RSASSA_PSS, parameters), signature)

    assert judge(pss_parameters(function, mask, salt)) is Outcome.PASSED
    assert judge(pss_parameters(function, mask, salt + 1)) is Outcome.FAILED
    odd_trailer = der.encode(der.context(3), der.integer(2))
    assert judge(pss_parameters(function, mask, salt, odd_trailer)) is Outcome.FAILED
    assert judge(der.sequence()) is Outcome.FAILED  # the defaults are SHA-1
    assert judge(der.null()) is Outcome.FAILED
    assert judge(pss_parameters("sha1", mask, salt)) is Outcome.FAILED


def test_ed25519(pki: Any) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert outcome(pki, key, algorithm(oids.ED25519), key.sign(DATA)) is Outcome.PASSED
    assert outcome(pki, key, algorithm(oids.ED25519, der.null()), key.sign(DATA)) is Outcome.INDETERMINATE


def test_what_is_too_weak_fails(pki: Any, rsa_key: rsa.RSAPrivateKey) -> None:
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    signature = small.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    assert outcome(pki, small, algorithm(oids.RSA_SHA256, der.null()), signature) is Outcome.FAILED
    short = ec.generate_private_key(ec.SECP224R1())
    signature = short.sign(DATA, ec.ECDSA(hashes.SHA256()))
    assert outcome(pki, short, algorithm(oids.ECDSA_SHA256), signature) is Outcome.FAILED
    with_sha1 = rsa_key.sign(DATA, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - likewise
    assert outcome(pki, rsa_key, algorithm("1.2.840.113549.1.1.5", der.null()), with_sha1) is Outcome.FAILED
    assert outcome(pki, rsa_key, algorithm(oids.RSA, der.null()), with_sha1, digest="sha1") is Outcome.FAILED
    assert outcome(pki, rsa_key, algorithm(oids.RSA, der.null()), with_sha1, digest="") is Outcome.FAILED


def test_what_is_not_known_is_left_open(pki: Any, rsa_key: rsa.RSAPrivateKey) -> None:
    old = dsa.generate_private_key(2048)
    signature = old.sign(DATA, hashes.SHA256())
    assert outcome(pki, old, algorithm("2.16.840.1.101.3.4.3.2"), signature) is Outcome.INDETERMINATE
    goldilocks = ed448.Ed448PrivateKey.generate()
    assert outcome(pki, goldilocks, algorithm("1.3.101.113"), goldilocks.sign(DATA)) is Outcome.INDETERMINATE
    assert outcome(pki, rsa_key, algorithm("1.2.3.4"), bytes(256)) is Outcome.INDETERMINATE
    # an algorithm for another kind of key
    assert outcome(pki, rsa_key, algorithm(oids.ECDSA_SHA256), bytes(256)) is Outcome.INDETERMINATE
    assert outcome(pki, rsa_key, algorithm(oids.SM2_SM3), bytes(64)) is Outcome.FAILED


def test_signatures_of_the_wrong_form_fail(pki: Any, rsa_key: rsa.RSAPrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = key.sign(DATA, ec.ECDSA(hashes.SHA256()))
    r, s = (node.raw for node in der.children(der.parse(good)))
    loose = b"\x30\x81" + bytes((len(good) - 2,)) + good[2:]
    for wrong in (b"", bytes(64), good + b"\0", loose, der.sequence(r, s, der.null()), der.sequence(s, r)):
        assert outcome(pki, key, algorithm(oids.ECDSA_SHA256), wrong) is Outcome.FAILED
    signature = rsa_key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    for wrong in (b"", signature[1:], b"\0" + signature, bytes(256)):
        assert outcome(pki, rsa_key, algorithm(oids.RSA_SHA256, der.null()), wrong) is Outcome.FAILED
