"""The ASN.1 reader and writer against `cryptography` and their own inverse."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.x509 import ber, der

MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(st.integers(-(1 << 1000), 1 << 1000))
def test_integers_come_back(value: int) -> None:
    assert der.read_integer(der.parse(der.integer(value))) == value


@given(st.integers(-(1 << 60), 1 << 60))
def test_integers_are_encoded_as_others_do(value: int) -> None:
    assert der.integer(value) == asn1.encode_der(value)


@pytest.mark.parametrize(
    "text",
    [
        "1.2.840.113549.1.9.16.1.4",
        "2.5.29.37",
        "0.9.2342",
        "2.25.34281955188649169761549124388192400127",
        "2.999.1",
        "1.0",
    ],
)
def test_identifiers_come_back(text: str) -> None:
    assert der.read_oid(der.parse(der.oid(text))) == text
    assert der.oid(text) == asn1.encode_der(ObjectIdentifier(text))


@given(st.sets(st.integers(0, 40)))
def test_named_bits_come_back(bits: set[int]) -> None:
    assert set(der.read_bits(der.parse(der.bit_string(*bits)))) == bits


@given(MOMENTS)
def test_times_come_back(moment: datetime) -> None:
    assert der.read_time(der.parse(der.generalized_time(moment))) == moment
    whole = der.read_time(der.parse(der.signing_time(moment)))
    assert whole == moment.replace(microsecond=0)


def test_a_time_elsewhere_is_written_in_utc() -> None:
    from datetime import timezone

    beijing = datetime(2026, 1, 1, 7, 59, 59, 500_000, tzinfo=timezone(timedelta(hours=8)))
    assert der.generalized_time(beijing) == der.encode(der.GENERALIZED_TIME, b"20251231235959.5Z")
    assert der.signing_time(beijing) == der.encode(der.UTC_TIME, b"251231235959Z")
    assert der.signing_time(datetime(2050, 1, 1, tzinfo=UTC))[0] == der.GENERALIZED_TIME


@pytest.mark.parametrize(
    ("content", "micros"),
    [(b"20260102030405Z", 0), (b"20260102030405.1Z", 100_000), (b"20260102030405.1234567890Z", 123_456)],
)
def test_fractions_of_a_second(content: bytes, micros: int) -> None:
    expected = datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC)
    assert der.read_time(der.parse(der.encode(der.GENERALIZED_TIME, content))) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x30",
        b"\x30\x01",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x01\x00",
        b"\x30\x82\x00\x80" + bytes(128),
        b"\x30\x85\x00\x00\x00\x00\x01\x00",
        b"\x1f\x81\x01\x00",
        b"\x05\x00\x00",
    ],
)
def test_what_is_not_der_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        der.parse(raw)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"\x02\x00", der.read_integer),
        (b"\x02\x02\x00\x01", der.read_integer),
        (b"\x02\x02\xff\x80", der.read_integer),
        (b"\x02\x81\x81" + b"\x01" * 129, der.read_integer),
        (b"\x04\x01\x01", der.read_integer),
        (b"\x01\x01\x01", der.read_boolean),
        (b"\x01\x00", der.read_boolean),
        (b"\x06\x00", der.read_oid),
        (b"\x06\x02\x80\x01", der.read_oid),
        (b"\x06\x01\x81", der.read_oid),
        (b"\x03\x00", der.read_bits),
        (b"\x03\x01\x01", der.read_bits),
        (b"\x03\x02\x01\x01", der.read_bits),
        (b"\x03\x02\x08\x00", der.read_bits),
        (b"\x18\x0f20260230000000Z", der.read_time),
        (b"\x18\x0f20260101000060Z", der.read_time),
        (b"\x18\x0e20260101000000", der.read_time),
        (b"\x17\x0d260101000000+", der.read_time),
        (b"\x17\x0d\xd9\xa0\xd9\xa1\xd9\xa0\xd9\xa1\xd9\xa0\xd9\xa1Z", der.read_time),
        (b"\x0c\x01\xff", der.read_text),
        (b"\x1e\x02\x00A", der.read_text),
        (b"\x24\x03\x04\x01x", der.read_octets),
        (b"\x04\x01x", der.children),
        (b"\x30\x01\x30", der.children),
    ],
)
def test_wrong_contents_are_refused(raw: bytes, read: object) -> None:
    with pytest.raises(FormatError):
        read(der.parse(raw))  # type: ignore[operator]


def test_slices_are_the_input() -> None:
    raw = der.sequence(der.integer(5), der.sequence(der.octet_string(b"x" * 200)))
    node = der.parse(raw)
    assert (node.raw, node.header + node.content) == (raw, raw)
    assert b"".join(child.raw for child in der.children(node)) == node.content


def test_a_set_is_written_in_order() -> None:
    assert der.set_of(b"\x02\x01\x02", b"\x02\x01\x01") == b"\x31\x06\x02\x01\x01\x02\x01\x02"


def test_limits_hold() -> None:
    with pytest.raises(FormatError, match="limit"):
        der.parse(der.octet_string(bytes(200)), limit=200)
    many = der.sequence(*(der.null() for _ in range(der.MAX_CHILDREN + 1)))
    with pytest.raises(FormatError, match="parts"):
        der.children(der.parse(many))


def loosen(node: der.Node, draw: st.DataObject) -> bytes:
    """Re-encode with whatever freedom BER gives."""
    content = node.content
    if node.tag & der.CONSTRUCTED:
        content = b"".join(loosen(child, draw) for child in der.children(node))
    elif node.tag == der.OCTET_STRING and draw.draw(st.booleans()):
        cut = draw.draw(st.integers(0, len(content)))
        return b"\x24\x80" + der.octet_string(content[:cut]) + der.octet_string(content[cut:]) + b"\0\0"
    match draw.draw(st.sampled_from(["indefinite", "padded", "der"])):
        case "indefinite" if node.tag & der.CONSTRUCTED:
            return bytes((node.tag, 0x80)) + content + b"\0\0"
        case "padded":
            return bytes((node.tag, 0x86)) + len(content).to_bytes(6, "big") + content
        case _:
            return der.encode(node.tag, content)


VALUES = st.recursive(
    st.binary(max_size=20).map(der.octet_string) | st.integers().map(lambda n: der.integer(n % (1 << 64))),
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: der.sequence(*parts)),
    max_leaves=12,
)


@given(VALUES, st.data())
@settings(deadline=None)
def test_ber_becomes_the_der_it_came_from(value: bytes, data: st.DataObject) -> None:
    assert ber.normalise(value) == value
    assert ber.normalise(loosen(der.parse(value), data)) == value


@given(VALUES, st.data())
@settings(deadline=None)
def test_the_short_cut_agrees_with_the_long_way(value: bytes, data: st.DataObject) -> None:
    changed = bytearray(value)
    for _ in range(data.draw(st.integers(0, 2))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        long_way = ber._Walk(bytes(changed)).value(0, len(changed), 0)
    except FormatError:
        assert not ber._is_definite(bytes(changed))
        return
    assert ber._is_definite(bytes(changed)) == (long_way == (bytes(changed), len(changed)))


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_ber_or_a_format_error(raw: bytes) -> None:
    try:
        encoded = ber.normalise(raw)
    except FormatError:
        return
    assert ber.normalise(encoded) == encoded
    der.parse(encoded)


@pytest.mark.parametrize(
    "raw", [b"\x04\x80\x00\x00", b"\x30\x80\x05\x00", b"\x24\x04\x02\x02\x00\x01", b"\x30\x89" + bytes(8) + b"\x01\x00"]
)
def test_what_is_not_ber_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        ber.normalise(raw)


def test_nesting_is_bounded() -> None:
    value = der.null()
    for _ in range(ber.MAX_DEPTH):
        value = der.sequence(value)
    assert ber.normalise(value) == value
    with pytest.raises(FormatError, match="deep"):
        ber.normalise(der.sequence(value))
