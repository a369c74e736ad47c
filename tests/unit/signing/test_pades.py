"""The sealed certificate PDF: judged by poppler's pdfsig and by pyHanko's own validator; what was there stays."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from asn1crypto.x509 import Certificate
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

from evidencekit.errors import ConfigError, SigningError
from evidencekit.signing.identity import create_sealing_identity, create_tsa_identity
from evidencekit.signing.pades import FIELD, require_pades, seal_pdf
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm, load_private_key
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa
from evidencekit.timestamp.token import parse_response
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

NOW = datetime.now(UTC)


class Parts:
    """A signer and a TSA that make sealed documents."""

    def __init__(self, folder: Path) -> None:
        self.signer = create_sealing_identity(folder / "seal", now=NOW).signer
        made = create_tsa_identity(folder / "tsa", now=NOW)
        self.tsa = made.signer.certificate
        key = load_private_key(made.key_file.read_bytes(), made.key_file)
        self.authority = EmbeddedTsa(authority=Authority(key, made.signer.certificate))

    def stamp(self, digest: bytes) -> bytes:
        token = parse_response(self.authority.stamp(digest).response).token
        assert token is not None
        return token

    def seal(self, pdf: bytes) -> bytes:
        return seal_pdf(pdf, self.signer, self.stamp, self.stamp(hashlib.sha256(b"example").digest()))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return Parts(tmp_path_factory.mktemp("pades"))


@pytest.fixture(scope="module")
def pdf() -> bytes:
    """The smallest document: one empty page."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, part)
    table = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    return out + table + b"trailer<</Root 1 0 R/Size 4>>\nstartxref\n%d\n%%%%EOF\n" % len(out)


def pdfsig(file: Path) -> str:
    done = subprocess.run([program("pdfsig"), str(file)], capture_output=True, check=False, text=True, timeout=60)
    return done.stdout


def asn1(certificate: x509.Certificate) -> Certificate:
    return Certificate.load(certificate.public_bytes(Encoding.DER))


def test_pdfsig_and_pyhanko_accept_the_sealed_document(parts: Parts, pdf: bytes, tmp_path: Path) -> None:
    sealed = parts.seal(pdf)
    assert sealed.startswith(pdf)
    file = tmp_path / "certificate.pdf"
    file.write_bytes(sealed)
    said = pdfsig(file)
    assert FIELD in said
    assert "ETSI.CAdES.detached" in said
    assert "Signature Validation: Signature is Valid." in said

    reader = PdfFileReader(io.BytesIO(sealed))
    roots = [asn1(parts.signer.certificate), asn1(parts.tsa)]

    def context() -> ValidationContext:
        return ValidationContext(trust_roots=roots, allow_fetching=False)

    status = asyncio.run(
        async_validate_pdf_signature(
            reader.embedded_regular_signatures[0],
            signer_validation_context=context(),
            ts_validation_context=context(),
        )
    )
    assert status.bottom_line, status.summary()
    assert status.timestamp_validity is not None
    (last,) = reader.embedded_timestamp_signatures
    document = asyncio.run(async_validate_pdf_timestamp(last, validation_context=context()))
    assert (document.valid, document.intact, document.trusted) == (True, True, True)


def test_a_changed_document_is_noticed(parts: Parts, pdf: bytes, tmp_path: Path) -> None:
    sealed = parts.seal(pdf)
    file = tmp_path / "changed.pdf"
    at = sealed.index(b"300")
    file.write_bytes(sealed[:at] + b"301" + sealed[at + 3 :])
    assert "Signature is Valid" not in pdfsig(file)


def test_what_cannot_be_sealed_says_so(parts: Parts) -> None:
    with pytest.raises(SigningError, match="cannot be sealed"):
        parts.seal(b"no PDF at all")
    with pytest.raises(ConfigError, match="SHA-256"):
        require_pades(SignatureAlgorithm.SM2_SM3)
    assert isinstance(parts.signer, KeySigner)
