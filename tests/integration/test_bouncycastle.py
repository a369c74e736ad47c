"""BouncyCastle beside us: it judges our signatures, ML-DSA-65 and SM2 among them, and we judge what it makes with SM2.

OpenSSL before 3.5 knows no ML-DSA and checks no SM2 in CMS. Maven fetches BouncyCastle.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from evidencekit.home import Home
from evidencekit.model import Outcome
from evidencekit.signing.cades import check_detached, content_of, sign_detached
from evidencekit.signing.signer import KeySigner, SigningKey
from evidencekit.timestamp.check import check_token
from evidencekit.x509 import oids
from evidencekit.x509.digests import digest
from evidencekit.x509.path import Purpose, build_path
from tests.support.sm2 import sm2_signer
from tests.support.tools import program

if TYPE_CHECKING:
    from evidencekit.signing.signer import Signer

pytestmark = pytest.mark.slow

JUDGE = Path(__file__).parents[1] / "judges" / "bouncycastle"
CONTENT = b'{"what":"was seen"}'


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Fetch and compile the judge, outside the repository; gives its command."""
    maven, compiler, java = program("mvn"), program("javac"), program("java")
    folder = tmp_path_factory.mktemp("bouncycastle") / "judge"
    shutil.copytree(JUDGE, folder, ignore=shutil.ignore_patterns("target"))
    command = [maven, "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath.txt"]
    subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    libraries = (folder / "classpath.txt").read_text()
    source = str(folder / "src/main/java/Judge.java")
    subprocess.run([compiler, "-cp", libraries, "-d", str(folder), source], check=True, timeout=120)
    return [java, "-cp", f"{folder}:{libraries}", "Judge"]


def said(judge: list[str], *arguments: str | Path) -> list[str]:
    done = subprocess.run([*judge, *map(str, arguments)], capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def self_signed(key: SigningKey) -> KeySigner:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=9))
    ).sign(key, hashes.SHA256())
    return KeySigner(key, certificate)


def test_it_accepts_our_signatures_and_no_changed_one(judge: list[str], tmp_path: Path) -> None:
    signers: dict[str, Signer] = {
        oids.ML_DSA_65: Home.open(tmp_path / "home").post_quantum(),
        oids.ECDSA_SHA256: self_signed(ec.generate_private_key(ec.SECP256R1())),
        oids.RSA_SHA256: self_signed(rsa.generate_private_key(65537, 3072)),
        oids.SM2_SM3: sm2_signer(tmp_path)[0],
    }
    content, other = tmp_path / "content", tmp_path / "other"
    content.write_bytes(CONTENT)
    other.write_bytes(CONTENT + b" ")
    asked: list[Path] = []
    for number, signer in enumerate(signers.values()):
        seal = sign_detached(content_of(CONTENT), signer, at=datetime.now(UTC))
        good, changed = tmp_path / f"{number}.p7s", tmp_path / f"{number}.changed.p7s"
        good.write_bytes(seal)
        changed.write_bytes(seal[:-9] + bytes((seal[-9] ^ 1,)) + seal[-8:])
        asked += [content, good, other, good, content, changed]
    lines = said(judge, "cms", *asked)
    assert lines[::3] == [f"valid {oid}" for oid in signers]
    assert [line.partition(" ")[0] for line in lines[1::3] + lines[2::3]] == ["refused"] * 8


def test_we_accept_what_it_signs_and_stamps_with_sm2(judge: list[str], tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    said(judge, "make", tmp_path)
    seal, token = (tmp_path / "seal.p7s").read_bytes(), (tmp_path / "token.tst").read_bytes()
    assert said(judge, "cms", tmp_path / "content", tmp_path / "seal.p7s") == [f"valid {oids.SM2_SM3}"]
    assert said(judge, "token", tmp_path / "token.tst") == [f"valid {oids.HASH_OIDS['sm3']}"]

    found = check_detached(seal, content_of(CONTENT))
    assert found.intact, found.reason
    assert not check_detached(seal, content_of(CONTENT + b" ")).intact
    assert found.certificate is not None
    now = datetime.now(UTC)
    path = build_path(found.certificate, (), [found.certificate], at=now, purpose=Purpose.SEALING)
    assert path.outcome is Outcome.PASSED, path.reason

    check = check_token(token, digest=digest("sm3", CONTENT), algorithm="sm3", anchors=(), at=now)
    assert check.intact, check.reason
    assert check.certificate is not None
    trusted = check_token(
        token, digest=digest("sm3", CONTENT), algorithm="sm3", anchors=[check.certificate], at=now, nonce=7
    )
    assert trusted.trusted is Outcome.PASSED, trusted.reason
    changed = token[:-9] + bytes((token[-9] ^ 1,)) + token[-8:]
    assert not check_token(changed, digest=digest("sm3", CONTENT), algorithm="sm3", anchors=(), at=now).intact
