"""Publishing to S3: Ceph's gateway holds to Object Lock, rclone's ignores everything; both are told apart by trying."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from evidencekit.errors import LedgerCorruptError, LedgerRollbackError, StorageError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.monitor import Sighting, audit, follow
from evidencekit.ledger.publishers.s3 import S3Target, open_s3
from evidencekit.ledger.publishers.s3_client import Bucket
from evidencekit.ledger.publishers.target import collect, publish
from evidencekit.ledger.tiles import tiles_between
from evidencekit.signing.notesigner import Ed25519NoteSigner
from tests.support import buckets

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("s3_credentials")]
KEY = Ed25519NoteSigner("example.com/log", bytes(range(32)))
KILLS = int(os.environ.get("EVIDENCEKIT_KILLS", "3"))

# Appends and publishes without end; a line stands on stdout only after the publication returned.
PUBLISHER = """
import os, sys
from pathlib import Path
from evidencekit.ledger.log import Ledger
from evidencekit.ledger.publishers.s3 import open_s3
from evidencekit.ledger.publishers.target import collect, publish
from evidencekit.signing.notesigner import Ed25519NoteSigner
key = Ed25519NoteSigner("example.com/log", bytes(range(32)))
target = open_s3(sys.argv[2], "log", endpoint=sys.argv[3])
with Ledger.open(Path(sys.argv[1]), key, create=True) as ledger:
    while True:
        ledger.append_many([os.urandom(50) for _ in range(90)])
        size = publish(ledger, target).size
        os.write(1, b"%d\\n" % size)
        collect(target, size)
"""


@pytest.fixture(params=["ceph", "rclone"])
def store(request: pytest.FixtureRequest) -> buckets.Store:
    found: buckets.Store = request.getfixturevalue(request.param)
    return found


def open_ledger(path: Path) -> Ledger:
    return Ledger.open(path, KEY, create=True)


def names(store: buckets.Store, bucket: str) -> set[str]:
    return set(Bucket(store.client(), bucket, "log").list(""))


def test_a_published_log_is_whole_and_strangers_follow_it(store: buckets.Store, tmp_path: Path) -> None:
    bucket = store.make_bucket()
    target = open_s3(bucket, "log", endpoint=store.endpoint)
    expected = {"checkpoint"}
    size = 0
    with open_ledger(tmp_path / "l") as ledger:
        for count in (3, 253, 600):
            ledger.append_many([os.urandom(9) for _ in range(count)])
            tiles = {tile.path for tile in tiles_between(size, size + count)}
            assert publish(ledger, target).written == len(tiles)
            size += count
            expected |= tiles | {f"checkpoints/{size}"}
            assert publish(ledger, target).written == 0
            observed = follow(target.read, [KEY.verifier], tmp_path / "seen")
            assert observed.sighting in (Sighting.FIRST, Sighting.GROWN)
        assert names(store, bucket) == expected
        assert audit(target.read, [KEY.verifier]).is_sound
        assert collect(target, size) == 2
        assert names(store, bucket) == expected - {"tile/0/000.p/3", "tile/entries/000.p/3"}
        assert collect(target, size) == 0
        assert audit(target.read, [KEY.verifier]).is_sound
        assert publish(ledger, target).size == size


def test_what_is_published_is_never_overwritten(store: buckets.Store, tmp_path: Path) -> None:
    bucket = store.make_bucket()
    target = open_s3(bucket, "log", endpoint=store.endpoint)
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"a", b"b"])
        Bucket(store.client(), bucket, "log").put("tile/0/000.p/2", b"something else")
        with pytest.raises(LedgerCorruptError, match="other bytes"):
            publish(ledger, target)
        assert target.read("checkpoint") is None
        assert target.read("tile/0/000.p/2") == b"something else"
    with open_ledger(tmp_path / "one") as one, open_ledger(tmp_path / "two") as two:
        other = open_s3(bucket, "other", endpoint=store.endpoint)
        one.append_many([b"a", b"b"])
        two.append_many([b"a", b"c"])
        publish(one, other)
        with pytest.raises(LedgerRollbackError, match="two histories"):
            publish(two, other)
        with open_ledger(tmp_path / "empty") as empty, pytest.raises(LedgerRollbackError, match="old copy"):
            publish(empty, other)


def test_a_store_without_conditional_writes_or_object_lock_is_named(ceph: buckets.Store, rclone: buckets.Store) -> None:
    plain = ceph.make_bucket()
    for store, bucket in ((ceph, plain), (rclone, rclone.make_bucket())):
        with pytest.raises(StorageError, match="Object Lock"):
            open_s3(bucket, "log", endpoint=store.endpoint, retain_days=1)
        assert names(store, bucket) == set(), "the probe leaves nothing behind"
        said = " ".join(text.en for text in open_s3(bucket, "log", endpoint=store.endpoint).traits.warnings)
        assert ("conditional writes" in said) == (not conditions_hold(store, bucket))


def conditions_hold(store: buckets.Store, bucket: str) -> bool:
    """Judge by bare requests: a wrong condition must be refused, a right one must pass."""
    client = store.client()
    tag = client.put_object(Bucket=bucket, Key="judge", Body=b"1")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"00000000000000000000000000000000"'}):
        try:
            client.put_object(Bucket=bucket, Key="judge", Body=b"2", **condition)
        except ClientError:
            continue
        return False
    try:
        client.put_object(Bucket=bucket, Key="judge", Body=b"3", IfMatch=tag)
    except ClientError:
        return False
    return True


def test_locked_objects_outlive_their_owner(ceph: buckets.Store, tmp_path: Path) -> None:
    bucket = ceph.make_bucket(lock=True)
    target = open_s3(bucket, "log", endpoint=ceph.endpoint, retain_days=1)
    assert target.traits.object_lock
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"%d" % i for i in range(300)])
        publish(ledger, target)
        ledger.append_many([b"%d" % i for i in range(300, 600)])
        publish(ledger, target)
        assert collect(target, 600) == 2
    client = ceph.client()
    for key in ("tile/0/000", "tile/entries/000", "checkpoints/300", "checkpoints/600"):
        version = client.head_object(Bucket=bucket, Key=f"log/{key}")["VersionId"]
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket, Key=f"log/{key}", VersionId=version)
    assert audit(target.read, [KEY.verifier]).is_sound


def test_an_unusable_bucket_is_one_sentence_without_secrets(rclone: buckets.Store) -> None:
    with pytest.raises(StorageError, match="NoSuchBucket") as caught:
        open_s3("nothing", "log", endpoint=rclone.endpoint)
    assert buckets.SECRET not in str(caught.value)
    with pytest.raises(StorageError, match="cannot be used"):
        open_s3("nothing", "log", endpoint="http://127.0.0.1:1")


class Lying:
    """A store that changes what it keeps: a client around a real one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        if "tile/0/" in parameters["Key"]:
            parameters |= {"Body": b"\x00" + parameters["Body"][1:]}
            del parameters["ContentMD5"]
        done: dict[str, Any] = self._client.put_object(**parameters)
        return done


