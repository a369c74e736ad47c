"""CAdES-B-B and B-T (ETSI EN 319 122-1 §6): a detached CMS signature over the digest of some content.

`openssl cms -verify -cades -binary -inform DER -content FILE` accepts what is written here, but for SM2 and ML-DSA. The
signature holds contentType, signingTime, messageDigest, signing-certificate-v2 and the protection of
its algorithm names (RFC 6211); content never passes through, so its size does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from evidencekit.errors import FormatError, SigningError
from evidencekit.model import Outcome, Text
from evidencekit.signing.signer import BringsRevocation, SignatureAlgorithm, Signer
from evidencekit.x509 import checks, cms, der, oids
from evidencekit.x509.digests import digest, digest_file
from evidencekit.x509.protection import unaccounted
from evidencekit.x509.signerinfo import check_signer_info, single_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from evidencekit.x509.checks import Check

    Content: TypeAlias = bytes | Callable[[str], bytes | None]
    """The SHA-256 of the content, or what gives its digest by the hash function's name (None: not known)."""

MAX_SEAL_BYTES: Final = 1 << 18
_SCHEMES: Final = {
    SignatureAlgorithm.ECDSA_SHA256: cms.ECDSA_SHA256,
    SignatureAlgorithm.ECDSA_SHA384: cms.ECDSA_SHA384,
    SignatureAlgorithm.ECDSA_SHA512: cms.ECDSA_SHA512,
    SignatureAlgorithm.RSA_SHA256: cms.RSA_SHA256,
    SignatureAlgorithm.RSA_SHA384: cms.RSA_SHA384,
    SignatureAlgorithm.RSA_SHA512: cms.RSA_SHA512,
    SignatureAlgorithm.ML_DSA_65: cms.ML_DSA_65,
    SignatureAlgorithm.SM2_SM3: cms.SM2_SM3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """What became of a detached signature.

    `signing_time` is the signer's own word. `embedded` are the certificates it brings along, the
    signer's included; whom to trust is `x509.path`'s question. `unaccounted` lists bytes that nothing protects. `crls`
    are the revocation lists it brings along, DER, as yet unchecked. `roles`
    are those that the signer claims, `value` is the signature value, `tokens` the time-stamps over it that it carries
    (CAdES-B-T), as yet unchecked.
    """

    integrity: Outcome
    reason: Text
    checks: tuple[Check, ...]
    certificate: x509.Certificate | None
    embedded: tuple[x509.Certificate, ...]
    signing_time: datetime | None
    unaccounted: tuple[Text, ...]
    crls: tuple[bytes, ...] = ()
    roles: tuple[str, ...] = ()
    value: bytes = b""
    tokens: tuple[bytes, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether the signature is over this content, with the key of the certificate it names."""
        return self.integrity is Outcome.PASSED


def content_of(data: bytes) -> Content:
    """Give the digests of bytes."""
    return lambda name: digest(name, data)


def content_of_file(path: Path) -> Content:
    """Give the digests of a file, which is read in pieces each time: its size costs no memory."""
    return lambda name: digest_file(name, path)


def sign_detached(content: Content, signer: Signer, *, at: datetime, role: str | None = None) -> bytes:
    """Sign content by its digest.

    Args:
        content: SHA-256 of the content, 32 bytes, or its digests by name for a signer that takes another hash.
        signer: Who signs; its certificate, its chain and the revocation lists it brings are embedded.
        at: The signing time to claim, aware.
        role: The role to claim (signer-attributes-v2), None for none.

    Returns:
        ContentInfo with SignedData, DER.

    Raises:
        SigningError: The signer fails, its signature is not that of its certificate, or it signs with
            Ed25519, which OpenSSL 3.0 cannot check in CMS.
    """
    scheme = _SCHEMES.get(signer.algorithm)
    if scheme is None:
        raise SigningError(
            f"A document cannot be sealed with {signer.algorithm}; use ECDSA P-256 or RSA; every OpenSSL checks them.",
            f"不能以 {signer.algorithm} 签署文件；请使用各版 OpenSSL 均可验证的 ECDSA P-256 或 RSA。",
        )
    template = cms.SignatureTemplate(
        content_type=oids.DATA,
        content=None,
        content_digest=_digest_for(content, scheme.digest),
        scheme=scheme,
        certificate=signer.certificate,
        chain=tuple(signer.chain),
        at=at,
        crls=signer.crls if isinstance(signer, BringsRevocation) else (),
        claimed_role=role,
    )
    seal = cms.build_signed_data(template, signer.sign)
    check = check_detached(seal, lambda name: template.content_digest if name == scheme.digest else None)
    if not check.intact:
        raise SigningError(
            f"The signature just made does not verify ({check.reason.en}); do key and certificate belong together?",
            f"刚生成的签名无法通过核验({check.reason.zh})；请检查密钥与证书是否匹配。",
        )
    return seal


def with_timestamp(seal: bytes, token: bytes) -> bytes:
    """Make a signature B-T: add the time-stamp token over its value (`SealCheck.value`) as unsigned attribute.

    Raises:
        FormatError: the seal is not one of ours, or the token is not DER.
    """
    der.parse(token)
    return cms.add_unsigned_attribute(seal, oids.SIGNATURE_TIME_STAMP, token)


def check_detached(seal: bytes, content: Content, *, known: Sequence[x509.Certificate] = ()) -> SealCheck:
    """Check a detached CMS signature over content with this digest.

    Args:
        seal: ContentInfo with SignedData, BER or DER.
        content: SHA-256 of the content, or its digests by name.
        known: Certificates from elsewhere: the verified path once it is known, anchors.

    Returns:
        The steps; malformed input is a FAILED step, not an error. Intact says nothing about who signed.
    """
    try:
        signed = _parse_seal(seal)
    except FormatError as error:
        step = checks.failed("structure", f"malformed: {error.en}", error.zh)
        return SealCheck(
            integrity=Outcome.FAILED,
            reason=step.reason,
            checks=(step,),
            certificate=None,
            embedded=(),
            signing_time=None,
            unaccounted=(),
        )
    signer = check_signer_info(signed, content_digest=_digests_of(content), others=known)
    sound = checks.passed("structure", "a detached SignedData, nothing after it", "结构完整，无多余字节")
    failure = checks.first_not_passed(signer.checks)
    return SealCheck(
        integrity=checks.summary(signer.checks),
        reason=failure.reason if failure else Text(en="the signature is intact", zh="签名完整"),
        checks=(sound, *signer.checks),
        certificate=signer.certificate,
        embedded=signer.embedded,
        signing_time=signer.signing_time,
        unaccounted=unaccounted(signed, signer, known=known),
        crls=signed.crls,
        roles=_roles(signed),
        value=signed.signers[0].signature if signed.signers else b"",
        tokens=_tokens(signed),
    )


def _digests_of(content: Content) -> Callable[[str], bytes | None]:
    return content if callable(content) else lambda name: content if name == "sha256" else None


def _digest_for(content: Content, name: str) -> bytes:
    found = _digests_of(content)(name)
    size = oids.DIGEST_SIZES[name]
    if found is None or len(found) != size:
        have = "none" if found is None else f"one of {len(found)} bytes"
        raise SigningError(
            f"This signer needs the {name} digest of the content, {size} bytes, and was given {have}.",
            f"该签署方需要内容的 {name} 摘要({size} 字节)，所给不符。",
        )
    return found


def _roles(signed: cms.SignedData) -> tuple[str, ...]:
    try:
        value = single_value(signed.signers[0], oids.SIGNER_ATTRIBUTES_V2) if signed.signers else None
        return () if value is None else cms.claimed_roles(value)
    except FormatError:
        return ()


def _tokens(signed: cms.SignedData) -> tuple[bytes, ...]:
    return tuple(
        value.raw
        for signer in signed.signers[:1]
        for attribute in signer.unsigned_attributes
        if attribute.oid == oids.SIGNATURE_TIME_STAMP
        for value in attribute.values
    )


def _parse_seal(seal: bytes) -> cms.SignedData:
    if len(seal) > MAX_SEAL_BYTES:
        raise FormatError(f"signature is {len(seal)} bytes, the limit is {MAX_SEAL_BYTES}")
    signed = cms.parse_signed_data(seal)
    if signed.content is not None:
        raise FormatError("the signature holds content of its own; a detached one belongs here")
    if signed.content_type not in {oids.DATA, oids.GM_DATA}:
        raise FormatError(f"the signature is over content of type {signed.content_type}, not data")
    return signed
