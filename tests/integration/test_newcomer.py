"""What a newcomer does with a clean clone: `make capture`, and then to check the result elsewhere, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 900

pytestmark = [
    pytest.mark.xdist_group("newcomer"),  # one clone and one installation for them all
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone of the repository"),
    pytest.mark.skipif(shutil.which("make") is None or shutil.which("git") is None, reason="make or git is missing"),
]


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """A clean clone with its environment, and what `make capture` printed there."""

    clone: Path
    home: Path
    result: dict[str, object]


def environment(home: Path) -> dict[str, str]:
    """Return the environment of somebody who has just logged in, with what pip needs to reach its index."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    return kept | {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHON": sys.executable}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    folder = tmp_path_factory.mktemp("newcomer")
    clone, home = folder / "clone", folder / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    process = subprocess.run(
        ["make", "--no-print-directory", "capture", "ARGS=--json"],
        cwd=clone,
        env=environment(home),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    if "No matching distribution" in process.stderr:
        pytest.skip("pip does not reach a package index from here")
    assert process.returncode == 0, process.stderr[-3000:]
    result = json.loads(process.stdout[process.stdout.index("{") :])
    assert isinstance(result, dict)
    return Newcomer(clone=clone, home=home, result=result)


def test_the_demonstration_is_sealed_complete_and_owes_nothing(newcomer: Newcomer) -> None:
    result = newcomer.result
    assert result["format"] == "evidencekit/capture-result"
    assert (result["pending"], result["partial"]) == ([], [])
    assert Path(str(result["bundle"])).name == f"{result['number']}.zip"
    assert Path(str(result["bundle"])).is_file()


def test_a_stranger_elsewhere_gets_the_verdict_that_the_capture_printed(newcomer: Newcomer, tmp_path: Path) -> None:
    """Another account: no home, no network, another place of the file."""
    expected = newcomer.result["stranger"]
    assert isinstance(expected, dict)
    copy = tmp_path / Path(str(newcomer.result["bundle"])).name
    shutil.copyfile(str(newcomer.result["bundle"]), copy)
    command = [
        str(newcomer.clone / ".venv/bin/evidencekit"),
        "verify",
        str(copy),
        "--json",
        "--at",
        str(expected["at"]),
    ]
    if shutil.which("unshare") is not None and os.geteuid() == 0:
        command = ["unshare", "--net", *command]
    process = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, env=environment(tmp_path / "nobody")
    )
    assert process.returncode == 3, process.stderr
    found = json.loads(process.stdout)
    for name in ("overall", "headline", "layers", "findings", "number"):
        assert found[name] == expected[name], name
    assert found["overall"] == "INDETERMINATE"
    assert not (tmp_path / "nobody").exists()


def test_the_anchors_of_the_home_make_it_pass(newcomer: Newcomer, tmp_path: Path) -> None:
    keys = next(newcomer.home.rglob("keys/sealing.cert.pem")).parent
    command = [str(newcomer.clone / ".venv/bin/evidencekit"), "verify", str(newcomer.result["bundle"])]
    for role, name in (("signer", "sealing.cert.pem"), ("tsa", "tsa.cert.pem"), ("log", "ledger.vkey")):
        command += ["--trust", f"{role}={keys / name}"]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment(tmp_path))
    assert process.returncode == 0, process.stdout


def test_the_capture_is_listed(newcomer: Newcomer) -> None:
    process = subprocess.run(
        [str(newcomer.clone / ".venv/bin/evidencekit"), "list", "--json"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=environment(newcomer.home),
    )
    captures = json.loads(process.stdout)["captures"]
    assert [(one["number"], one["bundle"]) for one in captures] == [
        (newcomer.result["number"], newcomer.result["bundle"])
    ]


def test_common_tools_agree(newcomer: Newcomer, tmp_path: Path) -> None:
    if shutil.which("unzip") is None or shutil.which("sha256sum") is None:
        pytest.skip("unzip or sha256sum is not installed")
    subprocess.run(["unzip", "-q", str(newcomer.result["bundle"]), "-d", str(tmp_path / "out")], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)


def test_the_demonstration_kept_both_origins_and_the_lazy_images(newcomer: Newcomer, tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "zipfile", "-e"),
            *(str(newcomer.result["bundle"]), str(tmp_path / "out")),
        ],
        check=True,
    )
    lines = (tmp_path / "out/capture/exchanges.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    urls = [json.loads(line)["url"] for line in lines if json.loads(line)["outcome"] == "recorded"]
    assert sum("product-" in url for url in urls) == 10
    assert {url.partition("//")[2].partition(":")[0] for url in urls} == {"127.0.0.1", "localhost"}
    assert "明前龙井" in (tmp_path / "out/capture/pages/0001/text.txt").read_text(encoding="utf-8")
