"""What releases made is judged as it was then, in Python and in the page, with the anchors kept beside it.

"Its time" is that which `release.json` names.
"""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.hashing.canonical import parse_time
from evidencekit.verify.trust import load_trust
from tests.support.verifierpage import NOT_HERE, Boxes, open_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

ROOT = Path(__file__).parents[2]
RELEASES = ROOT / "tests" / "vectors" / "releases"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("verifier-page"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium"),
]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "keep_release.py"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, script: dict[str, Any]) -> Path:
    """What this very version would keep."""
    folder = tmp_path_factory.mktemp("release") / "now"
    assert script["main"](["--out", str(folder)]) == 0
    assert script["main"](["--out", str(folder)]) == 2, "a kept release is never changed"
    return folder


def hold(folder: Path, judged: Callable[[Path, datetime], Mapping[str, Any]]) -> None:
    """Both verifiers say of every bundle what was said when it was kept; a finding made up since is no matter."""
    release = json.loads((folder / "release.json").read_text("utf-8"))
    at = parse_time(release["at"], what="release.json")
    assert sorted(release["bundles"]) == sorted(path.name for path in folder.glob("*.zip")) != []
    boxes = Boxes.of(load_trust([str(folder / "anchors")]))
    with open_sheet() as sheet:
        for name, wanted in release["bundles"].items():
            found = judged(folder / name, at)
            assert found["overall"] == wanted["overall"], name
            assert {key: found["findings"][key] for key in wanted["findings"]} == wanted["findings"], name
            said = sheet.ask(folder / name, boxes, at=at)
            assert not said.problem
            assert said.overall == wanted["overall"], name
            known = {key: outcome for key, outcome in wanted["findings"].items() if key not in NOT_HERE}
            assert {key: said.outcomes[key] for key in known} == known, name
        assert sheet.requests == []


def test_what_this_version_keeps_verifies(fresh: Path, script: dict[str, Any]) -> None:
    hold(fresh, script["judged"])
    release = json.loads((fresh / "release.json").read_text("utf-8"))
    assert {bundle["overall"] for bundle in release["bundles"].values()} == {"PASSED"}
    # Beyond what needs a third party or a newer log, nothing is open.
    left = {"environment.report", "ledger.independent", "seal.revocation", "status.current", "time.independent"}
    for bundle in release["bundles"].values():
        open_still = {key for key, outcome in bundle["findings"].items() if outcome != "PASSED"}
        assert open_still <= left | {"tls.handshake"}


def test_a_kept_bundle_that_changed_is_noticed(fresh: Path, script: dict[str, Any], tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(fresh, changed)
    path = changed / "deposit.zip"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssertionError):
        hold(changed, script["judged"])


def test_every_kept_release_still_verifies(script: dict[str, Any]) -> None:
    for folder in sorted(RELEASES.iterdir()) if RELEASES.is_dir() else ():
        hold(folder, script["judged"])
