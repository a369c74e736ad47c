"""SM2 verification against openssl and published and shared vectors."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.x509 import der, sm2
from evidencekit.x509.certificate import encoded_parts, load_certificate, public_key_of, to_der
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.signature import certificate_signed_by

DATA = b"what was seen"
DEFAULT_ID = "distid:1234567812345678"


def openssl(folder: Path, *arguments: str) -> bytes:
    run = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True, timeout=30)
    return run.stdout


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A public key and a signature over DATA, made by openssl."""
    folder = tmp_path_factory.mktemp("sm2")
    openssl(folder, "genpkey", "-algorithm", "SM2", "-out", "key.pem")
    openssl(folder, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "pub.der")
    (folder / "data").write_bytes(DATA)
    openssl(folder, "dgst", "-sm3", "-sign", "key.pem", "-sigopt", DEFAULT_ID, "-out", "sig", "data")
    return (folder / "pub.der").read_bytes(), (folder / "sig").read_bytes()


def test_a_signature_of_openssl_verifies(signed: tuple[bytes, bytes]) -> None:
    key, signature = signed
    assert sm2.verify(key, signature, DATA)
    assert not sm2.verify(key, signature, DATA + b".")
    assert not sm2.verify(key, signature, DATA, identifier=b"somebody else")


def test_the_identifier_counts(signed: tuple[bytes, bytes], tmp_path: Path) -> None:
    openssl(tmp_path, "genpkey", "-algorithm", "SM2", "-out", "key.pem")
    key = openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER")
    (tmp_path / "data").write_bytes(DATA)
    openssl(tmp_path, "dgst", "-sm3", "-sign", "key.pem", "-sigopt", "distid:ALICE", "-out", "sig", "data")
    signature = (tmp_path / "sig").read_bytes()
    assert sm2.verify(key, signature, DATA, identifier=b"ALICE")
    assert not sm2.verify(key, signature, DATA)
    assert not sm2.verify(signed[0], signature, DATA, identifier=b"ALICE")


def test_numbers_out_of_range_are_no_signature(signed: tuple[bytes, bytes]) -> None:
    key, signature = signed
    order = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
    r, s = (der.read_integer(node) for node in der.children(der.parse(signature)))
    for pair in ((0, s), (r, 0), (order, s), (r, order), (-r, s), (r + order, s), (r, order - r)):
        assert not sm2.verify(key, der.sequence(*map(der.integer, pair)), DATA)


def test_other_keys_are_refused(signed: tuple[bytes, bytes], tmp_path: Path) -> None:
    key, signature = signed
    moved = key[:-1] + bytes((key[-1] ^ 1,))
    other = openssl(tmp_path, "ecparam", "-name", "prime256v1", "-genkey", "-noout")
    (tmp_path / "p256.pem").write_bytes(other)
    p256 = openssl(tmp_path, "pkey", "-in", "p256.pem", "-pubout", "-outform", "DER")
    for wrong in (moved, p256, b"", b"\x30\x00", key[:-10]):
        with pytest.raises(FormatError):
            sm2.verify(wrong, signature, DATA)


def test_malformed_signatures_are_refused(signed: tuple[bytes, bytes]) -> None:
    for wrong in (b"", b"\x30\x00", bytes(64), signed[1] + b"\0"):
        with pytest.raises(FormatError):
            sm2.verify(signed[0], wrong, DATA)


def test_sm2_certificates_of_openssl_make_a_path(tmp_path: Path) -> None:
    sign = ("-sm3", "-sigopt", DEFAULT_ID, "-vfyopt", DEFAULT_ID)
    for name in ("ca", "leaf"):
        openssl(tmp_path, "genpkey", "-algorithm", "SM2", "-out", f"{name}.key")
    ca = ("-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign")
    openssl(
        tmp_path, "req", "-x509", *sign, *ca, "-key", "ca.key", "-out", "ca.pem", "-subj", "/CN=SM CA", "-days", "9"
    )
    openssl(tmp_path, "req", "-new", *sign, "-key", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=SM leaf")
    issue = ("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "5", *sign)
    openssl(tmp_path, *issue, "-out", "leaf.pem")
    anchor, leaf = (
        load_certificate(to_der(x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes())))
        for name in ("ca", "leaf")
    )
    assert public_key_of(leaf) is None
    assert certificate_signed_by(leaf, anchor).outcome is Outcome.PASSED
    assert certificate_signed_by(anchor, leaf).outcome is not Outcome.PASSED
    assert build_path(leaf, [], [anchor], at=leaf.not_valid_before_utc, purpose=Purpose.SEALING).ok
    assert encoded_parts(leaf).issuer == encoded_parts(anchor).subject
