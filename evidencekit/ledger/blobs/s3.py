"""Blobs in an S3 bucket (extra `[s3]`), locked for a time: nobody deletes them before, not even the keys' holder.

A blob is uploaded in parts and read back whole. The lock is not believed from an answer: `open_blobs` tries it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from evidencekit.errors import StorageError
from evidencekit.ledger.blobs.directory import CHUNK_BYTES, exists, hash_file, storage_errors
from evidencekit.ledger.blobs.store import Blob, absent, blob_path, corrupt
from evidencekit.ledger.publishers.s3_client import Bucket, connect, error_code, translate
from evidencekit.ledger.publishers.s3_traits import probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ABSENT: Final = frozenset(("NoSuchKey", "404", "NotFound"))


class _Client(Protocol):
    """The calls of boto3's S3 client that are used."""

    def upload_file(self, name: str, bucket: str, key: str, **parameters: Any) -> None: ...  # noqa: ANN401
    def get_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401
    def head_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401
    def put_object_retention(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401


class S3Blobs:
    """Blobs below one prefix of a bucket; use `open_blobs`."""

    __slots__ = ("_bucket", "_client", "_prefix", "_retain_days", "where")

    def __init__(self, client: _Client, bucket: str, prefix: str, retain_days: int | None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._retain_days = retain_days
        self.where = f"s3://{bucket}/{self._prefix}"

    def put(self, file: Path) -> Blob:
        """Keep a file; see `BlobStore`."""
        with storage_errors(file):
            sha256, size = hash_file(file)
        with translate(self.where):
            found = self._hash(sha256)
            if found is None:
                self._client.upload_file(str(file), self._bucket, self._key(sha256), ExtraArgs=self._lock())
                self._lock_stored(sha256)
                stored = self._hash(sha256)
            else:
                stored = found
        if stored != (sha256, size):
            raise corrupt(self.where, sha256)
        return Blob(sha256=sha256, size=size, written=found is None)

    def get(self, sha256: str, out: Path) -> int:
        """Write a blob to a new file; see `BlobStore`."""
        digest, size = hashlib.sha256(), 0
        with translate(self.where), storage_errors(out):
            chunks = self._chunks(sha256)
            if chunks is None:
                raise absent(self.where, sha256)
            try:
                with out.open("xb") as file:
                    for chunk in chunks:
                        digest.update(chunk)
                        size += len(chunk)
                        file.write(chunk)
            except FileExistsError as error:
                raise exists(out) from error
            if digest.hexdigest() != sha256:
                out.unlink()
                raise corrupt(self.where, sha256)
        return size

    def check(self, sha256: str) -> bool:
        """Tell whether a blob is there and whole; see `BlobStore`."""
        with translate(self.where):
            found = self._hash(sha256)
        return found is not None and found[0] == sha256

    def retained_until(self, sha256: str) -> datetime | None:
        """Tell until when the store says that it keeps a blob locked, None when it does not."""
        with translate(self.where):
            head = self._client.head_object(Bucket=self._bucket, Key=self._key(sha256))
        until = head.get("ObjectLockRetainUntilDate")
        return until if isinstance(until, datetime) else None

    def _key(self, sha256: str) -> str:
        return self._prefix + blob_path(sha256)

    def _lock(self) -> dict[str, Any]:
        if self._retain_days is None:
            return {}
        until = datetime.now(UTC) + timedelta(days=self._retain_days)
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}

    def _lock_stored(self, sha256: str) -> None:
        """Lock what was uploaded in parts: Ceph forgets the lock that such an upload began with."""
        lock = self._lock()
        if not lock or self.retained_until(sha256) is not None:
            return
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": lock["ObjectLockRetainUntilDate"]}
        self._client.put_object_retention(Bucket=self._bucket, Key=self._key(sha256), Retention=retention)
        if self.retained_until(sha256) is None:
            raise StorageError(
                f"{self.where} keeps {sha256} without the lock that was asked for; do not rely on this store",
                f"{self.where} 保存了 {sha256}，但未按要求锁定；请勿依赖该存储",
            )

    def _hash(self, sha256: str) -> tuple[str, int] | None:
        chunks = self._chunks(sha256)
        if chunks is None:
            return None
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def _chunks(self, sha256: str) -> Iterator[bytes] | None:
        try:
            reply = self._client.get_object(Bucket=self._bucket, Key=self._key(sha256))
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        chunks: Iterator[bytes] = reply["Body"].iter_chunks(CHUNK_BYTES)
        return chunks


def open_blobs(
    bucket: str,
    prefix: str = "",
    *,
    endpoint: str | None = None,
    region: str | None = None,
    retain_days: int | None = None,
) -> S3Blobs:
    """Open a bucket for blobs; credentials come from where boto3 looks for them.

    Args:
        bucket: its name; it must exist.
        prefix: where in it the blobs stand.
        endpoint: URL of a store that is not Amazon's.
        region: of the bucket.
        retain_days: lock each blob for so long; the bucket must be made with Object Lock.

    Raises:
        StorageError: the bucket cannot be used, or a retention is asked for that it does not hold to.
    """
    where = f"s3://{bucket}/{prefix}"
    with translate(where):
        client = connect(endpoint, region)
        locks = retain_days is None or probe(Bucket(client, bucket, prefix), lock=True).object_lock
    if not locks:
        raise StorageError(
            f"{where} has no working Object Lock: a locked blob could be deleted. Use a bucket made with Object Lock, "
            "or keep blobs without retention.",
            f"{where} 没有有效的对象锁定：锁定的内容仍可删除。请使用启用对象锁定的存储桶，或取消保留期。",
        )
    return S3Blobs(client, bucket, prefix, retain_days)  # type: ignore[arg-type]
