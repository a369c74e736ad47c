"""Distinguished names are equal across encodings, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.x509 import der
from evidencekit.x509.names import canonical_name, same_name

COMMON_NAME, ORGANISATION = "2.5.4.3", "2.5.4.10"


def part(text: str, *, oid: str = COMMON_NAME, tag: int = 0x0C, encoding: str = "utf-8") -> bytes:
    return der.sequence(der.oid(oid), der.encode(tag, text.encode(encoding)))


def name(*parts: bytes) -> bytes:
    return der.sequence(*(der.set_of(item) for item in parts))


@pytest.mark.parametrize(
    "other",
    [
        part("Test TSA", tag=0x13),
        part("Test TSA", tag=0x1E, encoding="utf-16-be"),
        part("Test TSA", tag=0x1C, encoding="utf-32-be"),
        part("TEST  tsa "),
    ],
)
def test_the_same_in_other_words(other: bytes) -> None:
    assert same_name(name(part("Test TSA")), name(other))


@pytest.mark.parametrize(
    "other",
    [
        name(part("Test TSB")),
        name(part("Test TSA", oid=ORGANISATION)),
        name(part("Test TSA"), part("Test TSA")),
        name(),
        b"",
        b"\x30\x02\x05\x00",
        name(part("Test TSA", tag=0x1E, encoding="utf-8")[:-1] + b"\xd8"),
    ],
)
def test_others_differ(other: bytes) -> None:
    assert not same_name(name(part("Test TSA")), other)
    assert same_name(other, other)


def test_the_order_of_parts_counts_and_within_a_part_does_not() -> None:
    first, second = part("a"), part("b", oid=ORGANISATION)
    assert not same_name(name(first, second), name(second, first))
    assert same_name(der.sequence(der.encode(der.SET, first, second)), der.sequence(der.encode(der.SET, second, first)))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_name_or_a_format_error(data: bytes) -> None:
    try:
        canonical_name(data)
    except FormatError:
        return
    assert data[:1] == b"\x30"
