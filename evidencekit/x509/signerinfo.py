"""Check one signer of a SignedData (RFC 5652 §5.4 and §5.6, RFC 5035, RFC 6211), step by step.

Steps: `signer-count`, `signer-certificate`, `signed-attributes`, `message-digest`,
`signing-certificate`, `algorithm-protection`, `signature`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from evidencekit.errors import FormatError
from evidencekit.x509 import checks, der, oids
from evidencekit.x509.certificate import encoded_parts, load_certificate, name_of, subject_key_identifier, to_der
from evidencekit.x509.digests import digest
from evidencekit.x509.names import same_name
from evidencekit.x509.signature import AlgorithmIdentifier, check_signature, parse_algorithm

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from evidencekit.x509.checks import Check
    from evidencekit.x509.cms import SignedData, SignerInfo

ContentDigest: TypeAlias = Callable[[str], bytes | None]
"""Returns the digest of the signed content with the named hash, or `None` when it is not known."""

_Bound: TypeAlias = "tuple[x509.Certificate | None, Check]"
_MAX_ESS_IDENTIFIERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerCheck:
    """What became of one signer. `certificate` is the one that the signed attributes bind, if any."""

    checks: tuple[Check, ...]
    certificate: x509.Certificate | None
    embedded: tuple[x509.Certificate, ...]
    signing_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _EssIdentifier:
    """One ESSCertID or ESSCertIDv2: certificate hash, and issuer and serial when given."""

    hash_name: str
    value: bytes
    issuer: bytes | None
    serial: int | None


def load_embedded(signed: SignedData) -> tuple[x509.Certificate, ...]:
    """Load the embedded certificates that can be read; the others cannot be anyone's."""
    found: list[x509.Certificate] = []
    for raw in signed.certificates:
        try:
            found.append(load_certificate(raw))
        except FormatError:
            continue
    return tuple(found)


def check_signer_info(
    signed: SignedData, *, content_digest: ContentDigest, others: Sequence[x509.Certificate] = ()
) -> SignerCheck:
    """Check the one signer of `signed`.

    Args:
        signed: The parsed structure.
        content_digest: The digest of the content, embedded or detached.
        others: Certificates from elsewhere among which the signer's may be.
    """
    embedded = load_embedded(signed)
    if len(signed.signers) != 1:
        count = len(signed.signers)
        step = checks.failed("signer-count", f"{count} signers where one belongs", f"应有一个签名者，实有 {count} 个")
        return SignerCheck(checks=(step,), certificate=None, embedded=embedded, signing_time=None)
    signer = signed.signers[0]
    steps = [checks.passed("signer-count", "exactly one signer", "恰有一个签名者")]
    named = [c for c in dict.fromkeys((*embedded, *others)) if is_named(signer, c)]
    steps.append(_check_named(named))
    bound, ess = _guard("signing-certificate", lambda: _check_ess(signer, named))
    steps += [
        _guard_one("signed-attributes", lambda: _check_attributes(signed, signer)),
        _guard_one("message-digest", lambda: _check_digest(signer, content_digest)),
        ess,
        _guard_one("algorithm-protection", lambda: _check_protection(signer)),
        _check_value(signer, bound or (named[0] if len(named) == 1 else None)),
    ]
    return SignerCheck(checks=tuple(steps), certificate=bound, embedded=embedded, signing_time=_signing_time(signer))


def _guard(step: str, run: Callable[[], _Bound]) -> _Bound:
    try:
        return run()
    except FormatError as error:
        return None, checks.failed(step, f"malformed: {error.en}", error.zh)


def _guard_one(step: str, run: Callable[[], Check]) -> Check:
    return _guard(step, lambda: (None, run()))[1]


def is_named(signer: SignerInfo, certificate: x509.Certificate) -> bool:
    """Return whether the signer identifier names this certificate."""
    if signer.key_identifier is not None:
        return signer.key_identifier == subject_key_identifier(certificate)
    if signer.serial != certificate.serial_number or signer.issuer is None:
        return False
    return same_name(signer.issuer, encoded_parts(certificate).issuer)


