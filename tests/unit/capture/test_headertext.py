"""Header fields in every encoding: bytes that came are the bytes that are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.headertext import field_bytes, field_text, from_netlog, shown
from evidencekit.hashing.canonical import canonical_bytes


def as_netlog(raw: bytes) -> str:
    """How Chromium writes bytes that are not all ASCII (net/log/net_log_values.cc)."""
    if raw.isascii():
        return raw.decode("ascii")
    escaped = "".join(chr(byte) if byte < 0x80 and byte != 0x25 else f"%{byte:02X}" for byte in raw)
    return f"%ESCAPED:\u200b {escaped}"


@given(st.binary(max_size=40))
def test_bytes_come_back_and_can_be_shown(raw: bytes) -> None:
    text = field_text(raw)
    assert field_bytes(text) == raw
    assert from_netlog(as_netlog(raw)) == text
    canonical_bytes({"value": shown(text)})


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_shown_and_written(text: str) -> None:
    field_bytes(text)
    shown(text).encode()


def test_what_is_not_utf8_is_shown_as_devtools_shows_it() -> None:
    assert shown(field_text("茶".encode())) == "茶"
    assert shown(field_text(b"caf\xe9 100%")) == "caf\xe9 100%"


def test_a_field_that_looks_escaped_is_not() -> None:
    assert from_netlog("X: %41") == "X: %41"
    said = "%ESCAPED:\u200b %41"
    assert from_netlog(as_netlog(said.encode())) == said
