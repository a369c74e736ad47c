"""Signers whose key is elsewhere: a PKCS#11 token (SoftHSM2), an external command, SM2 by OpenSSL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidencekit.errors import SigningError
from evidencekit.model import Outcome
from evidencekit.signing.cades import check_detached, content_of, sign_detached
from evidencekit.signing.command import CommandSigner
from evidencekit.signing.hsm import Pkcs11Signer, TokenKey
from evidencekit.signing.signer import SignatureAlgorithm
from evidencekit.x509.certificate import encoded_parts, load_certificate
from evidencekit.x509.path import Purpose, build_path
from tests.support.sm2 import DISTID, sm2_signer
from tests.support.softhsm import PIN, TOKEN, SoftHsm, make_token

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CONTENT = b'{"what":"was seen"}'
KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa3072": rsa.generate_private_key(65537, 3072),
}


def certificate_of(label: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Office {label}")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEYS[label].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=1000))
        .sign(KEYS[label], hashes.SHA256())
    )


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    made = make_token(tmp_path_factory.mktemp("softhsm"))
    for number, (label, key) in enumerate(KEYS.items(), 1):
        made.add_key(key, label, f"0{number}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=30)


@pytest.mark.parametrize("label", sorted(KEYS))
def test_a_token_signs_and_openssl_accepts(token: SoftHsm, label: str, tmp_path: Path) -> None:
    key = TokenKey(module=token.module, token=TOKEN, label=label)
    signer = Pkcs11Signer(key, lambda: PIN, certificate_of(label))
    seal = sign_detached(content_of(CONTENT), signer, at=AT)
    assert check_detached(seal, content_of(CONTENT)).intact
    assert not check_detached(seal, content_of(CONTENT + b"!")).intact
    (tmp_path / "seal").write_bytes(seal)
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "anchor.pem").write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    found = openssl(
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "seal"),
        *("-content", tmp_path / "content", "-CAfile", tmp_path / "anchor.pem", "-purpose", "any"),
        *("-attime", str(int(AT.timestamp())), "-out", os.devnull),
    )
    assert found.returncode == 0, found.stderr


def test_a_token_gives_its_own_certificate(token: SoftHsm) -> None:
    import pkcs11

    certificate = certificate_of("p256")
    opened = pkcs11.lib(str(token.module)).get_token(token_label=TOKEN)
    with opened.open(rw=True, user_pin=PIN) as session:
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.LABEL: "p256",
                pkcs11.Attribute.SUBJECT: encoded_parts(certificate).subject,
                pkcs11.Attribute.VALUE: certificate.public_bytes(Encoding.DER),
            }
        )
    signer = Pkcs11Signer(TokenKey(module=token.module, token=TOKEN, label="p256"), lambda: PIN)
    assert signer.certificate == certificate
    assert check_detached(sign_detached(content_of(CONTENT), signer, at=AT), content_of(CONTENT)).intact


@pytest.mark.parametrize(
    ("change", "pin"),
    [({"label": "absent"}, PIN), ({"token": "absent"}, PIN), ({}, "0000"), ({"module": Path("/nowhere.so")}, PIN)],
)
def test_a_token_that_cannot_sign_says_so(token: SoftHsm, change: dict[str, object], pin: str) -> None:
    given: dict[str, object] = {"module": token.module, "token": TOKEN, "label": "p384"} | change
    signer = Pkcs11Signer(TokenKey(**given), lambda: pin, certificate_of("p384"))  # type: ignore[arg-type]
    with pytest.raises(SigningError, match="cannot be used"):
        signer.sign(CONTENT)


def key_file(folder: Path, label: str) -> Path:
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    file = folder / f"{label}.key"
    file.write_bytes(KEYS[label].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def test_a_command_signs(tmp_path: Path) -> None:
    command = ["openssl", "dgst", "-sha512", "-sign", str(key_file(tmp_path, "rsa3072"))]
    algorithm = SignatureAlgorithm.RSA_SHA512
    signer = CommandSigner(command, certificate_of("rsa3072"), algorithm=algorithm)
    seal = sign_detached(content_of(CONTENT), signer, at=AT)
    assert check_detached(seal, content_of(CONTENT)).intact
    with pytest.raises(SigningError, match="does not verify"):
        sign_detached(content_of(CONTENT), CommandSigner(command, certificate_of("p256")), at=AT)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('no card')", "ended with status 1 .no card"),
        ("pass", "wrote 0 bytes"),
        ("print('x' * 70000)", "wrote 70001 bytes"),
        ("import time; time.sleep(60)", "did not answer"),
    ],
)
def test_a_command_that_fails_says_so(program: str, reason: str) -> None:
    signer = CommandSigner([sys.executable, "-c", program], certificate_of("p256"), timeout_s=2)
    with pytest.raises(SigningError, match=reason):
        signer.sign(CONTENT)


def test_a_command_learns_the_algorithm_and_nothing_is_run_by_a_shell(tmp_path: Path) -> None:
    program = "import os,sys; sys.stdout.write(os.environ['EVIDENCEKIT_SIGN_ALGORITHM'] + sys.argv[1])"
    given = f"; touch {tmp_path}/made"
    signer = CommandSigner([sys.executable, "-c", program, given], certificate_of("p256"))
    assert signer.sign(b"") == f"ecdsa-sha256{given}".encode()
    assert not (tmp_path / "made").exists()
    with pytest.raises(SigningError, match="cannot be started"):
        CommandSigner(["/nowhere/signer"], certificate_of("p256")).sign(b"")
    with pytest.raises(SigningError, match="empty"):
        CommandSigner([], certificate_of("p256"))


def test_sm2_signs_through_openssl_and_its_chain_verifies(tmp_path: Path) -> None:
    signer, leaf = sm2_signer(tmp_path)
    certificates = (signer.certificate, *signer.chain)
    now = datetime.now(UTC)
    seal = sign_detached(content_of(CONTENT), signer, at=now)
    found = check_detached(seal, content_of(CONTENT))
    assert found.intact
    assert found.unaccounted == ()
    assert not check_detached(seal, content_of(b"other")).intact
    path = build_path(certificates[0], found.embedded, [certificates[1]], at=now, purpose=Purpose.SEALING)
    assert path.outcome is Outcome.PASSED, path.reason
    assert load_certificate(certificates[0].public_bytes(Encoding.DER)) == certificates[0]
    check_value_with_openssl(seal, found.value, leaf, tmp_path)


def check_value_with_openssl(seal: bytes, value: bytes, leaf: Path, folder: Path) -> None:
    """The expert's way: the signed attributes and the signature value, by `openssl dgst -sm3`."""
    from evidencekit.x509.cms import parse_signed_data

    (folder / "attributes").write_bytes(parse_signed_data(seal).signers[0].signed_octets)
    (folder / "value").write_bytes(value)
    (folder / "public.pem").write_bytes(openssl("x509", "-in", leaf, "-noout", "-pubkey").stdout)
    check = ("dgst", "-sm3", "-verify", folder / "public.pem", *DISTID, "-signature", folder / "value")
    assert openssl(*check, folder / "attributes").returncode == 0
    (folder / "attributes").write_bytes(b"other")
    assert openssl(*check, folder / "attributes").returncode != 0
