"""What EU DSS, the European Commission's validator, says of our containers under its own unmodified policy.

A bundle is TOTAL_PASSED when the signer's certificate (or its CA) and the TSA's are trusted, and not when any member
was changed. DSS runs offline; Maven fetches it.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidencekit.bundle import paths
from evidencekit.model import Outcome
from evidencekit.signing.signer import KeySigner
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import NOW, Keys, Members, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.slow

JUDGE = Path(__file__).parents[1] / "judges" / "dss"


@pytest.fixture(scope="module")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch and compile the judge, outside the repository."""
    for program in ("mvn", "javac"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, so EU DSS cannot judge")
    folder = tmp_path_factory.mktemp("dss") / "judge"
    shutil.copytree(JUDGE, folder, ignore=shutil.ignore_patterns("target"))
    command = ["mvn", "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath.txt"]
    subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    libraries = (folder / "classpath.txt").read_text()
    source = str(folder / "src/main/java/Judge.java")
    subprocess.run(["javac", "-cp", libraries, "-d", str(folder), source], check=True, timeout=120)
    return f"{folder}:{libraries}"


def judge(
    classpath: str, folder: Path, anchors: Sequence[x509.Certificate], containers: Mapping[str, bytes]
) -> dict[str, list[str]]:
    """Let DSS judge containers; give its lines by container."""
    trust = folder / "trust"
    trust.mkdir()
    for number, anchor in enumerate(anchors):
        (trust / f"{number}.pem").write_bytes(anchor.public_bytes(Encoding.PEM))
    files = []
    for name, data in containers.items():
        (folder / name).write_bytes(data)
        files.append(str(folder / name))
    command = ["java", "-cp", classpath, "Judge", str(trust), *files]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    said: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in process.stdout.splitlines():
        if line.startswith("judged "):
            lines = said.setdefault(line.removeprefix("judged "), [])
        else:
            lines.append(line)
    return said


def accepted(lines: Sequence[str]) -> bool:
    """Tell whether the container, its one signature and its time-stamp over it passed without a word against them."""
    signatures = [line.split() for line in lines if line.startswith("signature ")]
    stamps = [line.split() for line in lines if line.startswith("timestamp ")]
    return (
        "container ASiC-E" in lines
        and [(s[1], s[4]) for s in signatures] == [("TOTAL_PASSED", paths.asic_signature(1))]
        and [(s[1], s[2], s[3], s[4]) for s in stamps]
        == [("PASSED", "CONTAINER_TIMESTAMP", "1", paths.asic_timestamp(1))]
        and not any(line.startswith(("error ", "refused ")) for line in lines)
    )


def changed(members: Mapping[str, bytes], name: str) -> bytes:
    """Pack the bundle with one bit of a member flipped: in the middle, or in what a seal or token covers."""
    data = bytearray(members[name])
    data[len(data) - 10 if name.endswith((".p7s", ".tst")) else len(data) // 2] ^= 1
    return pack({**members, name: bytes(data)})


def test_a_self_signed_bundle_passes_and_no_changed_one_does(classpath: str, tmp_path: Path) -> None:
    keys = make_keys(tmp_path)
    members = make_members(Plan(keys=keys), tmp_path)
    containers = {"sound.zip": pack(members)}
    wanted = {f"{number}.zip": name for number, name in enumerate(sorted(members)) if name != paths.MIMETYPE}
    containers |= {file: changed(members, name) for file, name in wanted.items()}
    lost = {f"lost-{file}": name for file, name in wanted.items()}
    containers |= {
        file: pack({name: data for name, data in members.items() if name != gone}) for file, gone in lost.items()
    }
    said = judge(classpath, tmp_path, [keys.signer.certificate, keys.tsa_certificate], containers)
    assert accepted(said["sound.zip"]), said["sound.zip"]
    passed = [name for file, name in (wanted | lost).items() if accepted(said[file])]
    assert passed == []


def test_a_stranger_without_anchors_hears_that_nothing_is_certain(classpath: str, tmp_path: Path) -> None:
    keys = make_keys(tmp_path)
    said = judge(classpath, tmp_path, [], {"sound.zip": pack(make_members(Plan(keys=keys), tmp_path))})
    assert [line.split()[1:3] for line in said["sound.zip"] if line.startswith("signature ")] == [
        ["INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND"]
    ]


# --- a chain, with its revocation list in the seal -----------------------------------------------


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued_signer(*, revoked: bool) -> tuple[KeySigner, x509.Certificate]:
    """Make a CA, a certificate under it for the seal, and a revocation list that the signer brings along."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    start, end = NOW - timedelta(days=20), NOW + timedelta(days=3650)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    root = (
        x509.CertificateBuilder(_name("Test CA"), _name("Test CA"), ca_key.public_key(), 1, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://ca.test/list.crl")], None, None, None)
    leaf = (
        x509.CertificateBuilder(_name("Test CA"), _name("Notary office"), key.public_key(), 77, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    now = datetime.now(UTC)
    revocations = x509.CertificateRevocationListBuilder(_name("Test CA"), NOW - timedelta(days=1), end)
    revocations = revocations.add_extension(x509.CRLNumber(1), critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
    )
    if revoked:
        entry = x509.RevokedCertificateBuilder(77, min(now, NOW - timedelta(days=2)))
        revocations = revocations.add_revoked_certificate(entry.build())
    crl = revocations.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.DER)
    return KeySigner(key, leaf, (root,), crls=(crl,)), root


def chained(tmp_path: Path, *, revoked: bool) -> tuple[Keys, x509.Certificate, Members]:
    keys = make_keys(tmp_path)
    signer, root = issued_signer(revoked=revoked)
    keys = replace(keys, signer=signer)
    return keys, root, make_members(Plan(keys=keys), tmp_path)


def test_a_chain_with_its_revocation_list_passes(classpath: str, tmp_path: Path) -> None:
    keys, root, members = chained(tmp_path, revoked=False)
    said = judge(classpath, tmp_path, [root, keys.tsa_certificate], {"sound.zip": pack(members)})
    assert accepted(said["sound.zip"]), said["sound.zip"]


def test_a_revoked_signer_does_not_pass(classpath: str, tmp_path: Path) -> None:
    keys, root, members = chained(tmp_path, revoked=True)
    said = judge(classpath, tmp_path, [root, keys.tsa_certificate], {"revoked.zip": pack(members)})
    assert not accepted(said["revoked.zip"])


@pytest.mark.parametrize(("revoked", "outcome"), [(False, Outcome.PASSED), (True, Outcome.FAILED)])
def test_our_verifier_reads_the_embedded_list_as_dss_does(tmp_path: Path, revoked: bool, outcome: Outcome) -> None:
    keys, root, members = chained(tmp_path, revoked=revoked)
    (tmp_path / "b.zip").write_bytes(pack(members))
    trust = Trust(signers=(root,), tsas=(keys.tsa_certificate,), logs=(keys.log.verifier, keys.witness.verifier))
    report = verify_bundle(tmp_path / "b.zip", trust=trust, at=NOW + timedelta(days=1))
    assert {f.id: f.outcome for f in report.findings}["seal.revocation"] is outcome
    assert report.overall is outcome
