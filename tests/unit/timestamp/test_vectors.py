"""The token vectors come out exactly as their list says, each for the right reason."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.x509.digests import digest

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "timestamp"
if not VECTORS.is_dir():
    pytest.skip("the shared vectors are not beside this checkout", allow_module_level=True)

EXPECTED: dict[str, dict[str, str]] = json.loads((VECTORS / "tokens" / "expected.json").read_text())
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

# The step that must fail (or stay open) for each rejected token.
STEPS = {
    "ec_md5.tsr": "imprint-algorithm",
    "ec_sha1.tsr": "imprint-algorithm",
    "ed_sha256.tsr": "status",
    "expired_at_gentime.tsr": "path",
    "py_evil_embedroot.tsr": "path",
    "py_future.tsr": "gen-time",
    "py_multi.tsr": "path",
    "py_noeku.tsr": "path",
    "py_noess.tsr": "signing-certificate",
    "py_notyet.tsr": "path",
    "py_otherdata.tsr": "imprint",
    "py_rejected.tsr": "status",
    "py_revoked.tsr": "revocation",
    "py_tamper_gentime.tsr": "message-digest",
    "py_tamper_imprint.tsr": "message-digest",
    "py_tamper_sig.tsr": "signature",
    "py_trailing.tsr": "structure",
    "py_wrongeku.tsr": "path",
    "py_wrongku.tsr": "path",
    "rejected.tsr": "status",
    "revoked.tsr": "revocation",
}


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((VECTORS / "pki" / name).read_bytes())


def judge(name: str, *, anchors: tuple[x509.Certificate, ...] | None = None, crl: bool = True) -> TokenCheck:
    data = (VECTORS / "tokens" / name).read_bytes()
    content = (VECTORS / "tokens" / "data.bin").read_bytes()
    try:
        response = parse_response(data)
        algorithm = parse_token(response.token).imprint.algorithm if response.token else "sha256"
    except FormatError:
        algorithm = "sha256"
    return check_token(
        data,
        digest=hashlib.md5(content).digest() if algorithm == "md5" else digest(algorithm, content),  # noqa: S324 - refused below
        algorithm=algorithm,
        anchors=(certificate("root.pem"),) if anchors is None else anchors,
        at=NOW,
        intermediates=(certificate("int.pem"), certificate("ok_ec.pem")),
        crls=_crls() if crl else (),
    )


def _crls() -> tuple[bytes, ...]:
    text = (VECTORS / "pki" / "int.crl").read_bytes()
    pem = x509.load_pem_x509_crl(text) if text.startswith(b"-----") else x509.load_der_x509_crl(text)
    from cryptography.hazmat.primitives.serialization import Encoding

    return (pem.public_bytes(Encoding.DER),)


def test_every_token_is_listed() -> None:
    assert {path.name for path in (VECTORS / "tokens").glob("*.tsr")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_verdict_and_its_reason(name: str) -> None:
    found = judge(name)
    accepted = found.intact and found.trusted is Outcome.PASSED
    assert accepted == (EXPECTED[name]["expect"] == "accept"), found.reason
    if not accepted:
        bad = {c.id for c in found.checks if c.outcome is Outcome.FAILED}
        bad |= {c.id for c in found.checks if c.outcome is Outcome.INDETERMINATE and c.id == "path"}
        assert STEPS[name] in bad


@pytest.mark.parametrize("name", sorted(n for n, e in EXPECTED.items() if e["expect"] == "accept"))
def test_without_anchors_nothing_is_trusted_and_nothing_failed(name: str) -> None:
    found = judge(name, anchors=())
    assert found.intact
    assert found.trusted is Outcome.INDETERMINATE


def test_a_root_inside_the_token_is_no_anchor() -> None:
    found = judge("py_evil_embedroot.tsr")
    assert found.intact
    assert found.trusted is Outcome.INDETERMINATE


def test_a_revoked_tsa_passes_only_without_the_list() -> None:
    assert judge("py_revoked.tsr", crl=False).trusted is Outcome.PASSED
    assert judge("py_revoked.tsr").trusted is Outcome.FAILED


def test_a_pinned_tsa_certificate_is_an_anchor() -> None:
    assert judge("py_ok_ec.tsr", anchors=(certificate("ok_ec.pem"),)).trusted is Outcome.PASSED


def sm2_check(name: str, anchor: str) -> TokenCheck:
    content = (VECTORS / "tokens" / "data.bin").read_bytes()
    return check_token(
        (VECTORS / "sm2" / name).read_bytes(),
        digest=digest("sm3", content),
        algorithm="sm3",
        anchors=[x509.load_pem_x509_certificate((VECTORS / "sm2" / anchor).read_bytes())],
        at=NOW,
    )


@pytest.mark.parametrize("name", ["sm2_std.tsr", "sm2_std.tst"])
def test_sm2_tokens(name: str) -> None:
    found = sm2_check(name, "root.pem")
    assert found.intact, found.reason
    assert found.trusted is Outcome.PASSED


@pytest.mark.parametrize("name", ["sm2_nullid.tsr", "sm2_nullid.tst"])
def test_sm2_with_another_identifier_does_not_verify(name: str) -> None:
    assert sm2_check(name, "root0.pem").integrity is Outcome.FAILED


@pytest.mark.parametrize("name", ["bundle_ec.asice", "bundle_rsa.asice"])
def test_the_stamp_and_signature_of_a_foreign_container(name: str) -> None:
    import zipfile

    from evidencekit.x509 import cms
    from evidencekit.x509.protection import unaccounted
    from evidencekit.x509.signerinfo import check_signer_info

    with zipfile.ZipFile(VECTORS / "asic" / name) as container:
        members = {member: container.read(member) for member in container.namelist()}
    stamped = members["META-INF/ASiCManifest002.xml"]
    stamp = check_token(
        members["META-INF/timestamp001.tst"],
        digest=digest("sha256", stamped),
        anchors=[certificate("root.pem")],
        at=NOW,
    )
    assert stamp.intact, stamp.reason
    assert stamp.trusted is Outcome.PASSED
    signed = cms.parse_signed_data(members["META-INF/signature001.p7s"])
    content = members["META-INF/ASiCManifest001.xml"]
    signer = check_signer_info(signed, content_digest=lambda function: digest(function, content))
    assert all(check.outcome is not Outcome.FAILED for check in signer.checks), signer.checks
    # a CAdES-T signature carries its time-stamp as an unsigned attribute: nothing in the CMS protects it
    assert any("unsigned attribute" in text.en for text in unaccounted(signed, signer))
