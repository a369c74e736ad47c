"""What in a SignedData no signature and no digest protects, so that nobody says "intact" of it.

A verifier that accepts a file although a byte of it was changed has not looked at that byte. Checked
here are the parts that `signerinfo.check_signer_info` does not: versions, the list of digest algorithms,
certificates outside the signer's, CRLs, unsigned attributes, encoding. One freedom of CMS is left to
foreign signers without RFC 6211 protection: `rsaEncryption` and `sha256WithRSAEncryption` with SHA-256
name the same signature, so one may stand for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.model import Outcome, Text
from evidencekit.x509 import oids
from evidencekit.x509.certificate import encoded_parts, name_of, names_as_issuer, to_der
from evidencekit.x509.signature import certificate_signed_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from evidencekit.x509.cms import SignedData, SignerInfo
    from evidencekit.x509.signerinfo import SignerCheck

_MAX_SIGNATURE_CHECKS = 128


def unaccounted(signed: SignedData, signer: SignerCheck, *, known: Sequence[x509.Certificate] = ()) -> tuple[Text, ...]:
    """List what could be changed in the structure without any check noticing.

    Args:
        signed: The parsed structure.
        signer: The outcome for its signer.
        known: Certificates from outside: the verified path, anchors, intermediates the caller holds.

    Returns:
        One sentence a thing; empty when every byte is accounted for.
    """
    found: list[Text] = []
    if not signed.canonical:
        found.append(Text(en="the encoding is not DER", zh="编码不是 DER"))
    if len(signed.signers) != 1:
        found.append(Text(en="signers beyond the first", zh="多余的签名者"))
    else:
        found += _loose_labels(signed, signed.signers[0])
        found += _loose_name(signed.signers[0], signer.certificate)
    found += _loose_certificates(signed, signer, known)
    if signed.crls:
        found.append(Text(en=f"{len(signed.crls)} revocation lists", zh=f"{len(signed.crls)} 个吊销列表"))
    return tuple(found)


def _loose_labels(signed: SignedData, signer: SignerInfo) -> list[Text]:
    """Compare the fields that RFC 5652 §5.1 and §5.3 derive from others."""
    found: list[Text] = []
    own = [algorithm.raw for algorithm in signed.digest_algorithms] == [signer.digest_algorithm.raw]
    if not own:
        found.append(Text(en="digest algorithms beside the signer's own", zh="与签名者不符的摘要算法列表"))
    by_key = signer.key_identifier is not None
    expected = 3 if by_key or signed.content_type not in {oids.DATA, oids.GM_DATA} else 1
    if signed.version != expected or signer.version != (3 if by_key else 1):
        found.append(Text(en="a version number that does not follow from the contents", zh="版本号与内容不符"))
    found += [
        Text(en=f"unsigned attribute {attribute.oid}", zh=f"未签名属性 {attribute.oid}")
        for attribute in signer.unsigned_attributes
    ]
    return found


def _loose_name(signer: SignerInfo, certificate: x509.Certificate | None) -> list[Text]:
    """Names are compared as RFC 5280 §7.1 says, so case and string type of the issuer's are nobody's word."""
    if certificate is None or signer.issuer in {None, encoded_parts(certificate).issuer}:
        return []
    return [Text(en="the issuer's name in other letters than the certificate's", zh="签发者名称的写法与证书不同")]


def _loose_certificates(signed: SignedData, signer: SignerCheck, known: Sequence[x509.Certificate]) -> list[Text]:
    """A certificate is accounted for if it is the signer's, known, or vouched for by one that is here or known."""
    own = () if signer.certificate is None else (to_der(signer.certificate),)
    trusted = {*own, *(to_der(c) for c in known)}
    found: list[Text] = []
    if len(set(signed.certificates)) != len(signed.certificates):
        found.append(Text(en="a certificate that is there twice", zh="重复的证书"))
    if len(signer.embedded) != len(signed.certificates):
        found.append(Text(en="a certificate that cannot be read", zh="无法读取的证书"))
    loose = [c for c in signer.embedded if to_der(c) not in trusted]
    vouched = _vouched(tuple(dict.fromkeys((*signer.embedded, *known)))) if loose else set()
    for certificate in loose:
        if certificate not in vouched:
            name = name_of(certificate)
            found.append(Text(en=f"certificate of {name}: its issuer is not here", zh=f"证书 {name} 无签发者"))
    return found


def _vouched(pool: Sequence[x509.Certificate]) -> set[x509.Certificate]:
    """Return the certificates whose bytes another one's key protects, or their own key if they issued another one."""
    vouched: set[x509.Certificate] = set()
    pairs = [(child, issuer) for child in pool for issuer in pool if names_as_issuer(child, issuer)]
    valid = [
        (child, issuer)
        for child, issuer in pairs[:_MAX_SIGNATURE_CHECKS]
        if certificate_signed_by(child, issuer).outcome is Outcome.PASSED
    ]
    issuers = {issuer for child, issuer in valid if child != issuer}
    for child, issuer in valid:
        if child != issuer or child in issuers:
            vouched.add(child)
    return vouched
