"""Where a log is published: a folder, a web address, or `s3://bucket/prefix` (extra `[s3]`)."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import UsageError
from evidencekit.ledger.publishers.directory import DirectoryTarget
from evidencekit.ledger.source import directory_source, http_source

if TYPE_CHECKING:
    from collections.abc import Generator

    from evidencekit.ledger.publishers.s3 import S3Target
    from evidencekit.ledger.source import Fetch

_S3 = "s3://"
_HTTP = ("http://", "https://")


def source_of(place: str, endpoint: str | None = None) -> Fetch:
    """Read a log from where it is published.

    Raises:
        UsageError: there is no such place, or an extra is not installed.
    """
    if not place.startswith((_S3, *_HTTP)) and not Path(place).is_dir():
        raise UsageError(
            f"{place} is neither an http(s) or s3 URL nor a directory; name where the log is published",
            f"{place} 既不是 http(s) 或 s3 地址也不是目录;请给出日志的公布位置",
        )
    return source_at(place, endpoint)


def source_at(place: str, endpoint: str | None = None) -> Fetch:
    """Read a log from where it is, or will be, published; a folder need not be there yet.

    Raises:
        UsageError: an S3 address is malformed, or the extra is not installed.
    """
    if place.startswith(_HTTP):
        return http_source(place)
    if place.startswith(_S3):
        bucket, prefix = _bucket_of(place)
        with _needing_boto3():
            from evidencekit.ledger.publishers.s3 import s3_source
        return s3_source(bucket, prefix, endpoint=endpoint)
    return directory_source(Path(place).expanduser())


def target_at(place: str, *, endpoint: str | None = None, retain_days: int | None = None) -> DirectoryTarget | S3Target:
    """Open the place to publish into.

    Raises:
        UsageError: nothing can be published there, or only a bucket could keep what is asked for.
        StorageError: the bucket cannot be used, or does not hold to the retention.
    """
    if place.startswith(_S3):
        bucket, prefix = _bucket_of(place)
        with _needing_boto3():
            from evidencekit.ledger.publishers.s3 import open_s3
        return open_s3(bucket, prefix, endpoint=endpoint, retain_days=retain_days)
    if place.startswith(_HTTP):
        raise UsageError(
            f"{place} cannot be written to; publish into the folder or bucket behind it",
            f"{place} 无法写入;请公布到其背后的文件夹或存储桶",
        )
    if endpoint is not None or retain_days is not None:
        raise UsageError(
            "--endpoint and --retain-days are for s3://bucket/prefix; leave them out",
            "--endpoint 与 --retain-days 仅用于 s3://存储桶/前缀;请去掉",
        )
    return DirectoryTarget(Path(place))


def _bucket_of(place: str) -> tuple[str, str]:
    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    if not bucket or "@" in bucket:
        raise UsageError(
            f"{place!r} names no bucket; write it as s3://bucket/prefix, credentials come from the environment",
            f"{place!r} 未指明存储桶;请写成 s3://存储桶/前缀,凭证由环境提供",
        )
    return bucket, prefix


@contextmanager
def _needing_boto3() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "S3 needs boto3; install evidencekit[s3].", "S3 需要 boto3;请安装 evidencekit[s3]。"
        ) from error
