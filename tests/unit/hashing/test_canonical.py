"""RFC 8785: one form for every value, and no way for foreign bytes to hurt the parser."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UnknownVersionError, UsageError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical, parse_time
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.model import JsonValue, Relationship, Text

SAFE = 2**53 - 1
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: not SAFE < abs(f) < 1e21)
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def parse(data: bytes, limit: int = 1 << 20) -> JsonValue:
    return parse_canonical(data, limit=limit, what="test.json")


@given(values)
def test_parse_is_the_inverse_of_format(value: JsonValue) -> None:
    data = canonical_bytes(value)
    again = parse(data)
    assert again == value
    assert canonical_bytes(again) == data


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u ', max_size=60).map(str.encode))
def test_parse_refuses_or_reads_exactly(data: bytes) -> None:
    try:
        value = parse(data)
    except FormatError:
        return
    assert canonical_bytes(value) == data


def test_rfc_8785_example() -> None:
    # RFC 8785 §3.2.2 and §3.2.4.
    source = (
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    )
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_bytes(json.loads(source)) == expected.encode()


def test_keys_sort_by_utf16_code_units() -> None:
    # RFC 8785 §3.2.3: U+1F600 (surrogates D83D DE00) stands before U+FB33.
    data = canonical_bytes({"\ufb33": 1, "\U0001f600": 2})
    assert data.index("\U0001f600".encode()) < data.index("\ufb33".encode())


def test_read_only_mappings_and_tuples_are_written() -> None:
    assert canonical_bytes(MappingProxyType({"b": (1, 2), "a": MappingProxyType({})})) == b'{"a":{},"b":[1,2]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, -(2**53), 1e17, "\ud800", {"\udfff": 1}])
def test_values_without_a_canonical_form_are_refused(value: JsonValue) -> None:
    with pytest.raises(UsageError):
        canonical_bytes(value)


def test_endless_nesting_is_refused_when_writing() -> None:
    value: list[JsonValue] = []
    value.append(value)
    with pytest.raises(UsageError):
        canonical_bytes(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" {}",
        b"{}\n",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":{"x":1,"x":2}}',
        b"1.0",
        b"-0",
        b"1e5",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"9007199254740992",
        b"9" * 5000,
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\\/"',
        b'"unfinished',
        b"[1,]",
        b"{}{}",
        b"[" * 65 + b"]" * 65,
        b"[" * 200_000,
        b'{"a":' * 100_000,
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"test\.json"):
        parse(data)


def test_the_deepest_document_parses() -> None:
    assert canonical_bytes(parse(b"[" * 64 + b"]" * 64)) == b"[" * 64 + b"]" * 64


def test_brackets_in_text_do_not_count() -> None:
    data = canonical_bytes(["[{" * 1000, "\\" * 3, '"[[['])
    assert canonical_bytes(parse(data)) == data


def test_containers_are_counted() -> None:
    data = b"[" + b"{}," * (1 << 20) + b"{}]"
    with pytest.raises(FormatError, match="objects and lists"):
        parse(data, limit=1 << 24)


def test_size_is_bounded() -> None:
    assert parse(b"[1,2]", limit=5) == [1, 2]
    with pytest.raises(FormatError, match="more than the 4 allowed"):
        parse(b"[1,2]", limit=4)


def test_hostile_strings_are_scanned_in_linear_time() -> None:
    data = b"[" * 65 + b'"' + b'\\"' * (1 << 21)
    with pytest.raises(FormatError, match="nested deeper"):
        parse(data, limit=1 << 24)
    with pytest.raises(FormatError, match="not canonical"):
        parse(b'"' + b'\\"' * (1 << 21) + b"[" * 65, limit=1 << 24)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_round_trip(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


def test_time_form() -> None:
    moment = datetime(2026, 11, 23, 11, 4, 5, 678901, tzinfo=timezone(timedelta(hours=8)))
    assert format_time(moment) == "2026-11-23T03:04:05.678901Z"
    with pytest.raises(UsageError):
        format_time(datetime(2026, 11, 23))  # noqa: DTZ001 - a naive time is what is refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T03:04:05Z",
        "2026-11-23T03:04:05.678Z",
        "2026-11-23T03:04:05.678901+00:00",
        "2026-11-23 03:04:05.678901Z",
        "2026-02-30T03:04:05.678901Z",
        "2026-11-23T23:59:60.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "２026-11-23T03:04:05.678901Z",
        "2026-11-23T03:04:05.678901Z\n",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_time(text)


DOCUMENT: dict[str, JsonValue] = {
    "text": "t",
    "none": None,
    "integer": 7,
    "flag": True,
    "hex": "00ff",
    "time": "2026-11-23T03:04:05.678901Z",
    "choice": "party",
    "object": {"en": "a", "zh": "b"},
    "items": [{"en": "a", "zh": "b"}],
    "texts": ["x", "y"],
    "counts": {"cookie": 2},
}


def test_fields_are_read_by_type() -> None:
    fields = Fields(DOCUMENT, "doc.json")
    assert fields.text("text") == "t"
    assert fields.optional("none", fields.text) is None
    assert fields.optional("text", fields.text) == "t"
    assert fields.integer("integer", 7, 7) == 7
    assert fields.flag("flag") is True
    assert fields.hex("hex", 2) == "00ff"
    assert fields.octets("hex", 2) == b"\x00\xff"
    assert fields.time("time") == datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)
    assert fields.choice("choice", Relationship) is Relationship.PARTY
    assert fields.bilingual("object") == Text(en="a", zh="b")
    assert fields.bilinguals("items") == (Text(en="a", zh="b"),)
    assert fields.texts("texts") == ("x", "y")
    assert fields.counts("counts") == {"cookie": 2}
    assert fields.has("none")
    assert not fields.has("missing")


@pytest.mark.parametrize("method", ["text", "integer", "flag", "time", "items", "texts", "counts", "object", "mapping"])
@pytest.mark.parametrize("name", [*sorted(DOCUMENT), "missing"])
def test_fields_never_convert(method: str, name: str) -> None:
    fields = Fields(DOCUMENT, "doc.json")
    fitting = {
        "text": {"text", "hex", "time", "choice"},
        "object": {"object", "counts"},
        "mapping": {"object", "counts"},
    }
    if name in fitting.get(method, {method}):
        assert getattr(fields, method)(name) is not None
    else:
        with pytest.raises(FormatError, match=rf"doc\.json.*{name}"):
            getattr(fields, method)(name)


def test_bounds_of_fields() -> None:
    fields = Fields(DOCUMENT, "doc.json")
    with pytest.raises(FormatError, match="between"):
        fields.integer("integer", 8)
    with pytest.raises(FormatError, match="between"):
        fields.integer("integer", 0, 6)
    with pytest.raises(FormatError, match="longer"):
        fields.text("hex", limit=3)
    with pytest.raises(FormatError, match="hexadecimal"):
        fields.hex("hex", 3)
    with pytest.raises(FormatError, match="hexadecimal"):
        Fields({"h": "00FF"}, "doc.json").octets("h", 2)
    with pytest.raises(FormatError, match="not one of"):
        fields.choice("text", Relationship)
    with pytest.raises(FormatError, match="object"):
        Fields([], "doc.json")


def test_versions() -> None:
    check_version(Fields({"format": "evidencekit/manifest", "version": 1}, "m"), "manifest", 1)
    with pytest.raises(UnknownVersionError, match="needs a newer verifier"):
        check_version(Fields({"format": "evidencekit/manifest", "version": 2}, "m"), "manifest", 1)
    for name, version in (("evidencekit/records", 1), ("evidencekit/manifest", 0)):
        with pytest.raises(FormatError) as caught:
            check_version(Fields({"format": name, "version": version}, "m"), "manifest", 1)
        assert not isinstance(caught.value, UnknownVersionError)
