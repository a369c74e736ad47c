"""What a bucket really does: asked by trying, because stores answer 200 to headers that they ignore."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from evidencekit.model import Text

if TYPE_CHECKING:
    from evidencekit.ledger.publishers.s3_client import Bucket

_PROBE_LOCK_S: Final = 30
_NEVER: Final = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What the bucket holds to.

    Attributes:
        conditional_create: `If-None-Match: *` refuses to overwrite.
        conditional_replace: `If-Match` refuses to replace what somebody else replaced.
        object_lock: a locked object could not be deleted; None when it was not tried.
    """

    conditional_create: bool
    conditional_replace: bool
    object_lock: bool | None

    @property
    def warnings(self) -> tuple[Text, ...]:
        """What the caller must know before relying on the bucket."""
        found: list[Text] = []
        if not (self.conditional_create and self.conditional_replace):
            found.append(
                Text(
                    en="This store ignores conditional writes: let one process publish, and nothing else write there.",
                    zh="该存储忽略条件写入：请只由一个进程公布，且勿由其他程序写入。",
                )
            )
        if self.object_lock is False:
            found.append(
                Text(
                    en="This store has no working Object Lock: whoever holds its keys can delete what is published.",
                    zh="该存储没有有效的对象锁定：持有其密钥者可以删除已公布的内容。",
                )
            )
        return tuple(found)


def probe(bucket: Bucket, *, lock: bool) -> Traits:
    """Try what the bucket does, on objects below `.probe/` that are deleted again.

    Args:
        bucket: the bucket.
        lock: whether to try Object Lock too; where it works, one small object stays for half a minute.

    Raises:
        ClientError, BotoCoreError: the bucket cannot be used at all.
    """
    key = f".probe/{secrets.token_hex(8)}"
    bucket.put(key, b"1")
    try:
        create = _refuses(bucket, key, {"IfNoneMatch": "*"})
        replace = _refuses(bucket, key, {"IfMatch": _NEVER}) and _replaces(bucket, key)
        return Traits(
            conditional_create=create, conditional_replace=replace, object_lock=_locks(bucket, key) if lock else None
        )
    finally:
        with suppress(ClientError):
            bucket.delete(key)


def _refuses(bucket: Bucket, key: str, condition: dict[str, str]) -> bool:
    try:
        bucket.put(key, b"2", **condition)
    except ClientError:
        # 412, or 501 from a store that says so; what counts is that nothing was overwritten.
        return bucket.get(key) == b"1"
    return False


def _replaces(bucket: Bucket, key: str) -> bool:
    """Tell whether `If-Match` lets the right one pass; Ceph 16 refuses the very ETag that it gave."""
    found = bucket.get_tagged(key)
    if found is None:
        return False
    try:
        bucket.put(key, b"1", IfMatch=found[1])
    except ClientError:
        return False
    return True


def _locks(bucket: Bucket, key: str) -> bool:
    """Lock an object for a moment, and try to delete and to unlock it."""
    locked = f"{key}.locked"
    until = datetime.now(UTC) + timedelta(seconds=_PROBE_LOCK_S)
    try:
        version = bucket.put(locked, b"locked", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    except ClientError:
        return False
    if version is None or not bucket.is_locked(locked):
        bucket.delete(locked)
        return False
    with suppress(ClientError):
        bucket.delete(locked, version)
    return bucket.get(locked, version) == b"locked"
