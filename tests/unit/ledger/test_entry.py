"""Ledger entries: their bytes, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UnknownVersionError, UsageError
from evidencekit.ledger.entry import (
    AbandonedEntry,
    CaptureEntry,
    OpenEntry,
    format_abandoned_entry,
    format_capture_entry,
    format_open_entry,
    matter_tag,
    open_commitment,
    parse_entry,
)
from evidencekit.model import Digests

TIME = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)
OPEN = OpenEntry(commitment="ab" * 32, key_id="cd" * 32, matter=None, time=TIME)
CAPTURE = CaptureEntry(
    key_id="cd" * 32,
    manifest=Digests(sha256="01" * 32, sm3="02" * 32),
    number="EK2026-000001-3X",
    open=7,
    seal=Digests(sha256="03" * 32, sm3="04" * 32),
    time=TIME,
    timestamp="05" * 32,
)
ABANDONED = AbandonedEntry(key_id="cd" * 32, open=7, reason="capture.navigation", time=TIME)


def test_the_bytes_are_those_of_the_specification() -> None:
    assert format_open_entry(OPEN) == (
        b'{"commitment":"' + b"ab" * 32 + b'","format":"evidencekit/entry","key_id":"' + b"cd" * 32 + b'",'
        b'"kind":"open","matter":null,"time":"2026-11-23T03:04:05.678901Z","version":1}'
    )
    capture = json.loads(format_capture_entry(CAPTURE))
    assert capture["timestamp"] == {"sha256": "05" * 32}
    assert capture["manifest"] == {"sha256": "01" * 32, "sm3": "02" * 32}
    assert (capture["open"], capture["kind"]) == (7, "capture")
    for word in ("pending", "none"):
        assert json.loads(format_capture_entry(replace(CAPTURE, timestamp=word)))["timestamp"] == word
    assert json.loads(format_abandoned_entry(ABANDONED))["reason"] == "capture.navigation"


def test_entries_round_trip() -> None:
    assert parse_entry(format_open_entry(OPEN)) == OPEN
    with_matter = replace(OPEN, matter="ef" * 32)
    assert parse_entry(format_open_entry(with_matter)) == with_matter
    for timestamp in ("05" * 32, "pending", "none"):
        capture = replace(CAPTURE, timestamp=timestamp)
        assert parse_entry(format_capture_entry(capture)) == capture
    assert parse_entry(format_abandoned_entry(ABANDONED)) == ABANDONED
    beijing = replace(OPEN, time=TIME.astimezone(timezone(timedelta(hours=8))))
    assert format_open_entry(beijing) == format_open_entry(OPEN)


def test_commitment_and_matter() -> None:
    salt = bytes(range(32))
    assert open_commitment(salt, "0f" * 16) == hashlib.sha256(b"\x00" + salt + b"0f" * 16).hexdigest()
    assert matter_tag(salt, "案件 1") == hmac.new(salt, "案件 1".encode(), "sha256").hexdigest()
    with pytest.raises(UsageError):
        open_commitment(salt, "编号")
    with pytest.raises(UsageError):
        open_commitment(b"", "0f")


def test_fields_that_are_not_of_their_form_are_not_written() -> None:
    for entry in (replace(OPEN, commitment="AB" * 32), replace(OPEN, key_id="cd"), replace(OPEN, matter="secret")):
        with pytest.raises(UsageError):
            format_open_entry(entry)
    for capture in (
        replace(CAPTURE, open=-1),
        replace(CAPTURE, number="张三 的 案件"),
        replace(CAPTURE, number=""),
        replace(CAPTURE, timestamp="later"),
    ):
        with pytest.raises(UsageError):
            format_capture_entry(capture)
    for reason in ("", "Because of https://example.com", "x" * 65):
        with pytest.raises(UsageError):
            format_abandoned_entry(replace(ABANDONED, reason=reason))
    with pytest.raises(UsageError):
        format_open_entry(replace(OPEN, time=TIME.replace(tzinfo=None)))


def test_foreign_bytes_are_refused() -> None:
    good = format_capture_entry(CAPTURE)
    bad = [
        b"",
        b"{}",
        b"[]",
        good + b"\n",
        good.replace(b'"kind":"capture"', b'"kind":"erased"'),
        good.replace(b'"open":7', b'"open":"7"'),
        good.replace(b'"open":7', b'"open":true'),
        good.replace(b'"number":"', b'"number": "'),
        good.replace(b'"version":1', b'"version":0'),
        good.replace(b"evidencekit/entry", b"evidencekit/other"),
        good.replace(b'{"sha256":"' + b"05" * 32 + b'"}', b'"soon"'),
        good.replace(b'{"sha256":"' + b"05" * 32 + b'"}', b"null"),
        good.replace(b'"version":1', b'"version":1,"x":"' + b"x" * 4096 + b'"'),
    ]
    for data in bad:
        with pytest.raises(FormatError):
            parse_entry(data)
    with pytest.raises(UnknownVersionError):
        parse_entry(good.replace(b'"version":1', b'"version":2'))
    assert parse_entry(good.replace(b'"version":1', b'"version":1,"zz":"new"')) == CAPTURE


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_a_format_error(data: bytes) -> None:
    good = format_open_entry(OPEN)
    for candidate in (data, good[: len(data)] + data, good[: -len(data)] + data):
        try:
            parse_entry(candidate)
        except FormatError:
            continue
