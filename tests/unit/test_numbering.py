"""Certificate numbers: every mistyped character and every swap of neighbours is caught (R34)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import UsageError
from evidencekit.numbering import check_characters, format_number, parse_number, prefix_from_key

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREFIX = prefix_from_key(b"\x01" * 32)


def accepted(text: str) -> bool:
    try:
        parse_number(text)
    except UsageError:
        return False
    return True


def test_check_characters_of_the_standards_example() -> None:
    # ISO/IEC 7064:2003, MOD 1271-36: "ISO 79" is protected as "ISO79 3W".
    assert check_characters("ISO79") == "3W"


def test_number_has_the_documented_form() -> None:
    assert format_number("7ZK3M0Q", 2026, 42) == "7ZK3M0Q-2026-000042-TN"
    assert format_number("7ZK3M0Q", 2026, 1_234_567).startswith("7ZK3M0Q-2026-1234567-")


def test_prefix_is_the_first_35_bits_of_the_digest() -> None:
    key = bytes(range(32))
    bits = f"{int.from_bytes(hashlib.sha256(key).digest()):0256b}"
    expected = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[int(bits[i : i + 5], 2)] for i in range(0, 35, 5))
    assert prefix_from_key(key) == expected


@given(
    prefix=st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=7, max_size=7),
    year=st.integers(1970, 9999),
    sequence=st.integers(0, 10**12 - 1),
)
def test_parse_reads_what_format_writes(prefix: str, year: int, sequence: int) -> None:
    text = format_number(prefix, year, sequence)
    for typed in (text, text.lower(), text.replace("-", ""), f"  {text} "):
        number = parse_number(typed)
        assert (number.prefix, number.year, number.sequence, number.text) == (prefix, year, sequence, text)


@pytest.mark.parametrize("sequence", [0, 1, 42, 99_999, 123_456, 1_000_000, 20_261_123])
def test_every_wrong_character_is_caught(sequence: int) -> None:
    text = format_number(PREFIX, 2026, sequence)
    for index, right in enumerate(text):
        if right != "-":
            wrong = [text[:index] + other + text[index + 1 :] for other in ALPHABET if other != right]
            assert [number for number in wrong if accepted(number)] == []


@pytest.mark.parametrize("step", [1, 7919, 104_729])
def test_every_swap_of_neighbours_is_caught(step: int) -> None:
    for sequence in range(0, 200 * step, step):
        compact = format_number(PREFIX, 2026, sequence).replace("-", "")
        for index in range(len(compact) - 1):
            left, right = compact[index], compact[index + 1]
            swapped = compact[:index] + right + left + compact[index + 2 :]
            assert left == right or not accepted(swapped), swapped


def test_a_hundred_thousand_numbers_are_unique() -> None:
    assert len({format_number(PREFIX, 2026, sequence) for sequence in range(100_000)}) == 100_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7ZK3M0Q",
        "7ZK3M0Q-2026-000042-TM",
        "7ZK3M0Q-2026-42-TN",
        "7ZK3M0Q--2026-000042-TN",
        "7ZK3M0Q-2026-000042-TN-",
        "７ZK3M0Q-2026-000042-TN",
        "7ZK3M0Q-٢٠٢٦-000042-TN",
        "7" * 100_000,
    ],
)
def test_what_is_no_number_is_refused_in_two_languages(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_number(text)
    assert caught.value.en
    assert caught.value.zh != caught.value.en


def test_leading_zeros_beyond_six_digits_are_refused() -> None:
    body = "7ZK3M0Q20260000042"
    with pytest.raises(UsageError, match="leading zeros"):
        parse_number(f"7ZK3M0Q-2026-0000042-{check_characters(body)}")


@pytest.mark.parametrize(
    ("prefix", "year", "sequence"),
    [
        ("7ZK3M0", 2026, 1),
        ("7ZK3M0I", 2026, 1),
        ("7zk3m0q", 2026, 1),
        (PREFIX, 1969, 1),
        (PREFIX, 2026, -1),
        (PREFIX, 2026, 10**12),
    ],
)
def test_parts_out_of_range_are_refused(prefix: str, year: int, sequence: int) -> None:
    with pytest.raises(UsageError):
        format_number(prefix, year, sequence)
