"""Self-test: the digests and signatures that the evidence rests on give the published results (FM15)."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from evidencekit.capture.environment import vectors
from evidencekit.capture.environment.probe import Observation, Probe, ProbeContext, failed, passed
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.merkle import leaf_hash, root_of
from evidencekit.model import Text
from evidencekit.x509 import sm2
from evidencekit.x509.digests import digest, hash_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable

_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
# RFC 6962 §2.1: SHA-256 over 0x00 and the empty leaf.
_EMPTY_LEAF = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def probe_selftest(_context: ProbeContext) -> Observation:
    """Run each vector, and each with the message changed, which must be refused."""
    results = {name: digest(name, vectors.ABC).hex() == wanted for name, wanted in vectors.HASHES}
    pair = digest_bytes(vectors.ABC)
    wanted = dict(vectors.HASHES)
    results["evidence digests"] = (pair.sha256, pair.sm3) == (wanted["sha256"], wanted["sm3"])
    results["Merkle leaf"] = leaf_hash(b"").hex() == _EMPTY_LEAF and root_of([leaf_hash(b"")]).hex() == _EMPTY_LEAF
    for curve, name, x, y, r, s in vectors.ECDSA:
        check = _ecdsa(curve, name, (x, y), utils.encode_dss_signature(r, s))
        results[f"ECDSA {curve}"] = _holds(check, vectors.SAMPLE)
    results["Ed25519"] = _holds(_ed25519, vectors.ED25519[1])
    results["RSA PKCS#1 v1.5"] = _holds(_rsa(*vectors.RSA_PKCS1, padding.PKCS1v15(), "sha256"), vectors.RSA_PKCS1[1])
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
    results["RSA PSS"] = _holds(_rsa(*vectors.RSA_PSS, pss, "sha384"), vectors.RSA_PSS[1])
    results["SM2"] = _sm2(vectors.SM2[0]) and not _sm2(vectors.SM2[0] + b"!")
    with suppress(UnsupportedAlgorithm):  # an older OpenSSL: then nothing here rests on it, either
        results["ML-DSA-44 (own key)"] = _mldsa()
    wrong = [name for name, right in results.items() if not right]
    raw = "\n".join(f"{name}: {'as published' if right else 'WRONG'}" for name, right in results.items())
    if wrong:
        names = ", ".join(wrong)
        return failed(f"wrong results: {names}", f"自检结果错误：{names}", {"results": dict(results)}, raw)
    return passed(
        f"all {len(results)} test vectors give the right results",
        f"全部 {len(results)} 组测试向量结果正确",
        {"results": dict(results)},
        raw,
    )


def _holds(check: Callable[[bytes], None], message: bytes) -> bool:
    """Whether the signature over `message` is accepted, and the same over another message refused."""
    try:
        check(message)
    except InvalidSignature:
        return False
    try:
        check(message + b"!")
    except InvalidSignature:
        return True
    return False


def _ecdsa(curve: str, name: str, point: tuple[int, int], signature: bytes) -> Callable[[bytes], None]:
    key = ec.EllipticCurvePublicNumbers(*point, _CURVES[curve]).public_key()
    return lambda message: key.verify(signature, message, ec.ECDSA(hash_algorithm(name)))


def _ed25519(message: bytes) -> None:
    key, _, signature = vectors.ED25519
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)


def _rsa(
    modulus: str, _message: bytes, signature: str, scheme: padding.AsymmetricPadding, name: str
) -> Callable[[bytes], None]:
    numbers = rsa.RSAPublicNumbers(vectors.RSA_EXPONENT, int.from_bytes(_base64url(modulus), "big"))
    key = numbers.public_key()
    return lambda message: key.verify(_base64url(signature), message, scheme, hash_algorithm(name))


def _sm2(message: bytes) -> bool:
    _, x, y, r, s = vectors.SM2
    key = bytes.fromhex(vectors.SM2_KEY_PREFIX) + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    return sm2.verify(key, utils.encode_dss_signature(r, s), message)


def _mldsa() -> bool:
    """FIPS 204 vectors are kilobytes long: what a key of our own signs must verify, and nothing else."""
    key = mldsa.MLDSA44PrivateKey.from_seed_bytes(hashlib.sha256(vectors.ABC).digest())
    signature = key.sign(vectors.SAMPLE)
    return _holds(lambda message: key.public_key().verify(signature, message), vectors.SAMPLE)


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


PROBE = Probe(
    id="tool.selftest",
    name=Text(en="Self-test of algorithms", zh="算法自检"),
    method=Text(
        en="published test vectors, each also with a changed message", zh="公开测试向量，并以改动后的消息作反向检验"
    ),
    run=probe_selftest,
)