def _check_named(named: Sequence[x509.Certificate]) -> Check:
    step = "signer-certificate"
    if not named:
        return checks.undecided(
            step, "the signer's certificate is neither embedded nor given", "未嵌入也未提供签名者证书"
        )
    return checks.passed(step, f"signer: {name_of(named[0])}", f"签名者：{name_of(named[0])}")


def single_value(signer: SignerInfo, oid: str) -> der.Node | None:
    """Return the one value of a signed attribute, `None` when the attribute is absent.

    Raises:
        FormatError: The attribute occurs twice or has not exactly one value (RFC 5652 §11).
    """
    found = [a for a in signer.signed_attributes or () if a.oid == oid]
    if not found:
        return None
    if len(found) > 1 or len(found[0].values) != 1:
        raise FormatError(f"signed attribute {oid} must occur once with one value")
    return found[0].values[0]


def _check_attributes(signed: SignedData, signer: SignerInfo) -> Check:
    step = "signed-attributes"
    if signer.signed_attributes is None:
        return checks.failed(step, "there are no signed attributes", "没有签名属性")
    kinds = [a.oid for a in signer.signed_attributes]
    if len(set(kinds)) != len(kinds):
        return checks.failed(step, "a signed attribute occurs twice", "签名属性重复")
    content_type = single_value(signer, oids.CONTENT_TYPE)
    if content_type is None or der.read_oid(content_type) != signed.content_type:
        return checks.failed(step, "the content-type attribute does not name the content", "内容类型属性与内容不符")
    return checks.passed(step, "each once, content type agrees", "各出现一次，内容类型一致")


def _check_digest(signer: SignerInfo, content_digest: ContentDigest) -> Check:
    step = "message-digest"
    value = single_value(signer, oids.MESSAGE_DIGEST)
    if value is None:
        return checks.failed(step, "there is no message-digest attribute", "没有消息摘要属性")
    name = oids.HASH_NAMES.get(signer.digest_algorithm.oid)
    if name is None or not signer.digest_algorithm.plain:
        return checks.undecided(
            step,
            f"hash function {signer.digest_algorithm.oid} is not known",
            f"不支持的杂凑算法 {signer.digest_algorithm.oid}",
        )
    if name not in oids.DIGEST_SIZES:
        return checks.failed(step, f"hash function {name} proves nothing any more", f"杂凑算法 {name} 已不安全")
    expected = content_digest(name)
    if expected is None:
        return checks.undecided(step, f"the {name} digest of the content is not known", f"未提供内容的 {name} 摘要")
    if der.read_octets(value) != expected:
        return checks.failed(step, "the signature is over other content", "所签内容与此内容不符")
    return checks.passed(step, f"equals the {name} digest of the content", f"与内容的 {name} 摘要一致")


def _check_ess(signer: SignerInfo, named: Sequence[x509.Certificate]) -> tuple[x509.Certificate | None, Check]:
    step = "signing-certificate"
    identifiers: list[_EssIdentifier] = []
    for oid in (oids.SIGNING_CERTIFICATE_V2, oids.SIGNING_CERTIFICATE):
        value = single_value(signer, oid)
        if value is not None:
            identifiers.append(_parse_ess(value, versioned=oid == oids.SIGNING_CERTIFICATE_V2))
    if not identifiers:
        return None, checks.failed(
            step, "no signing-certificate attribute binds the certificate", "没有绑定证书的 signing-certificate 属性"
        )
    if not named:
        return None, checks.undecided(step, "no certificate to compare with", "没有可比对的证书")
    for certificate in named:
        if all(_matches(identifier, certificate) for identifier in identifiers):
            names = " and ".join(i.hash_name for i in identifiers)
            return certificate, checks.passed(step, f"binds the certificate by {names}", f"以 {names} 绑定证书")
    return None, checks.failed(step, "binds another certificate", "绑定的是另一张证书")


