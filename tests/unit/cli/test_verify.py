"""`verify` and `inspect` on real bundles: statuses, languages, JSON by its schema, and nothing but the bundle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.signing.note import format_vkey
from evidencekit_cli import main as program
from evidencekit_cli.exit_codes import ExitCode
from tests.support.assembly import Plan, make_keys, make_members, pack

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A bundle, and the anchors of those who made it in a folder of their own."""

    bundle: Path
    anchors: Path


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("made")
    keys = make_keys(folder / "keys")
    bundle = folder / "bundle.zip"
    bundle.write_bytes(pack(make_members(Plan(keys=keys), folder)))
    anchors = folder / "anchors"
    anchors.mkdir()
    (anchors / "signer.pem").write_bytes(keys.signer.certificate.public_bytes(Encoding.PEM))
    (anchors / "tsa.pem").write_bytes(keys.tsa_certificate.public_bytes(Encoding.PEM))
    (anchors / "ledger.vkey").write_text(format_vkey(keys.log.verifier) + "\n")
    return Given(bundle=bundle, anchors=anchors)


def tampered(given: Given, folder: Path) -> Path:
    """Return a copy with one byte of the sealed manifest's text changed inside the unpacked folder."""
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(given.bundle) as archive:
        archive.extractall(unpacked)
    manifest = unpacked / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"operator"', b'"operatoR"', 1))
    return unpacked


def test_a_stranger_gets_3_and_anchors_give_0(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["verify", str(given.bundle)]) == ExitCode.UNDECIDED
    assert "INDETERMINATE" in capsys.readouterr().out
    assert program.main(["verify", str(given.bundle), "--trust", str(given.anchors)]) == ExitCode.OK
    assert "PASSED" in capsys.readouterr().out.splitlines()[0]


def test_anchors_of_the_bundle_itself_never_give_0(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["verify", str(given.bundle), "--trust", "self"]) == ExitCode.UNDECIDED
    assert "--trust self" in capsys.readouterr().out


def test_changed_evidence_is_1_and_the_finding_is_named(
    given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tampered(given, tmp_path)
    assert program.main(["verify", str(changed), "--trust", str(given.anchors)]) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "seal.signature" in shown
    assert "sums.sha256" in shown


def test_what_is_no_bundle_is_10_and_nothing_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text"
    text.write_text("not a bundle")
    for command in ("verify", "inspect"):
        assert program.main([command, str(text)]) == ExitCode.FORMAT
        assert program.main([command, str(tmp_path / "nowhere")]) == ExitCode.USAGE
    assert "nowhere" in capsys.readouterr().err


def test_both_languages(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    for language, words in (("en", "Verdict"), ("zh", "结论")):
        program.main(["--lang", language, "verify", str(given.bundle)])
        assert words in capsys.readouterr().out


def test_the_same_time_gives_the_same_report(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for at in ("2027-01-02T03:04:05Z", "2027-01-02T11:04:05+08:00"):
        program.main(["verify", str(given.bundle), "--json", "--at", at])
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert json.loads(shown[0])["at"] == "2027-01-02T03:04:05.000000Z"


def test_the_report_is_written_once_and_never_over_another(
    given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("report.json", "report.txt"):
        file = tmp_path / name
        assert program.main(["verify", str(given.bundle), "--report", str(file)]) == ExitCode.UNDECIDED
        before = file.read_text(encoding="utf-8")
        assert program.main(["verify", str(given.bundle), "--report", str(file)]) == ExitCode.STORAGE
        assert file.read_text(encoding="utf-8") == before
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["overall"] == "INDETERMINATE"
    assert "report.json" in capsys.readouterr().err


def test_inspect_says_that_it_judges_nothing(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["inspect", str(given.bundle)]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert shown.startswith("NOT VERIFIED")
    assert "https://shop.test/" in shown
    assert "capture/page.wacz" in shown
    assert program.main(["--lang", "zh", "inspect", str(given.bundle)]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("未核验")


def schema_of(name: str) -> object:
    return json.loads((ROOT / "docs" / "spec" / name).read_text(encoding="utf-8"))


def test_json_is_as_published(given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, report = schema_of("command-output.schema.json"), schema_of("verify-report.schema.json")
    program.main(["verify", "--json", str(given.bundle)])
    jsonschema.validate(json.loads(capsys.readouterr().out), report)
    program.main(["inspect", "--json", str(given.bundle)])
    described = json.loads(capsys.readouterr().out)
    validate_definition(described, own, "description")
    assert described["verified"] is False
    assert described["members"]["mimetype"] == len("application/vnd.etsi.asic-e+zip")
    program.main(["inspect", "--json", str(tmp_path / "nowhere")])
    validate_definition(json.loads(capsys.readouterr().out), own, "error")


def validate_definition(value: object, schema: object, name: str) -> None:
    """Hold `value` to one definition of the schema; `oneOf` would only say that none fits."""
    assert isinstance(schema, dict)
    jsonschema.validate(value, {"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"})


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_verifying_opens_no_socket_and_writes_nothing(given: Given, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    home = tmp_path / "home"
    process = subprocess.run(
        [
            *("strace", "-f", "-o", str(trace), "-e", "trace=%network,openat,mkdir,unlink,rename"),
            *(
                sys.executable,
                "-B",
                "-m",
                "evidencekit_cli",
                "verify",
                str(given.bundle),
                "--trust",
                str(given.anchors),
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "EVIDENCEKIT_HOME": str(home),
            "HOME": str(home),
        },
    )
    assert process.returncode == ExitCode.OK, process.stderr
    calls = trace.read_text().splitlines()
    assert [line for line in calls if "socket(" in line or "connect(" in line] == []
    assert [line for line in calls if "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line] == []
    assert not home.exists()


def test_a_policy_file_decides_what_must_hold(given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"format":"evidencekit/policy","version":1,"signers":2,"findings":["seal.revocation"]}')
    arguments = ["verify", str(given.bundle), "--trust", str(given.anchors)]
    assert program.main(arguments) == ExitCode.OK
    assert program.main([*arguments, "--policy", str(policy)]) == ExitCode.UNDECIDED
    assert "your policy also asks for seal.revocation" in capsys.readouterr().out
    policy.write_text("{}")
    assert program.main([*arguments, "--policy", str(policy)]) == ExitCode.USAGE
    assert program.main([*arguments, "--policy", str(tmp_path / "missing")]) == ExitCode.USAGE
