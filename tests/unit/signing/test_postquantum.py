"""ML-DSA signatures in CMS (RFC 9882): made with ML-DSA-65, checked for all three sizes, refused when changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509.oid import NameOID

from evidencekit.errors import SigningError
from evidencekit.model import Outcome
from evidencekit.signing.cades import check_detached, content_of, sign_detached
from evidencekit.signing.signer import SignatureAlgorithm
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.signature import certificate_signed_by

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CONTENT = b'{"what":"was seen"}'


def certificate_of(
    key: mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Post-quantum")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=1000))
        .sign(key, None)
    )


@dataclass(frozen=True)
class Holder:
    """A signer of the caller's own: nothing but the protocol."""

    key: mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ML_DSA_65

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)


def test_a_signature_with_ml_dsa_65_is_made_and_checked() -> None:
    key = mldsa.MLDSA65PrivateKey.generate()
    holder = Holder(key, certificate_of(key))
    seal = sign_detached(content_of(CONTENT), holder, at=AT)
    found = check_detached(seal, content_of(CONTENT))
    assert found.intact
    assert found.unaccounted == ()
    assert not check_detached(seal, content_of(b"other")).intact
    changed = bytearray(seal)
    changed[-10] ^= 1
    assert not check_detached(bytes(changed), content_of(CONTENT)).intact
    path = build_path(holder.certificate, (), [holder.certificate], at=AT, purpose=Purpose.SEALING)
    assert path.outcome is Outcome.PASSED


@pytest.mark.parametrize("kind", [mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey])
def test_certificates_of_every_size_are_checked(
    kind: type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey],
) -> None:
    mine, other = certificate_of(kind.generate()), certificate_of(kind.generate())
    assert certificate_signed_by(mine, mine).outcome is Outcome.PASSED
    assert certificate_signed_by(mine, other).outcome is Outcome.FAILED


def test_another_size_than_the_label_says_is_not_sealed_with() -> None:
    key = mldsa.MLDSA44PrivateKey.generate()
    with pytest.raises(SigningError, match="does not verify"):
        sign_detached(content_of(CONTENT), Holder(key, certificate_of(key)), at=AT)