def _parse_ess(value: der.Node, *, versioned: bool) -> _EssIdentifier:
    """Read the first identifier of SigningCertificate or SigningCertificateV2: the signer's (RFC 5035 §3, §4)."""
    cursor = der.Cursor(value, "SigningCertificate")
    identifiers = der.children(cursor.take(der.SEQUENCE))
    cursor.optional(der.SEQUENCE)
    cursor.end()
    if not 1 <= len(identifiers) <= _MAX_ESS_IDENTIFIERS:
        raise FormatError(f"SigningCertificate lists {len(identifiers)} certificates")
    first = der.Cursor(identifiers[0], "ESSCertID")
    name = "sha256" if versioned else "sha1"
    algorithm = first.optional(der.SEQUENCE) if versioned else None
    if algorithm is not None:
        name = _strong_hash(parse_algorithm(algorithm))
    hashed = der.read_octets(first.take())
    issuer_serial = first.optional(der.SEQUENCE)
    first.end()
    issuer, serial = _parse_issuer_serial(issuer_serial) if issuer_serial else (None, None)
    return _EssIdentifier(hash_name=name, value=hashed, issuer=issuer, serial=serial)


def _strong_hash(algorithm: AlgorithmIdentifier) -> str:
    name = oids.HASH_NAMES.get(algorithm.oid, "")
    if name not in oids.DIGEST_SIZES or not algorithm.plain:
        raise FormatError(f"certificate is bound by hash function {name or algorithm.oid}")
    return name


def _parse_issuer_serial(node: der.Node) -> tuple[bytes, int]:
    cursor = der.Cursor(node, "IssuerSerial")
    names, serial = der.children(cursor.take(der.SEQUENCE)), der.read_integer(cursor.take())
    cursor.end()
    if len(names) != 1 or names[0].tag != der.context(4):
        raise FormatError("IssuerSerial does not name one directory name")
    return names[0].content, serial


def _matches(identifier: _EssIdentifier, certificate: x509.Certificate) -> bool:
    if digest(identifier.hash_name, to_der(certificate)) != identifier.value:
        return False
    if identifier.serial is None:
        return True
    if identifier.serial != certificate.serial_number or identifier.issuer is None:
        return False
    return same_name(identifier.issuer, encoded_parts(certificate).issuer)


def _check_protection(signer: SignerInfo) -> Check:
    step = "algorithm-protection"
    value = single_value(signer, oids.ALGORITHM_PROTECTION)
    if value is None:
        return checks.not_performed(step, "the signer did not protect the algorithm names", "签名者未保护算法标识")
    cursor = der.Cursor(value, "CMSAlgorithmProtection")
    digest_algorithm = parse_algorithm(cursor.take(der.SEQUENCE))
    signature_algorithm = parse_algorithm(cursor.take(der.context(1)), tag=der.context(1))
    cursor.end()
    same = digest_algorithm.raw == signer.digest_algorithm.raw
    if not same or signature_algorithm.raw[1:] != signer.signature_algorithm.raw[1:]:
        return checks.failed(step, "the algorithm names are not those that were signed", "算法标识与所签不符")
    return checks.passed(step, "the algorithm names are those that were signed", "算法标识与所签一致")


def _check_value(signer: SignerInfo, certificate: x509.Certificate | None) -> Check:
    step = "signature"
    if certificate is None:
        return checks.undecided(step, "no certificate to check the signature with", "没有可用于核验签名的证书")
    if signer.signed_attributes is None:
        return checks.failed(step, "there are no signed attributes", "没有签名属性")
    return check_signature(
        certificate,
        signer.signature_algorithm,
        digest=oids.HASH_NAMES.get(signer.digest_algorithm.oid, ""),
        signature=signer.signature,
        data=signer.signed_octets,
    )


def _signing_time(signer: SignerInfo) -> datetime | None:
    """Return the claimed time; it is the signer's word, nobody else's."""
    try:
        value = single_value(signer, oids.SIGNING_TIME)
        return None if value is None else der.read_time(value)
    except FormatError:
        return None
