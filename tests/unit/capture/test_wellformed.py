"""What a page says may hold half a surrogate pair; nothing that comes from the browser does."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.capture.wellformed import parse_message
from evidencekit.hashing.canonical import canonical_bytes

TEXTS = st.text(st.one_of(st.characters(), st.sampled_from('\\u\ud800\udbff\udc00\udfff😀"d8')), max_size=12)


@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_text_is_whole_and_what_was_whole_is_unchanged(said: dict[str, str]) -> None:
    found = parse_message(json.dumps(said).encode())
    wanted = {mended(name): mended(value) for name, value in said.items()}
    assert found == wanted
    canonical_bytes(found)


def mended(text: str) -> str:
    # Halves that stand side by side are one character to whoever reads UTF-16.
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", paired)


@pytest.mark.parametrize("raw", [b"{", b'"\\ud8', b'"\\ud800', b"\xff"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever json says)
        parse_message(raw)
