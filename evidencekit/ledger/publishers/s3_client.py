"""One bucket through boto3: what is sent is checked by MD5 on the way in, and errors become ours."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from evidencekit.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_OBJECT_BYTES: Final = 32 << 20
"""Above the largest bundle: 256 entries of 65,535 bytes."""
_ABSENT: Final = frozenset(("NoSuchKey", "404", "NotFound", "NoSuchVersion"))
_LOST: Final = frozenset(("PreconditionFailed", "ConditionalRequestConflict", "412", "409"))


class Client(Protocol):
    """The calls of boto3's S3 client that are used."""

    def put_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401, D102 - boto3 is untyped
    def get_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401, D102
    def head_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401, D102
    def delete_object(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401, D102
    def list_objects_v2(self, **parameters: Any) -> dict[str, Any]: ...  # noqa: ANN401, D102


def connect(endpoint: str | None, region: str | None) -> Client:
    """Make a client; credentials come from where boto3 looks for them, never from our configuration."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 5},
        # Older stores refuse the checksum headers that newer clients add; Content-MD5 all know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
        max_pool_connections=16,
    )
    # boto3 makes its clients' classes at run time; the protocol says what is used of them.
    client: object = boto3.client("s3", endpoint_url=endpoint, region_name=region or "us-east-1", config=config)
    return cast("Client", client)


class Bucket:
    """The objects below one prefix of a bucket."""

    __slots__ = ("_client", "_name", "_prefix", "where")

    def __init__(self, client: Client, name: str, prefix: str) -> None:
        self._client = client
        self._name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.where = f"s3://{name}/{self._prefix}"

    def put(self, path: str, data: bytes, **headers: Any) -> str | None:  # noqa: ANN401 - boto3's own parameters
        """Write an object, and return its version if the bucket keeps versions."""
        content_type = "application/octet-stream" if path.startswith("tile/") else "text/plain; charset=utf-8"
        done = self._client.put_object(
            **self._at(path),
            Body=data,
            ContentMD5=base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
            ContentType=content_type,
            **headers,
        )
        version = done.get("VersionId")
        return str(version) if version else None

    def get(self, path: str, version: str | None = None) -> bytes | None:
        """Read an object, None when there is none."""
        found = self.get_tagged(path, version)
        return found[0] if found else None

    def get_tagged(self, path: str, version: str | None = None) -> tuple[bytes, str] | None:
        """Read an object with its ETag, None when there is none."""
        place = self._at(path) | ({"VersionId": version} if version else {})
        try:
            reply = self._client.get_object(**place)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        with reply["Body"] as body:
            data: bytes = body.read(MAX_OBJECT_BYTES + 1)
        return data, str(reply["ETag"])

    def is_locked(self, path: str) -> bool:
        """Tell whether the store says that an object is locked."""
        return bool(self._client.head_object(**self._at(path)).get("ObjectLockMode") == "COMPLIANCE")

    def delete(self, path: str, version: str | None = None) -> None:
        """Delete an object, or one version of it."""
        self._client.delete_object(**self._at(path), **({"VersionId": version} if version else {}))

    def list(self, path: str) -> Iterator[str]:
        """Name the objects whose path begins with `path`."""
        more: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=self._name, Prefix=self._prefix + path, **more)
            for found in page.get("Contents", ()):
                yield str(found["Key"]).removeprefix(self._prefix)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": str(page["NextContinuationToken"])}

    def _at(self, path: str) -> dict[str, str]:
        return {"Bucket": self._name, "Key": self._prefix + path}


def error_code(error: ClientError) -> str:
    """Give S3's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_refused(error: ClientError) -> bool:
    """Tell whether a conditional write was refused."""
    return error_code(error) in _LOST


@contextmanager
def translate(where: str) -> Generator[None, None, None]:
    """Raise what boto3 says as an error of this library; its messages hold no secret.

    Raises:
        StorageError: the bucket cannot be used.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        said = error_code(error) if isinstance(error, ClientError) else str(error)
        raise StorageError(
            f"{where} cannot be used ({said}); check address, bucket and the rights of the access key.",
            f"无法使用 {where}({said})；请检查地址、存储桶与访问密钥的权限。",
        ) from error
