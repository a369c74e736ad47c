"""Policies: which signatures are demanded, and what meets them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.asic import SIGNATURE_TYPE, AsicReference, format_asic_manifest
from evidencekit.errors import FormatError, UsageError
from evidencekit.model import Finding, Outcome
from evidencekit.signing.cades import sign_detached
from evidencekit.verify.policy import Policy, load_policy, parse_policy
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit.x509.certificate import fingerprint
from tests.support.assembly import AT, Keys, Members, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def notary(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("notary"))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def members(issuer: Keys, tmp_path_factory: pytest.TempPathFactory) -> Members:
    return make_members(Plan(keys=issuer), tmp_path_factory.mktemp("bundle"))


def countersigned(members: Members, keys: Keys) -> Members:
    names = sorted(name for name in members if name != paths.MIMETYPE)
    references = [
        AsicReference(uri=name, media_type=paths.media_type(name), sha256=hashlib.sha256(members[name]).digest())
        for name in names
    ]
    third = format_asic_manifest(paths.asic_signature(2), SIGNATURE_TYPE, references)
    signature = sign_detached(hashlib.sha256(third).digest(), keys.signer, at=AT)
    return members | {paths.asic_manifest(3): third, paths.asic_signature(2): signature}


def judged(members: Members, folder: Path, policy: Policy, trust: Trust) -> tuple[Outcome, Finding]:
    path = folder / "bundle.zip"
    path.write_bytes(pack(members))
    report = verify_bundle(path, trust=trust, at=AT, policy=policy)
    return report.overall, next(found for found in report.findings if found.id == "policy.signatures")


def test_two_signers_are_met_by_a_countersignature_of_another_trusted_certificate(
    members: Members, issuer: Keys, notary: Keys, tmp_path: Path
) -> None:
    both = issuer.trust.merged(Trust(signers=notary.trust.signers))
    policy = Policy(signers=2, certificates=(fingerprint(notary.signer.certificate),))
    overall, found = judged(countersigned(members, notary), tmp_path, policy, both)
    assert (overall, found.outcome) == (Outcome.PASSED, Outcome.PASSED)


def test_same_certificate_twice_is_one_signer(members: Members, issuer: Keys, tmp_path: Path) -> None:
    overall, found = judged(countersigned(members, issuer), tmp_path, Policy(signers=2), issuer.trust)
    assert (overall, found.outcome) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)


def test_countersignature_of_somebody_unknown_does_not_count(
    members: Members, issuer: Keys, notary: Keys, tmp_path: Path
) -> None:
    overall, found = judged(countersigned(members, notary), tmp_path, Policy(signers=2), issuer.trust)
    assert (overall, found.outcome) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)


def test_broken_countersignature_fails_even_when_nobody_asked_for_it(
    members: Members, issuer: Keys, notary: Keys, tmp_path: Path
) -> None:
    grown = countersigned(members, notary)
    grown[paths.asic_signature(2)] = grown[paths.asic_signature(1)]
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(grown))
    report = verify_bundle(path, trust=issuer.trust, at=AT)
    assert report.overall is Outcome.FAILED
    assert "outer.signature" in report.headline.en
    assert "policy.signatures" not in {found.id for found in report.findings}


def test_policy_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"format": "evidencekit/policy", "version": 1, "signers": 2}', "utf-8")
    assert load_policy(path) == Policy(signers=2)
    assert Policy().demands == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"format":"evidencekit/policy","version":2}',
        b'{"format":"evidencekit/policy","version":1,"signers":-1}',
        b'{"format":"evidencekit/policy","version":1,"signers":1e9}',
        b'{"format":"evidencekit/policy","version":1,"certificates":["AB"]}',
        b'{"format":"evidencekit/policy","version":1,"certificates":[1]}',
    ],
)
def test_malformed_policy_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        parse_policy(data)
    path = tmp_path / "policy.json"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        load_policy(path)


def test_missing_policy_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_policy(tmp_path / "none")


def test_a_policy_can_ask_for_findings_that_no_verdict_needs(members: Members, issuer: Keys, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(members))
    for findings, overall in (((), Outcome.PASSED), (("time.independent",), Outcome.PASSED)):
        report = verify_bundle(path, trust=issuer.trust, at=AT, policy=Policy(findings=findings))
        assert report.overall is overall
    report = verify_bundle(
        path, trust=issuer.trust, at=AT, policy=Policy(findings=("time.independent", "seal.revocation"))
    )
    assert report.overall is Outcome.INDETERMINATE
    assert report.headline.en.endswith("your policy also asks for seal.revocation")
    assert report.headline.zh.endswith("您的策略还要求 seal.revocation")


def test_a_policy_names_registered_findings_only() -> None:
    text = '{"format":"evidencekit/policy","version":1,"findings":["%s"]}'
    assert parse_policy((text % "seal.revocation").encode()).findings == ("seal.revocation",)
    with pytest.raises(FormatError, match="not known"):
        parse_policy((text % "seal.revoked").encode())
