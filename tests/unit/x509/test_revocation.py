"""Revocation lists and OCSP responses, and what their reasons mean (RFC 3161 §4)."""

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.model import Outcome
from evidencekit.x509.checks import Check
from evidencekit.x509.crl import load_crl
from evidencekit.x509.path import Purpose
from evidencekit.x509.revocation import check_revocation

Reason = x509.ReasonFlags


def revoked(entity: Any, when: Any, reason: Reason | None, since: Any = None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entity.certificate.serial_number).revocation_date(when)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if since is not None:
        builder = builder.add_extension(x509.InvalidityDate(since), critical=False)
    return builder.build()


def crl_of(pki: Any, issuer: Any, *entries: x509.RevokedCertificate, signer: Any = None, **when: int) -> bytes:
    built: bytes = (
        pki.revoke(issuer, entries, **when).sign((signer or issuer).key, hashes.SHA256()).public_bytes(Encoding.DER)
    )
    return built


def judge(pki: Any, chain: Any, purpose: Purpose = Purpose.TIMESTAMPING, **sources: Any) -> Check:
    certificates = [entity.certificate for entity in chain]
    return check_revocation(certificates, at=pki.at, purpose=purpose, **sources)


HARMLESS = [Reason.affiliation_changed, Reason.superseded, Reason.cessation_of_operation, Reason.unspecified]
HARMFUL = [Reason.key_compromise, Reason.ca_compromise, Reason.privilege_withdrawn, Reason.certificate_hold, None]


@pytest.mark.parametrize("reason", HARMLESS)
def test_a_harmless_reason_voids_only_later_tokens(pki: Any, chain: Any, reason: Reason) -> None:
    leaf, middle, root = chain
    good = crl_of(pki, root)
    later = crl_of(pki, middle, revoked(leaf, pki.at + timedelta(days=1), reason))
    earlier = crl_of(pki, middle, revoked(leaf, pki.at - timedelta(days=1), reason))
    assert judge(pki, chain, crls=[later, good]).outcome is Outcome.PASSED
    assert judge(pki, chain, crls=[earlier, good]).outcome is Outcome.FAILED


@pytest.mark.parametrize("reason", HARMFUL)
def test_any_other_reason_voids_every_token(pki: Any, chain: Any, reason: Reason | None) -> None:
    leaf, middle, _ = chain
    later = crl_of(pki, middle, revoked(leaf, pki.at + timedelta(days=1), reason))
    assert judge(pki, chain, crls=[later]).outcome is Outcome.FAILED


def test_a_seal_that_existed_before_survives_unless_the_key_was_lost_before(pki: Any, chain: Any) -> None:
    leaf, middle, root = chain
    good, after = crl_of(pki, root), pki.at + timedelta(days=1)
    plain = crl_of(pki, middle, revoked(leaf, after, Reason.key_compromise))
    dated = crl_of(pki, middle, revoked(leaf, after, Reason.key_compromise, pki.at - timedelta(days=2)))
    assert judge(pki, chain, Purpose.SEALING, crls=[plain, good]).outcome is Outcome.PASSED
    assert judge(pki, chain, Purpose.SEALING, crls=[dated, good]).outcome is Outcome.FAILED


def test_a_revoked_ca_counts(pki: Any, chain: Any) -> None:
    _, middle, root = chain
    found = judge(pki, chain, crls=[crl_of(pki, root, revoked(middle, pki.at, Reason.key_compromise))])
    assert found.outcome is Outcome.FAILED
    assert "CN=Middle" in found.reason.en


def test_no_data_is_not_performed_and_partial_data_is_open(pki: Any, chain: Any) -> None:
    _, middle, _ = chain
    assert judge(pki, chain).outcome is Outcome.NOT_PERFORMED
    assert judge(pki, chain, crls=[crl_of(pki, middle)]).outcome is Outcome.INDETERMINATE


