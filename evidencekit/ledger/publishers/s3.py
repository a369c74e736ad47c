"""Publish a ledger into an S3 bucket (extra `[s3]`): every object is read back, and what the store lacks is said.

Tiles and the checkpoint history are written once: with `If-None-Match: *` where the store holds to it, else after a
look. With a retention they are locked in COMPLIANCE mode, so that not even the holder of the keys deletes them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from evidencekit.errors import LedgerCorruptError, LedgerLockedError, StorageError
from evidencekit.ledger.publishers.s3_client import Bucket, connect, is_refused, translate
from evidencekit.ledger.publishers.s3_traits import Traits, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from evidencekit.ledger.source import Fetch

_THREADS: Final = 8
_AT_ONCE: Final = 64
_PARTIAL: Final = ".p/"


class S3Target:
    """A log below one prefix of a bucket. `traits` says what the store holds to; look at its `warnings`."""

    __slots__ = ("_bucket", "_retain_days", "traits")

    def __init__(self, bucket: Bucket, *, retain_days: int | None = None) -> None:
        """Use `open_s3`.

        Raises:
            StorageError: the bucket cannot be used, or a retention is asked for that it does not hold to.
        """
        self._bucket = bucket
        self._retain_days = retain_days
        with translate(bucket.where):
            self.traits: Traits = probe(bucket, lock=retain_days is not None)
        if retain_days is not None and not self.traits.object_lock:
            raise StorageError(
                f"{bucket.where} has no working Object Lock: a locked object could be deleted. Use a bucket made with "
                "Object Lock, or publish without retention.",
                f"{bucket.where} 没有有效的对象锁定：锁定的对象仍可删除。请使用启用对象锁定的存储桶，或取消保留期。",
            )

    @property
    def where(self) -> str:
        """The bucket and prefix, as a URL."""
        return self._bucket.where

    def read(self, path: str) -> bytes | None:
        """Read an object, None when there is none.

        Raises:
            StorageError: the bucket cannot be used.
        """
        with translate(self.where):
            return self._bucket.get(path)

    def write_new(self, files: Iterable[tuple[str, bytes]]) -> int:
        """Write objects that never change, several at once; see `Target`."""
        written = 0
        remaining = iter(files)
        with translate(self.where), ThreadPoolExecutor(max_workers=_THREADS) as pool:
            while some := list(islice(remaining, _AT_ONCE)):
                written += sum(pool.map(self._write_new, *zip(*some, strict=True)))
        return written

    def replace(self, path: str, data: bytes) -> None:
        """Give an object new contents; see `Target`. Only a store with conditional writes can notice another writer.

        Raises:
            LedgerLockedError: another publisher replaced it meanwhile.
            StorageError: the bucket cannot be used, or does not give back what was written.
        """
        with translate(self.where):
            found = self._bucket.get_tagged(path)
            headers: dict[str, Any] = {"CacheControl": "no-cache"}
            if found is None and self.traits.conditional_create:
                headers["IfNoneMatch"] = "*"
            if found is not None and self.traits.conditional_replace:
                headers["IfMatch"] = found[1]
            try:
                self._bucket.put(path, data, **headers)
            except ClientError as error:
                if not is_refused(error):
                    raise
                raise LedgerLockedError(
                    f"Another publisher replaced {path} in {self.where} meanwhile; publish again.",
                    f"另一公布进程同时替换了 {self.where} 中的 {path}；请重新公布。",
                ) from error
            self._check_back(path, data)

    def partials(self) -> Iterator[str]:
        """Name the partial tiles and bundles that are there."""
        with translate(self.where):
            for path in self._bucket.list("tile/"):
                if _PARTIAL in path:
                    yield path

    def delete(self, paths: Iterable[str]) -> int:
        """Delete objects.

        Raises:
            StorageError: one cannot be deleted.
        """
        delete: Callable[[str], None] = self._bucket.delete
        with translate(self.where), ThreadPoolExecutor(max_workers=_THREADS) as pool:
            return len(list(pool.map(delete, paths)))

    def _write_new(self, path: str, data: bytes) -> bool:
        headers = self._lock_headers(path)
        if self.traits.conditional_create:
            headers["IfNoneMatch"] = "*"
        elif self._is_there(path, data):
            return False
        try:
            self._bucket.put(path, data, **headers)
        except ClientError as error:
            if is_refused(error) and self._is_there(path, data):
                return False
            raise
        self._check_back(path, data)
        return True

    def _is_there(self, path: str, data: bytes) -> bool:
        """Tell whether the object is there with these bytes.

        Raises:
            LedgerCorruptError: it is there with others.
        """
        stored = self._bucket.get(path)
        if stored is not None and stored != data:
            raise LedgerCorruptError(
                f"{self.where}{path} is published already with other bytes; do not overwrite it, find out which ledger "
                "wrote it.",
                f"{self.where}{path} 已以其他内容公布；请勿覆盖，并查明由哪个账本写入。",
            )
        return stored is not None

    def _check_back(self, path: str, data: bytes) -> None:
        if self._bucket.get(path) != data:
            raise StorageError(
                f"{self.where}{path} does not read back as it was written; do not trust this store.",
                f"{self.where}{path} 读回的内容与写入的不同；请勿信任该存储。",
            )

    def _lock_headers(self, path: str) -> dict[str, Any]:
        # Partial tiles are to be deleted one day.
        if self._retain_days is None or _PARTIAL in path:
            return {}
        until = datetime.now(UTC) + timedelta(days=self._retain_days)
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}


def open_s3(
    bucket: str,
    prefix: str = "",
    *,
    endpoint: str | None = None,
    region: str | None = None,
    retain_days: int | None = None,
) -> S3Target:
    """Open a bucket for publishing; credentials come from where boto3 looks for them (environment, `~/.aws`).

    Args:
        bucket: its name; it must exist.
        prefix: where in it the log stands.
        endpoint: URL of a store that is not Amazon's.
        region: of the bucket.
        retain_days: lock what never changes for so long; the bucket must be made with Object Lock.

    Raises:
        StorageError: the bucket cannot be used, or a retention is asked for that it does not hold to.
    """
    with translate(f"s3://{bucket}"):
        client = connect(endpoint, region)
    return S3Target(Bucket(client, bucket, prefix), retain_days=retain_days)


def s3_source(bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None) -> Fetch:
    """Read a log that is published in a bucket; nothing is tried, nothing written. See `open_s3`.

    Raises:
        StorageError: there are no usable credentials.
    """
    with translate(f"s3://{bucket}"):
        place = Bucket(connect(endpoint, region), bucket, prefix)

    def fetch(path: str) -> bytes | None:
        with translate(place.where):
            return place.get(path)

    return fetch
