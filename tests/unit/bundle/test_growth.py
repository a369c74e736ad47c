"""A sealed bundle grows into a new file: every earlier byte stays, every addition covers all before it."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.growth import Growth, grown_path, latest
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import FormatError, StorageError
from evidencekit.model import Outcome
from evidencekit.signing.cades import sign_detached
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.token import parse_response
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import FOREIGN_POLICY, NOW, Keys, Members, Plan, make_keys, make_members, pack


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def members(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Members:
    return make_members(Plan(keys=keys), tmp_path_factory.mktemp("bundle"))


def token(keys: Keys, digest: bytes) -> bytes:
    clock_at = NOW + timedelta(days=1)
    tsa = Authority(keys.tsa_key, keys.tsa_certificate, policy=FOREIGN_POLICY, clock=lambda: clock_at)
    return parse_response(tsa.reply(build_query(digest))).token or b""


def test_a_grown_bundle_keeps_every_member_and_verifies(keys: Keys, members: Members, tmp_path: Path) -> None:
    path = tmp_path / "EK-1.zip"
    path.write_bytes(pack(members))
    with open_bundle(path) as bundle:
        growth = Growth(bundle)
        assert growth.add_timestamp(lambda digest: token(keys, digest)) == paths.asic_timestamp(2)
        sign = sign_detached
        assert growth.add_signature(lambda digest: sign(digest, keys.signer, at=NOW)) == paths.asic_signature(2)
        assert growth.add_timestamp(lambda digest: token(keys, digest)) == paths.asic_timestamp(3)
        out = grown_path(path)
        growth.write(out)
        with pytest.raises(StorageError):
            growth.write(out)
    assert out.name == "EK-1.r1.zip"
    with open_bundle(out) as bundle:
        assert not bundle.form_deviations
        kept = {name: bundle.read(name, limit=1 << 24) for name in members}
        assert kept == members
        added = set(bundle.names()) - set(members)
    assert added == {
        *(paths.asic_manifest(n) for n in (3, 4, 5)),
        paths.asic_signature(2),
        paths.asic_timestamp(2),
        paths.asic_timestamp(3),
    }
    report = verify_bundle(out, trust=keys.trust, at=NOW + timedelta(days=2))
    assert report.overall is Outcome.PASSED, report.headline.en


def test_nothing_is_built_upon_a_damaged_bundle(members: Members, tmp_path: Path) -> None:
    name = paths.VERIFY_EN
    for number, changed in enumerate(
        (members | {name: members[name] + b"!"}, {n: d for n, d in members.items() if n != name})
    ):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(pack(changed))
        with open_bundle(path) as bundle, pytest.raises(FormatError, match="verify the bundle"):
            Growth(bundle)
    path = tmp_path / "bare.zip"
    path.write_bytes(pack({n: d for n, d in members.items() if not n.startswith(paths.META_INF)}))
    with open_bundle(path) as bundle, pytest.raises(FormatError, match="no outer seal"):
        Growth(bundle)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sm3"])
def test_digests_with_any_function(members: Members, tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(pack(members))
    with open_bundle(path) as bundle:
        growth = Growth(bundle)
        found = dict(zip(growth.digests, growth.digests_with(algorithm), strict=True))
    assert paths.MIMETYPE not in found
    assert len(found) == len(members) - 1
    if algorithm != "sm3":
        assert found[paths.SEAL] == hashlib.new(algorithm, members[paths.SEAL]).digest()


def test_names_of_generations(tmp_path: Path) -> None:
    first = tmp_path / "EK-1.zip"
    first.touch()
    assert latest(first) == first
    assert grown_path(first) == tmp_path / "EK-1.r1.zip"
    assert grown_path(tmp_path / "EK-1.r9.zip") == tmp_path / "EK-1.r10.zip"
    (tmp_path / "EK-1.r1.zip").touch()
    (tmp_path / "EK-1.r2.zip").touch()
    assert latest(first) == tmp_path / "EK-1.r2.zip"
    folder = tmp_path / "unpacked.zip"
    folder.mkdir()
    assert grown_path(folder) == tmp_path / "unpacked.zip.r1.zip"
