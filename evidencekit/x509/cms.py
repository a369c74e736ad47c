"""CMS SignedData (RFC 5652 §5): read what signatures and time-stamp tokens need, write our own.

Read liberally: BER, unsorted sets and GM/T 0010 identifiers pass. Whatever is looser than what this
library writes stays visible (`SignedData.canonical`, `protection.unaccounted`). Written strictly: DER,
one signer, signed attributes contentType, signingTime, messageDigest, signing-certificate-v2
(RFC 5035) and CMSAlgorithmProtection (RFC 6211). The last one makes the algorithm identifiers, which
no other attribute covers, part of what is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.x509 import ber, der, oids
from evidencekit.x509.certificate import encoded_parts, to_der
from evidencekit.x509.digests import digest
from evidencekit.x509.signature import AlgorithmIdentifier, parse_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography import x509

MAX_CERTIFICATES: Final = 64
MAX_SIGNERS: Final = 8
MAX_ATTRIBUTES: Final = 64
MAX_ROLE_BYTES: Final = 256
_KEY_IDENTIFIER: Final = der.implicit(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute: its type and the encoded values of its set."""

    oid: str
    values: tuple[der.Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerInfo:
    """One signer (RFC 5652 §5.3). Named by `issuer` (encoded Name) and `serial`, or by `key_identifier`."""

    version: int
    issuer: bytes | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: tuple[Attribute, ...] | None
    signed_octets: bytes
    """The signed attributes with the tag of a SET, which is what the signature is over (§5.4)."""
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """A SignedData with its encoded parts. `content` is `None` when the content is detached."""

    kind: str
    version: int
    digest_algorithms: tuple[AlgorithmIdentifier, ...]
    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signers: tuple[SignerInfo, ...]
    canonical: bool
    """Whether the input was DER as far as lengths and pieces go."""


def parse_signed_data(data: bytes, *, normalised: bool = False) -> SignedData:
    """Read a ContentInfo that holds a SignedData, BER or DER, of at most 1 MiB.

    Args:
        data: The encoded value.
        normalised: Whether it came out of `ber.normalise`, so that it need not go through it again.

    Raises:
        FormatError: Another structure, bytes after it, or over the limits.
    """
    encoded = data if normalised else ber.normalise(data)
    outer = der.Cursor(der.parse(encoded), "ContentInfo")
    kind = der.read_oid(outer.take())
    if kind not in {oids.SIGNED_DATA, oids.GM_SIGNED_DATA}:
        raise FormatError(f"CMS content type {kind} is not SignedData")
    wrapped = outer.take(der.context(0))
    outer.end()
    body = der.Cursor(der.parse(wrapped.content), "SignedData")
    version = der.read_integer(body.take())
    digests = tuple(parse_algorithm(node) for node in _bounded(body.take(der.SET), MAX_SIGNERS, "digest algorithms"))
    content_type, content = _parse_content(body.take(der.SEQUENCE))
    certificates, crls = body.optional(der.context(0)), body.optional(der.context(1))
    signers = _bounded(body.take(der.SET), MAX_SIGNERS, "signers")
    body.end()
    return SignedData(
        kind=kind,
        version=version,
        digest_algorithms=digests,
        content_type=content_type,
        content=content,
        certificates=tuple(n.raw for n in _bounded(certificates, MAX_CERTIFICATES, "certificates")),
        crls=tuple(n.raw for n in _bounded(crls, MAX_CERTIFICATES, "CRLs")),
        signers=tuple(_parse_signer(node) for node in signers),
        canonical=encoded == data,
    )


def _bounded(node: der.Node | None, limit: int, what: str) -> tuple[der.Node, ...]:
    nodes = () if node is None else der.children(node)
    if len(nodes) > limit:
        raise FormatError(f"CMS holds {len(nodes)} {what}, the limit is {limit}")
    return nodes


def _parse_content(node: der.Node) -> tuple[str, bytes | None]:
    cursor = der.Cursor(node, "EncapsulatedContentInfo")
    kind = der.read_oid(cursor.take())
    wrapped = cursor.optional(der.context(0))
    cursor.end()
    return kind, None if wrapped is None else der.read_octets(der.parse(wrapped.content))


def _parse_signer(node: der.Node) -> SignerInfo:
    cursor = der.Cursor(node, "SignerInfo")
    version = der.read_integer(cursor.take())
    issuer, serial, key_identifier = _parse_signer_identifier(cursor.take())
    digest_algorithm = parse_algorithm(cursor.take())
    signed = cursor.optional(der.context(0))
    signature_algorithm = parse_algorithm(cursor.take())
    signature = der.read_octets(cursor.take())
    unsigned = cursor.optional(der.context(1))
    cursor.end()
    return SignerInfo(
        version=version,
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest_algorithm,
        signed_attributes=None if signed is None else _parse_attributes(signed),
        signed_octets=b"" if signed is None else der.encode(der.SET, signed.content),
        signature_algorithm=signature_algorithm,
        signature=signature,
        unsigned_attributes=() if unsigned is None else _parse_attributes(unsigned),
    )


def _parse_signer_identifier(node: der.Node) -> tuple[bytes | None, int | None, bytes | None]:
    if node.tag == _KEY_IDENTIFIER:
        return None, None, node.content
    cursor = der.Cursor(node, "IssuerAndSerialNumber")
    issuer, serial = cursor.take(der.SEQUENCE).raw, der.read_integer(cursor.take())
    cursor.end()
    return issuer, serial, None


def _parse_attributes(node: der.Node) -> tuple[Attribute, ...]:
    found: list[Attribute] = []
    for child in _bounded(node, MAX_ATTRIBUTES, "attributes"):
        cursor = der.Cursor(child, "Attribute")
        oid, values = der.read_oid(cursor.take()), cursor.take(der.SET)
        cursor.end()
        found.append(Attribute(oid=oid, values=der.children(values)))
    return tuple(found)


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureScheme:
    """How a signature is labelled: the hash of content and certificate, the encoded AlgorithmIdentifier."""

    digest: str
    algorithm: bytes


ECDSA_SHA256: Final = SignatureScheme(digest="sha256", algorithm=der.sequence(der.oid(oids.ECDSA_SHA256)))
ECDSA_SHA384: Final = SignatureScheme(digest="sha384", algorithm=der.sequence(der.oid(oids.ECDSA_SHA384)))
ECDSA_SHA512: Final = SignatureScheme(digest="sha512", algorithm=der.sequence(der.oid(oids.ECDSA_SHA512)))
RSA_SHA256: Final = SignatureScheme(digest="sha256", algorithm=der.sequence(der.oid(oids.RSA_SHA256), der.null()))
RSA_SHA384: Final = SignatureScheme(digest="sha384", algorithm=der.sequence(der.oid(oids.RSA_SHA384), der.null()))
RSA_SHA512: Final = SignatureScheme(digest="sha512", algorithm=der.sequence(der.oid(oids.RSA_SHA512), der.null()))
# RFC 9882 §3.3: SHA-512 goes with every ML-DSA; absent parameters.
ML_DSA_65: Final = SignatureScheme(digest="sha512", algorithm=der.sequence(der.oid(oids.ML_DSA_65)))
SM2_SM3: Final = SignatureScheme(digest="sm3", algorithm=der.sequence(der.oid(oids.SM2_SM3)))
# RFC 8419 §3.1: with signed attributes, Ed25519 goes with SHA-512.
ED25519: Final = SignatureScheme(digest="sha512", algorithm=der.sequence(der.oid(oids.ED25519)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTemplate:
    """Everything about a signature but its value.

    `content` is embedded, or `None` when detached; `content_digest` is its digest with the scheme's hash.
    `chain` are further certificates to embed; with `embed` false none is. `crls` are revocation lists, DER.
    `claimed_role` is the signer's own word.
    """

    content_type: str
    content: bytes | None
    content_digest: bytes
    scheme: SignatureScheme
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    at: datetime
    embed: bool = True
    crls: tuple[bytes, ...] = ()
    claimed_role: str | None = None


def build_signed_data(template: SignatureTemplate, sign: Callable[[bytes], bytes]) -> bytes:
    """Write a ContentInfo with one signer, DER.

    Args:
        template: What to write.
        sign: Returns the signature over the bytes it is given; its errors pass through.
    """
    scheme, certificate = template.scheme, template.certificate
    digest_algorithm = der.sequence(der.oid(oids.HASH_OIDS[scheme.digest]))
    attributes = der.set_of(*_signed_attributes(template, digest_algorithm))
    signer = der.sequence(
        der.integer(1),
        der.sequence(encoded_parts(certificate).issuer, der.integer(certificate.serial_number)),
        digest_algorithm,
        bytes((der.context(0),)) + attributes[1:],
        scheme.algorithm,
        der.octet_string(sign(attributes)),
    )
    content = () if template.content is None else (der.encode(der.context(0), der.octet_string(template.content)),)
    embedded = sorted({to_der(c) for c in (certificate, *template.chain)}) if template.embed else []
    signed_data = der.sequence(
        der.integer(1 if template.content_type == oids.DATA else 3),
        der.set_of(digest_algorithm),
        der.sequence(der.oid(template.content_type), *content),
        *((der.encode(der.context(0), *embedded),) if embedded else ()),
        *((der.encode(der.context(1), *sorted(set(template.crls))),) if template.crls else ()),
        der.set_of(signer),
    )
    return der.sequence(der.oid(oids.SIGNED_DATA), der.encode(der.context(0), signed_data))


def _signed_attributes(template: SignatureTemplate, digest_algorithm: bytes) -> list[bytes]:
    protection = der.sequence(
        digest_algorithm, bytes((der.context(1),)) + template.scheme.algorithm[1:]
    )  # signatureAlgorithm [1] IMPLICIT
    values = {
        oids.CONTENT_TYPE: der.oid(template.content_type),
        oids.SIGNING_TIME: der.signing_time(template.at),
        oids.MESSAGE_DIGEST: der.octet_string(template.content_digest),
        oids.SIGNING_CERTIFICATE_V2: _signing_certificate(template.certificate),
        oids.ALGORITHM_PROTECTION: protection,
    }
    if template.claimed_role is not None:
        values[oids.SIGNER_ATTRIBUTES_V2] = _claimed_role(template.claimed_role)
    return [der.sequence(der.oid(oid), der.set_of(value)) for oid, value in values.items()]


def _signing_certificate(certificate: x509.Certificate) -> bytes:
    """SigningCertificateV2 (RFC 5035 §3) of one ESSCertIDv2 whose hash is the default, SHA-256."""
    issuer = der.sequence(der.encode(der.context(4), encoded_parts(certificate).issuer))
    identifier = der.sequence(
        der.octet_string(digest("sha256", to_der(certificate))),
        der.sequence(issuer, der.integer(certificate.serial_number)),
    )
    return der.sequence(der.sequence(identifier))


def _claimed_role(role: str) -> bytes:
    """SignerAttributeV2 (ETSI EN 319 122-1 §5.2.6.1) with one claimed attribute: id-at-name, as EU DSS writes roles."""
    attribute = der.sequence(der.oid(oids.NAME_ATTRIBUTE), der.set_of(der.utf8_string(role)))
    return der.sequence(der.encode(der.context(0), der.sequence(attribute)))


def claimed_roles(value: der.Node) -> tuple[str, ...]:
    """Read the roles that a signer-attributes-v2 value claims; attributes of other kinds are passed over.

    Raises:
        FormatError: not a SignerAttributeV2.
    """
    roles: list[str] = []
    for choice in der.children(value):
        if choice.tag != der.context(0):
            continue
        for node in der.children(der.parse(choice.content)):
            cursor = der.Cursor(node, "claimed attribute")
            oid, values = der.read_oid(cursor.take()), cursor.take(der.SET)
            cursor.end()
            if oid == oids.NAME_ATTRIBUTE:
                roles += [_role_text(each) for each in der.children(values)]
    return tuple(roles)


def _role_text(node: der.Node) -> str:
    if node.tag != der.UTF8_STRING or len(node.content) > MAX_ROLE_BYTES:
        raise FormatError("a claimed role is not a short UTF-8 text")
    try:
        return node.content.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a claimed role is not UTF-8") from error


def add_unsigned_attribute(data: bytes, oid: str, value: bytes) -> bytes:
    """Give the one signer of a SignedData written here a further unsigned attribute (RFC 5652 §5.3), DER.

    Raises:
        FormatError: not a SignedData with one signer.
    """
    signed = parse_signed_data(data)
    if len(signed.signers) != 1 or not signed.canonical:
        raise FormatError("only a DER SignedData with one signer can take an attribute")
    outer = der.children(der.parse(data))
    body = der.children(der.parse(outer[1].content))
    signer = der.children(der.children(body[-1])[0])
    kept = [node.raw for node in signer if node.tag != der.context(1)]
    old = [node.raw for part in signer if part.tag == der.context(1) for node in der.children(part)]
    attributes = der.set_of(*old, der.sequence(der.oid(oid), der.set_of(value)))
    grown = der.sequence(*kept, bytes((der.context(1),)) + attributes[1:])
    signed_data = der.sequence(*(node.raw for node in body[:-1]), der.set_of(grown))
    return der.sequence(outer[0].raw, der.encode(der.context(0), signed_data))
