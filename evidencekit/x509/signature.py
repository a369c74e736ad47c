"""Check one signature by algorithm identifier: RSA PKCS#1 v1.5 and PSS, ECDSA, Ed25519, SM2.

What is not known is INDETERMINATE ("unsupported") and never passes; what is too weak is FAILED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

from evidencekit.errors import FormatError
from evidencekit.x509 import checks, der, oids, sm2
from evidencekit.x509.certificate import encoded_parts, public_key_of
from evidencekit.x509.digests import hash_algorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.x509.checks import Check

MIN_RSA_BITS: Final = 2048
MIN_CURVE_BITS: Final = 256
_STEP: Final = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmIdentifier:
    """An algorithm and its parameters as encoded (RFC 5280 §4.1.1.2); `parameters` is empty when absent."""

    oid: str
    parameters: bytes
    raw: bytes

    @property
    def plain(self) -> bool:
        """Whether parameters are absent or NULL."""
        return self.parameters in {b"", der.null()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PssParameters:
    hash_name: str
    mask_hash: str
    salt_length: int


def parse_algorithm(node: der.Node, *, tag: int = der.SEQUENCE) -> AlgorithmIdentifier:
    """Read an AlgorithmIdentifier.

    Raises:
        FormatError: Another structure.
    """
    cursor = der.Cursor(node, "AlgorithmIdentifier", tag=tag)
    oid = der.read_oid(cursor.take())
    parameters = cursor.take().raw if cursor.more else b""
    cursor.end()
    return AlgorithmIdentifier(oid=oid, parameters=parameters, raw=node.raw)


def check_signature(
    signer: x509.Certificate, algorithm: AlgorithmIdentifier, *, digest: str, signature: bytes, data: bytes
) -> Check:
    """Check `signature` over `data` with the signer's key.

    Args:
        signer: The certificate that holds the public key.
        algorithm: What the signature says about itself.
        digest: Hash name to use where the identifier names none (bare `rsaEncryption`, RFC 3370 §3.2).
        signature: The signature octets; DER `SEQUENCE {r, s}` for ECDSA and SM2.
        data: The signed octets.

    Returns:
        One step with id `signature`.
    """
    try:
        valid = _verify(signer, algorithm, digest=digest, signature=signature, data=data)
    except (_UnsupportedError, UnsupportedAlgorithm) as error:
        return checks.undecided(_STEP, f"cannot be checked here: {error}", f"本程序无法核验：{error}")
    except (_WeakError, FormatError) as error:
        return checks.failed(_STEP, f"signature refused: {error}", f"签名不予接受：{error}")
    if not valid:
        return checks.failed(
            _STEP, "the signature does not belong to these bytes and this key", "签名与所签字节及公钥不符"
        )
    return checks.passed(_STEP, f"signature valid ({algorithm.oid})", f"签名有效({algorithm.oid})")


class _UnsupportedError(Exception):
    """An algorithm that this library does not know."""


class _WeakError(Exception):
    """An algorithm or key that is too weak to prove anything."""


def _verify(
    signer: x509.Certificate, algorithm: AlgorithmIdentifier, *, digest: str, signature: bytes, data: bytes
) -> bool:
    if algorithm.oid in {oids.SM2_SM3, oids.SM2_SIGN}:
        if not algorithm.plain:
            raise _UnsupportedError("SM2 with parameters")
        return sm2.verify(encoded_parts(signer).public_key, signature, data)
    key = public_key_of(signer)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            _verify_rsa(key, algorithm, digest, signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            _verify_ecdsa(key, algorithm, digest, signature, data)
        elif isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
            _verify_mldsa(key, algorithm, signature, data)
        elif isinstance(key, ed25519.Ed25519PublicKey) and algorithm.oid == oids.ED25519 and not algorithm.parameters:
            key.verify(signature, data)
        else:
            raise _UnsupportedError(f"algorithm {algorithm.oid} with this kind of key")
    except InvalidSignature:
        return False
    return True


def _verify_rsa(
    key: rsa.RSAPublicKey, algorithm: AlgorithmIdentifier, digest: str, signature: bytes, data: bytes
) -> None:
    if key.key_size < MIN_RSA_BITS:
        raise _WeakError(f"RSA key of {key.key_size} bits")
    if algorithm.oid == oids.RSASSA_PSS:
        pss = _parse_pss(algorithm.parameters)
        mask = padding.MGF1(hash_algorithm(_strong(pss.mask_hash)))
        scheme = padding.PSS(mgf=mask, salt_length=pss.salt_length)
        key.verify(signature, data, scheme, hash_algorithm(_strong(pss.hash_name)))
        return
    name = _named_hash(oids.RSA_SIGNATURES, algorithm, digest)
    key.verify(signature, data, padding.PKCS1v15(), hash_algorithm(name))


def _verify_ecdsa(
    key: ec.EllipticCurvePublicKey, algorithm: AlgorithmIdentifier, digest: str, signature: bytes, data: bytes
) -> None:
    if key.key_size < MIN_CURVE_BITS:
        raise _WeakError(f"elliptic curve of {key.key_size} bits")
    name = _named_hash(oids.ECDSA_SIGNATURES, algorithm, digest)
    key.verify(signature, data, ec.ECDSA(hash_algorithm(name)))


def _verify_mldsa(
    key: mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey,
    algorithm: AlgorithmIdentifier,
    signature: bytes,
    data: bytes,
) -> None:
    """Check a pure ML-DSA signature with an empty context (FIPS 204 §5.3, RFC 9882 §4)."""
    match key:
        case mldsa.MLDSA44PublicKey():
            named = oids.ML_DSA_44
        case mldsa.MLDSA65PublicKey():
            named = oids.ML_DSA_65
        case _:
            named = oids.ML_DSA_87
    if algorithm.oid != named or algorithm.parameters:
        raise _UnsupportedError(f"algorithm {algorithm.oid} with this kind of key")
    key.verify(signature, data)


def _named_hash(table: Mapping[str, str | None], algorithm: AlgorithmIdentifier, digest: str) -> str:
    if algorithm.oid not in table:
        raise _UnsupportedError(f"algorithm {algorithm.oid} with this kind of key")
    bare_key = algorithm.oid == oids.EC_PUBLIC_KEY
    if not algorithm.plain and not bare_key:
        raise _UnsupportedError(f"parameters of {algorithm.oid}")
    return _strong(table[algorithm.oid] or digest)


def _strong(name: str) -> str:
    if name not in oids.DIGEST_SIZES:
        raise _WeakError(f"hash function {name}")
    return name


def _parse_pss(parameters: bytes) -> _PssParameters:
    """Read RSASSA-PSS-params (RFC 4055 §3.1); defaults are SHA-1 and 20 octets of salt."""
    cursor = der.Cursor(der.parse(parameters), "RSASSA-PSS parameters")
    hash_node, mask_node = cursor.optional(der.context(0)), cursor.optional(der.context(1))
    salt_node, trailer_node = cursor.optional(der.context(2)), cursor.optional(der.context(3))
    cursor.end()
    if trailer_node and der.read_integer(der.parse(trailer_node.content)) != 1:
        raise FormatError("RSASSA-PSS trailer field is not 1")
    mask_hash = "sha1"
    if mask_node:
        mask = parse_algorithm(der.parse(mask_node.content))
        if mask.oid != oids.MGF1:
            raise _UnsupportedError(f"mask generation function {mask.oid}")
        mask_hash = _hash_name(parse_algorithm(der.parse(mask.parameters)))
    salt = der.read_integer(der.parse(salt_node.content)) if salt_node else 20
    if not 0 <= salt <= 512:  # noqa: PLR2004 - no RSA key carries more
        raise FormatError(f"RSASSA-PSS salt of {salt} octets")
    name = _hash_name(parse_algorithm(der.parse(hash_node.content))) if hash_node else "sha1"
    return _PssParameters(hash_name=name, mask_hash=mask_hash, salt_length=salt)


def _hash_name(algorithm: AlgorithmIdentifier) -> str:
    if algorithm.oid not in oids.HASH_NAMES or not algorithm.plain:
        raise _UnsupportedError(f"hash function {algorithm.oid}")
    return oids.HASH_NAMES[algorithm.oid]


def certificate_signed_by(child: x509.Certificate, issuer: x509.Certificate) -> Check:
    """Check the signature of a certificate with its issuer's key, whatever the names say.

    Returns:
        One step with id `signature`.
    """
    try:
        inner = parse_algorithm(der.children(der.parse(child.tbs_certificate_bytes))[_algorithm_index(child)])
        outer = parse_algorithm(der.parse(encoded_parts(child).algorithm))
    except FormatError as error:
        return checks.failed(_STEP, f"certificate is malformed: {error.en}", f"证书格式错误：{error.zh}")
    if inner.raw != outer.raw:
        return checks.failed(_STEP, "certificate names two signature algorithms", "证书内外签名算法不一致")
    return check_signature(issuer, outer, digest="sha256", signature=child.signature, data=child.tbs_certificate_bytes)


def _algorithm_index(certificate: x509.Certificate) -> int:
    return 1 if certificate.version is x509.Version.v1 else 2
