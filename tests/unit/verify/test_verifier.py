"""The verifier as a whole: deterministic, deaf to its surroundings, and never silent about a check."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from evidencekit.bundle import paths
from evidencekit.documents import strangers_view
from evidencekit.errors import EvidenceError, FormatError, UsageError
from evidencekit.model import Finding, Outcome, VerificationReport
from evidencekit.verify.outcome import ALWAYS
from evidencekit.verify.trust import Trust
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import AT, NOW, Keys, Members, Plan, bare_token, make_keys, make_members, pack, reseal

EXAMPLES = 60
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("others"))


@pytest.fixture(scope="module")
def members(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Members:
    return make_members(Plan(keys=keys), tmp_path_factory.mktemp("work"))


def written(members: Members, folder: Path) -> Path:
    path = folder / "bundle.zip"
    path.write_bytes(pack(members))
    return path


def found(report: VerificationReport, identifier: str) -> Finding:
    return next(finding for finding in report.findings if finding.id == identifier)


def test_same_bytes_and_arguments_give_the_same_report(members: Members, keys: Keys, tmp_path: Path) -> None:
    path = written(members, tmp_path)
    assert verify_bundle(path, trust=keys.trust, at=AT) == verify_bundle(str(path), trust=keys.trust, at=AT)


def test_report_does_not_depend_on_home_environment_locale_or_folder(members: Members, tmp_path: Path) -> None:
    path = written(members, tmp_path)
    program = (
        "import sys; from datetime import UTC, datetime\n"
        "from evidencekit.verify.verifier import verify_bundle\n"
        f"r = verify_bundle({str(path)!r}, at=datetime.fromisoformat({AT.isoformat()!r}))\n"
        "print(ascii([(f.id, f.outcome.value, f.reason.en, f.reason.zh, sorted(f.details)) for f in r.findings]))"
    )
    seen = set()
    for number, extra in enumerate(({"LC_ALL": "C", "TZ": "UTC"}, {"LC_ALL": "zh_CN.GB18030", "TZ": "Asia/Shanghai"})):
        home = tmp_path / str(number)
        home.mkdir()
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **extra}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, cwd=home, env=environment
        )
        seen.add(done.stdout)
        assert list(home.iterdir()) == []
    assert len(seen) == 1


def test_no_socket_is_ever_opened(
    members: Members, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the verifier opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert verify_bundle(written(members, tmp_path), trust=keys.trust, at=AT).overall is Outcome.PASSED


def test_a_record_is_judged_before_its_container_exists(members: Members, tmp_path: Path) -> None:
    """What the certificate is issued on: nothing of it may fail for what is only added later."""
    later = {paths.SHA256SUMS, paths.SM3SUMS, paths.CUSTODY, paths.CERTIFICATE_HTML, paths.VERIFY_EN, paths.VERIFY_ZH}
    for name, data in members.items():
        if name not in later and not name.startswith(paths.META_INF):
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    report = strangers_view(tmp_path, at=AT)
    assert report.overall is Outcome.INDETERMINATE, report.headline.en
    assert not [finding for finding in report.findings if finding.outcome is Outcome.FAILED]
    assert found(verify_bundle(tmp_path, at=AT), "time.lasting").outcome is Outcome.NOT_PERFORMED


def test_time_of_verification_is_now_unless_given_and_must_have_a_zone(members: Members, tmp_path: Path) -> None:
    path = written(members, tmp_path)
    before = datetime.now(UTC)
    assert before <= verify_bundle(path).at <= datetime.now(UTC)
    with pytest.raises(UsageError):
        verify_bundle(path, at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused


@pytest.mark.parametrize("data", [b"", b"PK", b"hello", bytes(100)])
def test_what_is_no_zip_has_nothing_to_verify(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        verify_bundle(path)


def test_zip_of_something_else_has_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no evidence bundle"):
        verify_bundle(written({paths.MIMETYPE: paths.MIMETYPE_CONTENT, "readme.txt": b"x"}, tmp_path))


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError):
        verify_bundle(tmp_path / "none.zip")


def test_every_check_is_in_the_report_of_a_ruin(tmp_path: Path) -> None:
    report = verify_bundle(written({paths.MANIFEST: b"{}"}, tmp_path), at=AT)
    assert [finding.id for finding in report.findings] == list(ALWAYS)
    assert report.overall is Outcome.FAILED
    assert report.number == ""
    assert not any(finding.outcome is Outcome.PASSED for finding in report.findings if finding.id.startswith("ledger"))


@pytest.mark.parametrize(
    "name", [paths.OPEN_DOCUMENT, "seal/capture-0001.json", paths.ENTRY, paths.OPEN_ENTRY, paths.CUSTODY]
)
def test_newer_document_needs_a_newer_verifier(members: Members, keys: Keys, tmp_path: Path, name: str) -> None:
    newer = {**members, name: members[name].replace(b'"version":1}', b'"version":2}', 1)}
    assert newer[name] != members[name]
    report = verify_bundle(written(reseal(newer, keys), tmp_path), trust=keys.trust, at=AT)
    version = found(report, "format.version")
    assert version.outcome is Outcome.INDETERMINATE
    assert name in version.reason.en
    assert "newer verifier" in version.reason.en


def test_second_token_of_a_stranger_does_no_harm_and_a_broken_one_fails(
    members: Members, keys: Keys, others: Keys, tmp_path: Path
) -> None:
    seal = members[paths.SEAL]
    foreign = bare_token(seal, others, NOW + timedelta(seconds=25))
    grown = reseal({**members, paths.seal_token(2): foreign}, keys)
    report = verify_bundle(written(grown, tmp_path), trust=keys.trust, at=AT)
    assert report.overall is Outcome.PASSED
    grown = reseal({**members, paths.seal_token(2): foreign[:-1] + bytes([foreign[-1] ^ 1])}, keys)
    report = verify_bundle(written(grown, tmp_path), trust=keys.trust, at=AT)
    assert found(report, "time.seal").outcome is Outcome.FAILED
    assert paths.seal_token(2) in found(report, "time.seal").reason.en


def test_only_the_bundle_s_own_anchors_are_taken_with_self(members: Members, tmp_path: Path) -> None:
    report = verify_bundle(written(members, tmp_path), trust=Trust(self_bundle=True), at=AT)
    assert report.overall is Outcome.INDETERMINATE
    assert found(report, "seal.identity").outcome is Outcome.PASSED
    assert "--trust self" in report.headline.en
    assert "--trust self" in report.trust


def test_bad_anchors_in_the_bundle_are_no_anchors(members: Members, keys: Keys, tmp_path: Path) -> None:
    spoiled = reseal({**members, paths.TRUST_SIGNER: b"not a certificate"}, keys)
    report = verify_bundle(written(spoiled, tmp_path), trust=Trust(self_bundle=True), at=AT)
    assert found(report, "seal.identity").outcome is Outcome.INDETERMINATE
    assert report.overall is Outcome.INDETERMINATE


def test_anchor_fingerprints_are_in_the_report(members: Members, keys: Keys, tmp_path: Path) -> None:
    report = verify_bundle(written(members, tmp_path), trust=keys.trust, at=AT)
    assert keys.signer.certificate.fingerprint(hashes.SHA256()).hex() in report.trust
    assert keys.tsa_certificate.fingerprint(hashes.SHA256()).hex() in report.trust


def test_details_can_be_written_as_json(members: Members, keys: Keys, tmp_path: Path) -> None:
    for trust in (keys.trust, None):
        report = verify_bundle(written(members, tmp_path), trust=trust, at=AT)
        for finding in report.findings:
            assert json.loads(json.dumps(dict(finding.details))) == dict(finding.details)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_large_member_is_never_held_in_memory(members: Members, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with (folder / "certificate.pdf").open("wb") as file:
        file.truncate(96 << 20)
    # Not ru_maxrss: a child inherits the peak of the process that started it, and a test worker's is high.
    program = (
        "from pathlib import Path\n"
        "from evidencekit.verify.verifier import verify_bundle\n"
        f"verify_bundle({str(folder)!r})\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=ROOT)
    assert int(done.stdout) < 96 << 10


def test_foreign_members_end_as_findings_and_never_pass(members: Members, keys: Keys, tmp_path: Path) -> None:
    """Whoever holds the outer keys may write anything into a member: nothing is raised, and no lie passes."""
    chance = random.Random(20261123)
    names = sorted(name for name in members if not name.startswith("META-INF/") and not _is_free(name))
    for _ in range(EXAMPLES):
        name = chance.choice(names)
        original = members[name]
        # A signature by an unknown key is ignored (C2SP signed-note), so from the witness's line on all is free.
        end = original.find("— witness".encode())
        place, cut = chance.randint(0, len(original) if end < 0 else end - 8), chance.randint(0, 8)
        hostile = original[:place] + chance.randbytes(chance.randint(0, 8)) + original[place + cut :]
        report = verify_bundle(written(reseal({**members, name: hostile}, keys), tmp_path), trust=keys.trust, at=AT)
        where = f"{name} at {place}: {hostile[max(place - 8, 0) : place + 16]!r}"
        assert hostile == original or report.overall is not Outcome.PASSED, where


def _is_free(name: str) -> bool:
    """Tell whether whoever holds the sealing key may write what they like there: text for people, and anchors."""
    free = {paths.VERIFY_EN, paths.VERIFY_ZH, paths.CERTIFICATE_HTML, paths.SHA256SUMS, paths.SM3SUMS}
    return name in free or name.startswith("trust/")
