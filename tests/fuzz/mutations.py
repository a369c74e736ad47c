"""Damage a sample: flipped, cut, copied and moved bytes, and lengths and tags that lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Mutation = Callable[[random.Random, bytearray], None]

MAX_BYTES: Final = 1 << 16
_TELLING: Final = bytes(
    (0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x24, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xFF, 0x0A)
)
"""Tags, lengths and signs that mean something to some parser, and the line feed."""


def mutate(random: random.Random, sample: bytes) -> bytes:
    """Return a damaged copy, of at most 64 KiB; now and then it is nothing but noise."""
    if random.random() < 0.02:
        return random.randbytes(random.randrange(200))
    data = bytearray(sample)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        random.choice(_MUTATIONS)(random, data)
    return bytes(data[:MAX_BYTES])


def _place(random: random.Random, data: bytearray) -> int:
    return random.randrange(len(data) + 1)


def _flip(random: random.Random, data: bytearray) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _telling(random: random.Random, data: bytearray) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice(_TELLING)


def _number(random: random.Random, data: bytearray) -> None:
    """Two or four octets as a number at an edge: offsets, sizes and counts of ZIPs, lengths of DER."""
    width = random.choice((2, 4, 8))
    value = random.choice((0, 1, (1 << (8 * width)) - 1, 1 << (8 * width - 1), random.getrandbits(8 * width)))
    at = _place(random, data)
    data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _cut(random: random.Random, data: bytearray) -> None:
    at = _place(random, data)
    del data[at : at + random.randrange(1, 60)]


def _truncate(random: random.Random, data: bytearray) -> None:
    del data[_place(random, data) :]


def _insert(random: random.Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at:at] = random.randbytes(random.randrange(1, 20))


def _copy(random: random.Random, data: bytearray) -> None:
    start, at = _place(random, data), _place(random, data)
    data[at:at] = data[start : start + random.randrange(1, 400)]


def _swap(random: random.Random, data: bytearray) -> None:
    first, second, size = _place(random, data), _place(random, data), random.randrange(1, 40)
    one, other = bytes(data[first : first + size]), bytes(data[second : second + size])
    data[first : first + len(other)] = other
    data[second : second + len(one)] = one


def _deepen(random: random.Random, data: bytearray) -> None:
    """Wrap a piece often: parsers may not recurse without end."""
    at = _place(random, data)
    data[at:at] = random.choice((b"\x30\x80", b"\x24\x80", b"[", b'{"a":')) * random.randrange(1, 3000)


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    _flip, _flip, _telling, _telling, _number, _cut, _truncate, _insert, _copy, _swap, _deepen,
)  # fmt: skip
