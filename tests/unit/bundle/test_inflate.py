"""Deflate streams: honest ones always pass, no unused bit can be set, hostile ones cost little."""

from __future__ import annotations

import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.bundle.inflate import DeflateStream, inflate
from evidencekit.errors import FormatError

pieces = st.lists(
    st.binary(max_size=90) | st.sampled_from([b"abc", b'{"id":"000001"}\n', b"\0", b"x"]).map(lambda data: data * 40),
    max_size=8,
)


def compressed(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return stream.compress(data) + stream.flush()


def inflated(stream: bytes, size: int) -> bytes:
    source = DeflateStream(
        name="a.txt",
        compressed_size=len(stream),
        size=size,
        read=lambda offset, length: stream[offset : offset + length],
    )
    return b"".join(inflate(source))


@given(pieces, st.integers(0, 9), st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED]))
def test_every_honest_stream_passes(parts: list[bytes], level: int, strategy: int) -> None:
    data = b"".join(parts)
    assert inflated(compressed(data, level, strategy), len(data)) == data


def test_large_and_mixed_streams_pass() -> None:
    chance = random.Random(11)
    mixed = b"".join(
        chance.randbytes(chance.randrange(1, 30_000)) + b'{"url":"https://example.com/"}' * chance.randrange(1, 999)
        for _ in range(60)
    )
    for data in (mixed, chance.randbytes(3 << 20), bytes(20 << 20)):
        assert inflated(compressed(data), len(data)) == data


@given(st.binary(max_size=120), st.integers(0, 5000))
def test_no_changed_bit_passes_unseen(data: bytes, position: int) -> None:
    stream = bytearray(compressed(data))
    position %= 8 * len(stream)
    stream[position // 8] ^= 1 << position % 8
    try:
        again = inflated(bytes(stream), len(data))
    except FormatError:
        return
    assert again != data


def test_bits_after_the_end_must_be_zero() -> None:
    stream = bytearray(compressed(b"abc"))
    assert inflated(bytes(stream), 3) == b"abc"
    free = 8 - stream[-1].bit_length()
    assert free
    stream[-1] |= 0x80
    assert zlib.decompress(bytes(stream), -15) == b"abc"
    with pytest.raises(FormatError, match="unused bits"):
        inflated(bytes(stream), 3)


@pytest.mark.parametrize("before", [b"", b"padding"])
def test_bits_before_a_stored_block_must_be_zero(before: bytes) -> None:
    noise = random.Random(2).randbytes(100)
    stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
    head = stream.compress(before) + stream.flush(zlib.Z_BLOCK) if before else b""
    tail = compressed(noise, level=0)
    whole = bytearray(head + stream.flush(zlib.Z_SYNC_FLUSH) + tail) if before else bytearray(tail)
    data = before + noise
    assert inflated(bytes(whole), len(data)) == data
    header = len(whole) - len(tail)
    whole[header] |= 0x10
    assert zlib.decompress(bytes(whole), -15) == data
    with pytest.raises(FormatError, match="unused bits"):
        inflated(bytes(whole), len(data))


def test_hostile_streams_cost_little() -> None:
    block = b"\xff\x00\x00\xff\xff" * 10
    stored = b"\x00" + len(block).to_bytes(2, "little") + (len(block) ^ 0xFFFF).to_bytes(2, "little") + block
    started = time.monotonic()
    with pytest.raises(FormatError, match="too many stored blocks"):
        inflated(stored * 100_000 + b"\x03\x00", len(block) * 100_000)
    empty = b"\x00\x00\x00\xff\xff" * 300_000 + b"\x03\x00"
    assert inflated(empty, 0) == b""
    assert time.monotonic() - started < 20
