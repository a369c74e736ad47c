"""The archive reader takes what the writer gives and refuses everything else with `FormatError`."""

from __future__ import annotations

import io
import random
import time
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.bundle.warc import BlockPlace, WarcBlock, read_blocks, read_contents
from evidencekit.errors import FormatError
from evidencekit.hashing.digest import digest_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _record(kind: str, number: int, block: bytes = _BLOCK, **changed: str | None) -> bytes:
    fields: dict[str, str | None] = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:00000000-0000-5000-8000-{number:012x}>",
        "WARC-Target-URI": "https://a.test/",
        "WARC-Evidence-Record": None if kind == "warcinfo" else f"{number:06d}.{kind}",
        "Content-Length": str(len(block)),
    }
    return _plain({**fields, **{name.replace("_", "-"): value for name, value in changed.items()}}, block)


def _plain(fields: Mapping[str, str | None], block: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"WARC/1.1\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


_INFO = _gzip(_record("warcinfo", 0, b"software: x\r\n"))
_GOOD = _INFO + _gzip(_record("response", 1)) + _gzip(_record("request", 2, b""))


def _read(data: bytes, *, limit_bytes: int = 1 << 30, limit_records: int = 100) -> list[WarcBlock]:
    return list(read_blocks(io.BytesIO(data), limit_bytes=limit_bytes, limit_records=limit_records))


def test_records_are_given_in_order() -> None:
    info, response, request = _read(_GOOD)
    assert (info.record_id, response.record_id, request.record_id) == (None, "000001.response", "000002.request")
    assert (response.size, response.digests) == (len(_BLOCK), digest_bytes(_BLOCK))
    assert (request.size, request.digests) == (0, digest_bytes(b""))
    assert [block.offset for block in (info, response, request)] == [0, info.length, info.length + response.length]
    assert request.offset + request.length == len(_GOOD)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 400_000), max_size=8), st.sets(st.integers(0, 7)))
def test_known_places_give_the_same_blocks(sizes: list[int], picked: set[int]) -> None:
    noise = random.Random(1)
    blocks = [noise.randbytes(size) for size in sizes]
    data = _INFO + b"".join(_gzip(_record("response", at, block)) for at, block in enumerate(blocks, 1))
    places = [BlockPlace(each.record_id, each.size, each.offset) for each in _read(data) if each.record_id]

    def wanted(record: str, size: int) -> bool:
        at = int(record[:6]) - 1
        return at in picked and size == sizes[at]

    found = list(read_contents(io.BytesIO(data), wanted))
    assert found == [(f"{at + 1:06d}.response", block) for at, block in enumerate(blocks) if at in picked]
    assert list(read_contents(io.BytesIO(data), wanted, places=places)) == found


def test_an_archive_that_changed_since_its_places_were_noted_is_refused() -> None:
    place = BlockPlace("000001.response", len(_BLOCK), len(_INFO))
    for data in (_INFO, _INFO[:-3], _GOOD[:-40], _INFO + b"\x00" + _GOOD[len(_INFO) :]):
        with pytest.raises(FormatError):
            list(read_contents(io.BytesIO(data), lambda *_: True, places=[place._replace(size=place.size + 1), place]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        _INFO[:-1],
        _INFO[:-9],
        _GOOD + b"\x00",
        _GOOD + b"trailing bytes",
        b"junk" + _GOOD,
        _gzip(_record("response", 1)),
        _INFO + _INFO,
        _INFO + _gzip(_record("response", 1)) * 2,
        _INFO + _gzip(_record("response", 1)) + _gzip(_record("request", 2, WARC_Evidence_Record="000001.response")),
        _INFO + _gzip(_record("response", 1) + _record("request", 2)),
        _INFO + _gzip(_record("response", 1, Content_Length="41")),
        _INFO + _gzip(_record("response", 1, Content_Length="38")),
        _INFO + _gzip(_record("response", 1, Content_Length="-1")),
        _INFO + _gzip(_record("response", 1, Content_Length="039")),
        _INFO + _gzip(_record("response", 1, Content_Length="9" * 5000)),
        _INFO + _gzip(_record("response", 1, Content_Length=None)),
        _INFO + _gzip(_record("response", 1, WARC_Record_ID="<urn:uuid:1>")),
        _INFO + _gzip(_record("response", 1, WARC_Evidence_Record=None)),
        _INFO + _gzip(_record("response", 1, WARC_Evidence_Record="../../etc")),
        _INFO + _gzip(_record("response", 1, WARC_Block_Digest="sha1:ABC")),
        _INFO + _gzip(_record("response", 1, WARC_Evidence_Withheld="<script>")),
        _INFO + _gzip(_record("revisit", 1)),
        _INFO + _gzip(_record("response", 1).replace(b"WARC/1.1", b"WARC/1.0")),
        _INFO + _gzip(_record("response", 1).replace(b"WARC-Target-URI: ", b"warc-type: response\r\nX: ")),
        _INFO + _gzip(_record("response", 1).replace(b"WARC-Target-URI: ", b" folded")),
        _INFO + _gzip(_record("response", 1).replace(b"a.test", b"\xff\xfe")),
        _INFO + _gzip(b"WARC/1.1\r\nX: " + b"x" * (5 << 20)),
        _gzip(_record("warcinfo", 0, b"", WARC_Evidence_Record="000000.request")),
        bytes([0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3]) + b"hidden name\x00" + _INFO[10:],
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _read(data)


def test_a_bomb_ends_at_the_limit() -> None:
    bomb = _INFO + _gzip(_record("response", 1, b"\x00" * (64 << 20)))
    assert len(bomb) < 100_000
    begun = time.process_time()
    with pytest.raises(FormatError, match="more than the limit"):
        _read(bomb, limit_bytes=1 << 20)
    assert time.process_time() - begun < 1


def test_too_many_records_end_at_the_limit() -> None:
    data = _INFO + b"".join(_gzip(_record("request", number, b"")) for number in range(1, 9))
    assert len(_read(data, limit_records=9)) == 9
    with pytest.raises(FormatError, match="more than 8 records"):
        _read(data, limit_records=8)


@settings(max_examples=300)
@given(at=st.integers(0, len(_GOOD) - 1), value=st.integers(0, 255))
def test_a_changed_byte_never_passes_unseen(at: int, value: int) -> None:
    data = _GOOD[:at] + bytes([value]) + _GOOD[at + 1 :]
    try:
        read = _read(data)
    except FormatError:
        return
    # Only the two informative header bytes of a gzip member (RFC 1952 §2.3.1: XFL, OS) may differ.
    assert [(block.record_id, block.digests) for block in read] == [(b.record_id, b.digests) for b in _read(_GOOD)]


@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    for text in (data, _INFO + data, _INFO + _gzip(data), _INFO + _gzip(b"WARC/1.1\r\n" + data)):
        try:
            _read(text)
        except FormatError:
            continue
        assert text == _INFO
