"""A WACZ from strangers: what it says of itself is checked, and nothing in it breaks the reader."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.verify.wacz import MAX_MEMBERS, MAX_READ_BYTES, Wacz, check_package
from tests.support.assembly import make_wacz

GOOD = make_wacz(b"not gzip, which this check does not open")


def problems_of(data: bytes) -> tuple[str, ...]:
    return check_package(Wacz(io.BytesIO(data)))[0]


def rebuilt(changes: dict[str, bytes | None], *, method: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as source:
        members: dict[str, bytes | None] = {name: source.read(name) for name in source.namelist()}
    members |= changes
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as target:
        for name, data in members.items():
            if data is not None:
                target.writestr(name, data)
    return out.getvalue()


def package(**changes: object) -> dict[str, bytes | None]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as source:
        value = json.loads(source.read("datapackage.json"))
    return {"datapackage.json": json.dumps(value | changes).encode()}


def test_sound_package_has_no_problem() -> None:
    assert problems_of(GOOD) == ()
    assert Wacz(io.BytesIO(GOOD)).archives == ("archive/data.warc.gz",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"indexes/index.cdxj": None}, "no index"),
        ({"archive/data.warc.gz": None}, "no WARC"),
        ({"pages/pages.jsonl": None}, "no pages"),
        ({"extra.txt": b"x"}, "extra.txt is there but not listed"),
        ({"archive/data.warc.gz": b"other"}, "does not have the size and digest"),
        ({"pages/pages.jsonl": None}, "pages/pages.jsonl is listed but not there"),
    ],
)
def test_problem_is_named(changes: dict[str, bytes | None], words: str) -> None:
    assert any(words in problem for problem in problems_of(rebuilt(changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"datapackage.json": None},
        {"datapackage-digest.json": None},
        {"datapackage.json": b"[]"},
        {"datapackage.json": b"["},
        {"datapackage.json": b"[" * 100_000},
        {"datapackage.json": b"\xff"},
        package(profile="wacz"),
        package(wacz_version="2.0.0"),
        package(resources=None),
        package(resources=[{"path": "x", "hash": "md5:00", "bytes": 1}]),
        package(resources=[{"path": 1, "hash": "sha256:00", "bytes": 1}]),
        package(resources=[7]),
    ],
)
def test_malformed_package_is_a_format_error(changes: dict[str, bytes | None]) -> None:
    with pytest.raises(FormatError):
        problems_of(rebuilt(changes))


def test_member_listed_twice_is_a_problem() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as source:
        resources = json.loads(source.read("datapackage.json"))["resources"]
    twice = problems_of(rebuilt(package(resources=resources + resources)))
    assert any("twice" in problem for problem in twice)


def test_other_compression_and_too_many_members_are_refused() -> None:
    with pytest.raises(FormatError):
        Wacz(io.BytesIO(rebuilt({}, method=zipfile.ZIP_BZIP2)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(MAX_MEMBERS + 1):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    with pytest.raises(FormatError):
        Wacz(out)


def test_two_members_of_one_name_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(FormatError):
        Wacz(out)


def test_directory_that_claims_to_be_huge_is_not_read() -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, MAX_READ_BYTES + 1, 0, 0)
    with pytest.raises(FormatError):
        Wacz(io.BytesIO(bytes(MAX_READ_BYTES + 1) + end))


def test_damaged_member_is_a_format_error() -> None:
    data = rebuilt({"archive/data.warc.gz": b"a" * 1000}, method=zipfile.ZIP_DEFLATED)
    place = data.index(b"archive/data.warc.gz") + len("archive/data.warc.gz") + 3
    wacz = Wacz(io.BytesIO(data[:place] + b"\xff\xff" + data[place + 2 :]))
    with pytest.raises(FormatError):
        wacz.digest("archive/data.warc.gz")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_leaks_another_exception(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        wacz = Wacz(io.BytesIO(bytes(damaged)))
        check_package(wacz)
    except FormatError:
        return


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_leak_another_exception(data: bytes) -> None:
    with pytest.raises(FormatError):
        problems_of(data)
