"""ML-DSA signatures in CMS (RFC 9882): made with ML-DSA-65, checked for all three sizes, refused when changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from evidencekit import keybackup
from evidencekit.errors import SigningError
from evidencekit.home import Home
from evidencekit.identities import Role, rotate
from evidencekit.ledger.entry import KeyStatus
from evidencekit.model import Outcome
from evidencekit.signing.cades import check_detached, content_of, sign_detached
from evidencekit.signing.postquantum import CERTIFICATE_FILE, KEY_FILE
from evidencekit.signing.signer import SignatureAlgorithm
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.signature import certificate_signed_by
from evidencekit_cli.diagnosis import Condition
from evidencekit_cli.keychecks import check_keys

if TYPE_CHECKING:
    from pathlib import Path

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


# --- the home's own key ---------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


def test_the_key_of_a_home_is_made_once_and_bears_the_name_of_the_seal(home: Home) -> None:
    first, again = home.post_quantum(), home.post_quantum()
    assert first.certificate == again.certificate
    assert first.certificate.subject.rfc4514_string().startswith("OU=evidencekit self-signed ML-DSA-65 key,")
    assert set(home.keys().seal.signer.certificate.subject) < set(first.certificate.subject)
    assert (home.path / "keys" / KEY_FILE).stat().st_mode & 0o077 == 0
    seal = sign_detached(content_of(CONTENT), again, at=datetime.now(UTC))
    assert check_detached(seal, content_of(CONTENT)).intact
    assert "PRIVATE" not in repr(first)


def test_a_lost_or_foreign_key_is_said(home: Home) -> None:
    home.post_quantum()
    key = home.path / "keys" / KEY_FILE
    other = mldsa.MLDSA65PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, said in ((other, "is not the certificate of"), (b"nonsense", "holds no ML-DSA-65 key")):
        key.write_bytes(data)
        with pytest.raises(SigningError, match=said):
            home.post_quantum()
    key.chmod(0o644)
    with pytest.raises(SigningError, match="chmod"):
        home.post_quantum()
    key.unlink()
    with pytest.raises(SigningError, match=f"{KEY_FILE} is gone.*identity rotate seal --lost"):
        home.post_quantum()


def test_it_is_retired_with_the_seal_and_backed_up(home: Home, tmp_path: Path) -> None:
    before = home.post_quantum().certificate
    names = keybackup.backup(home, tmp_path / "backup.age", "correct horse battery")
    assert {f"keys/{KEY_FILE}", f"keys/{CERTIFICATE_FILE}"} <= set(names)
    restored = Home.open(tmp_path / "restored")
    keybackup.restore(restored, tmp_path / "backup.age", "correct horse battery", now=datetime.now(UTC))
    assert restored.post_quantum().certificate == before
    done = rotate(home, Role.SEAL, KeyStatus.LOST, now=datetime.now(UTC))
    assert (done.kept / KEY_FILE).exists()
    assert home.post_quantum().certificate != before


def test_doctor_names_a_lost_second_key(home: Home) -> None:
    home.post_quantum()
    assert check_keys(home.path).condition is Condition.PASS
    (home.path / "keys" / KEY_FILE).unlink()
    found = check_keys(home.path)
    assert found.condition is Condition.WARN
    assert KEY_FILE in found.sentence.en
