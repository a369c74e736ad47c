"""Blobs by their SHA-256: in a directory, and in buckets of Ceph, which locks, and rclone, which ignores locks."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from evidencekit.errors import LedgerCorruptError, StorageError, UsageError
from evidencekit.ledger.blobs.directory import DirectoryBlobs
from evidencekit.ledger.blobs.s3 import S3Blobs, open_blobs
from evidencekit.ledger.blobs.store import blob_path

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.ledger.blobs.store import BlobStore
    from tests.support import buckets

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("s3_credentials")]


@pytest.fixture(params=["directory", "ceph", "rclone"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "directory":
        return DirectoryBlobs(tmp_path / "store")
    store: buckets.Store = request.getfixturevalue(request.param)
    return open_blobs(store.make_bucket(), "kept", endpoint=store.endpoint)


@pytest.mark.parametrize("size", [0, 1, (17 << 20) + 3])
def test_a_blob_comes_back_as_it_was(blobs: BlobStore, tmp_path: Path, size: int) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_bytes(os.urandom(size))
    kept = blobs.put(file)
    assert (kept.sha256, kept.size, kept.written) == (hashlib.sha256(file.read_bytes()).hexdigest(), size, True)
    assert not blobs.put(file).written
    assert blobs.get(kept.sha256, out) == size
    assert out.read_bytes() == file.read_bytes()
    assert blobs.check(kept.sha256)
    with pytest.raises(StorageError, match="not overwritten"):
        blobs.get(kept.sha256, out)


def test_what_is_not_there_is_said(blobs: BlobStore, tmp_path: Path) -> None:
    unknown = "0" * 64
    assert not blobs.check(unknown)
    with pytest.raises(UsageError, match="keeps no blob"):
        blobs.get(unknown, tmp_path / "out")
    for bad in ("../../etc/passwd", "A" * 64, ""):
        with pytest.raises(UsageError, match="no SHA-256"):
            blobs.check(bad)


def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path / "store")
    file = tmp_path / "in"
    file.write_bytes(b"evidence")
    kept = blobs.put(file)
    place = tmp_path / "store" / blob_path(kept.sha256)
    assert stat.S_IMODE(place.stat().st_mode) == 0o444
    place.chmod(0o644)
    place.write_bytes(b"evidencE")
    assert not blobs.check(kept.sha256)
    with pytest.raises(LedgerCorruptError, match="other bytes"):
        blobs.get(kept.sha256, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(LedgerCorruptError, match="other bytes"):
        blobs.put(file)


def test_one_flipped_bit_is_found_in_a_bucket(rclone: buckets.Store, tmp_path: Path) -> None:
    bucket = rclone.make_bucket()
    blobs = open_blobs(bucket, endpoint=rclone.endpoint)
    file = tmp_path / "in"
    file.write_bytes(b"evidence")
    kept = blobs.put(file)
    rclone.client().put_object(Bucket=bucket, Key=blob_path(kept.sha256), Body=b"evidencE")
    assert not blobs.check(kept.sha256)
    with pytest.raises(LedgerCorruptError, match="other bytes"):
        blobs.get(kept.sha256, tmp_path / "out")
    with pytest.raises(LedgerCorruptError, match="other bytes"):
        blobs.put(file)


def test_a_locked_blob_is_not_deleted(ceph: buckets.Store, tmp_path: Path) -> None:
    bucket = ceph.make_bucket(lock=True)
    blobs = open_blobs(bucket, "kept", endpoint=ceph.endpoint, retain_days=2)
    assert isinstance(blobs, S3Blobs)
    file = tmp_path / "in"
    file.write_bytes(os.urandom((9 << 20) + 1))
    kept = blobs.put(file)
    assert blobs.retained_until(kept.sha256) is not None
    key = f"kept/{blob_path(kept.sha256)}"
    client = ceph.client()
    version = client.head_object(Bucket=bucket, Key=key)["VersionId"]
    with pytest.raises(ClientError):
        client.delete_object(Bucket=bucket, Key=key, VersionId=version)
    assert blobs.check(kept.sha256)


@pytest.mark.parametrize("name", ["ceph", "rclone"])
def test_a_bucket_without_object_lock_is_refused(name: str, request: pytest.FixtureRequest) -> None:
    store: buckets.Store = request.getfixturevalue(name)
    with pytest.raises(StorageError, match="Object Lock"):
        open_blobs(store.make_bucket(), endpoint=store.endpoint, retain_days=1)