def test_lists_that_do_not_count(pki: Any, chain: Any) -> None:
    leaf, middle, root = chain
    entry = revoked(leaf, pki.at, Reason.key_compromise)
    twin = pki.make("Middle", pki.authority())
    mute = pki.make("Middle", [pki.authority()[0], (pki.usage("key_cert_sign"), True)], issuer=root, key=middle.key)
    forged = crl_of(pki, middle, entry, signer=twin)
    other = crl_of(pki, root, entry)
    partial = (
        pki.revoke(middle, [entry])
        .add_extension(
            x509.IssuingDistributionPoint(None, None, False, True, None, False, False),
            critical=True,
        )
        .sign(middle.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    delta = (
        pki.revoke(middle, [entry])
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
        .sign(middle.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    for data in (forged, partial, delta, b"", b"nonsense", forged[:-1]):
        assert judge(pki, chain, crls=[data]).outcome is Outcome.NOT_PERFORMED
    assert judge(pki, chain, crls=[other]).outcome is Outcome.INDETERMINATE  # it speaks of the root's issues alone
    without_right = [leaf.certificate, mute.certificate, root.certificate]
    found = check_revocation(without_right, at=pki.at, purpose=Purpose.TIMESTAMPING, crls=[crl_of(pki, middle, entry)])
    assert found.outcome is Outcome.NOT_PERFORMED


def test_a_list_for_another_distribution_point_does_not_count(pki: Any) -> None:
    root = pki.make("Root", pki.authority())
    name = [x509.UniformResourceIdentifier("http://crl.example/1")]
    point = x509.CRLDistributionPoints([x509.DistributionPoint(name, None, None, None)])
    leaf = pki.make("Leaf", [*pki.stamping, (point, False)], issuer=root)

    def scoped(url: str) -> bytes:
        scope = x509.IssuingDistributionPoint(
            [x509.UniformResourceIdentifier(url)], None, False, False, None, False, False
        )
        builder = pki.revoke(root).add_extension(scope, critical=True)
        encoded: bytes = builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.DER)
        return encoded

    assert judge(pki, (leaf, root), crls=[scoped("http://crl.example/1")]).outcome is Outcome.PASSED
    assert judge(pki, (leaf, root), crls=[scoped("http://crl.example/2")]).outcome is Outcome.NOT_PERFORMED


def test_silence_counts_only_for_its_time(pki: Any, chain: Any) -> None:
    _, middle, root = chain
    good = crl_of(pki, root)
    stale = crl_of(pki, middle, issued=-50, renewed=-20)
    current = crl_of(pki, middle, issued=-5, renewed=5)
    too_late = crl_of(pki, middle, issued=150, renewed=180)  # the leaf has expired and may have been dropped
    outcomes = [judge(pki, chain, crls=[data, good]).outcome for data in (stale, current, too_late)]
    assert outcomes == [Outcome.INDETERMINATE, Outcome.PASSED, Outcome.INDETERMINATE]
    keeps = pki.revoke(middle, issued=150, renewed=180).add_extension(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), b"\x18\x0f20200101000000Z"), critical=False
    )
    kept = keeps.sign(middle.key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert judge(pki, chain, crls=[kept, good]).outcome is Outcome.PASSED


def test_without_a_path_the_issuer_s_list_still_counts(pki: Any, chain: Any) -> None:
    leaf, middle, _ = chain
    found = check_revocation(
        [leaf.certificate],
        at=pki.at,
        purpose=Purpose.TIMESTAMPING,
        crls=[crl_of(pki, middle, revoked(leaf, pki.at, Reason.key_compromise))],
        issuers=[middle.certificate],
    )
    assert found.outcome is Outcome.FAILED


def test_a_list_made_by_openssl(pki: Any, chain: Any, tmp_path: Path) -> None:
    leaf, middle, root = chain
    private = middle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(private)
    (tmp_path / "ca.pem").write_bytes(middle.certificate.public_bytes(Encoding.PEM))
    serial = f"{leaf.certificate.serial_number:X}"
    serial = serial if len(serial) % 2 == 0 else "0" + serial
    day = (pki.at - timedelta(days=3)).strftime("%y%m%d%H%M%SZ")
    (tmp_path / "index").write_text(f"R\t400101000000Z\t{day},superseded\t{serial}\tunknown\t/CN=Leaf\n")
    (tmp_path / "cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index\ndefault_md=sha256\ndefault_crl_days=30\n"
    )
    command = ["openssl", "ca", "-gencrl", "-config", "cnf", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "l.pem"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=30)
    data = x509.load_pem_x509_crl((tmp_path / "l.pem").read_bytes()).public_bytes(Encoding.DER)
    found = judge(pki, chain, crls=[data, crl_of(pki, root)])
    assert found.outcome is Outcome.FAILED
    assert "superseded" in found.reason.en


def response(
    pki: Any,
    leaf: Any,
    middle: Any,
    signer: Any,
    *,
    reason: Reason | None = None,
    is_revoked: bool = False,
    **more: Any,
) -> bytes:
    status = ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf.certificate,
        issuer=middle.certificate,
        algorithm=more.get("algorithm", hashes.SHA1()),  # noqa: S303 - RFC 6960 names the issuer so
        cert_status=status,
        this_update=pki.at + timedelta(days=1),
        next_update=pki.at + timedelta(days=8),
        revocation_time=pki.at - timedelta(days=1) if is_revoked else None,
        revocation_reason=reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not middle:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303 - likewise
def test_ocsp_by_the_issuer_or_its_delegate(pki: Any, chain: Any, algorithm: hashes.HashAlgorithm) -> None:
    leaf, middle, root = chain
    delegate = pki.make(
        "Responder",
        [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)],
        issuer=middle,
        valid=(-4000, 4000),
    )
    for signer in (middle, delegate):
        good = response(pki, leaf, middle, signer, algorithm=algorithm)
        assert judge(pki, chain, ocsp=[good], crls=[crl_of(pki, root)]).outcome is Outcome.PASSED
        bad = response(pki, leaf, middle, signer, is_revoked=True, reason=Reason.key_compromise)
        assert judge(pki, chain, ocsp=[bad]).outcome is Outcome.FAILED


def test_ocsp_by_somebody_else_does_not_count(pki: Any, chain: Any) -> None:
    leaf, middle, root = chain
    stranger = pki.make("Responder", [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)])
    colleague = pki.make("Colleague", pki.sealing, issuer=middle)
    other_leaf = pki.make("Other", pki.stamping, issuer=middle)
    answers = [
        response(pki, leaf, middle, stranger, is_revoked=True),
        response(pki, leaf, middle, colleague, is_revoked=True),
        response(pki, other_leaf, middle, middle, is_revoked=True),
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER),
        b"",
        response(pki, leaf, middle, middle, is_revoked=True)[:-2],
    ]
    for answer in answers:
        assert judge(pki, (leaf, middle, root), ocsp=[answer]).outcome is Outcome.NOT_PERFORMED


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_sources_break_nothing(pki: Any, chain: Any, data: st.DataObject) -> None:
    leaf, middle, _ = chain
    sources = [crl_of(pki, middle, revoked(leaf, pki.at, None)), response(pki, leaf, middle, middle)]
    damaged = []
    for source in sources:
        changed = bytearray(source)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, 150))] = data.draw(st.integers(0, 255))
        damaged.append(bytes(changed))
    found = judge(pki, chain, crls=damaged, ocsp=damaged)
    assert found.id == "revocation"


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_list_or_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        load_crl(b"\x30" + data)
