"""Salted leaves: each opens only what it committed to, and withheld ones open nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UnknownVersionError
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.records import (
    ArtifactOpening,
    Opening,
    RecordOpening,
    Records,
    artifact_descriptor,
    commit,
    format_openings,
    format_records,
    opening_is_true,
    parse_records,
    record_descriptor,
)
from evidencekit.model import Artifact, Record

CAPTURE_ID = "0123456789abcdef" * 2
octets32 = st.binary(min_size=32, max_size=32)
sizes = st.integers(0, 2**53 - 1)
reasons = st.lists(st.sampled_from(["cookie", "authorization", "password", "token", "storage", "redacted"]), min_size=1)


def made_artifact(path: str, data: bytes) -> Artifact:
    digests = digest_bytes(data)
    salt, leaf = commit(artifact_descriptor(path, len(data), digests))
    return Artifact(
        path=path,
        file=Path(path),
        media_type="text/html",
        role="dom",
        size=len(data),
        digests=digests,
        salt=salt,
        leaf=leaf,
        hashed_at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def made_record(record_id: str, data: bytes, withheld: tuple[str, ...] = ()) -> Record:
    digests = digest_bytes(data)
    salt, leaf = commit(record_descriptor(record_id, len(data), digests))
    return Record(id=record_id, size=len(data), digests=digests, salt=salt, leaf=leaf, withheld=withheld)


def sample() -> bytes:
    artifacts = [made_artifact("capture/pages/0001/dom.html", b"<p>"), made_artifact("capture/a.txt", b"")]
    records = [
        made_record("000001.request", b"GET", ("cookie", "authorization")),
        made_record("000001.request.public", b"G"),
        made_record("000001.response", b"200"),
    ]
    return format_records(CAPTURE_ID, artifacts, records)


def test_descriptor_and_leaf_are_those_of_the_spec() -> None:
    digests = digest_bytes(b"abc")
    descriptor = artifact_descriptor("a.txt", 3, digests)
    assert descriptor == (
        f'{{"kind":"artifact","path":"a.txt","sha256":"{digests.sha256}","size":3,"sm3":"{digests.sm3}"}}'.encode()
    )
    assert record_descriptor("000001.request", 3, digests) == (
        f'{{"id":"000001.request","kind":"record","sha256":"{digests.sha256}","size":3,"sm3":"{digests.sm3}"}}'.encode()
    )
    salt, leaf = commit(descriptor)
    assert leaf == hashlib.sha256(b"\x00" + salt + descriptor).digest()
    assert commit(descriptor)[0] != salt


def test_a_capture_is_written_as_the_spec_says_and_reads_back() -> None:
    data = sample()
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[0] == {
        "artifacts": 2,
        "capture_id": CAPTURE_ID,
        "format": "evidencekit/records",
        "records": 3,
        "version": 1,
    }
    assert set(lines[3]) == {"kind", "id", "leaf", "withheld"}
    assert lines[3]["withheld"] == ["cookie", "authorization"]
    parsed = parse_records(data)
    assert [opening_is_true(artifact) for artifact in parsed.artifacts] == [True, True]
    assert [opening_is_true(record) for record in parsed.records] == [False, True, True]
    assert format_openings(parsed) == data


def test_a_withheld_artifact_keeps_its_leaf_alone() -> None:
    artifact = made_artifact("capture/a.txt", b"secret")
    opening = parse_records(format_records(CAPTURE_ID, [replace(artifact, withheld=("redacted",))], [])).artifacts[0]
    assert opening == ArtifactOpening(
        path="capture/a.txt", size=None, digests=None, salt=None, leaf=artifact.leaf, withheld=("redacted",)
    )


def test_nothing_but_the_committed_value_opens_a_leaf() -> None:
    opening = parse_records(sample()).artifacts[0]
    assert opening.size is not None
    record = RecordOpening(
        id=opening.path, size=opening.size, digests=opening.digests, salt=opening.salt, leaf=opening.leaf
    )
    changes: list[Opening] = [
        replace(opening, path=opening.path + "x"),
        replace(opening, size=opening.size + 1),
        replace(opening, digests=digest_bytes(b"other")),
        replace(opening, salt=bytes(32)),
        replace(opening, leaf=bytes(32)),
        record,
    ]
    assert opening_is_true(opening)
    assert not any(opening_is_true(changed) for changed in changes)


@st.composite
def openings(draw: st.DrawFn) -> Records:
    def one(name: str, *, record: bool) -> ArtifactOpening | RecordOpening:
        leaf = draw(octets32)
        if draw(st.booleans()):
            withheld = tuple(draw(reasons))
            if record:
                return RecordOpening(id=name, size=None, digests=None, salt=None, leaf=leaf, withheld=withheld)
            return ArtifactOpening(path=name, size=None, digests=None, salt=None, leaf=leaf, withheld=withheld)
        size, digests, salt = draw(sizes), digest_bytes(leaf), draw(octets32)
        if record:
            return RecordOpening(id=name, size=size, digests=digests, salt=salt, leaf=leaf)
        return ArtifactOpening(path=name, size=size, digests=digests, salt=salt, leaf=leaf)

    artifacts = [one(f"a{i}", record=False) for i in range(draw(st.integers(0, 3)))]
    records = [one(f"{i:06d}.response", record=True) for i in range(draw(st.integers(0, 3)))]
    return Records(
        capture_id=CAPTURE_ID,
        artifacts=tuple(item for item in artifacts if isinstance(item, ArtifactOpening)),
        records=tuple(item for item in records if isinstance(item, RecordOpening)),
    )


@given(openings())
def test_parse_is_the_inverse_of_format(records: Records) -> None:
    assert parse_records(format_openings(records)) == records


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_changed_byte_passes_unseen_or_leaks(position: int, byte: int) -> None:
    data = sample()
    changed = bytearray(data)
    changed[position % len(data)] = byte
    try:
        parsed = parse_records(bytes(changed))
    except FormatError:
        return
    assert format_openings(parsed) == bytes(changed)


@given(st.binary(max_size=200))
def test_garbage_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_records(data)


def edited(old: bytes, new: bytes) -> bytes:
    data = sample()
    assert old in data
    return data.replace(old, new, 1)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (sample()[:-1], "torn"),
        (sample() + b"{}\n", "missing"),
        (b"".join(sample().splitlines(keepends=True)[:-1]), "the header says"),
        (edited(b'"records":3', b'"records":4'), "the header says"),
        (edited(b'"artifacts":2', b'"artifacts":3'), "must be 'artifact'"),
        (edited(b'"artifacts":2', b'"artifacts":1'), "must be 'record'"),
        (edited(b'"kind":"record"', b'"kind":"Record"'), "must be 'record'"),
        (edited(b'"id":"000001.response"', b'"id":"000001.request"'), "twice"),
        (edited(b'"id":"000001.response"', b'"id":"000001.answer"'), "not a record id"),
        (edited(b'"path":"capture/a.txt"', b'"path":"capture/pages/0001/dom.html"'), "twice"),
        (edited(b'["cookie","authorization"]', b"[]"), "registered reason"),
        (edited(b'["cookie","authorization"]', b'["because"]'), "registered reason"),
        (edited(b'"kind":"record","leaf"', b'"kind":"record","leaf":1,"leaf"'), "same key"),
        (edited(b'"withheld":["cookie"', b'"size":1,"withheld":["cookie"'), "withheld line"),
        (edited(b'"capture_id":"0', b'"capture_id":"X'), "hexadecimal"),
    ],
    # Salts are random: ids made of the data would differ from one collection of the tests to the next.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_files_are_refused_for_the_right_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        parse_records(data)


def test_a_newer_version_is_named() -> None:
    with pytest.raises(UnknownVersionError):
        parse_records(edited(b'"version":1', b'"version":2'))


def test_unknown_fields_are_ignored() -> None:
    assert len(parse_records(edited(b'"version":1}', b'"version":1,"zone":"x"}')).records) == 3


def test_too_many_lines_are_refused_before_they_are_read() -> None:
    with pytest.raises(FormatError, match="over the limit"):
        parse_records(b"\n" * ((1 << 20) + 1))