def test_what_does_not_read_back_stops_the_publication(rclone: buckets.Store, tmp_path: Path) -> None:
    target = S3Target(Bucket(Lying(rclone.client()), rclone.make_bucket(), "log"))
    with open_ledger(tmp_path / "l") as ledger:
        ledger.append_many([b"a", b"b"])
        with pytest.raises(StorageError, match="does not read back"):
            publish(ledger, target)
    assert target.read("checkpoint") is None


@pytest.mark.parametrize("name", ["ceph", "rclone"])
def test_a_publisher_killed_anywhere_is_made_good(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    store: buckets.Store = request.getfixturevalue(name)
    bucket = store.make_bucket()
    path, chance = tmp_path / "l", random.Random(5)
    published = 0
    target = open_s3(bucket, "log", endpoint=store.endpoint)
    for turn in range(KILLS):
        output = tmp_path / f"output-{turn}"
        with output.open("wb") as stdout:
            process = subprocess.Popen([sys.executable, "-c", PUBLISHER, path, bucket, store.endpoint], stdout=stdout)
            deadline = time.monotonic() + 60
            while not output.stat().st_size:
                assert time.monotonic() < deadline, "the publisher does not begin"
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.6))
            process.send_signal(signal.SIGKILL)
            process.wait()
        promised = [int(line) for line in output.read_text().split("\n")[:-1]]
        data = target.read("checkpoint")
        assert data is not None
        seen = open_checkpoint(data, [KEY.verifier])
        assert seen.is_log_signed
        assert seen.checkpoint.size >= promised[-1] > published, "a published entry is lost"
        published = promised[-1]
        if turn % 10 == 2:
            assert audit(target.read, [KEY.verifier]).is_sound
    with open_ledger(path) as ledger:
        assert publish(ledger, target).size == ledger.size
    assert audit(target.read, [KEY.verifier]).is_sound
