"""Anchors come from the arguments, each in one role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.errors import UsageError
from evidencekit.signing.note import format_vkey
from evidencekit.signing.notesigner import Ed25519NoteSigner
from evidencekit.verify.trust import MAX_FILE_BYTES, Trust, load_trust, trust_from_files
from evidencekit.x509.certificate import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: str, *, ca: bool = False, eku: list[x509.ObjectIdentifier] | None = None) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if eku is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=True)
    return builder.sign(KEY, hashes.SHA256())


def crl_pem() -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]))
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(found.public_bytes(Encoding.PEM) for found in certificates)


STAMPING = certificate("tsa", eku=[ExtendedKeyUsageOID.TIME_STAMPING])
SIGNING = certificate("signer")
AUTHORITY = certificate("authority", ca=True)
VKEY = format_vkey(Ed25519NoteSigner("log.test", b"\x01" * 32).verifier)


def written(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def test_unqualified_end_entities_go_to_the_role_their_key_usage_allows(tmp_path: Path) -> None:
    trust = load_trust([written(tmp_path, "both.pem", pem(STAMPING, SIGNING))])
    assert trust.tsas == (STAMPING,)
    assert trust.signers == (SIGNING,)


def test_certificate_that_stamps_and_does_more_is_no_tsa(tmp_path: Path) -> None:
    mixed = certificate("mixed", eku=[ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING])
    assert load_trust([written(tmp_path, "x.pem", pem(mixed))]).tsas == ()


def test_ca_without_a_role_is_refused_and_with_one_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "ca.pem", pem(AUTHORITY))
    with pytest.raises(UsageError, match="signer=PATH or --trust tsa=PATH"):
        load_trust([path])
    assert load_trust([f"signer={path}"]) == Trust(signers=(AUTHORITY,))
    assert load_trust([f"tsa={path}"]) == Trust(tsas=(AUTHORITY,))


def test_folder_gives_roles_by_name_and_passes_other_files_over(tmp_path: Path) -> None:
    written(tmp_path, "signer-root.pem", pem(AUTHORITY))
    written(tmp_path, "tsa.pem", pem(STAMPING))
    written(tmp_path, "ledger.vkey", VKEY.encode() + b"\n")
    written(tmp_path, "root.crl", crl_pem())
    written(tmp_path, "README.md", b"not an anchor")
    trust = load_trust([str(tmp_path)])
    assert trust.signers == (AUTHORITY,)
    assert trust.tsas == (STAMPING,)
    assert [format_vkey(log) for log in trust.logs] == [VKEY]
    assert len(trust.crls) == 1


def test_folder_with_a_role_gives_that_role_only(tmp_path: Path) -> None:
    written(tmp_path, "a.pem", pem(STAMPING))
    written(tmp_path, "ledger.vkey", VKEY.encode())
    assert load_trust([f"signer={tmp_path}"]) == Trust(signers=(STAMPING,))
    assert len(load_trust([f"log={tmp_path}"]).logs) == 1


def test_anchor_given_twice_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path, "a.pem", pem(SIGNING, SIGNING))
    assert load_trust([path, path]).signers == (SIGNING,)


def test_vkey_file_needs_no_role(tmp_path: Path) -> None:
    assert len(load_trust([written(tmp_path, "x.txt", f"# my log\n{VKEY}\n".encode())]).logs) == 1


def test_der_certificate_is_read(tmp_path: Path) -> None:
    assert load_trust([written(tmp_path, "x.cer", SIGNING.public_bytes(Encoding.DER))]).signers == (SIGNING,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x30\x03\x02\x01\x01",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        b"\xff\xfe",
        VKEY.encode()[:-4],
        b"x" * (MAX_FILE_BYTES + 1),
    ],
)
def test_bad_files_are_usage_errors(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, "x.pem", data)
    for spec in (path, f"signer={path}", f"tsa={path}", f"log={path}"):
        with pytest.raises(UsageError) as caught:
            load_trust([spec])
        assert caught.value.zh


def test_missing_path_and_empty_folder_are_usage_errors(tmp_path: Path) -> None:
    for spec in (str(tmp_path / "none"), str(tmp_path), "", "signer="):
        with pytest.raises(UsageError):
            load_trust([spec])


def test_description_names_every_anchor_by_its_fingerprint() -> None:
    trust = Trust(signers=(SIGNING,), tsas=(STAMPING,), self_bundle=True)
    for lang in ("en", "zh"):
        said = trust.describe(lang)
        assert fingerprint(SIGNING) in said
        assert fingerprint(STAMPING) in said
        assert "--trust self" in said
    assert Trust.stranger().describe("en") == "no anchors (a stranger)"
    assert "陌生人" in Trust.stranger().describe("zh")


def test_self_is_kept_apart_from_what_was_given(tmp_path: Path) -> None:
    trust = load_trust(["self", written(tmp_path, "a.pem", pem(SIGNING))])
    assert trust.self_bundle
    assert trust.signers == (SIGNING,)
    assert not load_trust([str(tmp_path / "a.pem")]).self_bundle


def test_bundle_folder_gives_its_anchors_by_name() -> None:
    trust = trust_from_files([("trust/signer.pem", pem(AUTHORITY)), ("trust/other.txt", b"x")])
    assert trust == Trust(signers=(AUTHORITY,))
