"""Seal the certificate PDF itself: PAdES-B-LTA (ETSI EN 319 142-1) by pyHanko, extra `[pades]`.

A reader of the PDF alone then sees who sealed it and when, without the bundle around it: a CAdES signature in the file,
a time-stamp over it, what is needed to validate both, and a document time-stamp over all of that. The signer is the one
who seals the bundle; tokens come from the authorities that stamp it.
"""

from __future__ import annotations

import io
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.errors import ConfigError, SigningError
from evidencekit.signing.signer import SignatureAlgorithm

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from evidencekit.signing.signer import Signer

FIELD = "EvidencekitSeal"
_MECHANISMS = {  # its time-stamps take the hash of the signature, and authorities are asked for SHA-256
    SignatureAlgorithm.ECDSA_SHA256: ("sha256", "sha256_ecdsa"),
    SignatureAlgorithm.RSA_SHA256: ("sha256", "sha256_rsa"),
}
_LARGEST_SIGNATURE = 1024


def can_seal(algorithm: SignatureAlgorithm) -> bool:
    """Tell whether pyHanko is installed and PDF readers know the algorithm."""
    return find_spec("pyhanko") is not None and algorithm in _MECHANISMS


def require_pades(algorithm: SignatureAlgorithm) -> None:
    """Refuse early what `seal_pdf` would refuse.

    Raises:
        ConfigError: pyHanko is not installed, or PDF readers do not know the algorithm.
    """
    if find_spec("pyhanko") is None:
        raise ConfigError(
            "Sealing the certificate PDF needs pyHanko; run: pip install 'evidencekit[pades]'",
            "为证书 PDF 加盖数字签名需要 pyHanko；请执行：pip install 'evidencekit[pades]'",
        )
    if algorithm not in _MECHANISMS:
        raise ConfigError(
            f"A PDF cannot be sealed with {algorithm.value}; leave pades.seal out, or use ECDSA or RSA with SHA-256.",
            f"不能以 {algorithm.value} 为 PDF 签名；请取消 pades.seal，或使用 SHA-256 的 ECDSA、RSA。",
        )


def seal_pdf(pdf: bytes, signer: Signer, stamp: Callable[[bytes], bytes], example: bytes) -> bytes:
    """Seal a PDF; what was there stays, byte for byte, at the beginning of what is returned.

    Args:
        pdf: the document.
        signer: who seals.
        stamp: gives a bare time-stamp token over a SHA-256 digest; asked twice.
        example: an earlier token of the same authority, whose size and certificates are expected.

    Raises:
        ConfigError: pyHanko is not installed, or PDF readers do not know the signer's algorithm.
        SigningError: the document cannot be sealed.
        TimestampError: as `stamp` says.
    """
    require_pades(signer.algorithm)
    # It warns on stderr that nothing is fetched, which nobody asked for.
    logging.getLogger("pyhanko").addHandler(logging.NullHandler())
    from pyhanko.pdf_utils.misc import PdfError  # noqa: PLC0415 (optional dependency)
    from pyhanko.sign.general import SigningError as Refused  # noqa: PLC0415 (optional dependency)
    from pyhanko_certvalidator.errors import ValidationError  # noqa: PLC0415 (optional dependency)

    try:
        return _seal(pdf, signer, stamp, example)
    except (PdfError, Refused, ValidationError, ValueError) as error:
        raise SigningError(
            f"The certificate PDF cannot be sealed ({error}); leave pades.seal out, or correct the signer's chain.",
            f"无法为证书 PDF 签名({error})；请取消 pades.seal，或更正签署人证书链。",
        ) from error


def _seal(pdf: bytes, signer: Signer, stamp: Callable[[bytes], bytes], example: bytes) -> bytes:
    from asn1crypto import cms  # noqa: PLC0415 (optional dependency)
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415 (optional dependency)
    from pyhanko.sign import fields, signers  # noqa: PLC0415 (optional dependency)
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415 (optional dependency)

    expected = cms.ContentInfo.load(example)
    embedded = [each.chosen for each in expected["content"]["certificates"] or ()]
    own = [_asn1(each) for each in (signer.certificate, *signer.chain)]
    context = ValidationContext(
        # What is embedded as validation material is whole; whom to trust stays the reader's question.
        trust_roots=[own[-1], *embedded],
        other_certs=own,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    hash_name, _ = _MECHANISMS[signer.algorithm]
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm=hash_name,
        subfilter=fields.SigSeedSubFilter.PADES,
        embed_validation_info=True,
        use_pades_lta=True,
        validation_context=context,
        signer_key_usage=set(),
        name=signer.certificate.subject.rfc4514_string(),
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    sealer = signers.PdfSigner(metadata, signer=_bridge(signer, own), timestamper=_timestamper(stamp, expected))
    out = io.BytesIO()
    sealer.sign_pdf(writer, output=out)
    return out.getvalue()


def _bridge(signer: Signer, chain: list[Any]) -> Any:  # noqa: ANN401 (optional dependency)
    """Let pyHanko sign with our signer."""
    from asn1crypto import algos  # noqa: PLC0415 (optional dependency)
    from pyhanko.sign.signers import Signer as Base  # noqa: PLC0415 (optional dependency)
    from pyhanko_certvalidator.registry import SimpleCertificateStore  # noqa: PLC0415 (optional dependency)

    class Bridge(Base):
        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002
            return b"\0" * _LARGEST_SIGNATURE if dry_run else signer.sign(data)

    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(chain)
    mechanism = algos.SignedDigestAlgorithm({"algorithm": _MECHANISMS[signer.algorithm][1]})
    return Bridge(signing_cert=chain[0], cert_registry=store, signature_mechanism=mechanism)


def _timestamper(stamp: Callable[[bytes], bytes], expected: Any) -> Any:  # noqa: ANN401 (optional dependency)
    """Let pyHanko stamp with the session's authorities; every token was checked when it arrived."""
    from asn1crypto import cms  # noqa: PLC0415 (optional dependency)
    from pyhanko.sign.timestamps import TimeStamper as Base  # noqa: PLC0415 (optional dependency)

    class Stamping(Base):
        async def async_dummy_response(self, md_algorithm: str) -> Any:  # noqa: ANN401, ARG002
            return expected

        async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:  # noqa: ANN401, ARG002
            return cms.ContentInfo.load(stamp(message_digest))

        async def async_request_tsa_response(self, req: Any) -> Any:  # noqa: ANN401
            raise NotImplementedError(req)

    return Stamping()  # type: ignore[no-untyped-call]


def _asn1(certificate: x509.Certificate) -> Any:  # noqa: ANN401 (optional dependency)
    from asn1crypto.x509 import Certificate  # noqa: PLC0415 (optional dependency)

    return Certificate.load(certificate.public_bytes(Encoding.DER))
