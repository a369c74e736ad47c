"""From finished files to a container: every file a member, listed, sealed, never over what exists."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.asic import AsicManifest, parse_asic_manifest
from evidencekit.container import seal_container
from evidencekit.errors import StorageError
from evidencekit.model import Outcome
from evidencekit.stamping import Stamper
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import AT, NOW, Keys, Plan, make_keys, make_members

if TYPE_CHECKING:
    from pathlib import Path

MADE_HERE = (paths.MIMETYPE, paths.SHA256SUMS, paths.SM3SUMS)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def folder(keys: Keys, tmp_path: Path) -> Path:
    """The files of a session before they are packed."""
    made = tmp_path / "bundle"
    for name, data in make_members(Plan(keys=keys), tmp_path).items():
        if name not in MADE_HERE and not name.startswith("META-INF/"):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(data)
    return made


def seal(folder: Path, out: Path, keys: Keys) -> None:
    authority = Authority(keys.tsa_key, keys.tsa_certificate, clock=lambda: AT)
    with Stamper(others=(), own=EmbeddedTsa(authority=authority)) as stamper:
        seal_container(folder, out, keys.signer, stamper, at=NOW)


def uris(manifest: AsicManifest) -> list[str]:
    return [each.uri for each in manifest.members]


def test_the_verifier_finds_a_whole_container(folder: Path, tmp_path: Path, keys: Keys) -> None:
    out = tmp_path / "a.zip"
    seal(folder, out, keys)
    report = verify_bundle(out, trust=keys.trust, at=AT)
    outer = [each for each in report.findings if each.id.startswith(("container.", "outer."))]
    assert {each.id for each in outer} >= {"container.form", "outer.signature", "outer.timestamp"}
    assert [(each.id, each.reason.en) for each in outer if each.outcome is Outcome.FAILED] == []


def test_every_file_is_a_member_and_sealed(folder: Path, tmp_path: Path, keys: Keys) -> None:
    out = tmp_path / "a.zip"
    seal(folder, out, keys)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert names[0] == paths.MIMETYPE
        outside = {name for name in names if name.startswith("META-INF/")}
        assert set(names) == files | set(MADE_HERE) | outside
        first = parse_asic_manifest(archive.read(paths.asic_manifest(1)))
        second = parse_asic_manifest(archive.read(paths.asic_manifest(2)))
        listed = archive.read(paths.SHA256SUMS).decode().splitlines()
    assert set(uris(first)) == files | {paths.SHA256SUMS, paths.SM3SUMS}
    assert set(uris(second)) == set(uris(first)) | {
        paths.asic_manifest(1),
        paths.asic_signature(1),
    }
    assert {line.split("  ", 1)[1] for line in listed} == files


def test_what_exists_is_not_overwritten(folder: Path, tmp_path: Path, keys: Keys) -> None:
    out = tmp_path / "a.zip"
    out.write_text("mine")
    with pytest.raises(StorageError, match="not overwritten"):
        seal(folder, out, keys)
    assert out.read_text() == "mine"
    assert list(tmp_path.glob(".*")) == []
