"""Stores in S3, started once for all the tests of the ledger that use them (`xdist_group("s3")`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import buckets

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", buckets.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def ceph() -> Iterator[buckets.Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", buckets.ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
        with buckets.ceph() as store:
            yield store


@pytest.fixture(scope="session")
def rclone() -> Iterator[buckets.Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", buckets.ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
        with buckets.rclone() as store:
            yield store
