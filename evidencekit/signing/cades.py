"""CAdES-B-B (ETSI EN 319 122-1 §6): a detached CMS signature over a SHA-256 digest.

`openssl cms -verify -cades -binary -inform DER -content FILE` accepts what is written here. The
signature holds contentType, signingTime, messageDigest, signing-certificate-v2 and the protection of
its algorithm names (RFC 6211); content never passes through, so its size does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError, SigningError
from evidencekit.model import Outcome, Text
from evidencekit.signing.signer import BringsRevocation, SignatureAlgorithm, Signer
from evidencekit.x509 import checks, cms, oids
from evidencekit.x509.protection import unaccounted
from evidencekit.x509.signerinfo import check_signer_info

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

    from evidencekit.x509.checks import Check

MAX_SEAL_BYTES: Final = 1 << 18
_DIGEST_BYTES: Final = 32
_SCHEMES: Final = {
    SignatureAlgorithm.ECDSA_SHA256: cms.ECDSA_SHA256,
    SignatureAlgorithm.RSA_SHA256: cms.RSA_SHA256,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """What became of a detached signature.

    `signing_time` is the signer's own word. `embedded` are the certificates it brings along, the
    signer's included; whom to trust is `x509.path`'s question. `unaccounted` lists bytes that nothing protects. `crls`
    are the revocation lists it brings along, DER, as yet unchecked.
    """

    integrity: Outcome
    reason: Text
    checks: tuple[Check, ...]
    certificate: x509.Certificate | None
    embedded: tuple[x509.Certificate, ...]
    signing_time: datetime | None
    unaccounted: tuple[Text, ...]
    crls: tuple[bytes, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether the signature is over this content, with the key of the certificate it names."""
        return self.integrity is Outcome.PASSED


def sign_detached(digest_sha256: bytes, signer: Signer, *, at: datetime) -> bytes:
    """Sign content by its digest.

    Args:
        digest_sha256: SHA-256 of the content, 32 bytes.
        signer: Who signs; its certificate, its chain and the revocation lists it brings are embedded.
        at: The signing time to claim, aware.

    Returns:
        ContentInfo with SignedData, DER.

    Raises:
        SigningError: The signer fails, its signature is not that of its certificate, or it signs with
            Ed25519, which OpenSSL 3.0 cannot check in CMS.
    """
    if len(digest_sha256) != _DIGEST_BYTES:
        raise SigningError(
            f"A SHA-256 digest has 32 bytes, not {len(digest_sha256)}.",
            f"SHA-256 摘要应为 32 字节，而非 {len(digest_sha256)} 字节。",
        )
    scheme = _SCHEMES.get(signer.algorithm)
    if scheme is None:
        raise SigningError(
            f"A document cannot be sealed with {signer.algorithm}; use ECDSA P-256 or RSA; every OpenSSL checks them.",
            f"不能以 {signer.algorithm} 签署文件；请使用各版 OpenSSL 均可验证的 ECDSA P-256 或 RSA。",
        )
    template = cms.SignatureTemplate(
        content_type=oids.DATA,
        content=None,
        content_digest=digest_sha256,
        scheme=scheme,
        certificate=signer.certificate,
        chain=tuple(signer.chain),
        at=at,
        crls=signer.crls if isinstance(signer, BringsRevocation) else (),
    )
    seal = cms.build_signed_data(template, signer.sign)
    check = check_detached(seal, digest_sha256)
    if not check.intact:
        raise SigningError(
            f"The signature just made does not verify ({check.reason.en}); do key and certificate belong together?",
            f"刚生成的签名无法通过核验({check.reason.zh})；请检查密钥与证书是否匹配。",
        )
    return seal


def check_detached(seal: bytes, digest_sha256: bytes, *, known: Sequence[x509.Certificate] = ()) -> SealCheck:
    """Check a detached CMS signature over content with this digest.

    Args:
        seal: ContentInfo with SignedData, BER or DER.
        digest_sha256: SHA-256 of the content.
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
    signer = check_signer_info(
        signed, content_digest=lambda name: digest_sha256 if name == "sha256" else None, others=known
    )
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
