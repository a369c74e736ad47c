"""`evidencekit redact` end to end: the result as JSON by its published schema, and refusals with their statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from evidencekit.model import Outcome
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import Plan, make_keys, make_members, pack

ROOT = Path(__file__).resolve().parents[3]
RULE = "file:capture/pages/0001/screenshot-initial.png"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(make_members(Plan(keys=make_keys(tmp_path / "keys")), tmp_path)))
    return path


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evidencekit_cli", "redact", *arguments, "--tsa", "none", "--lang", "en"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"EVIDENCEKIT_HOME": str(home), "PATH": "/usr/bin"}
    )


def test_an_edition_is_made_beside_the_bundle(bundle: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "home", str(bundle), "--withhold", RULE, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    jsonschema.validate(result, json.loads((ROOT / "docs/spec/command-output.schema.json").read_text("utf-8")))
    assert result["artifacts"] == ["capture/pages/0001/screenshot-initial.png"]
    assert result["bundle"] == str(tmp_path / "bundle.redacted.zip")
    report = verify_bundle(tmp_path / "bundle.redacted.zip")
    assert not [each for each in report.findings if each.outcome is Outcome.FAILED]


@pytest.mark.parametrize(("rule", "status"), [("nonsense", 2), ("exchange:999999", 2)])
def test_a_rule_that_names_nothing_is_a_usage_error(bundle: Path, tmp_path: Path, rule: str, status: int) -> None:
    done = run(tmp_path / "home", str(bundle), "--withhold", rule)
    assert done.returncode == status
    assert not (tmp_path / "bundle.redacted.zip").exists()
    assert len(done.stderr.strip().splitlines()) == 1


def test_nothing_is_overwritten(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.redacted.zip").write_bytes(b"precious")
    done = run(tmp_path / "home", str(bundle), "--withhold", RULE)
    assert done.returncode == 15
    assert (tmp_path / "bundle.redacted.zip").read_bytes() == b"precious"
