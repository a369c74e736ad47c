"""Time-stamp tokens made to order: right ones as found in the wild, and ones that are wrong in one way each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from evidencekit.x509 import der, oids
from evidencekit.x509.certificate import encoded_parts, subject_key_identifier, to_der
from evidencekit.x509.digests import digest

if TYPE_CHECKING:
    from collections.abc import Callable

STAMPED = digest("sha256", b"what was seen")
NOW = datetime.now(UTC).replace(microsecond=0)
SHA256 = der.sequence(der.oid(oids.HASH_OIDS["sha256"]))


def tlv(tag: int, *parts: bytes) -> bytes:
    return der.encode(tag, *parts)


def attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), tlv(der.SET, *values))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A token's parts; `None` for what depends on the identity or on other parts."""

    version: int = 1
    policy: str = "1.2.3.4"
    imprint: bytes = field(
        default_factory=lambda: der.sequence(
            der.sequence(der.oid(oids.HASH_OIDS["sha256"]), der.null()), der.octet_string(STAMPED)
        )
    )
    serial: bytes = field(default_factory=lambda: der.integer(7))
    time: str = f"{NOW:%Y%m%d%H%M%S}Z"
    rest: tuple[bytes, ...] = ()
    trailing: bytes = b""
    content_type: str = oids.TST_INFO
    kind: str = oids.SIGNED_DATA
    digest_name: str = "sha256"
    digest_algorithm: bytes = SHA256
    listed: bytes = SHA256
    attributes: Callable[[Recipe, Any, bytes], list[bytes]] | None = None
    signature_algorithm: bytes | None = None
    sign: Callable[[Any, bytes], bytes] | None = None
    by_key: bool = False
    signers: int = 1
    certificates: Callable[[Any], list[bytes]] | None = None


def ess(identity: Any, *, name: str = "sha256", v1: bool = False, spoil: bool = False, issuer: bytes = b"") -> bytes:
    value = digest("sha1" if v1 else name, to_der(identity.certificate) + b"!" * spoil)
    algorithm = b"" if v1 or name == "sha256" else der.sequence(der.oid(oids.HASH_OIDS[name]))
    named = der.sequence(der.sequence(tlv(der.context(4), issuer)), der.integer(1)) if issuer else b""
    identifier = der.sequence(algorithm, der.octet_string(value), named)
    oid = oids.SIGNING_CERTIFICATE if v1 else oids.SIGNING_CERTIFICATE_V2
    return attribute(oid, der.sequence(der.sequence(identifier)))


def basic(recipe: Recipe, _identity: Any, info: bytes) -> list[bytes]:
    return [
        attribute(oids.CONTENT_TYPE, der.oid(recipe.content_type)),
        attribute(oids.MESSAGE_DIGEST, der.octet_string(digest(recipe.digest_name, info))),
    ]


def message_digest(info: bytes) -> bytes:
    return attribute(oids.MESSAGE_DIGEST, der.octet_string(digest("sha256", info)))


def usual(recipe: Recipe, identity: Any, info: bytes) -> list[bytes]:
    return [*basic(recipe, identity, info), ess(identity)]


def bound(**terms: Any) -> Callable[[Recipe, Any, bytes], list[bytes]]:
    return lambda recipe, identity, info: [*basic(recipe, identity, info), ess(identity, **terms)]


def also(extra: Callable[[Any, bytes], list[bytes]]) -> Callable[[Recipe, Any, bytes], list[bytes]]:
    return lambda recipe, identity, info: [*usual(recipe, identity, info), *extra(identity, info)]


def without(oid: str) -> Callable[[Recipe, Any, bytes], list[bytes]]:
    return lambda recipe, identity, info: [a for a in usual(recipe, identity, info) if der.oid(oid) not in a]


def plain_signature(identity: Any, data: bytes) -> bytes:
    key = identity.key
    if isinstance(key, rsa.RSAPrivateKey):
        return bytes(key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return bytes(key.sign(data, ec.ECDSA(hashes.SHA256())))


def cook(identity: Any, recipe: Recipe) -> bytes:
    own = encoded_parts(identity.certificate)
    info = der.sequence(
        der.integer(recipe.version),
        der.oid(recipe.policy),
        recipe.imprint,
        recipe.serial,
        tlv(der.GENERALIZED_TIME, recipe.time.encode()),
        *recipe.rest,
    )
    attributes = tlv(der.SET, *(recipe.attributes or usual)(recipe, identity, info))
    default = oids.RSA_SHA256 if isinstance(identity.key, rsa.RSAPrivateKey) else oids.ECDSA_SHA256
    who = (
        tlv(der.implicit(0), subject_key_identifier(identity.certificate) or b"")
        if recipe.by_key
        else der.sequence(own.issuer, der.integer(identity.certificate.serial_number))
    )
    signer = der.sequence(
        der.integer(3 if recipe.by_key else 1),
        who,
        recipe.digest_algorithm,
        bytes((der.context(0),)) + attributes[1:],
        recipe.signature_algorithm or der.sequence(der.oid(default)),
        der.octet_string((recipe.sign or plain_signature)(identity, attributes)),
    )
    embedded = (recipe.certificates or (lambda who: [to_der(who.certificate), to_der(who.anchor)]))(identity)
    signed = der.sequence(
        der.integer(3),
        tlv(der.SET, recipe.listed),
        der.sequence(der.oid(recipe.content_type), tlv(der.context(0), der.octet_string(info))),
        tlv(der.context(0), *embedded) if embedded else b"",
        tlv(der.SET, *([signer] * recipe.signers)),
    )
    return der.sequence(der.oid(recipe.kind), tlv(der.context(0), signed)) + recipe.trailing


def imprint_of(name: str, value: bytes) -> bytes:
    return der.sequence(der.sequence(der.oid(oids.HASH_OIDS[name])), der.octet_string(value))
