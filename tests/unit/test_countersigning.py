"""Role signatures: added by growth, judged by the verifier, demanded by a policy, refused over what does not verify."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.countersigning import SignerRole, countersign
from evidencekit.errors import FormatError, SigningError, UsageError
from evidencekit.model import Finding, Outcome, VerificationReport
from evidencekit.signing.identity import create_sealing_identity, create_tsa_identity
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa
from evidencekit.verify.policy import Policy, parse_policy
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit.x509.certificate import fingerprint
from evidencekit_cli.main import main
from tests.support.assembly import Keys, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.signing.signer import KeySigner

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("roles")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    return make_keys(folder / "keys")


@pytest.fixture(scope="module")
def bundle(folder: Path, keys: Keys) -> Path:
    (folder / "members").mkdir()
    path = folder / "EK.zip"
    path.write_bytes(pack(make_members(Plan(keys=keys), folder / "members")))
    return path


@pytest.fixture(scope="module")
def tsa(folder: Path) -> EmbeddedTsa:
    made = create_tsa_identity(folder / "tsa", now=NOW)
    key = load_private_key(made.key_file.read_bytes(), made.key_file)
    return EmbeddedTsa(authority=Authority(key, made.signer.certificate))


def identity(folder: Path, name: str) -> KeySigner:
    return create_sealing_identity(folder / name, common_name=name, now=NOW).signer


def judged(path: Path, trust: Trust, policy: Policy | None = None) -> tuple[VerificationReport, Finding]:
    report = verify_bundle(path, trust=trust, at=datetime.now(UTC), policy=policy)
    return report, next(found for found in report.findings if found.id == "outer.roles")


def test_a_notary_and_a_witness_sign_after_the_issuer(
    bundle: Path, keys: Keys, tsa: EmbeddedTsa, tmp_path: Path
) -> None:
    notary, witness = identity(tmp_path, "notary"), identity(tmp_path, "witness")
    first = countersign(bundle, notary, SignerRole.NOTARY, (tsa,), at=datetime.now(UTC), folder=tmp_path)
    second = countersign(first.bundle, witness, SignerRole.WITNESS, (tsa,), at=datetime.now(UTC))
    assert [first.bundle.name, second.bundle.name] == ["EK.r1.zip", "EK.r2.zip"]
    assert first.self_issued
    with zipfile.ZipFile(bundle) as before, zipfile.ZipFile(second.bundle) as after:
        assert all(after.read(name) == before.read(name) for name in before.namelist())
        added = sorted(set(after.namelist()) - set(before.namelist()))
    assert added == [paths.asic_manifest(n) for n in (3, 4, 5, 6)] + [
        *(paths.asic_signature(n) for n in (2, 3)),
        *(paths.asic_timestamp(n) for n in (2, 3)),
    ]
    trust = keys.trust.merged(
        Trust(signers=(notary.certificate, witness.certificate), tsas=(tsa.authority.certificate,))
    )
    policy = Policy(signers=3, certificates=(fingerprint(notary.certificate),), roles=("notary", "witness"))
    report, found = judged(second.bundle, trust, policy)
    assert (report.overall, found.outcome) == (Outcome.PASSED, Outcome.PASSED), report.findings
    signers = found.details["signers"]
    assert [each["roles"] for each in signers] == [["notary"], ["witness"]]  # type: ignore[union-attr,index,call-overload]

    report, found = judged(second.bundle, keys.trust, Policy(roles=("notary",)))
    assert (report.overall, found.outcome) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)
    missing = verify_bundle(second.bundle, trust=trust, policy=Policy(roles=("assistant",)), at=datetime.now(UTC))
    demanded = next(each for each in missing.findings if each.id == "policy.signatures")
    assert (demanded.outcome, missing.overall) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE)
    assert "assistant" in demanded.reason.en


def test_a_changed_role_signature_fails(bundle: Path, keys: Keys, tsa: EmbeddedTsa, tmp_path: Path) -> None:
    made = countersign(
        bundle, identity(tmp_path, "n"), SignerRole.NOTARY, (tsa,), at=datetime.now(UTC), folder=tmp_path
    )
    with zipfile.ZipFile(made.bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = paths.asic_signature(2)
    members[name] = members[name].replace(b"notary", b"votary")
    path = tmp_path / "changed.zip"
    path.write_bytes(pack(members))
    report, found = judged(path, keys.trust)
    assert (report.overall, found.outcome) == (Outcome.FAILED, Outcome.FAILED)
    with pytest.raises((SigningError, FormatError), match="does not verify"):
        countersign(path, identity(tmp_path, "w"), SignerRole.WITNESS, (tsa,), at=datetime.now(UTC), folder=tmp_path)
    assert not (tmp_path / "changed.r1.zip").exists()


def test_without_later_signatures_nothing_is_said_of_roles(bundle: Path, keys: Keys) -> None:
    report = verify_bundle(bundle, trust=keys.trust, at=datetime.now(UTC))
    assert "outer.roles" not in {found.id for found in report.findings}


def test_nobody_signs_without_a_time_stamp_or_twice_to_one_file(bundle: Path, tsa: EmbeddedTsa, tmp_path: Path) -> None:
    notary = identity(tmp_path, "notary")
    with pytest.raises(UsageError, match="no time-stamping authority"):
        countersign(bundle, notary, SignerRole.NOTARY, (), at=datetime.now(UTC), folder=tmp_path)
    later = notary.certificate.not_valid_after_utc.replace(year=notary.certificate.not_valid_after_utc.year + 1)
    with pytest.raises(SigningError, match="expired"):
        countersign(bundle, notary, SignerRole.NOTARY, (tsa,), at=later, folder=tmp_path)
    assert list(tmp_path.glob("*.zip")) == []


def test_a_policy_names_known_roles() -> None:
    given = {"format": "evidencekit/policy", "version": 1, "roles": ["notary"]}
    assert parse_policy(json.dumps(given).encode()) == Policy(roles=("notary",))
    with pytest.raises(FormatError, match="known are"):
        parse_policy(json.dumps(given | {"roles": ["king"]}).encode())


def test_the_command_signs_and_a_policy_is_demanded(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    arguments = ["sign", str(bundle), "--role", "assistant", "--tsa", "none", "-o", str(tmp_path), "--json"]
    assert main(arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["role"], made["self_issued"]) == ("assistant", True)
    policy = tmp_path / "policy.json"
    policy.write_text('{"format":"evidencekit/policy","version":1,"roles":["assistant"]}', encoding="ascii")
    own = tmp_path / "home" / "keys" / "sealing.cert.pem"
    assert main(["verify", made["made"], "--policy", str(policy), "--trust", f"signer={own}", "--json"]) == 3
    findings = {each["id"]: each["outcome"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert (findings["outer.roles"], findings["policy.signatures"]) == ("PASSED", "PASSED")
    assert main(["sign", str(bundle), "--role", "king"]) == 2
