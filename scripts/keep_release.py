"""Keeps what this release makes, so that every later one still judges it the same: `python scripts/keep_release.py`.

    python scripts/keep_release.py [--out DIR]

Captures the demonstration shop and deposits a file with a home of its own, asking no third party, and writes to
`tests/vectors/releases/<version>/`: the two bundles, the issuer's anchors, and `release.json` with the time to judge
them at and what came of it. `tests/conformance/test_releases.py` verifies every kept bundle in Python and in the page.
The keys are thrown away. A version is kept once; its folder is never changed afterwards. The bundle names the
machine it was made on, so a release is kept on a clean one: `unshare -mun`, with a host name, a machine id and roots of
its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import format_time
from evidencekit.verify.trust import load_trust
from evidencekit.verify.verifier import verify_bundle
from evidencekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evidencekit.model import JsonValue

RELEASES = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "releases"
ANCHORS = "anchors"
SEALED = (0, 3)
"""Exit statuses of a sealed bundle; 3 says that a time-stamp of a third party is owed."""
_DEPOSITED = "A file that a release kept. 某一版本所存之文件。\n"


def keep(folder: Path) -> None:
    """Make both bundles into the new folder `folder`."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        file = work / "file.txt"
        file.write_text(_DEPOSITED, "utf-8")
        common = ("--tsa", "none", "--no-third-party")
        _run(work, "capture", "--demo", *common, "-o", str(folder / "capture.zip"))
        # What was withheld is for the keys' holder, and the keys are thrown away.
        (folder / "capture.private.zip.age").unlink(missing_ok=True)
        _run(work, "deposit", str(file), "--tsa", "none", "-o", str(folder / "deposit.zip"))
    anchors = folder / ANCHORS
    anchors.mkdir()
    with zipfile.ZipFile(folder / "capture.zip") as archive:
        for member in archive.namelist():
            if member.startswith("trust/"):
                (anchors / member.rpartition("/")[2]).write_bytes(archive.read(member))
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    found = {path.name: judged(path, at) for path in sorted(folder.glob("*.zip"))}
    release = {"version": __version__, "at": format_time(at), "bundles": found}
    (folder / "release.json").write_text(json.dumps(release, ensure_ascii=False, indent=2) + "\n", "utf-8")


def judged(bundle: Path, at: datetime) -> JsonValue:
    """Verify a kept bundle with the anchors beside it: the verdict and every finding."""
    report = verify_bundle(bundle, trust=load_trust([str(bundle.parent / ANCHORS)]), at=at)
    findings: Mapping[str, JsonValue] = {finding.id: finding.outcome.value for finding in report.findings}
    return {"overall": report.overall.value, "findings": dict(findings)}


def _run(work: Path, *arguments: str) -> None:
    environment = {**os.environ, "EVIDENCEKIT_HOME": str(work / "home")}
    command = [sys.executable, "-m", "evidencekit_cli", *arguments]
    run = subprocess.run(command, env=environment, check=False)
    if run.returncode not in SEALED:
        raise SystemExit(f"{arguments[0]} ended with {run.returncode}; nothing was kept")


def main(arguments: Sequence[str]) -> int:
    """Keep this version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RELEASES / __version__)
    out = parser.parse_args(arguments).out
    if out.exists():
        sys.stderr.write(f"{out} is kept already; a kept release is never changed\n")
        return 2
    keep(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
